"""`dataset.json`: the data set a work folder belongs to, written by the first stage that is given data.

`dataset.pictures.json` beside it lists the pictures, so that it can be said which of them changed.
"""

import hashlib
import json
import os
import shlex
from pathlib import Path
from typing import Any

from gcl_cli.artifacts.files import create_json, digest_of, read_json, write_json, write_text
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.seals import read_sealed, sealed
from gcl_cli.errors import GclError, first_few

Stamps = dict[str, list[list[Any]]]  # split -> name, size in bytes and digest of some contents of every picture

FORM = 2  # of the digest: 1 knew names and sizes alone
PROBED = 4096  # bytes read from the head and from the middle: header and first rows, and the person
_KINDS = {"root": str, "name": str, "layout": str, "allow_subset": bool, "form": int, "digest": str, "pictures": dict}


def stamps(root: Path, names: dict[str, list[str]]) -> Stamps:
    """What tells the pictures of every split from others: their names, sizes and some of their contents.

    Not the times of their changes, which copying changes. 10 microseconds a picture, when the system has seen it
    lately. GclError where one is out of reach.
    """
    return {split: [[name, *_stamp(f"{root}/{name}")] for name in listed] for split, listed in names.items()}


def _stamp(path: str) -> tuple[int, str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # never waits for the other end of a pipe
        try:
            size = os.fstat(descriptor).st_size
            probe = os.read(descriptor, PROBED) + os.pread(descriptor, PROBED, size // 2)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise GclError(
            f"The picture {path} is out of reach: {error.strerror}.", "Put it back, or remove the link to it."
        ) from error
    return size, hashlib.sha256(probe).hexdigest()[:16]


def fingerprint_of(found: Stamps, form: int = FORM) -> str:
    """Identity of a data set, in the form that a work folder began with."""
    if form == 1:
        return digest_of({split: [[name, size] for name, size, _ in listed] for split, listed in found.items()})
    return digest_of(found)


def fingerprint(root: Path, names: dict[str, list[str]]) -> str:
    """Identity of some files below a folder, by split; GclError where one is out of reach."""
    return fingerprint_of(stamps(root, names))


def remember(work: WorkFolder, record: dict[str, Any], found: Stamps) -> dict[str, Any]:
    """Write the record when there is none; GclError when the folder belongs to another data set. Returns the record.

    record: `root` (absolute path), `name`, `layout`, `allow_subset`, `camera_from`, `person_from`, `pictures` (their
    number, by split). A data set is its pictures, not its place: where they were moved, the record follows them. Of two
    commands that begin a work folder together, one writes it.
    """
    mine = {**record, **_place(work, record["root"]), "form": FORM, "digest": fingerprint_of(found)}
    if not work.dataset_file.exists():
        work.root.mkdir(parents=True, exist_ok=True)
        write_text(_listing(work), json.dumps(found))
        create_json(work.dataset_file, sealed(mine))
    known = recall(work)
    same = known["digest"] == fingerprint_of(found, known["form"])
    if not same and place_of(work, known) != Path(mine["root"]):
        raise GclError(
            f"{work.root} belongs to {known['root']}, not to {mine['root']}.",
            "Leave DATA out, or choose another work folder with --work DIR.",
        )
    if not same:
        raise GclError(
            f"The pictures in {mine['root']} changed since {work.dataset_file} was written{_changes(work, found)}.",
            "Choose a new work folder with --work DIR, or put the pictures back.",
        )
    _refuse_other_cameras(work, known, record.get("camera_from"))
    follows = {**_place(work, mine["root"]), "person_from": record.get("person_from")}
    if any(known.get(key) != value for key, value in follows.items()):
        known = {**known, **follows}
        write_json(work.dataset_file, sealed(known))
    return known


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
        shown = "" if work.root == Path("work") else f" --work {shlex.quote(str(work.root))}"
        raise GclError(
            f"There is no folder {root} any more, where the data set of {work.root} was.",
            f"If it was moved, name its new place once: gcl mesh NEW_PLACE{shown} (what was made of it is kept).",
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
    record = {"form": 1, **read_sealed(work.dataset_file, again)}
    whole = all(isinstance(record.get(key), kind) for key, kind in _KINDS.items())
    whole = whole and all(isinstance(record.get(key), str | None) for key in ("beside", "camera_from", "person_from"))
    if not whole or not _counts(record["pictures"]):
        raise GclError(f"{work.dataset_file} is damaged: it is no record of a data set.", again)
    return record


def _counts(pictures: dict[str, Any]) -> bool:
    return all(isinstance(number, int) for number in pictures.values())


def _listing(work: WorkFolder) -> Path:
    return work.dataset_file.with_suffix(".pictures.json")


def _changes(work: WorkFolder, found: Stamps) -> str:
    """`: 1 gone (a.jpg), 2 replaced (b.jpg, c.jpg)`; empty where the list is of other pictures, or lost."""
    try:
        listed: Stamps = read_json(_listing(work))
    except (OSError, ValueError):
        return ""
    if fingerprint_of(listed) != recall(work)["digest"]:
        return ""
    old, new = ({name: rest for rows in some.values() for name, *rest in rows} for some in (listed, found))
    content = {tuple(rest): name for name, rest in new.items() if name not in old}
    renamed = {name: content[tuple(old[name])] for name in old if name not in new and tuple(old[name]) in content}
    kinds = {
        "gone": [name for name in old if name not in new and name not in renamed],
        "new": [name for name in new if name not in old and name not in renamed.values()],
        "renamed": [f"{name} is {other} now" for name, other in renamed.items()],
        "replaced": [name for name in old if new.get(name, old[name]) != old[name]],
    }
    told = [f"{len(names)} {kind} ({first_few(names)})" for kind, names in kinds.items() if names]
    return ": " + (", ".join(told) if told else "some are in another split")
