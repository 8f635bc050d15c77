"""Distances that are computed some rows at a time: every pair is looked at, and no N x N matrix is ever held."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from torch import Tensor

from gcl_cli.clustering.jaccard import SparseDistance
from gcl_cli.clustering.radius import NEGLIGIBLE

ENTRIES_AT_ONCE = 1 << 22  # distances of one block


@dataclass(frozen=True)
class DistanceRows:
    """A symmetric distance in [0, 1] between `size` pictures; `rows(start, stop)` are some of its rows, [R, N]."""

    size: int
    rows: Callable[[int, int], Tensor]

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """All rows, a block at a time: the number of its first row, and [R, N]."""
        step = max(1, ENTRIES_AT_ONCE // self.size)
        for start in range(0, self.size, step):
            yield start, self.rows(start, min(start + step, self.size))


def feature_distance(features: Tensor) -> DistanceRows:
    """A quarter of the squared Euclidean distance between the unit rows of `features` [N, D]: (1 - cosine) / 2."""

    def rows(start: int, stop: int) -> Tensor:
        return (features[start:stop] @ features.T).mul_(-0.5).add_(0.5).clamp_(0, 1)

    return DistanceRows(len(features), rows)


def normalised(distance: DistanceRows) -> DistanceRows:
    """The distance with its smallest value (that of a picture to itself, as a rule) moved to 0, its largest to 1."""
    # Paper: scales each column by its own smallest and largest. Here: by those of all pairs, which stays symmetric.
    extremes = torch.stack([torch.stack(torch.aminmax(block)) for _, block in distance.blocks()])  # [blocks, 2]
    least, most = float(extremes[:, 0].min()), float(extremes[:, 1].max())
    spread = max(most - least, NEGLIGIBLE)

    def rows(start: int, stop: int) -> Tensor:
        return distance.rows(start, stop).sub(least).div_(spread)

    return DistanceRows(distance.size, rows)


def mixed(sparse: SparseDistance, plain: DistanceRows, *, weight: float) -> DistanceRows:
    """weight * sparse + (1 - weight) * plain, pair by pair; a pair that is absent in `sparse` is at 1 there."""
    both = _symmetric(sparse)

    def rows(start: int, stop: int) -> Tensor:
        part = both[start:stop].tocoo()  # (1 - distance) of the pairs that are present
        row, column = (torch.from_numpy(place.astype(np.int64)) for place in part.coords)
        mixture = plain.rows(start, stop).mul(1 - weight).add_(weight)
        nearer = torch.from_numpy(part.data).to(mixture)
        mixture[row.to(mixture.device), column.to(mixture.device)] -= weight * nearer
        return mixture.clamp_(min=0)

    return DistanceRows(plain.size, rows)


def nearest_rows(distance: DistanceRows, *, k: int) -> np.ndarray:
    """The `k` nearest of each picture, itself first and the others by distance: [N, k] int64."""
    nearest = np.empty((distance.size, k), dtype=np.int64)
    for start, block in distance.blocks():
        own = torch.arange(len(block), device=block.device)
        block = block.index_put((own, own + start), torch.tensor(-1.0, device=block.device, dtype=block.dtype))
        values, columns = block.topk(k, dim=1, largest=False, sorted=False)
        columns, by_column = columns.sort(dim=1)
        by_value = values.gather(1, by_column).argsort(dim=1, stable=True)  # equals by column
        nearest[start : start + len(block)] = columns.gather(1, by_value).cpu().numpy()
    return nearest


def entries(distance: DistanceRows, pattern: csr_array) -> np.ndarray:
    """The distances at the entries of the sparse `pattern` [N, N], in its order: [nnz]."""
    parts = []
    for start, block in distance.blocks():
        ends = pattern.indptr[start : start + len(block) + 1]
        row = torch.from_numpy(np.repeat(np.arange(len(block)), np.diff(ends)))
        column = torch.from_numpy(pattern.indices[ends[0] : ends[-1]].astype(np.int64))
        parts.append(block[row.to(block.device), column.to(block.device)].cpu())
    return torch.cat(parts).numpy()


def closest_pairs(distance: DistanceRows, *, count: int, floor: float = NEGLIGIBLE) -> SparseDistance:
    """The `count` closest pairs farther than `floor`, those as far as the last of them, and all up to `floor`.

    What percentile_radius needs of all pairs. Holds at most a few times `count` pairs and one block.
    """
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    bound, held = float("inf"), 0
    for start, block in distance.blocks():
        kept.append(_pairs_of_block(block, start, bound))
        held += len(kept[-1][2])
        if held > 2 * count:
            bound, kept = _cut(kept, count, floor)
            held = sum(len(values) for *_, values in kept)
    return _sparse(distance.size, _cut(kept, count, floor)[1])


def pairs_within(distance: DistanceRows, *, radius: float) -> SparseDistance:
    """All pairs at most `radius` apart."""
    return _sparse(distance.size, [_pairs_of_block(block, start, radius) for start, block in distance.blocks()])


def _pairs_of_block(block: Tensor, start: int, bound: float) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, columns and values of the pairs i < j at most `bound` apart; the block [R, N] begins at row `start`."""
    later = block[:, start:]
    row, column = ((later <= bound).triu_(1)).nonzero(as_tuple=True)
    return (row + start).cpu(), (column + start).cpu(), later[row, column].cpu()


def _cut(
    kept: list[tuple[Tensor, Tensor, Tensor]], count: int, floor: float
) -> tuple[float, list[tuple[Tensor, Tensor, Tensor]]]:
    """The distance of the `count`-th of the pairs farther than `floor`, and the pairs that are no farther than it."""
    rows, columns, values = (torch.cat(parts) for parts in zip(*kept, strict=True))
    different = values[values > floor]
    if len(different) <= count:
        return float("inf"), [(rows, columns, values)]
    bound = float(np.partition(different.numpy(), count - 1)[count - 1]) if count else floor
    near = values <= bound
    return bound, [(rows[near], columns[near], values[near])]


def _sparse(size: int, parts: list[tuple[Tensor, Tensor, Tensor]]) -> SparseDistance:
    """Pairs in ascending order of rows and columns as a SparseDistance."""
    rows, columns, values = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=size))))
    return SparseDistance(size, indptr, columns.astype(np.int32), values)


def _symmetric(distance: SparseDistance) -> csr_array:
    """1 - distance of the stored pairs, both ways, and 1 on the diagonal: sparse [N, N]."""
    rows, columns = distance.pairs()
    own = np.arange(distance.size, dtype=np.int32)
    ends = np.concatenate((rows, columns, own)), np.concatenate((columns, rows, own))
    near = 1 - distance.values
    values = np.concatenate((near, near, np.ones(distance.size, dtype=near.dtype)))
    return coo_array((values, ends), shape=(distance.size, distance.size)).tocsr()
