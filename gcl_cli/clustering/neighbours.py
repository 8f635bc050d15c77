"""Exact nearest neighbours by blocks of a matrix product."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gcl_cli.clustering.kernels import compiled_loops
from gcl_cli.errors import GclError

_SIMILARITIES = 1 << 24  # held at once: 64 MiB
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
        _keep_highest(similarity, start, start, values, columns)
    return _in_order(values, columns).cpu().numpy()


def nearest_elsewhere(features: Tensor, cameras: Tensor, *, k: int) -> np.ndarray:
    """The `k` pictures of other cameras that are most like each picture: [N, k] int64, nearest first, -1 = no more.

    features: [N, D], rows of unit length; cameras: [N], -1 where unknown, which is another camera than any, itself
    included. Equal similarities as in `nearest_neighbours`. Two pictures of one camera are never compared; of the rest
    each similarity is computed once, and at most 2^24 exist at a time.
    """
    order = cameras.argsort(stable=True)  # each camera's pictures side by side, unknown ones first
    rows, numbers = features[order.to(features.device)], cameras[order]
    values = rows.new_full((len(rows), k), -torch.inf)
    columns = torch.zeros((len(rows), k), dtype=torch.int64, device=rows.device)
    for start, stop, others in _against_later_cameras(numbers, chunk=max(1, _SIMILARITIES // max(1, len(rows)))):
        similarity = rows[start:stop] @ rows[others:].T  # [C, N - others]
        if others == start:
            similarity.fill_diagonal_(-torch.inf)
        _keep_highest(similarity, start, others, values, columns)
    columns = torch.where(values > -torch.inf, order.to(columns.device)[columns], -1)
    found = np.empty((len(rows), k), dtype=np.int64)
    found[order.numpy()] = _in_order(values, columns).cpu().numpy()
    return found


def _against_later_cameras(cameras: Tensor, *, chunk: int) -> Iterator[tuple[int, int, int]]:
    """Blocks of rows of one camera, and the row from which on they are compared: that after their camera's last.

    cameras: [N], in order. Pictures of unknown cameras (-1) are compared among themselves, too.
    """
    first = 0
    for camera, count in zip(
        *(found.tolist() for found in cameras.unique_consecutive(return_counts=True)), strict=True
    ):
        for start in range(first, first + count, chunk):
            yield start, min(start + chunk, first + count), start if camera == -1 else first + count
        first += count


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


def _keep_highest(similarity: Tensor, first: int, others: int, values: Tensor, columns: Tensor) -> None:
    """Let a block into the lists of the highest similarities `values` and their `columns` [N, k], in place.

    similarity: [C, N - others] of the rows from `first` on with all rows from `others` on, which are their own first
    one or one behind their last.
    """
    own, later = slice(first, first + len(similarity)), max(others, first + len(similarity))
    below = similarity[:, later - others :]
    loops = compiled_loops(len(values)) if similarity.device.type == "cpu" else None
    if loops is not None and torch.get_num_threads() <= FEW_THREADS:
        best, where = values.numpy(), columns.numpy()
        loops.keep_highest(similarity.numpy(), others, best[own], where[own])
        loops.keep_highest_below(below.numpy(), first, best[later:], where[later:])
        return
    for rows, found, start in ((own, similarity, others), (slice(later, None), below.T, first)):
        highest, column = found.topk(min(values.shape[1], found.shape[1]), dim=1, sorted=False)
        both = torch.cat((values[rows], highest), dim=1)
        values[rows], place = both.topk(values.shape[1], dim=1)
        columns[rows] = torch.cat((columns[rows], column + start), dim=1).gather(1, place)


def _in_order(values: Tensor, columns: Tensor) -> Tensor:
    """The columns [N, k] by their values, highest first and equals by column."""
    columns, by_column = columns.sort(dim=1)
    by_value = values.gather(1, by_column).argsort(dim=1, descending=True, stable=True)
    return columns.gather(1, by_value)
