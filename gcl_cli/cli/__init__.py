"""The commands, in the order in which `gcl --help` lists them."""

# isort: off
from gcl_cli.cli.app import app
from gcl_cli.cli import pipeline, measuring, using

# isort: on
__all__ = ["app", "main", "measuring", "pipeline", "using"]


def main() -> None:
    """Entry point of `gcl`."""
    app()
