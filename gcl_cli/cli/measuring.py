"""Commands that look at what was trained: clusters, retrieval, generated views."""

from typing import Annotated, Any

import typer

from gcl_cli import config as c
from gcl_cli import console
from gcl_cli.cli.options import (
    AllowSubset,
    AsJson,
    CameraFrom,
    Encoder,
    Init,
    MeasuredGenerator,
    PersonFrom,
    ViewGenerator,
    with_settings,
)
from gcl_cli.cli.pages import MEASURE
from gcl_cli.cli.program import app


@app.command()
@with_settings("cluster", c.CorrectedSettings)
def cluster(
    data: Annotated[
        str | None, typer.Argument(metavar="DIR", help="other crops to group [default: the work folder's data set]")
    ] = None,
    encoder: Encoder = None, init: Init = None,
    corrections: Annotated[
        str | None, typer.Option(metavar="FILE", help="CSV of pictures that must-link or cannot-link share a cluster")
    ] = None,
    previous: Annotated[
        str | None,
        typer.Option(metavar="FILE|cluster/NAME", help="labels to compare with [default: those that are replaced]"),
    ] = None,
    allow_subset: AllowSubset = False, camera_from: CameraFrom = None,
    as_json: AsJson = None, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Group the training pictures, or new crops, into pseudo people; nothing is trained.

    Example: gcl cluster --encoder warmup --corrections wrong.csv --restart
    """
    from gcl_cli.commands.cluster import command as stage
    from gcl_cli.session import Session

    chosen |= {"corrections": corrections} if corrections else {}
    session = Session(**run, allow_subset=allow_subset, camera_from=camera_from)
    result = stage.run(session, encoder, chosen, data=data, init=init, previous=previous)
    console.show(result, as_json=as_json)


@app.command(rich_help_panel=MEASURE)
@with_settings("evaluate", c.EvaluateSettings)
def evaluate(
    dataset: Annotated[str | None, typer.Option(metavar="DATA", help="another data set than the work folder's")] = None,
    encoder: Encoder = None, init: Init = None, generator: ViewGenerator = None, allow_subset: AllowSubset = False,
    camera_from: CameraFrom = None, person_from: PersonFrom = None, as_json: AsJson = None,
    *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Measure retrieval: CMC, mAP and mINP on query and gallery, with intervals.

    Example: gcl evaluate --dataset duke
    """
    from gcl_cli.commands.evaluate import command as stage
    from gcl_cli.session import Session

    session = Session(**run, allow_subset=allow_subset, camera_from=camera_from, person_from=person_from)
    console.show(stage.run(session, dataset, encoder, chosen, init=init, generator=generator), as_json=as_json)


@app.command("gen-metrics", rich_help_panel=MEASURE)
@with_settings("gen-metrics", c.GenMetricsSettings)
def gen_metrics(
    generator: MeasuredGenerator = None,
    real: Annotated[str | None, typer.Option(metavar="DIR", help="compare folders: real pictures")] = None,
    generated: Annotated[str | None, typer.Option(metavar="DIR", help="compare folders: generated pictures")] = None,
    encoder: Annotated[
        str | None, typer.Option(metavar="STAGE[/NAME]", help="compare folders: in the space of this encoder, too")
    ] = None,
    as_json: AsJson = None, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Measure generated views: FID, KID, DSSIM, identity kept, pose; with --real and --generated, two folders.

    Example: gcl gen-metrics --measures encoder,dssim,identity
    """
    from gcl_cli.commands.gen_metrics import command as stage
    from gcl_cli.session import Session

    if real is None and generated is None and encoder is None:
        result = stage.run(Session(**run), generator, chosen)
    else:
        result = stage.run_folders(Session(**run), stage.Folders(real, generated, encoder), generator, chosen)
    console.show(result, as_json=as_json)
