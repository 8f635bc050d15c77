"""Approximate nearest neighbours through faiss, for sets whose exact search would take hours.

Towards millions, as the code stands: the exact search grows with N^2 (the whole clustering as N^1.9, measured from
12,936 to 32,621 pictures), this one with N^1.5, and what follows the search with N^1.3. A row's search needs no other
row's result, so processes could search ranges of rows in one index, and `compiled.sums_of_minima` takes a range of
rows, so the sparse graph could be made in parts: neither is shared out here. All lists and pairs are held in memory,
about as `memory.clustering_bytes` says.
"""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from gcl_cli.errors import GclError

CELLS = 4.0  # cells of the index, times the square root of the number of pictures
PROBED = 16  # cells that are searched for a picture


def approximate_neighbours(features: Tensor, *, k: int) -> np.ndarray:
    """As `nearest_neighbours`, searched among the pictures of the nearest cells of a k-means partition only.

    features: [N, D], rows of unit length. Returns [N, k] int64, itself first. Runs on the CPU, in time that grows with
    N^1.5. A picture whose cells hold fewer than k pictures is searched for exactly. Raises GclError without faiss.
    """
    if not find_spec("faiss"):
        raise GclError("neighbours = faiss needs the library faiss, which is not installed", "pip install faiss-cpu")
    faiss = import_module("faiss")
    faiss.omp_set_num_threads(torch.get_num_threads())
    rows = np.ascontiguousarray(features.cpu().numpy(), dtype=np.float32)
    cells = max(1, min(round(CELLS * len(rows) ** 0.5), len(rows) // 39))  # faiss asks for 39 pictures a cell
    index = faiss.index_factory(rows.shape[1], f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(rows)
    index.add(rows)
    index.nprobe = PROBED
    nearest: np.ndarray = index.search(rows, k)[1].astype(np.int64)
    short = np.flatnonzero((nearest < 0).any(axis=1))
    for some in np.array_split(short, len(short) // 1024 + 1):
        nearest[some] = (features[torch.from_numpy(some)] @ features.T).topk(k, dim=1).indices.cpu().numpy()
    return _itself_first(nearest)


def _itself_first(nearest: np.ndarray) -> np.ndarray:
    """Each picture's list [N, k] with itself in front: moved there, or in the place of the last where it was missed."""
    own = np.arange(len(nearest))[:, None]
    places = np.argsort(nearest != own, axis=1, kind="stable")  # itself, if there, then the others as they were
    moved = np.take_along_axis(nearest, places, axis=1)
    missed = moved[:, :1] != own
    return np.where(missed, np.concatenate((own, moved[:, :-1]), axis=1), moved)
