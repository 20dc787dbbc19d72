"""Reports as people read them: Markdown for comments and bodies, one HTML page with everything."""
