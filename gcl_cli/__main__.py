"""`python -m gcl_cli` is `gcl`."""

from gcl_cli.cli import main

main()
