"""What holds the code of a pull request, behind `ports.sandbox`."""
