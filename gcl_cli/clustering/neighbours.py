"""Exact nearest neighbours by blocks of a matrix product."""

import numpy as np
import torch
from torch import Tensor

from gcl_cli.errors import GclError


def nearest_neighbours(features: Tensor, *, k: int, chunk: int = 1024) -> np.ndarray:
    """The `k` pictures most like each picture, itself included and first.

    features: [N, D], rows of unit length, so that the order by cosine similarity is the order by distance; the search
    runs on their device. Returns [N, k] int64, nearest first. Equal similarities are ordered by row number; which of
    several equals takes the last place is the device's choice. At most `chunk` x N similarities exist at a time.
    Raises GclError when k is more than N.
    """
    size = len(features)
    if k > size:
        raise GclError(f"{k} neighbours were asked for among {size} pictures", f"set the neighbours to {size} or fewer")
    nearest = np.empty((size, k), dtype=np.int64)
    for start in range(0, size, chunk):
        similarity = features[start : start + chunk] @ features.T  # [C, N]
        similarity[:, start : start + chunk].fill_diagonal_(torch.inf)  # self stays first, even among duplicates
        nearest[start : start + chunk] = _highest(similarity, k).cpu().numpy()
    return nearest


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


def _highest(similarity: Tensor, k: int) -> Tensor:
    """Columns of the `k` highest values of each row, highest first and equals by column: [C, k]."""
    values, columns = similarity.topk(k, dim=1, sorted=False)
    columns, by_column = columns.sort(dim=1)
    by_value = values.gather(1, by_column).argsort(dim=1, descending=True, stable=True)
    return columns.gather(1, by_value)
