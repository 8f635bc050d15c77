"""The steps from crops to a trained encoder and generator, in the order of the pipeline."""

from typing import Annotated, Any

import typer

from gcl_cli import config as c
from gcl_cli import console
from gcl_cli.cli.options import (
    AllowSubset,
    AsJson,
    Board,
    CameraFrom,
    CamStyle,
    Data,
    Encoder,
    Init,
    InitGan,
    Method,
    Parity,
    PersonFrom,
    Preset,
    Source,
    Validation,
    with_settings,
)
from gcl_cli.cli.pages import PIPELINE
from gcl_cli.cli.program import app
from gcl_cli.config import WARMUP_METHODS

_NO_RUN = ("work", "name", "data_root", "device")


@app.command(rich_help_panel=PIPELINE)
@with_settings("synth", c.SynthSettings, without=_NO_RUN)
def synth(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="folder to make")],
    as_json: AsJson = None, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Make a synthetic data set of dressed people, in Market-1501 layout, with its truth beside it.

    Example: gcl synth data/synth --ids 60 --cameras 4
    """
    from gcl_cli.commands import synth as stage

    console.show(stage.run(folder, chosen, **run), as_json=as_json)


@app.command(rich_help_panel=PIPELINE)
@with_settings("mesh", c.MeshSettings)
def mesh(
    data: Data = None, allow_subset: AllowSubset = False, camera_from: CameraFrom = None,
    person_from: PersonFrom = None, as_json: AsJson = None, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Estimate a 3D body for every crop.

    Example: gcl mesh data/market
    """
    from gcl_cli.commands.mesh import command as stage
    from gcl_cli.session import Session

    session = Session(**run, allow_subset=allow_subset, camera_from=camera_from, person_from=person_from)
    console.show(stage.run(session, data, chosen), as_json=as_json)


@app.command(rich_help_panel=PIPELINE)
@with_settings("render", c.RenderSettings, without=("device",))
def render(
    meshes: Annotated[str, typer.Option(metavar="NAME", help="which meshes to draw")] = "main",
    as_json: AsJson = None, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Draw every body from eight sides, shaded grey on white, and paint every person onto theirs.

    Example: gcl render
    """
    from gcl_cli.commands.render import command as stage
    from gcl_cli.session import Session

    console.show(stage.run(Session(**run), meshes, chosen), as_json=as_json)


@app.command(rich_help_panel=PIPELINE)
@with_settings("warmup", WARMUP_METHODS["cluster-contrast"], methods=WARMUP_METHODS)
def warmup(
    data: Data = None, method: Method = "cluster-contrast", preset: Preset = "paper", source: Source = None,
    camstyle: CamStyle = None, allow_subset: AllowSubset = False, camera_from: CameraFrom = None,
    person_from: PersonFrom = None, tensorboard: Board = False, as_json: AsJson = None,
    *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Train an identity encoder on unlabelled crops, after a labelled source if there is one.

    Example: gcl warmup data/market --method jvtc --source data/duke
    """
    from gcl_cli.commands.warmup import command as stage
    from gcl_cli.session import Session

    session = Session(
        **run, allow_subset=allow_subset, camera_from=camera_from, person_from=person_from, tensorboard=tensorboard
    )
    job = stage.Warmup(method=method, preset=preset, source=source, camstyle=camstyle, chosen=chosen)
    console.show(stage.run(session, data, job), as_json=as_json)


@app.command("gan-warmup", rich_help_panel=PIPELINE)
@with_settings("gan-warmup", c.GanWarmupSettings)
def gan_warmup(
    encoder: Encoder = None, init: Init = None, init_gan: InitGan = None, parity: Parity = "none",
    tensorboard: Board = False, as_json: AsJson = None, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Learn to generate every person from new sides, with a frozen encoder (Eq. 1-4).

    Example: gcl gan-warmup
    """
    from gcl_cli.commands.gan_warmup import command as stage
    from gcl_cli.session import Session

    chosen = c.parity_settings("gan-warmup", parity) | chosen
    session = Session(**run, tensorboard=tensorboard)
    result = stage.run(session, encoder, chosen, init=init, init_gan=init_gan or [], parity=parity)
    console.show(result, as_json=as_json)


@app.command(rich_help_panel=PIPELINE)
@with_settings("joint", c.JointSettings)
def joint(
    generator: Annotated[str, typer.Option(metavar="NAME", help="which gan-warmup to start from")] = "main",
    init: Init = None, validation: Validation = None, parity: Parity = "none", tensorboard: Board = False,
    as_json: AsJson = None, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Train generator and encoder together, with pseudo labels renewed every epoch (Eq. 9).

    Example: gcl joint --epochs 20
    """
    from gcl_cli.commands.joint import command as stage
    from gcl_cli.session import Session

    chosen = c.parity_settings("joint", parity) | chosen
    session = Session(**run, tensorboard=tensorboard)
    result = stage.run(session, generator, chosen, init=init, validation=validation, parity=parity)
    console.show(result, as_json=as_json)
