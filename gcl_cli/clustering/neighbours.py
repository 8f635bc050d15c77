"""Exact nearest neighbours by blocks of a matrix product."""

import numpy as np
import torch
from torch import Tensor

from gcl_cli.clustering.kernels import compiled_loops
from gcl_cli.errors import GclError

FEW_THREADS = 4  # up to here the compiled selection, on one thread, is faster than torch's, on all of them


def nearest_neighbours(features: Tensor, *, k: int, chunk: int = 1024) -> np.ndarray:
    """The `k` pictures most like each picture, itself included and first.

    features: [N, D], rows of unit length, so that the order by cosine similarity is the order by distance; the search
    runs on their device. Returns [N, k] int64, nearest first. Equal similarities are ordered by row number; which of
    several equals takes the last place is the device's choice. At most `chunk` x N similarities exist at a time, and
    each is computed once: a block serves its own rows, and its transpose the rows below.
    Raises GclError when k is more than N.
    """
    size = len(features)
    if k > size:
        raise GclError(f"{k} neighbours were asked for among {size} pictures", f"set the neighbours to {size} or fewer")
    values = features.new_full((size, k), -torch.inf)
    columns = torch.zeros((size, k), dtype=torch.int64, device=features.device)
    for start in range(0, size, chunk):
        stop = min(start + chunk, size)
        similarity = features[start:stop] @ features[start:].T  # [C, N - start]
        similarity.fill_diagonal_(torch.inf)  # self stays first, even among duplicates
        _keep_highest(similarity, start, values[start:], columns[start:])
    return _in_order(values, columns).cpu().numpy()


def labels_of_nearest(features: Tensor, labels: np.ndarray, *, chunk: int = 1024) -> np.ndarray:
    """Give every picture without a label the label of the most similar picture that has one.

    features: [N, D], rows of unit length; labels: [N] int64, -1 = none, at least one is there. Returns [N].
    """
    known = torch.from_numpy(np.flatnonzero(labels >= 0)).to(features.device)
    filled = labels.copy()
    for rows in np.array_split(np.flatnonzero(labels < 0), max(1, len(labels) // chunk)):
        similarity = features[torch.from_numpy(rows).to(features.device)] @ features[known].T  # [C, known]
        filled[rows] = labels[known[similarity.argmax(1)].cpu().numpy()]
    return filled


def _keep_highest(similarity: Tensor, first: int, values: Tensor, columns: Tensor) -> None:
    """Let a block into the lists of the highest similarities `values` and their `columns` [M, k], in place.

    similarity: [C, M] of the rows from `first` on with themselves and all later ones, to which the lists belong.
    """
    own = len(similarity)
    loops = compiled_loops(first + len(values)) if similarity.device.type == "cpu" else None
    if loops is not None and torch.get_num_threads() <= FEW_THREADS:
        block, best, where = similarity.numpy(), values.numpy(), columns.numpy()
        loops.keep_highest(block, first, best[:own], where[:own])
        loops.keep_highest_below(block[:, own:], first, best[own:], where[own:])
        return
    for rows, found in ((slice(0, own), similarity), (slice(own, None), similarity[:, own:].T)):
        highest, column = found.topk(min(values.shape[1], found.shape[1]), dim=1, sorted=False)
        both = torch.cat((values[rows], highest), dim=1)
        values[rows], place = both.topk(values.shape[1], dim=1)
        columns[rows] = torch.cat((columns[rows], column + first), dim=1).gather(1, place)


def _in_order(values: Tensor, columns: Tensor) -> Tensor:
    """The columns [N, k] by their values, highest first and equals by column."""
    columns, by_column = columns.sort(dim=1)
    by_value = values.gather(1, by_column).argsort(dim=1, descending=True, stable=True)
    return columns.gather(1, by_value)
