"""What every reader of folders hands on: the splits of one data set and what its user must be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gcl_cli.errors import GclError
from gcl_cli.records import Sample

PICTURE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


@dataclass(frozen=True)
class Dataset:
    """The pictures of a folder, by split, each split sorted by name.

    A person's number means something within `train`, and within `query` and `gallery` together: MSMT17 numbers
    its training people and its test people from 0 alike although they are different people. Never merge the two.
    """

    root: Path  # the folder that the samples' names are relative to
    name: str  # "market1501", "dukemtmc", "msmt17", or the folder's own name
    layout: str  # "market1501", "dukemtmc", "msmt17-v1", "msmt17-v2", "msmt17-market" or "plain"
    splits: dict[str, tuple[Sample, ...]]  # "train", "query", "gallery"; a plain folder has "train" alone
    remarks: tuple[str, ...]  # what was assumed or left out


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture this project reads; hidden files are not."""
    base = name.rpartition("/")[2]
    return not base.startswith(".") and Path(base).suffix.lower() in PICTURE_ENDINGS


def require_split(dataset: Dataset, split: str) -> tuple[Sample, ...]:
    """The samples of `split`; a GclError says what the data set has instead."""
    if split in dataset.splits:
        return dataset.splits[split]
    found = ", ".join(f"{name} ({len(samples):,})" for name, samples in dataset.splits.items()) or "nothing"
    if dataset.layout == "plain":
        fix = "Pictures without labels only train: give a set in Market-1501 style, with query and bounding_box_test."
    else:
        fix = f"Put the {split} pictures back where this style keeps them, or give another data set."
    raise GclError(f"The data set {dataset.root} has no {split} pictures; found: {found}.", fix)


def person_numbers(samples: Sequence[Sample]) -> np.ndarray:
    """The person of each sample, [N] int64; a GclError if one is unknown."""
    for sample in samples:
        if sample.person is None:
            raise GclError(
                f"The picture {sample.name} has no person label.",
                "Give a data set whose file names carry the person, such as 0002_c1s1_000451_03.jpg.",
            )
    return np.array([sample.person for sample in samples], dtype=np.int64)


def camera_numbers(samples: Sequence[Sample]) -> np.ndarray:
    """The camera of each sample as in its name, [N] int64; -1 where it is unknown."""
    return np.array([-1 if sample.camera is None else sample.camera for sample in samples], dtype=np.int64)
