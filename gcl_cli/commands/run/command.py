"""`gcl run`: the steps in order, each kept where it is fresh, gone on with where it was interrupted, else made."""

from collections.abc import Mapping
from typing import Any

from gcl_cli import console
from gcl_cli.artifacts.dataset_record import recall
from gcl_cli.artifacts.folders import drop_partial, mark_for_remake
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.commands.run.answer import answer, show_answer
from gcl_cli.commands.run.forecast import Forecast, step_seconds
from gcl_cli.commands.run.requests import Wishes, chosen_size, refuse_contradictions, settings_to_use
from gcl_cli.commands.run.sizing import Size
from gcl_cli.commands.run.stages_in_turn import STAGES, Job
from gcl_cli.commands.update import command as update
from gcl_cli.config import ClusterContrastSettings, GenMetricsSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.config.stages import STAGE_SETTINGS
from gcl_cli.errors import GclError
from gcl_cli.inventory.own_settings import settings_key
from gcl_cli.inventory.steps import Step, steps_of
from gcl_cli.inventory.survey import Survey, survey
from gcl_cli.people.data import open_data
from gcl_cli.session import Session
from gcl_cli.weights.weight_files import IMAGENET, INCEPTION

FIGURES = ("mAP", "rank_1", "rank_5", "rank_10", "mINP")
VIEW_FIGURES = ("fid", "kid", "encoder_frechet", "encoder_kid", "dssim", "dssim_real", "identity_kept")


def run(session: Session, data: str | None, wishes: Wishes) -> dict[str, Any]:
    """Take a data set through the chain; returns what was done, the figures, and where the files are.

    Raises the GclError of the step that fails; the same call then goes on from there.
    """
    work = session.folder
    if wishes.update and work.dataset_file.exists():
        update.run(session, data)
    opened = open_data(session, data)
    record = recall(work)
    steps = wishes.part(steps_of(record))
    found, on_card = survey(work), session.open_device().type != "cpu"
    refuse_contradictions(steps, found, wishes, work)
    pictures = opened.split("train")
    known = all(picture.camera is not None for picture in pictures)
    size = chosen_size(found, wishes, len(pictures), on_card=on_card, cameras_known=known)
    if size.said:
        console.say(size.said)
    forecast = _planned(steps, size, wishes, record["pictures"], session, on_card=on_card)
    for step in steps:
        if wishes.anew(step):
            _make_room(step, found)
    _tell_of_missing_weights(steps, survey(work), wishes, size.preset)
    states: dict[str, str] = {}
    with console.board([step.title for step in steps], forecast) as board:
        for step in steps:
            board.begin(step.title)
            try:
                states[step.title] = _take(step, session, data, wishes, size)
            except GclError as error:
                raise _told(error, step, wishes) from error
            finally:
                board.end(step.title, states.get(step.title, "stopped"))
    return _report(work, steps, states, board.seconds) | answer(session, opened, steps)


def _planned(
    steps: tuple[Step, ...], size: Size, wishes: Wishes, pictures: Mapping[str, int], session: Session, *, on_card: bool
) -> Forecast:
    """How long the steps will take; GclError, before anything is done, where settings do not go together."""
    seconds = {}
    for step in steps:
        chosen = size.chosen.get(step.stage, {}) | wishes.of(step)
        key = settings_key(step.stage, chosen)
        settings = settings_for(STAGE_SETTINGS[key], key, size.preset, chosen)
        seconds[step.title] = step_seconds(
            step.stage, settings, size.preset, pictures, cores=session.processes, on_card=on_card
        )
    return Forecast(seconds)


def show(result: dict[str, Any]) -> None:
    """What was done as tables, and then the answer, on stdout."""
    console.show_tables({key: value for key, value in result.items() if key not in ("answer", "next")})
    if "answer" in result:
        show_answer(result)


def go_on(wishes: Wishes) -> str:
    """How to go on after an error or an interruption."""
    return f"The same command{' without --from' if wishes.anew_from else ''} goes on from there."


def _told(error: GclError, step: Step, wishes: Wishes) -> GclError:
    """The error of a step as `gcl run` tells it: --restart is an option of the steps' own commands."""
    anew = f"Add --from {step.part} to make it and what follows anew."
    return GclError(
        f"gcl {step.stage}: {error.problem}",
        anew if "--restart" in error.fix else f"{error.fix.removesuffix('.')}. {go_on(wishes)}",
    )


def _make_room(step: Step, found: Survey) -> None:
    """Let what is there be made anew, and drop what was begun."""
    begun, finished = found.begun(step.reference), found.finished(step.reference)
    if begun is not None:
        drop_partial(begun.found.folder)
    if finished is not None:
        mark_for_remake(finished.found.folder)


def _take(step: Step, session: Session, data: str | None, wishes: Wishes, size: Size) -> str:
    """Keep the artifact of a step or make it; returns which."""
    work = session.folder
    found = survey(work)
    finished, begun = found.finished(step.reference), found.begun(step.reference)
    if found.remade(step.reference):
        finished = None  # it stays for whoever reads it meanwhile; here it counts as gone
    extra = {name for name in wishes.of(step) if finished is None or name not in finished.found.config}  # exports
    if finished is not None and finished.state == "fresh" and not extra:
        read_artifact(work, step.reference)  # which refuses files that changed
        return "kept"
    if begun is not None and begun.state in ("stale", "damaged"):
        console.say(f"{step.reference}: what was begun is {begun.state} ({begun.reason}), and is begun anew.")
        drop_partial(begun.found.folder)
        if (old := found.finished(step.reference)) is not None:
            mark_for_remake(old.found.folder)
        begun = None
    before = begun if begun is not None and begun.found.moment else finished
    chosen, preset = settings_to_use(step, before, found, wishes, size), size.preset
    if finished is not None and finished.state != "fresh":
        how = "brought up to date" if finished.state == "behind" else "made anew"
        console.say(f"{step.reference} is {finished.state} ({finished.reason}), and is {how}.")
        mark_for_remake(finished.found.folder)
    config = before.found.config if before is not None else {}
    if step.stage == "warmup" and not wishes.preset:
        preset = config.get("preset", preset)
    STAGES[step.stage](Job(session, data, preset, chosen, step.measured, config))
    return "made"


def _tell_of_missing_weights(steps: tuple[Step, ...], found: Survey, wishes: Wishes, preset: str) -> None:
    """Say at the beginning what a later step would fetch."""
    left = [step for step in steps if not found.fresh(step.reference)]
    for step in left:
        if step.stage == "gen-metrics":
            measures = GenMetricsSettings(**wishes.of(step)).measures
            if "fid" in measures and not INCEPTION.path.exists():
                console.warn(
                    f"gcl gen-metrics will fetch the weights that FID is defined with, from {INCEPTION.url} to "
                    f"{INCEPTION.path}, or leave FID out where there is no network."
                )
        if step.stage == "warmup":
            settings = settings_for(ClusterContrastSettings, "warmup", preset, wishes.of(step))
            file = IMAGENET.get(settings.trunk)
            if file is not None and settings.init == "imagenet" and not file.path.exists():
                console.warn(
                    f"gcl warmup will fetch ImageNet weights, from {file.url} to {file.path}. "
                    "Without a network: --set warmup.init=none, or --preset small"
                )


def _report(
    work: WorkFolder, steps: tuple[Step, ...], states: dict[str, str], seconds: dict[str, float]
) -> dict[str, Any]:
    """What was done, the figures, and where the files are."""
    results = {step: read_artifact(work, step.reference).manifest.result for step in steps}
    done = [
        {
            "step": step.title, "state": states[step.title], "seconds": round(seconds[step.title], 1),
            "files": str(work.artifact(step.reference)),
        }
        for step in steps
    ]  # fmt: skip
    measured = [
        {"after": step.part, **{key: result[key] for key in FIGURES if key in result}}
        for step, result in results.items()
        if step.stage == "evaluate"
    ]
    views = [
        {key: result[key] for key in VIEW_FIGURES if key in result}
        for step, result in results.items()
        if step.stage == "gen-metrics"
    ]
    tables = {"steps": done, "retrieval": measured, "generated_views": views}
    return {"work": str(work.root), **{name: rows for name, rows in tables.items() if rows}}
