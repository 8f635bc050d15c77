"""Data sets with a folder for each split, the labels in the file names or where the user says.

Market-1501, DukeMTMC-reID, VeRi, MARS, the re-packed MSMT17 and what is made for them have the same folders by
different names (`splits`), with file names of their own (`grammars`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gcl_cli.datasets import dukemtmc
from gcl_cli.datasets.dataset import Dataset, Reading, Remark
from gcl_cli.datasets.grammars import EXAMPLES, read_names
from gcl_cli.datasets.labels import Labelled, label_notes, labelled
from gcl_cli.datasets.listing import FoundPictures, few, some
from gcl_cli.datasets.splits import CLASSIC, SplitSet, sounds_like_a_test, split_of
from gcl_cli.errors import GclError
from gcl_cli.records import Sample

SPLITS = ("train", "query", "gallery")
SAY = (
    "Say where labels stand in a path within a split, with folder, or with expressions such as "
    "--person-from '^([0-9]+)' --camera-from '_([0-9]+)'"
)
LEAVE = "--allow-subset goes on without these pictures"


def read(found: FoundPictures, here: SplitSet, reading: Reading) -> Dataset:
    """The splits whose folders exist; the pictures themselves are not opened.

    Junk (person -1) is left out of query and gallery; in a training folder such pictures train. Names that no grammar
    reads are left out with a remark where they are few; where they are more, or a split holds nothing that can be used,
    that is a GclError which says what to give.
    """
    folders = {split: _chosen(split, here.folders[split]) for split in SPLITS if split in here.folders}
    mine = found.below(list(folders.values())).usable()
    names = {split: _names(mine, folder, folders.values()) for split, folder in folders.items()}
    layout, samples = read_names([name for of_split in names.values() for name in of_split])
    by_name = {sample.name: sample for sample in samples}
    paths = {
        split: [(name.removeprefix(f"{folders[split]}/"), by_name[name]) for name in of_split]
        for split, of_split in names.items()
    }
    notes = [Remark("folders", text) for text in mine.remarks] + _beside(found, mine, reading)
    splits = _kept(found.root, folders, labelled(paths, reading), reading, notes)
    train = {sample.name for sample in splits.get("train", ())}
    notes += label_notes(
        splits.get("train", ()), [path for path, s in paths.get("train", ()) if s.name in train], reading
    )
    return Dataset(found.root, found.root.resolve().name, layout, splits, (*notes, *_about(layout, splits)))


def _kept(
    root: Path, folders: Mapping[str, str], labels: Labelled, reading: Reading, notes: list[Remark]
) -> dict[str, tuple[Sample, ...]]:
    """The samples that can be used, by split; `notes` gets what is said of the others."""
    nobody = all(sample.person in (None, -1) for samples in labels.values() for sample in samples)
    splits = dict[str, tuple[Sample, ...]]()
    for split, samples in labels.items():
        if split == "train":
            kept = _training(root / folders[split], samples, reading, notes)
        elif nobody and all(sample.person == -1 for sample in samples):
            kept = _nobody(split, samples, notes)
        else:
            kept = _searched(split, root / folders[split], samples, reading, notes)
        splits |= {split: tuple(kept)} if kept else {}
    return splits


def _chosen(split: str, folders: Sequence[str]) -> str:
    """The folder of a split: the only one, the one with Market-1501's own name, or the one that has all of it."""
    base = {folder.rpartition("/")[2].lower(): folder for folder in folders}
    meant = [base[name] for name in (*CLASSIC, "train_all", "trainall") if name in base]
    if not meant and len(folders) > 1:
        raise GclError(
            f"{' and '.join(folders)} are both the {split} pictures, by their names.",
            "Keep one of them there, or move the pictures of the other into it.",
        )
    return (meant or list(folders))[0]


def _names(found: FoundPictures, folder: str, others: Iterable[str]) -> list[str]:
    """The pictures of a split: those below its folder, but not below another split's folder in there."""
    mine, inner = found.below([folder]), tuple(f"{other}/" for other in others if other.startswith(f"{folder}/"))
    if not mine.names:
        raise GclError(
            " ".join([f"{found.root / folder} holds no pictures.", *mine.remarks]),
            f"Unpack the data set again, or remove the empty folder if {folder} is not needed.",
        )
    return [name for name in mine.names if not name.startswith(inner)]


def _training(folder: Path, samples: list[Sample], reading: Reading, notes: list[Remark]) -> list[Sample]:
    """Pictures to train on: nobody's name is needed, and where no name is read at all they train without cameras."""
    unread = [sample.name for sample in samples if sample.person is None and sample.camera is None]
    if reading.camera_from is None and len(unread) < len(samples):
        samples = _without(unread, samples, folder, reading, notes)
    return [replace(sample, person=None) if sample.person == -1 else sample for sample in samples]


def _searched(split: str, folder: Path, samples: list[Sample], reading: Reading, notes: list[Remark]) -> list[Sample]:
    """Pictures of query and gallery: each must show a known person; junk is left out."""
    unread = [sample.name for sample in samples if sample.person is None]
    junk = sum(sample.person == -1 for sample in samples)
    if len(unread) + junk == len(samples):
        raise _nothing_usable(folder, samples, junk)
    if junk:
        notes.append(Remark("junk", f"{junk:,} junk pictures (person -1) of {split} were left out.", left_out=junk))
    kept = _without(unread, samples, folder, reading, notes)
    return [sample for sample in kept if sample.person != -1]


def _nobody(split: str, samples: list[Sample], notes: list[Remark]) -> list[Sample]:
    """Nothing of a query or gallery whose people are all unknown, in a set that knows nobody."""
    notes.append(
        Remark(
            "labels",
            f"No name says who is on a picture (person -1): the {len(samples):,} of {split} are left out, and there is "
            "nothing to evaluate on.",
            "Where folders say who it is: --person-from folder.",
            len(samples),
        )
    )
    return []


def _without(
    unread: list[str], samples: list[Sample], folder: Path, reading: Reading, notes: list[Remark]
) -> list[Sample]:
    """The samples but those whose names are not read; GclError where these are more than a few."""
    if not unread:
        return samples
    text = f"{len(unread):,} of {len(samples):,} pictures in {folder} have names of no known style"
    if not few(len(unread), len(samples)) and not reading.allow_subset:
        raise GclError(f"{text}: {some(unread)}.", f"{SAY}; {LEAVE}. Known styles: {EXAMPLES}")
    gone = set(unread)
    left = f"{text} and were left out: {some(unread)}."
    notes.append(Remark("names", left, f"Name them like {EXAMPLES}; or {SAY[0].lower()}{SAY[1:]}.", len(unread)))
    return [sample for sample in samples if sample.name not in gone]


def _nothing_usable(folder: Path, samples: list[Sample], junk: int) -> GclError:
    if junk:
        return GclError(
            f"{folder} holds no usable picture: {junk:,} of {len(samples):,} are junk (person -1).",
            "Give these pictures the numbers of their people, or remove the folder if it is not needed.",
        )
    return GclError(
        f"{folder} holds no usable picture: names like {EXAMPLES} were expected, found {len(samples):,} pictures such "
        f"as {samples[0].name.rpartition('/')[2]}.",
        f"{SAY}; to train on this one folder without labels, give {folder} as the data.",
    )


def _beside(found: FoundPictures, used: FoundPictures, reading: Reading) -> list[Remark]:
    """What lies beside the splits; GclError where it is more than a few pictures and no known by-product."""
    left = sorted(set(found.names) - set(used.names))
    unclear = [name for name in left if not any(map(_is_by_product, name.split("/")[:-1]))]
    if not few(len(unclear), len(found.names)) and not reading.allow_subset:
        raise GclError(
            f"{found.root} has {len(unclear):,} pictures beside the folders of its splits: {some(unclear)}.",
            f"Move them into a split, or out of {found.root}; {LEAVE}.",
        )
    text = f"{len(left):,} pictures are in no folder that trains or is searched, and were left out: {some(left)}."
    return [Remark("folders", text, left_out=len(left))] if left else []


def _is_by_product(folder: str) -> bool:
    """Whether published sets have such a folder beside those that count: val, multi-query, gt_query, gt_bbox."""
    return split_of(folder) is not None or sounds_like_a_test(folder) or folder.startswith("gt_")


def _about(layout: str, splits: dict[str, tuple[Sample, ...]]) -> list[Remark]:
    """What must be known of a style."""
    if layout == "dukemtmc":
        return [Remark("data set", dukemtmc.WITHDRAWN)]
    if layout == "msmt17-market":
        return [Remark("names", "The file names carry no frame and no recording slot: JVTC+ cannot be used.")]
    if any(sample.person == 0 for sample in splits.get("query", ())):
        text = "The query holds person 0, by which Market-1501 means distractors; here it counts as one person."
        return [Remark("labels", text)]
    return []
