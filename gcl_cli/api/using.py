"""Around the steps: run them, watch them, use what they made."""

import os
from collections.abc import Sequence
from typing import Literal

from gcl_cli import config as c
from gcl_cli.api.checking import Chosen, More, Place, Result, Unset, checked, path, paths, settings
from gcl_cli.cli.options import in_stage
from gcl_cli.config.stages import CHAIN, STAGE_SETTINGS

Part = Literal["mesh", "render", "warmup", "gan-warmup", "joint", "gen-metrics", "cluster"]


def run(
    data: Place | None = None, *, preset: Literal["paper", "small", "tiny"] | None = None, until: Part = "cluster",
    from_: Part | None = None, update: bool = False, set: More = None, allow_subset: bool = False,
    camera_from: str | None = None, person_from: str | None = None,
    work: Place | None = None, data_root: Place | None = None, device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Do the whole chain: keep what is fresh, go on with what was interrupted, make the rest.

    set: settings of the steps, such as {"joint.epochs": 5}.
    """
    with checked(run, locals()) as (session, _):
        from gcl_cli.commands.run import command as page
        from gcl_cli.commands.run.requests import Wishes

        return page.run(session, path(data), Wishes(preset, until, from_, _by_step(set), update))


def _by_step(more: More) -> dict[str, Chosen]:
    """What `set` says for each step, which stands before the dot of a name."""
    said: dict[str, Chosen] = {}
    for key, value in (more or {}).items():
        stage, name = in_stage(key, CHAIN)
        said.setdefault(stage, {})[name] = value
    return {stage: settings(stage, STAGE_SETTINGS[stage], {}, its) for stage, its in said.items()}


def update(
    data: Place | None = None, *, corrections: Place | None = None, allow_subset: bool = False,
    work: Place | None = None, data_root: Place | None = None, device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Take in pictures that came, went or changed: extend what was made of them; people keep their numbers."""
    with checked(update, locals()) as (session, _):
        from gcl_cli.commands.update import command as page

        return page.run(session, path(data), corrections=path(corrections))


def status(*, work: Place | None = None) -> Result:
    """Show what the work folder holds, what of it is fresh, and what to type next."""
    with checked(status, locals()) as (session, _):
        from gcl_cli.commands import status as page

        return page.run(session.work)


def clean(*, yes: bool = False, work: Place | None = None) -> Result:
    """Show what nothing in the work folder needs, and remove it when told to."""
    with checked(clean, locals()) as (session, _):
        from gcl_cli.commands import clean as page

        return page.run(session.work, sure=yes)


def doctor(
    data: Place | None = None, *, camera_from: str | None = None, person_from: str | None = None,
    work: Place | None = None, data_root: Place | None = None,
) -> Result:  # fmt: skip
    """Find what is wrong with this machine, or with a data set, and what mends it."""
    with checked(doctor, locals()) as (session, _):
        from gcl_cli.commands.doctor import command as page

        return page.run(session.work, path(data), session.data_root, camera_from=camera_from, person_from=person_from)


def config(stage: str | None = None) -> Result:
    """List every setting: default, what presets change, range, meaning, place in the paper."""
    with checked(config, locals()):
        from gcl_cli.commands import config as page

        return page.run(stage)


def views(
    image: Place | Sequence[Place], *, to: Place = "views", generator: str | None = None,
    angles: Sequence[int] | Unset = ..., backdrop: Literal["own", "none"] | Unset = ..., set: More = None,
    work: Place | None = None, device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Generate the person on a picture from seven sides, as files and as a sheet."""
    with checked(views, locals(), c.ViewsSettings) as (session, chosen):
        from gcl_cli.commands import views as page

        return page.run(session, paths(image), os.fspath(to), generator, chosen)


def search(
    gallery: Place, image: Place | Sequence[Place], *, from_behind: bool = False, to: Place = "search",
    encoder: str | None = None, init: Place | None = None, generator: str | None = None,
    flip: bool | Unset = ..., even_cameras: bool | Unset = ..., centralise: bool | Unset = ...,
    top: int | Unset = ..., angle: int | Unset | None = ...,
    false_accepts: float | Unset = ..., unknown: bool | Unset = ...,
    set: More = None, work: Place | None = None, restart: bool = False, data_root: Place | None = None,
    device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Find the person on a picture in any folder of crops, which is indexed once."""
    with checked(search, locals(), c.SearchSettings) as (session, chosen):
        from gcl_cli.commands.search import command as page

        chosen = c.with_view_from_behind(chosen) if from_behind else chosen
        return page.run(
            session, os.fspath(gallery), paths(image), os.fspath(to), chosen,
            encoder=encoder, init=path(init), generator=generator,
        )  # fmt: skip


def verify(
    first: Place, second: Place, *, encoder: str | None = None,
    false_accepts: float | Unset = ..., prior: float | Unset = ..., set: More = None,
    work: Place | None = None, data_root: Place | None = None, device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Say how likely two pictures show the same person, and how often strangers look as alike."""
    with checked(verify, locals(), c.VerifySettings) as (session, chosen):
        from gcl_cli.commands import verify as page

        return page.run(session, os.fspath(first), os.fspath(second), chosen, encoder=encoder)


def export(
    *, to: Place = "export", encoder: str | None = None, init: Place | None = None,
    format: Literal["onnx", "safetensors", "boxmot", "ultralytics", "reid"] | Unset = ...,
    int8: bool | Unset = ..., set: More = None,
    work: Place | None = None, threads: int | None = None,
) -> Result:  # fmt: skip
    """Write the encoder for other programs: ONNX (in eight bits, too), for trackers, safetensors; with a card."""
    with checked(export, locals(), c.ExportSettings) as (session, chosen):
        from gcl_cli.commands.export import command as page

        return page.run(session, os.fspath(to), encoder, chosen, init=path(init))


def report(
    *, to: Place | None = None, encoder: str | None = None, generator: str | None = None,
    people: int | Unset = ..., queries: int | Unset = ..., clusters: int | Unset = ..., pictures: int | Unset = ...,
    map: Literal["tsne", "pca"] | Unset = ..., blur_faces: bool | Unset = ..., full_pictures: bool | Unset = ...,
    set: More = None, work: Place | None = None, device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Show the whole work folder on one HTML page that needs no network: results, curves, pictures, provenance."""
    with checked(report, locals(), c.ReportSettings) as (session, chosen):
        from gcl_cli.commands.report import command as page

        return page.run(session, path(to), chosen, encoder=encoder, generator=generator)
