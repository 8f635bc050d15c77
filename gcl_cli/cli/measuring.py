"""Commands that look at what was trained: clusters, retrieval, generated views."""

from typing import Annotated, Any

import typer

from gcl_cli import config as c
from gcl_cli import console
from gcl_cli.cli.app import app
from gcl_cli.options import (
    AllowSubset,
    AsJson,
    Encoder,
    Generator,
    Init,
    with_settings,
)


@app.command()
@with_settings("cluster", c.ClusterSettings)
def cluster(
    encoder: Encoder = None, init: Init = None, as_json: AsJson = False,
    *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Group the training pictures into pseudo people.

    Example: gcl cluster --encoder warmup
    """
    from gcl_cli.records import RunOptions
    from gcl_cli.stages import cluster as stage

    console.show(stage.run(RunOptions(**run), encoder, chosen, init=init), as_json=as_json)


@app.command()
@with_settings("evaluate", c.EvaluateSettings)
def evaluate(
    dataset: Annotated[str | None, typer.Option(metavar="DATA", help="another data set than the work folder's")] = None,
    encoder: Encoder = None, init: Init = None, allow_subset: AllowSubset = False, as_json: AsJson = False,
    *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Measure retrieval: CMC, mAP and mINP on query and gallery.

    Example: gcl evaluate --dataset duke
    """
    from gcl_cli.records import RunOptions
    from gcl_cli.stages import evaluate as stage

    options = RunOptions(**run, allow_subset=allow_subset)
    console.show(stage.run(options, dataset, encoder, chosen, init=init), as_json=as_json)


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
