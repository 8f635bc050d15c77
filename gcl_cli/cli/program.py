"""The command `gcl` itself."""

from typing import Annotated

import typer

from gcl_cli import __version__

app = typer.Typer(
    name="gcl", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
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
