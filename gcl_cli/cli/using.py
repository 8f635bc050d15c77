"""Commands around the steps: run them, watch them, use what they made."""

import sys
from typing import Annotated, Any, Literal

import typer

from gcl_cli import config as c
from gcl_cli import console
from gcl_cli.cli.completion import of_chain
from gcl_cli.cli.failures import errors_told
from gcl_cli.cli.options import (
    AllowSubset,
    AsJson,
    CameraFrom,
    Data,
    Encoder,
    Init,
    MeasuredGenerator,
    PersonFrom,
    ViewGenerator,
    validated_by_stage,
    with_settings,
    with_shared,
)
from gcl_cli.cli.pages import LOOK_AFTER, PIPELINE
from gcl_cli.cli.program import app
from gcl_cli.config.stages import CHAIN, PARITY, STAGE_SETTINGS

Part = Literal["mesh", "render", "warmup", "gan-warmup", "joint", "gen-metrics", "cluster"]
Images = Annotated[list[str], typer.Argument(metavar="PICTURE...", help="pictures of one person each")]


def on_terminal() -> bool:
    """Whether somebody is there to answer a question."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@app.command("run", rich_help_panel=PIPELINE)
@with_shared("work", "data_root", "device", "threads")
def run_chain(
    data: Data = None,
    preset: Annotated[
        Literal["paper", "small", "tiny"] | None,
        typer.Option(help="size of networks and schedules [default: that of the warm-up there is, else the machine's]"),
    ] = None,
    until: Annotated[Part, typer.Option(help="the last step; an encoder is measured with its step")] = "cluster",
    anew_from: Annotated[
        Part | None, typer.Option("--from", help="make this step and all that follow anew, as this command says")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="first take in pictures that came, went or changed, as gcl update does")
    ] = False,
    set_more: Annotated[
        list[str] | None, typer.Option(
            "--set", metavar="STAGE.KEY=VALUE", autocompletion=of_chain, help="a setting of a step (repeatable)"
        ),
    ] = None,
    allow_subset: AllowSubset = False, camera_from: CameraFrom = None, person_from: PersonFrom = None,
    as_json: AsJson = None, *, run: dict[str, Any],
) -> None:  # fmt: skip
    """Do the whole chain: keep what is fresh, go on with what was interrupted, make the rest.

    Example: gcl run data/market --preset tiny --set joint.epochs=5
    """
    from gcl_cli.commands.run import command as running
    from gcl_cli.commands.run.requests import Wishes
    from gcl_cli.session import Session

    wishes = Wishes(preset, until, anew_from, validated_by_stage(set_more or [], CHAIN), update)
    session = Session(**run, allow_subset=allow_subset, camera_from=camera_from, person_from=person_from)
    with errors_told("run", interrupted=running.go_on(wishes)):
        result = running.run(session, data, wishes)
        if console.wants_json(as_json):
            console.show(result, as_json=True)
        else:
            running.show(result)


@app.command("update", rich_help_panel=LOOK_AFTER)
@with_shared("work", "data_root", "device", "threads")
def update(
    data: Annotated[
        str | None, typer.Argument(metavar="DIR", help="where the pictures are now [default: where they were]")
    ] = None,
    corrections: Annotated[
        str | None, typer.Option(metavar="FILE", help="CSV of corrections by hand, which labels obey from now on")
    ] = None,
    allow_subset: AllowSubset = False, as_json: AsJson = None, *, run: dict[str, Any],
) -> None:  # fmt: skip
    """Take in pictures that came, went or changed: extend what was made of them; people keep their numbers.

    Example: gcl update --corrections corrections.csv
    """
    from gcl_cli.commands.update import command as stage
    from gcl_cli.session import Session

    result = stage.run(Session(**run, allow_subset=allow_subset), data, corrections=corrections)
    console.show(result, as_json=as_json)


@app.command("status", rich_help_panel=LOOK_AFTER)
@with_shared("work")
def status(as_json: AsJson = None, *, run: dict[str, Any]) -> None:
    """Show what the work folder holds, what of it is fresh, and what to type next.

    Example: gcl status
    """
    from gcl_cli.commands import status as stage

    result = stage.run(run["work"])
    if console.wants_json(as_json):
        console.show(result, as_json=True)
    else:
        stage.show(result)


@app.command("clean", rich_help_panel=LOOK_AFTER)
@with_shared("work")
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="remove it without a question")] = False,
    as_json: AsJson = None, *, run: dict[str, Any],
) -> None:  # fmt: skip
    """Show what nothing in the work folder needs, and remove it when told to.

    Example: gcl clean --yes
    """
    from gcl_cli.commands import clean as stage

    result = stage.run(run["work"], sure=yes)
    console.show(result, as_json=as_json)
    if not result["leftovers"]:
        console.say(f"Everything in {run['work']} is needed.")
    if yes or not result["leftovers"]:
        return
    if as_json or not on_terminal():
        console.say("Nothing was removed. To remove it: gcl clean --yes")
    elif typer.confirm(f"Remove {console.size_text(result['bytes'])}?", err=True):
        console.say(f"{console.size_text(stage.run(run['work'], sure=True)['bytes_freed'])} freed.")


@app.command("doctor", rich_help_panel=LOOK_AFTER)
@with_shared("work", "data_root")
def doctor(
    data: Data = None, camera_from: CameraFrom = None, person_from: PersonFrom = None, as_json: AsJson = None,
    *, run: dict[str, Any],
) -> None:  # fmt: skip
    """Find what is wrong with this machine, or with a data set, and what mends it; exit code 1 for a problem.

    Example: gcl doctor data/market
    """
    from gcl_cli.commands.doctor import command as stage

    result = stage.run(run["work"], data, run["data_root"], camera_from=camera_from, person_from=person_from)
    console.show(result, as_json=as_json)
    if result["problems"]:
        raise typer.Exit(1)


@app.command("config", rich_help_panel=LOOK_AFTER)
@with_shared()
def config(
    stage: Annotated[
        str | None,
        typer.Argument(
            metavar="STAGE", autocompletion=lambda: [*STAGE_SETTINGS, PARITY],
            help="a command, warmup-METHOD, or parity: the settings that --parity reference chooses",
        ),
    ] = None,
    as_json: AsJson = None, *, run: dict[str, Any],
) -> None:  # fmt: skip
    """List every setting: default, what presets change, range, meaning, place in the paper.

    Example: gcl config joint
    """
    from gcl_cli.commands import config as settings

    result = settings.run(stage)
    if console.wants_json(as_json):
        console.show(result, as_json=True)
    else:
        settings.show(result)


@app.command()
@with_settings("views", c.ViewsSettings, without=("name", "restart", "data_root"))
def views(
    image: Images,
    to: Annotated[str, typer.Option(metavar="DIR", help="folder for the pictures and sheet.png")] = "views",
    generator: ViewGenerator = None, as_json: AsJson = None, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Generate the person on a picture from seven sides, as files and as a sheet.

    Example: gcl views photo.jpg --to views
    """
    from gcl_cli.commands import views as stage
    from gcl_cli.session import Session

    console.show(stage.run(Session(**run), image, to, generator, chosen), as_json=as_json)


@app.command()
@with_settings("search", c.SearchSettings, without=("name",))
def search(
    gallery: Annotated[str, typer.Argument(metavar="GALLERY", help="folder of person crops to search in")],
    image: Images,
    from_behind: Annotated[bool, typer.Option("--from-behind", help="the same as --angle 180")] = False,
    to: Annotated[str, typer.Option(metavar="DIR", help="folder for search.html, .json and .csv")] = "search",
    encoder: Encoder = None, init: Init = None, generator: ViewGenerator = None, as_json: AsJson = None,
    *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Find the person on a picture in any folder of crops, which is indexed once.

    Example: gcl search crops photo.jpg --from-behind
    """
    from gcl_cli.commands.search import command as stage
    from gcl_cli.session import Session

    chosen = c.with_view_from_behind(chosen) if from_behind else chosen
    result = stage.run(Session(**run), gallery, image, to, chosen, encoder=encoder, init=init, generator=generator)
    console.show(result, as_json=as_json)


@app.command()
@with_settings("verify", c.VerifySettings, without=("name", "restart"))
def verify(
    first: Annotated[str, typer.Argument(metavar="A", help="a picture, a name in the data set, a row of labels.csv")],
    second: Annotated[str, typer.Argument(metavar="B", help="another one")],
    encoder: Encoder = None, as_json: AsJson = None, *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Say how likely two pictures show the same person, and how often strangers look as alike.

    Example: gcl verify photo.jpg other.jpg --false-accepts 0.001
    """
    from gcl_cli.commands import verify as stage
    from gcl_cli.session import Session

    console.show(stage.run(Session(**run), first, second, chosen, encoder=encoder), as_json=as_json)


@app.command()
@with_settings("export", c.ExportSettings, without=("name", "restart", "data_root", "device"))
def export(
    to: Annotated[str, typer.Option(metavar="DIR", help="folder for file, description and card")] = "export",
    encoder: Encoder = None, init: Init = None, as_json: AsJson = None,
    *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Write the encoder for other programs: ONNX (in eight bits, too), for trackers, safetensors; with a card.

    Example: gcl export --int8
    """
    from gcl_cli.commands.export import command as stage
    from gcl_cli.session import Session

    console.show(stage.run(Session(**run), to, encoder, chosen, init=init), as_json=as_json)


@app.command()
@with_settings("report", c.ReportSettings, without=("name", "restart", "data_root"))
def report(
    to: Annotated[
        str | None, typer.Option(metavar="FILE", help="the page [default: report.html in the work folder]")
    ] = None,
    encoder: Encoder = None, generator: MeasuredGenerator = None, as_json: AsJson = None,
    *, chosen: dict[str, Any], run: dict[str, Any],
) -> None:  # fmt: skip
    """Show the whole work folder on one HTML page that needs no network: results, curves, pictures, provenance.

    Example: gcl report --blur-faces --to report.html
    """
    from gcl_cli.commands.report import command as stage
    from gcl_cli.session import Session

    result = stage.run(Session(**run), to, chosen, encoder=encoder, generator=generator)
    console.show(result, as_json=as_json)
