"""Folders in the layout of Market-1501: three splits, the labels in the file names.

DukeMTMC-reID and the re-packed MSMT17 use the same three folders with file names of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gcl_cli.datasets import dukemtmc, market1501, msmt17
from gcl_cli.datasets.dataset import Dataset
from gcl_cli.datasets.listing import FoundPictures, find_pictures
from gcl_cli.errors import GclError, first_few
from gcl_cli.records import Sample

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


@dataclass(frozen=True)
class Grammar:
    """How the file names of a layout are written."""

    layout: str
    example: str
    parse: Callable[[str], Sample | None]


# The last is the least specific: it also reads what the others read, but neither frame nor slot.
GRAMMARS = (
    Grammar("market1501", market1501.EXAMPLE, market1501.parse),
    Grammar("dukemtmc", dukemtmc.EXAMPLE, dukemtmc.parse),
    Grammar("msmt17-market", msmt17.MARKET_EXAMPLE, msmt17.parse_market),
)


def recognised(root: Path) -> bool:
    """Whether `root` has this layout's training or gallery folder."""
    return any((root / FOLDERS[split]).is_dir() for split in ("train", "gallery"))


def read(root: Path) -> Dataset:
    """The splits whose folders exist; the pictures themselves are not opened.

    Junk is left out. Names that do not match are left out with a remark; a GclError if none matches.
    """
    found = {split: _found(root, folder) for split, folder in FOLDERS.items() if (root / folder).is_dir()}
    names = {split: pictures.names for split, pictures in found.items()}
    grammar = _grammar([name for split in names.values() for name in split])
    remarks = [remark for pictures in found.values() for remark in pictures.remarks]
    splits: dict[str, tuple[Sample, ...]] = {}
    for split in names:
        parsed = {name: grammar.parse(name) for name in names[split]}
        strange = [name for name, sample in parsed.items() if sample is None]
        fitting = [sample for sample in parsed.values() if sample is not None]
        splits[split] = tuple(sample for sample in fitting if sample.person != -1)
        if not splits[split]:
            raise _nothing_usable(root / FOLDERS[split], names[split], grammar, junk=len(fitting))
        if strange:
            remarks.append(_left_out(strange, grammar))
        if len(fitting) > len(splits[split]):
            remarks.append(f"{len(fitting) - len(splits[split]):,} junk pictures (person -1) of {split} were left out.")
    remarks += _layout_remarks(grammar.layout, splits)
    return Dataset(root, root.resolve().name, grammar.layout, splits, tuple(remarks))


def _found(root: Path, folder: str) -> FoundPictures:
    found = find_pictures(root, folder, deep=False)
    if not found.names:
        raise GclError(
            " ".join([f"{root / folder} holds no pictures.", *found.remarks]),
            f"Unpack the data set again, or remove the empty folder if {folder} is not needed.",
        )
    return found


def _grammar(names: list[str]) -> Grammar:
    """The most specific grammar that fits at least half of the names; else the least specific."""
    for grammar in GRAMMARS[:-1]:
        if 2 * sum(grammar.parse(name) is not None for name in names) >= len(names):
            return grammar
    return GRAMMARS[-1]


def _nothing_usable(folder: Path, names: tuple[str, ...], grammar: Grammar, *, junk: int) -> GclError:
    if junk:
        return GclError(
            f"{folder} holds no usable picture: {junk:,} of {len(names):,} are junk (person -1).",
            "Give these pictures the numbers of their people, or remove the folder if it is not needed.",
        )
    examples = " or ".join(known.example for known in GRAMMARS)
    return GclError(
        f"{folder} holds no usable picture: names like {grammar.example} were expected, "
        f"found {len(names):,} pictures such as {names[0].rpartition('/')[2]}.",
        f"Name the pictures like {examples}; to train on this one folder without labels, give {folder} as the data.",
    )


def _left_out(names: list[str], grammar: Grammar) -> str:
    shown = first_few(names)
    return f"{len(names):,} pictures are not named like {grammar.example} and were left out: {shown}."


def _layout_remarks(layout: str, splits: dict[str, tuple[Sample, ...]]) -> list[str]:
    if layout == "dukemtmc":
        return [dukemtmc.WITHDRAWN]
    if layout == "msmt17-market":
        return ["The file names carry no frame and no recording slot: JVTC+ cannot be used."]
    if any(sample.person == 0 for sample in splits.get("query", ())):
        return ["The query holds person 0, by which Market-1501 means distractors; here it counts as one person."]
    return []
