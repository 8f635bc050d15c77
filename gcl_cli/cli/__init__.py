"""The command line. Next to nothing is imported here: the first thing that `gcl` does is to be ready for Ctrl-C."""

TYPE_CHECKING = False  # as in typing, whose import takes a while
if TYPE_CHECKING:
    from typer import Typer

    app: Typer

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of `gcl`."""
    try:
        from gcl_cli.cli.door import entered

        with entered():
            __getattr__("app")()
    except KeyboardInterrupt:  # before the door was open
        import sys

        sys.stderr.write("Interrupted.\n")
        sys.exit(130)


def __getattr__(name: str) -> "Typer":
    """`app`: all commands, in the order in which `gcl --help` lists them."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # isort: off
    from gcl_cli.cli.program import app
    from gcl_cli.cli import pipeline, measuring, using  # noqa: F401  each adds its commands

    # isort: on
    return app
