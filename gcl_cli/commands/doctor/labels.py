"""Is a data set what it should be, by its names: counts, people, cameras, and whether queries can be answered."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from gcl_cli.commands.doctor.findings import Finding, note, ok, problem, shown
from gcl_cli.datasets.catalogue import open_dataset
from gcl_cli.datasets.dataset import Dataset
from gcl_cli.datasets.known_sets import KNOWN_SETS
from gcl_cli.errors import GclError
from gcl_cli.records import Sample

IN_PASSING = "Nothing, if they are not meant to be used; else move, rename or convert them."


def open_for_looking(
    root: Path, *, camera_from: str | None = None, person_from: str | None = None
) -> tuple[Dataset | None, list[Finding]]:
    """The data set, even one with other counts than its name promises, and what opening it found."""
    said = {"camera_from": camera_from, "person_from": person_from}
    try:
        return open_dataset(root, allow_subset=False, **said), []
    except GclError as error:
        found = [problem("data set", error.problem, error.fix)]
    try:
        return open_dataset(root, allow_subset=True, **said), found
    except GclError as error:
        again = problem("data set", error.problem, error.fix)
        return None, found if again in found else [*found, again]


def look_at_names(dataset: Dataset) -> Iterator[Finding]:
    """Everything that the names of the pictures tell."""
    sizes = ", ".join(f"{split} {len(samples):,}" for split, samples in dataset.splits.items())
    title = KNOWN_SETS[dataset.name].title if dataset.name in KNOWN_SETS else f"{dataset.name}, no published set"
    yield ok("data set", f"{title}: {sizes} ({dataset.layout} style)")
    for said in dataset.notes:
        if said.fix or said.about == "folders":
            yield note(said.about, said.found, said.fix or IN_PASSING)
    yield from _cameras(dataset)
    if "query" in dataset.splits and "gallery" in dataset.splits:
        if all(said.about != "people" for said in dataset.notes):
            yield from _people(dataset.splits.get("train", ()))
        yield from _unanswerable(dataset.splits["query"], dataset.splits["gallery"])
    else:
        fix = "gcl evaluate needs query and gallery with labels; training needs neither."
        missing = [split for split in ("query", "gallery") if split not in dataset.splits]
        yield note("labels", f"no {' and '.join(missing)}", fix)


def _cameras(dataset: Dataset) -> Iterator[Finding]:
    """Whether there are enough cameras; what is unknown of training pictures is among the data set's own notes."""
    seen = {split: {sample.camera for sample in samples} for split, samples in dataset.splits.items()}
    unknown = [split for split, cameras in seen.items() if None in cameras]
    if without := [split for split in unknown if split != "train"]:
        fix = "All pictures of a person then count as matches. Say where cameras stand: --camera-from folder|REGEX"
        yield note("cameras", f"unknown for pictures of {', '.join(without)}", fix)
    known = sorted(camera for camera in seen.get("train", ()) if camera is not None)
    if "train" not in unknown and len(known) > 1:
        yield ok("cameras", f"{shown([str(camera) for camera in known], 12)} in the training pictures")
    if len(seen.get("train", ())) == 1 and "train" not in unknown:
        fix = "Training works, but cannot learn what stays the same across cameras: add pictures of others."
        yield note("cameras", "all training pictures are of one camera", fix)
    searched = (seen.get("query", set()) | seen.get("gallery", set())) - {None}
    if len(searched) == 1:
        fix = (
            "Add pictures of a second camera, or let matches of a query's own camera count: gcl evaluate --same-camera"
        )
        yield problem("cameras", "query and gallery are of one camera", fix)
    strangers = sorted(camera for camera in searched - seen.get("train", searched) if camera is not None)
    if strangers and "train" not in unknown:
        named = ", ".join(map(str, strangers))
        yield note("cameras", f"only in query and gallery: {named}", "Nothing, if these are meant to be new places.")


def _people(train: tuple[Sample, ...]) -> Iterator[Finding]:
    """Whether people are known whom nothing but a labelled source needs."""
    if unknown := [sample.name for sample in train if sample.person is None]:
        fix = "Training needs no names; for learning from labels, --person-from folder|REGEX says where they stand."
        yield note("people", f"unknown in training pictures: {shown(unknown)}", fix)


def _unanswerable(query: tuple[Sample, ...], gallery: tuple[Sample, ...]) -> Iterator[Finding]:
    """Queries whose person no other camera of the gallery has seen."""
    places: dict[int | None, set[int | None]] = defaultdict(set)
    for sample in gallery:
        places[sample.person].add(sample.camera)
    # an unknown camera differs from every other
    lonely = [s.name for s in query if not (places[s.person] - {s.camera} or (None in places[s.person]))]
    if len(lonely) == len(query):
        fix = "Put pictures of the same people from other cameras into the gallery, under the same person numbers."
        yield problem("queries", "none has a match of another camera in the gallery", fix)
    elif lonely:
        fix = "They are skipped; add gallery pictures of these people from other cameras, or leave the queries out."
        yield note("queries", f"without a match of another camera in the gallery: {shown(lonely)}", fix)
    else:
        yield ok("queries", "each has a match of another camera in the gallery")
