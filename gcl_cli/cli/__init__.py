"""The commands, in the order in which `gcl --help` lists them."""

# isort: off
from gcl_cli.cli.app import app
from gcl_cli.cli import chain, measuring

# isort: on
__all__ = ["app", "chain", "main", "measuring"]


def main() -> None:
    """Entry point of `gcl`."""
    app()
