"""The commands, in the order in which `gcl --help` lists them."""

# isort: off
from gcl_cli.cli.app import app
from gcl_cli.cli import chain, measuring, using

# isort: on
__all__ = ["app", "chain", "main", "measuring", "using"]


def main() -> None:
    """Entry point of `gcl`."""
    app()
