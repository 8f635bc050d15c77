"""How far a mean over queries would move with other queries of the same kind."""

import torch
from torch import Tensor

COVERAGE = 0.95
_DRAWS_AT_ONCE = 1 << 22


def bootstrap_intervals(values: Tensor, *, resamples: int, rng: torch.Generator) -> Tensor:
    """The 95 % percentile intervals of the column means of `values` [Q, M]: [M, 2] float64, low and high.

    Efron's bootstrap: `resamples` times Q rows are drawn with replacement, the columns together. rng: a generator
    on the CPU. Rows count as independent; what other training runs would give is not in it.
    """
    values = values.double()
    size, means = len(values), []
    at_once = max(1, _DRAWS_AT_ONCE // size)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        rows = torch.randint(size, (count, size), generator=rng)
        rows += torch.arange(count)[:, None] * size
        drawn = torch.bincount(rows.flatten(), minlength=count * size).view(count, size)  # how often each row
        means.append(drawn.double() @ values / size)  # [count, M]
    tails = torch.tensor([(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], dtype=torch.float64)
    return torch.quantile(torch.cat(means), tails, dim=0).T
