"""One module per subcommand: read artifacts, compute, write artifacts."""
