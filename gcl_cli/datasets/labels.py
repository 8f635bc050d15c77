"""Cameras and people from where the user says: a picture's folder, or what a regular expression finds in its path."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from gcl_cli.datasets.dataset import Reading, Remark
from gcl_cli.datasets.listing import some
from gcl_cli.errors import GclError
from gcl_cli.records import Sample

FOLDER, NONE = "folder", "none"
JUNK = "-1"
MOST = {"camera": 10_000, "person": 10**9}  # tables are made over cameras, and numbers of people fit into 64 bits
OUTER, CAMERA_WORD = "^([^/]+)/", "cam(?:era)?[_-]?([A-Za-z0-9]+)"
PLACES = (FOLDER, OUTER)
_NUMBER = re.compile(r"\D*(\d{1,18})\D*", re.ASCII)

Labelled = dict[str, list[Sample]]  # by split
Paths = Mapping[str, Sequence[tuple[str, Sample]]]  # split -> path within the split's folder, and the sample


def labelled(paths: Paths, reading: Reading) -> Labelled:
    """The samples by split, with cameras and people from where `reading` says, else as their names say.

    Labels that are numbers keep them (cam12 is camera 12); others are numbered from 1 in alphabetical order. Frames
    count on a camera's own clock: they go where the camera is another one than the name says.
    GclError for an expression that is none, and where it finds nothing in a picture's path.
    """
    if reading.camera_from == FOLDER == reading.person_from:
        raise GclError(
            "--camera-from folder and --person-from folder both name the folder that a picture lies in.",
            f"Say which folder is the camera with a regular expression, such as --camera-from '{OUTER}'",
        )
    cameras = _numbers(paths, reading.camera_from, "camera")
    people = _numbers(paths, reading.person_from, "person")

    def with_labels(sample: Sample) -> Sample:
        if reading.camera_from is not None:
            sample = replace(sample, camera=cameras.get(sample.name), frame=None, slot=None)
        return sample if reading.person_from is None else replace(sample, person=people.get(sample.name))

    return {split: [with_labels(sample) for _, sample in pairs] for split, pairs in paths.items()}


def label_notes(samples: Sequence[Sample], paths: Sequence[str], reading: Reading) -> list[Remark]:
    """Which labels of training pictures are unknown, and which option would find some.

    paths: of the pictures, relative to their split's folder.
    """
    taken = [
        _different(source, paths) for source in (reading.camera_from, reading.person_from) if source not in (None, NONE)
    ]
    notes, places = [], _suggestions(paths, PLACES, taken)
    if without := [sample.name for sample in samples if sample.camera is None]:
        told = f"Cameras are unknown for {len(without):,} of {len(samples):,} training pictures: {some(without)}"
        options = _options("camera", [*places, *_suggestions(paths, (CAMERA_WORD,), taken)])
        fix = options or "To tell them, name pictures like cam1_0001.jpg."
        notes.append(Remark("cameras", f"{told}; training goes on without them.", fix))
    if places and (nobody := sum(sample.person is None for sample in samples)):
        told = f"People are unknown for {nobody:,} of {len(samples):,} training pictures"
        notes.append(Remark("people", f"{told}; only a labelled source needs them.", _options("person", places)))
    return notes


def _options(kind: str, found: list[tuple[str, list[str]]]) -> str:
    """What to type, by what it would find."""
    options = [f"--{kind}-from '{source}' finds {len(labels)} ({some(labels)})" for source, labels in found]
    return f"To tell them: {'; '.join(options)}." if options else ""


def _suggestions(
    paths: Sequence[str], sources: Sequence[str], taken: Sequence[set[str | None]]
) -> list[tuple[str, list[str]]]:
    """Which of `sources` find labels in all paths, fewer than pictures and others than are `taken`, sorted."""
    found, known = list[tuple[str, list[str]]](), list(taken)
    for source in sources:
        different = _different(source, paths)
        if None not in different and 1 < len(different) < len(paths) and different not in known:
            found.append((source, sorted(map(str, different))))
        known.append(different)
    return found


def _different(source: str | None, paths: Sequence[str]) -> set[str | None]:
    return {_label(str(source), path) for path in paths}


def _numbers(paths: Paths, source: str | None, kind: str) -> dict[str, int]:
    """The number of every picture's label, by the sample's name."""
    if source in (None, NONE):
        return {}
    labels = {sample.name: _label(str(source), path) for pairs in paths.values() for path, sample in pairs}
    without = [name for name, label in labels.items() if label is None]
    if without:
        where = "lie in no folder of their own" if source == FOLDER else "have no such part in their paths"
        raise GclError(
            f"--{kind}-from {source}: {len(without):,} of {len(labels):,} pictures {where}: {some(without)}.",
            f"Give --{kind}-from a regular expression that fits all paths within a split, its group being the {kind}.",
        )
    number = _numbering({str(label) for label in labels.values()}, kind)
    return {name: number(str(label)) for name, label in labels.items()}


def _label(source: str, path: str) -> str | None:
    """The label in a path within a split's folder; None where there is none."""
    if source == FOLDER:
        return PurePosixPath(path).parent.name or None
    try:
        match = re.search(source, path)
    except re.error as error:
        raise GclError(
            f"{source!r} is neither 'folder' nor a regular expression: {error}.",
            f"Write one that finds the label in paths such as {path}",
        ) from error
    return None if match is None else next((group for group in match.groups() if group), match[0])


def _numbering(labels: set[str], kind: str) -> Callable[[str], int]:
    """The number that each label has in it where no two have the same one, else its place in the alphabet.

    Person -1 is junk and stays it.
    """
    kept = {JUNK: -1} if kind == "person" and JUNK in labels else {}
    others = sorted(labels - kept.keys())
    inside = [int(match[1]) for label in others if (match := _NUMBER.fullmatch(label))]
    if len(set(inside)) < len(others) or max(inside, default=0) >= MOST[kind]:
        inside = list(range(1, len(others) + 1))
    return (kept | dict(zip(others, inside, strict=True))).__getitem__
