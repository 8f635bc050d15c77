"""`dataset.json`: the data set a work folder belongs to, written by the first stage that is given data.

`dataset.pictures.json` beside it lists the pictures, so that it can be said which of them changed (`picture_lists`),
and `dataset.history.jsonl` what became of them since.
"""

import json
import os
import shlex
from pathlib import Path
from typing import Any

from gcl_cli.artifacts.files import create_json, read_json, write_json, write_text
from gcl_cli.artifacts.layout import WorkFolder, elsewhere
from gcl_cli.artifacts.picture_lists import FORM, Changes, Stamps, changes, fingerprint_of, read_list, write_list
from gcl_cli.artifacts.seals import read_sealed, sealed
from gcl_cli.errors import GclError

SHARED = 0.5  # of the recorded pictures, which another folder must hold to be the same data set, grown
_KINDS = {
    "root": str,
    "name": str,
    "layout": str,
    "allow_subset": bool,
    "form": int,
    "digest": str,
    "pictures": dict,
    "earlier": list,
}


def remember(work: WorkFolder, record: dict[str, Any], found: Stamps, *, grow: bool = False) -> dict[str, Any]:
    """Write the record when there is none; GclError when the folder belongs to another data set. Returns the record.

    record: `root` (absolute path), `name`, `layout`, `allow_subset`, `camera_from`, `person_from`, `pictures` (their
    number, by split). A data set is its pictures, not its place: where they were moved, the record follows them. Of two
    commands that begin a work folder together, one writes it.
    Where pictures were added, removed or changed, the record is renewed if that is asked for (`grow`), or as long as
    nothing is finished that was made of them; else that is a GclError.
    """
    mine = {**record, **_place(work, record["root"]), "form": FORM, "digest": fingerprint_of(found)}
    if not work.dataset_file.exists():
        work.root.mkdir(parents=True, exist_ok=True)
        write_list(work, found)
        create_json(work.dataset_file, sealed(mine))
    known = recall(work)
    same = known["digest"] == fingerprint_of(found, known["form"])
    if not same:
        _refuse_another(work, known, mine, found, grow=grow)
    _refuse_other_cameras(work, known, record.get("camera_from"))
    if not same:
        return _renewed(work, known, mine, found)
    follows = {**_place(work, mine["root"]), "person_from": record.get("person_from")}
    if any(known.get(key) != value for key, value in follows.items()):
        known = {**known, **follows}
        write_json(work.dataset_file, sealed(known))
    return known


def _refuse_another(
    work: WorkFolder, known: dict[str, Any], mine: dict[str, Any], found: Stamps, *, grow: bool
) -> None:
    """GclError for the pictures of another data set, and for changed ones that nobody asked to take in."""
    moved = place_of(work, known) != Path(mine["root"])
    if moved and not (grow and _shares_most(work, known, found)):
        raise GclError(
            f"{work.root} belongs to {known['root']}, not to {mine['root']}.",
            "Leave DATA out, or choose another work folder with --work DIR.",
        )
    if not grow and _is_used(work):
        told = changes_since(work, known, found)
        raise GclError(
            f"The pictures in {mine['root']} changed since {work.dataset_file} was written{told and f': {told}'}.",
            f"Take them in: gcl update{elsewhere(work)} (or put the pictures back).",
        )


def _renewed(work: WorkFolder, known: dict[str, Any], mine: dict[str, Any], found: Stamps) -> dict[str, Any]:
    """The record of the pictures of now, which knows the digests of those before. Writing it is the last step."""
    told = changes_since(work, known, found)
    _write_history(work, known["digest"], mine["digest"], told)
    write_list(work, found, before=known["digest"])
    earlier = dict.fromkeys([*known["earlier"], known["digest"]])
    earlier.pop(mine["digest"], None)
    renewed = {**known, **mine, "name": known["name"], "earlier": list(earlier)}
    write_json(work.dataset_file, sealed(renewed))
    return renewed


def changes_since(work: WorkFolder, known: dict[str, Any], found: Stamps) -> Changes | str:
    """What changed since the record was written; an empty text where the list of its pictures is lost."""
    listed = read_list(work, known["digest"])
    return "" if listed is None else changes(listed, found)


def _shares_most(work: WorkFolder, known: dict[str, Any], found: Stamps) -> bool:
    """Whether most of the recorded pictures are among others."""
    listed = read_list(work, known["digest"])
    if listed is None:
        return False
    different, number = changes(listed, found), sum(map(len, listed.values()))
    return len(different.removed) + len(different.replaced) <= (1 - SHARED) * number


def _is_used(work: WorkFolder) -> bool:
    """Whether anything is finished that was made of the pictures."""
    manifests = [path for path in work.root.glob("*/*/manifest.json") if path.parent.suffix != ".partial"]
    return any(_is_of_pictures(path) for path in manifests)


def _is_of_pictures(manifest: Path) -> bool:
    try:
        return "dataset" in read_json(manifest)["inputs"]
    except (OSError, ValueError, TypeError, KeyError):
        return True  # nobody knows


def _history(work: WorkFolder) -> list[dict[str, Any]]:
    """The changes of dataset.history.jsonl, the oldest first; GclError where it is damaged."""
    path = _history_file(work)
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [{**json.loads(line)} for line in lines]
    except (ValueError, TypeError, RecursionError) as error:
        told = f"Remove {path}: corrections must then name pictures as they are called now."
        raise GclError(f"{path} is damaged: {error}.", told) from error


def _history_file(work: WorkFolder) -> Path:
    return work.dataset_file.with_suffix(".history.jsonl")


def _write_history(work: WorkFolder, before: str, now: str, told: Changes | str) -> None:
    """One more line of dataset.history.jsonl, unless this very change is its last one already."""
    entries = _history(work)
    names = {kind: getattr(told, kind, None) for kind in ("added", "removed", "replaced", "renamed", "moved")}
    entry = {"before": before, "now": now, **names}
    if entries[-1:] != [entry]:
        write_text(_history_file(work), "".join(json.dumps(one) + "\n" for one in (*entries, entry)))


def names_before(work: WorkFolder) -> dict[str, str | None]:
    """Names that pictures had earlier: what each is called now, None where its picture is gone."""
    now: dict[str, str | None] = {}
    for entry in _history(work):
        renamed, removed = entry.get("renamed") or {}, set(entry.get("removed") or ())
        now |= {name: name for name in (*renamed, *removed)}
        then = {name: None if other in removed else renamed.get(other, other) for name, other in now.items() if other}
        now |= then
        for name in (*(entry.get("added") or ()), *renamed.values()):
            now.pop(name, None)
    return now


def place_of(work: WorkFolder, record: dict[str, Any]) -> Path:
    """The folder of the recorded data set: where it was, or as it lay from the work folder if both were moved."""
    root, beside = Path(record["root"]), record.get("beside")
    if not root.is_dir() and isinstance(beside, str) and (work.root / beside).is_dir():
        return (work.root / beside).resolve()
    return root


def require_place(work: WorkFolder, record: dict[str, Any]) -> Path:
    """`place_of`; GclError where nothing is there any more."""
    root = place_of(work, record)
    if not root.is_dir():
        raise GclError(
            f"There is no folder {root} any more, where the data set of {work.root} was.",
            f"If it was moved, name its new place once: gcl mesh NEW_PLACE{elsewhere(work)} (what was made of it is "
            "kept).",
        )
    return root


def _place(work: WorkFolder, root: str) -> dict[str, Any]:
    try:
        beside = Path(os.path.relpath(root, work.root.resolve())).as_posix()
    except ValueError:  # on another drive
        beside = None
    return {"root": root, "beside": beside}


def _refuse_other_cameras(work: WorkFolder, known: dict[str, Any], camera_from: str | None) -> None:
    """What was trained knows its pictures' cameras: they do not change under it."""
    before = known.get("camera_from")
    if before != camera_from:
        begun = f"with --camera-from {shlex.quote(before)}" if before else "with the cameras that file names say"
        raise GclError(
            f"{work.root} was begun {begun}.",
            "Leave --camera-from out, or choose a new work folder with --work DIR.",
        )


def recall(work: WorkFolder) -> dict[str, Any]:
    """The record; GclError when no data set was given yet, or it cannot be read."""
    if not work.dataset_file.exists():
        raise GclError(
            f"{work.root} has no data set yet.",
            "Name one: gcl run DATA does all steps, gcl mesh DATA or gcl warmup DATA the first.",
        )
    again = "Delete it, and name the data set again: gcl mesh DATA (or gcl warmup DATA)."
    record = {"form": 1, "earlier": [], **read_sealed(work.dataset_file, again)}
    whole = all(isinstance(record.get(key), kind) for key, kind in _KINDS.items())
    whole = whole and all(isinstance(record.get(key), str | None) for key in ("beside", "camera_from", "person_from"))
    if not whole or not _counts(record["pictures"]):
        raise GclError(f"{work.dataset_file} is damaged: it is no record of a data set.", again)
    return record


def _counts(pictures: dict[str, Any]) -> bool:
    return all(isinstance(number, int) for number in pictures.values())
