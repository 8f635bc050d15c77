"""Approximate nearest neighbours through faiss, for sets whose exact search would take hours.

How far this goes, and the plan for millions, with figures, is in docs/results.md (Scale).
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcl_cli.errors import GclError

CELLS = 4.0  # cells of the index, times the square root of the number of pictures
PROBED = 16  # cells that are searched for a picture
LEARNED, FEWEST_LEARNED = 256, 39  # pictures a cell from which k-means learns where the cells are, and its fewest


def approximate_neighbours(features: Tensor, *, k: int, rows: Tensor | None = None) -> np.ndarray:
    """As `nearest_neighbours`, searched among the pictures of the nearest cells of a k-means partition only.

    features: [N, D], rows of unit length; rows: [R] the pictures whose neighbours are wanted, None: all of them. What
    is found for a picture does not depend on the others that are asked about, so processes can share a search.
    Returns [R, k] int64, itself first. Runs on the CPU, in time that grows with N^1.5. A picture whose cells hold fewer
    than k pictures is searched for exactly. Raises GclError without faiss.
    """
    if not find_spec("faiss"):
        raise GclError("neighbours = faiss needs the library faiss, which is not installed", "pip install faiss-cpu")
    faiss = import_module("faiss")
    faiss.omp_set_num_threads(torch.get_num_threads())
    everyone = np.ascontiguousarray(features.cpu().numpy(), dtype=np.float32)
    own = np.arange(len(everyone)) if rows is None else rows.cpu().numpy()
    index = _index(faiss, everyone)
    nearest: np.ndarray = index.search(everyone[own], k)[1].astype(np.int64)
    short = np.flatnonzero((nearest < 0).any(axis=1))
    for some in np.array_split(short, len(short) // 1024 + 1):
        similarity = features[torch.from_numpy(own[some])] @ features.T
        nearest[some] = similarity.topk(k, dim=1).indices.cpu().numpy()
    return _itself_first(nearest, own)


def _index(faiss: Any, everyone: np.ndarray) -> Any:
    """A k-means partition of [N, D] with all of them in it; the same whenever it is made."""
    cells = max(1, min(round(CELLS * len(everyone) ** 0.5), len(everyone) // FEWEST_LEARNED))
    index = faiss.index_factory(everyone.shape[1], f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid = LEARNED
    index.train(everyone)
    index.add(everyone)
    index.nprobe = PROBED
    return index


def _itself_first(nearest: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The lists [R, k] of the pictures `own` [R] with these in front: moved there, or in the place of the last."""
    own = own[:, None]
    places = np.argsort(nearest != own, axis=1, kind="stable")  # itself, if there, then the others as they were
    moved = np.take_along_axis(nearest, places, axis=1)
    missed = moved[:, :1] != own
    return np.where(missed, np.concatenate((own, moved[:, :-1]), axis=1), moved)
