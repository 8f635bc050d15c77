"""The command `gcl` itself."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from gcl_cli import __version__
from gcl_cli.cli.hints import Command, Group

_HELP = {"help_option_names": ["--help", "-h"]}


class _Commands(typer.Typer):
    """Typer with commands that say what to type instead, and `-h`."""

    def command(self, name: str | None = None, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:  # type: ignore[override]
        """As Typer's."""
        return super().command(name, cls=Command, context_settings=_HELP, **more)


app = _Commands(
    name="gcl", cls=Group, context_settings=_HELP, no_args_is_help=True, pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Unsupervised person re-identification with generated views (GCL, CVPR 2021).\n\n"
    "mesh -> render -> warmup -> gan-warmup -> joint -> evaluate, gen-metrics; each command reads and writes files in "
    "the work folder and can be rerun alone; gcl run does them all.",
)  # fmt: skip


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print it")
    ] = False,
) -> None:
    """See `help` above."""
