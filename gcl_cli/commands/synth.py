"""`gcl synth`: nothing -> a labelled data set of synthetic people, with its truth."""

import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.files import empty, read_json, write_json
from gcl_cli.artifacts.formats import write_truth
from gcl_cli.artifacts.lock import LOCK, take_lock
from gcl_cli.artifacts.manifest import versions
from gcl_cli.config import SynthSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.errors import GclError
from gcl_cli.machine.processes import map_shared
from gcl_cli.machine.system import cores, flush
from gcl_cli.synth.population import Drawing, by_person, described_cameras, described_people, draw_all, plan

RECORD = "synth.json"
LOOKS = "truth.json"
TURNED = "turned"  # a folder for each picture, with the person from other sides
TRUTH_COLUMNS = ("pose", "betas", "camera", "yaw", "occluded", "cut", "second_person")
SPLITS = ("train", "query", "gallery")


def run(folder: str, chosen: dict[str, Any], *, threads: int | None, restart: bool) -> dict[str, Any]:
    """Make the set in `folder`; returns the number of pictures of each split.

    Raises GclError when the folder holds something else, unless `restart` is on and it is a synthetic set.
    """
    settings = settings_for(SynthSettings, "synth", "paper", chosen)
    target = Path(folder)
    if result := _made_already(target, settings, restart=restart):
        console.say(f"{target} is complete already.")
        return result
    shots = plan(**settings.model_dump())
    partial = target.with_name(target.name + ".partial")
    drawings: list[Drawing] = []
    groups = by_person(shots)
    with take_lock(partial) as held, console.meter("synth", len(shots)) as meter:
        empty(partial, but=(LOCK,))
        for drawn in map_shared(draw_all, groups, processes=min(threads or cores(), len(groups))):
            _write_pictures(partial, drawn)
            drawings += [(shot, b"", replace(truth, turned=())) for shot, _, truth in drawn]
            meter.advance(len(drawn))
        counts = _publish(partial, target, settings, drawings, held)
    return {"folder": str(target), **counts}


def _made_already(target: Path, settings: SynthSettings, *, restart: bool) -> dict[str, Any] | None:
    """The result of an earlier run with the same settings; removes a set of other settings when told to restart."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None
    if not (target / RECORD).exists():
        raise GclError(f"{target} exists and is no synthetic data set.", "Name a folder that does not exist yet.")
    record = read_json(target / RECORD)
    if restart:
        return None
    if record["settings"] != _recorded(settings):
        raise GclError(
            f"{target} was made with other settings: {record['settings']}.", "Add --restart, or name another folder."
        )
    return {"folder": str(target), **record["pictures"]}


def _write_pictures(folder: Path, drawings: list[Drawing]) -> None:
    for shot, picture, truth in drawings:
        views = folder / TURNED / Path(shot.name).stem
        files = {views / f"{angle:03d}.png": file for angle, file in zip(shot.turned, truth.turned, strict=True)}
        for path, data in {folder / shot.name: picture, **files}.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _recorded(settings: SynthSettings) -> dict[str, Any]:
    """The settings as they are written down; sets without turned people are recorded as before there were any."""
    return settings.model_dump(mode="json", exclude=None if settings.turned else {"turned"})


def _publish(
    partial: Path, target: Path, settings: SynthSettings, drawings: list[Drawing], held: ExitStack
) -> dict[str, int]:
    """Write the truth and the record beside the pictures, let go of the lock, and give the folder its name."""
    ordered = sorted(drawings, key=lambda drawing: drawing[0].name)
    shots = [shot for shot, _, _ in ordered]
    names = [shot.name for shot in shots]
    truth = {
        column: np.stack([np.asarray(getattr(true, column), dtype=np.float32) for _, _, true in ordered])
        for column in TRUTH_COLUMNS
    }
    numbers = {name: np.array([getattr(shot, name) for shot in shots], np.int64) for name in ("person", "label")}
    numbers["camera_number"] = np.array([shot.camera for shot in shots], np.int64)
    write_truth(partial, names, truth | numbers)
    write_json(partial / LOOKS, {"people": described_people(shots), "cameras": described_cameras(shots)})
    counts = dict(Counter(shot.split for shot in sorted(shots, key=lambda shot: SPLITS.index(shot.split))))
    write_json(partial / RECORD, {"settings": _recorded(settings), "pictures": counts, "versions": versions()})
    held.close()
    (partial / LOCK).unlink()
    flush(partial)
    replaced = target.with_name(target.name + ".replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if target.exists():
        target.rename(replaced)  # never half of it
    partial.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)
    return counts
