"""Is a data set what it should be, by its names: counts, people, cameras, and whether queries can be answered."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from gcl_cli.commands.doctor.findings import Finding, note, ok, problem, shown
from gcl_cli.datasets import msmt17
from gcl_cli.datasets.catalogue import open_dataset
from gcl_cli.datasets.dataset import Dataset
from gcl_cli.datasets.known_sets import KNOWN_SETS
from gcl_cli.datasets.listing import find_pictures
from gcl_cli.datasets.market_layout import FOLDERS, GRAMMARS
from gcl_cli.errors import GclError
from gcl_cli.records import Sample


def open_for_looking(root: Path) -> tuple[Dataset | None, list[Finding]]:
    """The data set, even one with other counts than its name promises, and what opening it found."""
    try:
        return open_dataset(root, allow_subset=False), []
    except GclError as error:
        found = [problem("data set", error.problem, error.fix)]
    try:
        return open_dataset(root, allow_subset=True), found
    except GclError as error:
        again = problem("data set", error.problem, error.fix)
        return None, found if again in found else [*found, again]


def look_at_names(dataset: Dataset) -> Iterator[Finding]:
    """Everything that the names of the pictures tell."""
    sizes = ", ".join(f"{split} {len(samples):,}" for split, samples in dataset.splits.items())
    title = KNOWN_SETS[dataset.name].title if dataset.name in KNOWN_SETS else f"{dataset.name}, no published set"
    yield ok("data set", f"{title}: {sizes} ({dataset.layout} style)")
    yield from _left_out(dataset)
    yield from _cameras(dataset)
    if "query" in dataset.splits and "gallery" in dataset.splits:
        yield from _unanswerable(dataset.splits["query"], dataset.splits["gallery"])
    else:
        fix = "gcl evaluate needs query and gallery with labels; training needs neither."
        yield note("labels", f"no {' and '.join({'query', 'gallery'} - dataset.splits.keys())}", fix)


def _left_out(dataset: Dataset) -> Iterator[Finding]:
    """Pictures that are left out because of their names, their formats or their places."""
    grammar = next((grammar for grammar in GRAMMARS if grammar.layout == dataset.layout), None)
    folders = FOLDERS if grammar else msmt17.FOLDERS.get(dataset.layout, {"train": ""})
    there = [folder for folder in dict.fromkeys(folders.values()) if (dataset.root / folder).is_dir()]
    found = [find_pictures(dataset.root, folder, deep=grammar is None) for folder in there]
    for remark in (remark for pictures in found for remark in pictures.remarks):
        yield note("folders", remark, "Nothing, if they are not meant to be used; else move or convert them.")
    names = [name for pictures in found for name in pictures.names]
    if grammar and (strange := [name for name in names if grammar.parse(name) is None]):
        yield note("names", f"left out for their names: {shown(strange)}", f"Name them like {grammar.example}")
    if dataset.layout in msmt17.FOLDERS:
        listed = {sample.name for samples in dataset.splits.values() for sample in samples}
        if unlisted := [name for name in names if name not in listed]:
            yield note("names", f"in no list file: {shown(unlisted)}", "They are left out; copy the original lists.")


def _cameras(dataset: Dataset) -> Iterator[Finding]:
    """Whether cameras are known, and enough of them."""
    seen = {split: {sample.camera for sample in samples} for split, samples in dataset.splits.items()}
    unknown = [split for split, cameras in seen.items() if None in cameras]
    if unknown:
        fix = f"Training goes on without them; to tell them, name pictures like {GRAMMARS[0].example}"
        yield note("cameras", f"unknown for pictures of {', '.join(unknown)}", fix)
    if len(seen.get("train", ())) == 1 and "train" not in unknown:
        fix = "Training works, but cannot learn what stays the same across cameras: add pictures of others."
        yield note("cameras", "all training pictures are of one camera", fix)
    searched = (seen.get("query", set()) | seen.get("gallery", set())) - {None}
    if len(searched) == 1:
        fix = "Matches are searched in other cameras than the query's: add pictures of a second camera."
        yield problem("cameras", "query and gallery are of one camera", fix)
    strangers = sorted(camera for camera in searched - seen.get("train", searched) if camera is not None)
    if strangers and "train" not in unknown:
        named = ", ".join(map(str, strangers))
        yield note("cameras", f"only in query and gallery: {named}", "Nothing, if these are meant to be new places.")


def _unanswerable(query: tuple[Sample, ...], gallery: tuple[Sample, ...]) -> Iterator[Finding]:
    """Queries whose person no other camera of the gallery has seen."""
    places: dict[int | None, set[int | None]] = defaultdict(set)
    for sample in gallery:
        places[sample.person].add(sample.camera)
    lonely = [sample.name for sample in query if not places[sample.person] - {sample.camera}]
    if len(lonely) == len(query):
        fix = "Put pictures of the same people from other cameras into the gallery, under the same person numbers."
        yield problem("queries", "none has a match of another camera in the gallery", fix)
    elif lonely:
        fix = "They are skipped; add gallery pictures of these people from other cameras, or leave the queries out."
        yield note("queries", f"without a match of another camera in the gallery: {shown(lonely)}", fix)
    else:
        yield ok("queries", "each has a match of another camera in the gallery")
