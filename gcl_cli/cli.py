"""The commands, in pipeline order."""

from typing import Annotated, Any

import typer

from gcl_cli import __version__, console
from gcl_cli import config as c
from gcl_cli.options import AllowSubset, AsJson, Data, Encoder, Generator, Preset, with_settings

app = typer.Typer(
    name="gcl", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Unsupervised person re-identification with generated views (GCL, CVPR 2021).\n\n"
    "mesh -> render -> warmup -> gan-warmup -> joint -> evaluate, gen-metrics; each command reads and writes files in "
    "the work folder and can be rerun alone.",
)  # fmt: skip

_NO_RUN = ("work", "name", "data_root", "device")


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


@app.command()
@with_settings("synth", c.SynthSettings, without=_NO_RUN)
def synth(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="folder to make")],
    as_json: AsJson = False, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Make a synthetic data set of dressed people, in Market-1501 layout, with its truth beside it.

    Example: gcl synth data/synth --ids 60 --cameras 4
    """
    from gcl_cli.stages import synth as stage

    console.show(stage.run(folder, chosen, **run), as_json=as_json)


@app.command()
@with_settings("mesh", c.MeshSettings, without=("device",))
def mesh(
    data: Data = None,
    allow_subset: AllowSubset = False,
    as_json: AsJson = False,
    *,
    chosen: dict[str, Any],
    run: dict[str, Any],
) -> None:
    """Estimate a 3D body for every crop.

    Example: gcl mesh data/market
    """
    from gcl_cli.records import RunOptions
    from gcl_cli.stages import mesh as stage

    console.show(stage.run(RunOptions(**run, allow_subset=allow_subset), data, chosen), as_json=as_json)


@app.command()
@with_settings("render", c.RenderSettings, without=("device",))
def render(
    meshes: Annotated[str, typer.Option(metavar="NAME", help="which meshes to draw")] = "main",
    as_json: AsJson = False, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Draw every body from eight sides: white background, shaded grey.

    Example: gcl render
    """
    from gcl_cli.records import RunOptions
    from gcl_cli.stages import render as stage

    console.show(stage.run(RunOptions(**run), meshes, chosen), as_json=as_json)


@app.command()
@with_settings("warmup", c.WarmupSettings)
def warmup(
    data: Data = None, preset: Preset = "paper", allow_subset: AllowSubset = False, as_json: AsJson = False,
    *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Train an identity encoder on unlabelled crops (Cluster Contrast).

    Example: gcl warmup data/market --preset paper
    """
    from gcl_cli.records import RunOptions
    from gcl_cli.stages import warmup as stage

    console.show(stage.run(RunOptions(**run, allow_subset=allow_subset), data, preset, chosen), as_json=as_json)


@app.command("gan-warmup")
@with_settings("gan-warmup", c.GanWarmupSettings)
def gan_warmup(
    encoder: Encoder = None, as_json: AsJson = False, *, chosen: dict[str, Any], run: dict[str, Any]
) -> None:
    """Learn to generate every person from new sides, with a frozen encoder (Eq. 1-4).

    Example: gcl gan-warmup
    """
    from gcl_cli.records import RunOptions
    from gcl_cli.stages import gan_warmup as stage

    console.show(stage.run(RunOptions(**run), encoder, chosen), as_json=as_json)


@app.command()
@with_settings("joint", c.JointSettings)
def joint(
    generator: Annotated[str, typer.Option(metavar="NAME", help="which gan-warmup to start from")] = "main",
    as_json: AsJson = False, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Train generator and encoder together, with pseudo labels renewed every epoch (Eq. 9).

    Example: gcl joint --epochs 20
    """
    from gcl_cli.records import RunOptions
    from gcl_cli.stages import joint as stage

    console.show(stage.run(RunOptions(**run), generator, chosen), as_json=as_json)


@app.command()
@with_settings("cluster", c.ClusterSettings)
def cluster(encoder: Encoder = None, as_json: AsJson = False, *, chosen: dict[str, Any], run: dict[str, Any]) -> None:
    """Group the training pictures into pseudo people.

    Example: gcl cluster --encoder warmup
    """
    from gcl_cli.records import RunOptions
    from gcl_cli.stages import cluster as stage

    console.show(stage.run(RunOptions(**run), encoder, chosen), as_json=as_json)


@app.command()
@with_settings("evaluate", c.EvaluateSettings)
def evaluate(
    dataset: Annotated[str | None, typer.Option(metavar="DATA", help="another data set than the work folder's")] = None,
    encoder: Encoder = None, allow_subset: AllowSubset = False, as_json: AsJson = False,
    *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Measure retrieval: CMC, mAP and mINP on query and gallery.

    Example: gcl evaluate --dataset duke
    """
    from gcl_cli.records import RunOptions
    from gcl_cli.stages import evaluate as stage

    options = RunOptions(**run, allow_subset=allow_subset)
    console.show(stage.run(options, dataset, encoder, chosen), as_json=as_json)


@app.command("gen-metrics")
@with_settings("gen-metrics", c.GenMetricsSettings)
def gen_metrics(
    generator: Generator = None,
    as_json: AsJson = False, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Measure generated views: FID, DSSIM, and whether identity is kept.

    Example: gcl gen-metrics --measures encoder,dssim,identity
    """
    from gcl_cli.records import RunOptions
    from gcl_cli.stages import gen_metrics as stage

    console.show(stage.run(RunOptions(**run), generator, chosen), as_json=as_json)


def main() -> None:
    """Entry point of `gcl`."""
    app()
