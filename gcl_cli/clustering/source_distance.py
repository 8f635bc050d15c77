"""A labelled source beside the pictures to cluster: what is far from all it shows is told apart less surely."""

import numpy as np
import torch
from torch import Tensor

from gcl_cli.clustering.jaccard import SparseDistance
from gcl_cli.clustering.radius import NEGLIGIBLE


def distance_to_source(features: Tensor, source: Tensor, *, chunk: int = 1024) -> np.ndarray:
    """w of ACT: 1 - exp(-d) to the nearest picture of the source, d the squared distance, divided by the largest w.

    features: [N, D]; source: [M, D]; rows of unit length, on one device. Returns [N] in [0, 1] (Song et al., 2020;
    section 3.1 of ACT); all but 0 where the source holds every picture. At most `chunk` x M similarities at a time.
    """
    nearest = torch.cat([(rows @ source.T).amax(1) for rows in features.split(chunk)])  # [N] cosine
    far = 1 - torch.exp(2 * nearest.clamp(max=1) - 2)
    return (far / far.amax().clamp(min=NEGLIGIBLE)).cpu().numpy()


def beside_source(distance: SparseDistance, from_source: np.ndarray, *, weight: float) -> SparseDistance:
    """(1 - weight) J_ij + weight (w_i + w_j) for the pairs of `distance`; `from_source`: w [N] of both ends.

    Pairs that are left out stay at 1, and 1 is the largest value. Theirs would be 1 - weight + weight (w_i + w_j), so
    a radius below 1 - weight, and any mean of distances below it, are those of the full matrix.
    """
    rows, columns = distance.pairs()
    values = (1 - weight) * distance.values + weight * (from_source[rows] + from_source[columns])
    capped = np.minimum(values, 1).astype(distance.values.dtype)
    return SparseDistance(size=distance.size, indptr=distance.indptr, indices=distance.indices, values=capped)
