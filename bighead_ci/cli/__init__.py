"""Commands: arguments, progress, output and exit codes. Every command also answers with `--json`."""
