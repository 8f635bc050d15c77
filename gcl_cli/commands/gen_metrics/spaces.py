"""Two sets of pictures in the feature spaces that they are compared in: FID, KID, Frechet distance."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gcl_cli.config import GenMetricsSettings
from gcl_cli.metrics.frechet import frechet_distance, statistics
from gcl_cli.metrics.kernel_distance import kernel_interval

INCEPTION, ENCODER = "fid", "encoder"
PREFIX = {INCEPTION: "", ENCODER: "encoder_"}  # of a kernel distance in that space
FRECHET = {INCEPTION: "fid", ENCODER: "encoder_frechet"}

Spaces = Mapping[str, Callable[[Tensor], Tensor]]  # name -> features [N, D] of pictures [N, 3, H, W] uint8
Features = dict[str, Tensor]


def features_in(spaces: Spaces, pictures: Tensor) -> Features:
    """The features of pictures in every space."""
    return {name: features(pictures) for name, features in spaces.items()}


def set_distances(real: Features, made: Features, settings: GenMetricsSettings) -> dict[str, Any]:
    """How far two sets lie apart in every space, in the measures that were asked for."""
    figures: dict[str, Any] = {}
    for space in real:
        if space in settings.measures:
            figures[FRECHET[space]] = frechet_distance(*statistics(real[space]), *statistics(made[space]))
        if "kid" in settings.measures:
            rng = torch.Generator().manual_seed(settings.seed)
            found = kernel_interval(
                real[space], made[space],
                subsets=settings.kid_subsets, subset_size=settings.kid_subset_size, generator=rng,
            )  # fmt: skip
            name = f"{PREFIX[space]}kid"
            figures |= {name: found.value, f"{name}_interval": [found.low, found.high], f"{name}_subset": found.subset}
    return figures


def halves_apart(real: Features, settings: GenMetricsSettings) -> dict[str, Any]:
    """The distances between two random halves of the real pictures: what no generator can be expected to go below."""
    count = len(next(iter(real.values())))
    order = torch.randperm(count, generator=torch.Generator().manual_seed(settings.seed))
    one, other = order[: count // 2], order[count // 2 : count // 2 * 2]
    first, second = ({space: rows[half] for space, rows in real.items()} for half in (one, other))
    return {"reference": "real halves", "pictures": count // 2, **set_distances(first, second, settings)}
