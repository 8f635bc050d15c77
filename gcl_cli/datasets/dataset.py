"""What every reader of folders hands on: the splits of one data set and what its user must be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gcl_cli.errors import GclError
from gcl_cli.records import Sample

PICTURE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif"})


@dataclass(frozen=True)
class Remark:
    """Something about a data set that its user must be told, in the words that a finding of `gcl doctor` has."""

    about: str
    found: str
    fix: str = ""  # what to do; empty where nothing needs doing
    left_out: int = 0  # pictures that are in no split because of it

    def __str__(self) -> str:
        return " ".join(part for part in (self.found, self.fix) if part)


@dataclass(frozen=True)
class Reading:
    """What the user says of how a data set is to be read."""

    allow_subset: bool = False  # a known set with other counts, and pictures left out because they are unclear
    camera_from: str | None = None  # "folder", "none", or a regular expression for a picture's path; None: its name
    person_from: str | None = None


@dataclass(frozen=True)
class Dataset:
    """The pictures of a folder, by split, each split sorted by name.

    A person's number means something within `train`, and within `query` and `gallery` together: MSMT17 numbers
    its training people and its test people from 0 alike although they are different people. Never merge the two.
    """

    root: Path  # the folder that the samples' names are relative to
    name: str  # "market1501", "dukemtmc", "msmt17", or the folder's own name
    layout: str  # "market1501", "dukemtmc", "msmt17-v1", "msmt17-v2", "msmt17-market", "cameras", "mixed" or "plain"
    splits: dict[str, tuple[Sample, ...]]  # "train", "query", "gallery"; a folder without splits has "train" alone
    notes: tuple[Remark, ...]  # what was assumed or left out: with the splits, these account for every picture found

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes as sentences."""
        return tuple(map(str, self.notes))


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture this project reads; hidden files are not."""
    base = name.rpartition("/")[2]
    return not base.startswith(".") and Path(base).suffix.lower() in PICTURE_ENDINGS


def require_split(dataset: Dataset, split: str) -> tuple[Sample, ...]:
    """The samples of `split`; a GclError says what the data set has instead."""
    if split in dataset.splits:
        return dataset.splits[split]
    found = ", ".join(f"{name} ({len(samples):,})" for name, samples in dataset.splits.items()) or "nothing"
    if dataset.splits.keys() == {"train"}:
        fix = "Pictures without splits only train: give a set in Market-1501 style, with query and bounding_box_test."
    elif split == "train":
        fix = f"Put training pictures into {dataset.root / 'train'}, or give the folder of those that are to train."
    else:
        fix = f"Put the {split} pictures back where this style keeps them, or give another data set."
    raise GclError(f"The data set {dataset.root} has no {split} pictures; found: {found}.", fix)


def person_numbers(samples: Sequence[Sample]) -> np.ndarray:
    """The person of each sample, [N] int64; a GclError if one is unknown."""
    for sample in samples:
        if sample.person is None:
            raise GclError(
                f"The picture {sample.name} has no person label.",
                "Say where labels stand, with --person-from folder or a regular expression, or name pictures like "
                "0002_c1s1_000451_03.jpg.",
            )
    return np.array([sample.person for sample in samples], dtype=np.int64)


def camera_numbers(samples: Sequence[Sample]) -> np.ndarray:
    """The camera of each sample as in its name, [N] int64; -1 where it is unknown."""
    return np.array([-1 if sample.camera is None else sample.camera for sample in samples], dtype=np.int64)
