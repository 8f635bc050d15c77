"""What an artifact of earlier pictures has of those that are still the same."""

from collections.abc import Sequence
from itertools import count

import numpy as np

from gcl_cli.artifacts.formats import read_names
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import CROPS, Artifact
from gcl_cli.artifacts.picture_lists import read_list, same_pictures


def kept_rows(work: WorkFolder, artifact: Artifact | None, digest: str, split: str) -> dict[str, int]:
    """The rows of a split that can be taken over: name of a picture now -> its row in the earlier artifact.

    digest: of the pictures of now. Pictures are told by name and content; one that was renamed keeps its row. Empty
    without an artifact, and where it is not known which pictures it was made of.
    """
    if artifact is None or not (artifact.folder / f"{split}.names.json").exists():
        return {}
    same = same_names(work, artifact, digest, split)
    row_of = {name: row for row, name in enumerate(read_names(artifact.folder, split))}
    return {new: row_of[old] for new, old in same.items() if old in row_of}


def same_names(work: WorkFolder, artifact: Artifact, digest: str, split: str) -> dict[str, str]:
    """The pictures of a split that an artifact was made of and that are still the same: name now -> name then.

    Empty where it is not known which pictures these were.
    """
    inputs = artifact.manifest.inputs
    before, now = (read_list(work, one) for one in (inputs.get("dataset") or inputs.get(CROPS, ""), digest))
    if before is None or now is None:
        return {}
    return same_pictures(before.get(split, ()), now.get(split, ()))


def gathering(names: Sequence[str], kept: dict[str, int], rows_before: int) -> np.ndarray:
    """Where each of `names` stands when rows that were made anew, in order, follow all `rows_before`: [N] int64."""
    fresh = count(rows_before)
    return np.array([kept[name] if name in kept else next(fresh) for name in names], dtype=np.int64)
