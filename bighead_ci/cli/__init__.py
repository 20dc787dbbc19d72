"""Commands: arguments, progress, output and exit codes. Nearly every command also answers with `--json`."""
