"""Is a data set what it should be, by its pictures: unreadable, tiny, twice there."""

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gcl_cli import console
from gcl_cli.artifacts.files import sha256
from gcl_cli.commands.doctor.findings import Finding, note, ok, problem, shown
from gcl_cli.datasets.dataset import Dataset
from gcl_cli.datasets.decoding import read_crop
from gcl_cli.errors import GclError
from gcl_cli.machine.system import cores
from gcl_cli.records import Sample

LEAST_HEIGHT = 32  # pixels: less shows colours, no person


@dataclass(frozen=True)
class Looked:
    """One picture as it was found."""

    split: str
    sample: Sample
    height: int  # 0: it cannot be read
    width: int
    digest: str  # empty: it cannot be read
    why: str = ""  # it cannot be read


def look_at_pictures(dataset: Dataset) -> Iterator[Finding]:
    """Everything that takes reading every picture."""
    looked = _read_all(dataset)
    broken = [f"{one.sample.name}: {one.why}" for one in looked if not one.digest]
    if broken:
        fix = "Restore these files from their source, or remove them."
        yield problem("pictures", f"cannot be read: {shown(broken)}", fix)
    else:
        yield ok("pictures", f"all {len(looked):,} can be read")
    whole = [one for one in looked if one.digest]
    yield from _sizes(whole)
    yield from _copies(whole)


def _read_all(dataset: Dataset) -> list[Looked]:
    """Decode and hash every picture of every split."""
    samples = [(split, sample) for split, of_split in dataset.splits.items() for sample in of_split]
    looked = []
    with console.meter("doctor", len(samples)) as meter, ThreadPoolExecutor(cores()) as pool:
        for one in pool.map(lambda pair: _look(dataset.root, *pair), samples):
            looked.append(one)
            meter.advance()
    return looked


def _look(root: Path, split: str, sample: Sample) -> Looked:
    try:
        height, width = read_crop(root, sample.name).shape[:2]
    except GclError as error:
        why = error.problem.removeprefix(f"The picture {root / sample.name} cannot be read: ").rstrip(".")
        return Looked(split, sample, 0, 0, "", why)
    return Looked(split, sample, height, width, sha256(root / sample.name))


def _sizes(looked: list[Looked]) -> Iterator[Finding]:
    """Pictures too small to show a person, wider than high, of many sizes."""
    tiny = [one.sample.name for one in looked if one.height < LEAST_HEIGHT]
    if tiny:
        yield note("sizes", f"lower than {LEAST_HEIGHT} pixels: {shown(tiny)}", "Remove them: they show no person.")
    wide = [one.sample.name for one in looked if one.width > one.height]
    if wide:
        fix = "Give crops of one standing person each: cut the people out with a detector first."
        yield note("sizes", f"wider than high: {shown(wide)}", fix)
    sizes = sorted({(one.height, one.width) for one in looked})
    if len(sizes) > 1:
        (low, first), (high, last) = sizes[0], sizes[-1]
        found = f"{len(sizes)} different sizes, {low}x{first} to {high}x{last} (height x width)"
        yield note("sizes", found, "Nothing: all are resized to the preset's size.")
    elif sizes:
        yield ok("sizes", f"all {sizes[0][0]}x{sizes[0][1]} (height x width)")


def _copies(looked: list[Looked]) -> Iterator[Finding]:
    """Pictures of the same bytes: within a split, across splits, and under several people."""
    same: dict[str, list[Looked]] = defaultdict(list)
    for one in looked:
        same[one.digest].append(one)
    groups = [group for group in same.values() if len(group) > 1]
    if not groups:
        yield ok("copies", "no picture is there twice")
    within = [_pair(group) for group in groups if len({one.split for one in group}) == 1]
    if within:
        yield note("copies", f"pictures that are there twice: {shown(within)}", "Remove one of each.")
    for first, second in (("query", "gallery"), ("train", "query"), ("train", "gallery")):
        shared = [_pair(group, first, second) for group in groups if {first, second} <= {one.split for one in group}]
        if shared:
            fix = f"Remove them from {second if first == 'query' else 'train'}: the result would be too good."
            yield problem("copies", f"the same picture in {first} and {second}: {shown(shared)}", fix)
    torn = [_pair(group) for group in groups if _people_differ(group)]
    if torn:
        fix = "Find out who it is, and remove the other."
        yield problem("copies", f"the same picture as different people: {shown(torn)}", fix)


def _pair(group: list[Looked], *splits: str) -> str:
    """Two of the names: of one split each where splits are named."""
    chosen = [next(one for one in group if one.split == split) for split in splits] or group[:2]
    return " = ".join(one.sample.name for one in chosen)


def _people_differ(group: list[Looked]) -> bool:
    """Whether one picture is labelled as several people; numbers of train and test do not compare."""
    sides = ([one for one in group if one.split == "train"], [one for one in group if one.split != "train"])
    return any(len({one.sample.person for one in side}) > 1 for side in sides)
