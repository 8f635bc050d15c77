"""MSMT17 (Wei et al., CVPR 2018): the original list files, version 1 and 2, and the names of the re-packed set."""

import itertools
import re
from pathlib import Path, PurePosixPath

from gcl_cli.datasets.dataset import Dataset, Reading, Remark
from gcl_cli.datasets.labels import labelled
from gcl_cli.datasets.listing import FoundPictures, reachable, readably
from gcl_cli.errors import GclError
from gcl_cli.records import Sample

EXAMPLE = "0000_000_01_0303morning_0008_0.jpg"
MARKET_EXAMPLE = "0000_c14_0030.jpg"
LONGEST = 200  # characters of a line in a message
# Version 2 has the same lists and pictures with the faces masked.
FOLDERS = {
    "msmt17-v1": {"train": "train", "query": "test", "gallery": "test"},
    "msmt17-v2": {"train": "mask_train_v2", "query": "mask_test_v2", "gallery": "mask_test_v2"},
}
# The validation people are training people: the two lists are merged.
LISTS = {
    "train": ("list_train.txt", "list_val.txt"),
    "query": ("list_query.txt",),
    "gallery": ("list_gallery.txt",),
}
# Numbers are bounded: person numbers must fit into 64 bits, and tables are made over cameras and over times.
_NAME = re.compile(
    r"(\d{1,9})_\d+_(\d{1,4})_(\d{4}(?:morning|noon|afternoon))_(\d{1,7})_\d+(?:_ex)?(?:\..*)?", re.ASCII
)
_MARKET_NAME = re.compile(
    # 0001_c012_00016450.jpg, as VeRi's are, too; 12-c3-0001.png; person12_cam3.jpg
    r"(?i:(?:(?:person|pid|id|p)[_-]?)?(-1|\d{1,9})(?:_c|[_-]cam(?:era)?[_-]?|-c(?=\d+(?:s\d+)?(?:[_.-]|$)))(\d{1,4})(?:\D.*)?)|"
    r"(\d{4})C(\d{1,4})[TF]\d+.*",  # MARS and DukeMTMC-VideoReID: 0001C1T0001F001.jpg
    re.ASCII,
)


def parse(name: str) -> Sample | None:
    """The sample of a path whose base name is MSMT17's (person, index, camera, slot, time, box), else None."""
    match = _NAME.fullmatch(name.rpartition("/")[2])
    if match is None:
        return None
    person, camera, slot, time = match.groups()
    return Sample(name, int(person), int(camera), int(time), slot)


def parse_market(name: str) -> Sample | None:
    """The sample of a path whose base name begins with person and camera as in the re-packed set, else None."""
    match = _MARKET_NAME.fullmatch(name.rpartition("/")[2])
    return None if match is None else Sample(name, int(match[1] or match[3]), int(match[2] or match[4]))


def recognise(root: Path) -> str | None:
    """The layout of `root`, "msmt17-v1" or "msmt17-v2"; None if it is neither. A GclError if it is half of one."""
    lists = [name for names in LISTS.values() for name in names if (root / name).is_file()]
    layouts = [layout for layout, folders in FOLDERS.items() if any((root / f).is_dir() for f in folders.values())]
    if lists and len(layouts) == 1:
        return layouts[0]
    if lists:
        found = "both versions' folders" if layouts else "none of them"
        raise GclError(
            f"{root} has MSMT17's {lists[0]}; train and test, or mask_train_v2 and mask_test_v2, were expected beside "
            f"it, found {found}.",
            "Keep the list files and the folders of one version in one folder.",
        )
    if "msmt17-v2" in layouts:
        raise GclError(
            f"{root} has MSMT17's masked pictures but none of its list files.",
            "Copy list_train.txt, list_val.txt, list_query.txt and list_gallery.txt beside the folders.",
        )
    return None


def read(found: FoundPictures, layout: str, reading: Reading) -> Dataset:
    """The splits that have list files; listed pictures that are not there are a GclError, or left out of a subset."""
    root, folders = found.root, FOLDERS[layout]
    found = found.below(list(folders.values())).usable()
    notes = [Remark("folders", remark) for remark in found.remarks]
    splits, on_disk = dict[str, tuple[Sample, ...]](), set(found.names)
    unlisted = set(on_disk)
    for split, lists in LISTS.items():
        present = [name for name in lists if (root / name).is_file()]
        if not present:
            continue
        listed = [sample for name in present for sample in _listed(root / name, folders[split])]
        there = [sample for sample in listed if sample.name in on_disk]
        if len(there) < len(listed):
            missing = [sample.name for sample in listed if sample.name not in on_disk]
            notes.append(_missing(root, " and ".join(present), missing, reading))
        _refuse_links_out(root, folders[split], there)
        splits[split] = _sorted_once(there, " and ".join(present))
        unlisted -= {sample.name for sample in listed}
    notes += _unlisted(root, sorted(unlisted))
    if not any(splits.values()):
        raise GclError(f"{root} holds none of the pictures in its list files.", "Unpack MSMT17 again.")
    labels = labelled({s: [(sample.name, sample) for sample in samples] for s, samples in splits.items()}, reading)
    filled = {split: tuple(samples) for split, samples in labels.items() if samples}
    return Dataset(root, root.resolve().name, layout, filled, tuple(notes))


def _listed(path: Path, folder: str) -> list[Sample]:
    """The samples of a list file; a line is a path and a label, and the path already says the person."""
    samples = []
    for number, line in enumerate(_text(path).split("\n"), start=1):
        fields = line.split()
        if not fields:
            continue
        sample = parse(f"{folder}/{fields[0]}")
        inside = ".." not in PurePosixPath(fields[0]).parts and not fields[0].startswith("/")
        if sample is None or len(fields) != 2 or not inside:
            raise GclError(
                f"Line {number} of {path}: a path like 0000/{EXAMPLE} and a label were expected, found "
                f"{line[:LONGEST]!r}.",
                "Copy the list file from the original data set.",
            )
        samples.append(sample)
    return samples


def _text(path: Path) -> str:
    with reachable(path):
        content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise GclError(
            f"{path} is no list of pictures: line {line} holds bytes that are no UTF-8.",
            "Copy the list file from the original data set.",
        ) from error


def _refuse_links_out(root: Path, folder: str, listed: list[Sample]) -> None:
    """A list file, which may come from anywhere, never makes pictures of files outside the data set's folder."""
    top = (root / folder).resolve()
    links = (path for sample in listed if (path := root / sample.name).is_symlink())
    out = next((path for path in links if not path.resolve().is_relative_to(top)), None)
    if out is not None:
        raise GclError(
            f"{out} is listed, and is a link to {readably(str(out.resolve()))}, outside of {top}.",
            "Put the picture itself in the place of the link.",
        )


def _unlisted(root: Path, names: list[str]) -> list[Remark]:
    if not names:
        return []
    text = f"{len(names):,} pictures in {root} are in no list file and were left out, such as {names[0]}."
    return [Remark("names", text, "Copy the original list files where they are meant to be used.", len(names))]


def _missing(root: Path, lists: str, missing: list[str], reading: Reading) -> Remark:
    problem = f"{len(missing):,} pictures of {lists} are not in {root}, such as {missing[0]}"
    if not reading.allow_subset:
        raise GclError(f"{problem}.", "Unpack MSMT17 again, or type --allow-subset to go on without them.")
    return Remark("names", f"{problem}: left out.")


def _sorted_once(samples: list[Sample], lists: str) -> tuple[Sample, ...]:
    ordered = sorted(samples, key=lambda sample: sample.name)
    for first, second in itertools.pairwise(ordered):
        if first.name == second.name:
            raise GclError(f"{first.name} is listed twice in {lists}.", "Copy the list files from the original set.")
    return tuple(ordered)
