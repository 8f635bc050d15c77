"""The kernel distance between two sets of features (KID when the features are Inception's)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gcl_cli.errors import GclError

_NORMAL_95 = 1.959964  # standard deviations on either side that hold 95 % of a normal distribution
_CLEAREST_SUBSET = 2  # rows: one has no other to be compared with


@dataclass(frozen=True)
class KernelInterval:
    """A kernel distance and how far it is to be trusted."""

    value: float  # mean over the subsets; unbiased
    low: float  # 95 % interval of the value as other pictures of the same kind would give it
    high: float
    deviation: float  # standard deviation between subsets, as KID is usually quoted
    subset: int  # pictures of each set in a subset


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy under k(x, y) = (x . y / D + 1)^3 (Binkowski et al., ICLR 2018).

    first: [N, D]; second: [M, D]; GclError if either has one row. No picture is compared with itself, so that the
    expectation is 0 for two draws from one distribution, whatever their size, and single values may be negative.
    """
    _refuse_single(first, second)
    first, second = first.double(), second.double()
    return float(_within(_kernel(first, first)) + _within(_kernel(second, second)) - 2 * _kernel(first, second).mean())


def kernel_interval(
    first: Tensor, second: Tensor, *, subsets: int, subset_size: int, generator: torch.Generator
) -> KernelInterval:
    """`kernel_distance` averaged over random subsets without repetition, and its 95 % interval.

    A subset has `subset_size` rows of each set, at most half of the smaller one: the value from m of n rows varies
    about that from all n by sqrt(n / m - 1) times as much as the latter varies itself (Politis, Romano & Wolf,
    Subsampling, 1999), which turns the spread of subsets into the error of the whole. With equal distributions
    the true error is smaller than that.
    """
    _refuse_single(first, second)
    smaller = min(len(first), len(second))
    size = max(_CLEAREST_SUBSET, min(subset_size, smaller // 2))
    values = torch.tensor([
        kernel_distance(_subset(first, size, generator), _subset(second, size, generator)) for _ in range(subsets)
    ], dtype=torch.float64)  # fmt: skip
    value, deviation = float(values.mean()), float(values.std(correction=0))
    error = _NORMAL_95 * deviation * (size / max(smaller - size, 1)) ** 0.5
    return KernelInterval(value, value - error, value + error, deviation, size)


def _subset(features: Tensor, size: int, generator: torch.Generator) -> Tensor:
    return features[torch.randperm(len(features), generator=generator)[:size]]


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    """Polynomial kernel values [N, M]."""
    return (first @ second.T / first.shape[1]).add_(1).pow_(3)


def _within(kernel: Tensor) -> Tensor:
    """Mean of a kernel matrix [N, N] without its diagonal."""
    rows = len(kernel)
    return (kernel.sum() - kernel.trace()) / (rows * (rows - 1))


def _refuse_single(*sets: Tensor) -> None:
    fewest = min(len(features) for features in sets)
    if fewest < _CLEAREST_SUBSET:
        raise GclError(
            f"A kernel distance needs two pictures or more of each kind, found {fewest}.", "Give more pictures."
        )
