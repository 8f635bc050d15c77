"""How varied the pictures of one person are: DSSIM, as DG-Net's and GCL's tables have it."""

import torch
from torch import Tensor

from gcl_cli.config import GenMetricsSettings
from gcl_cli.metrics.structural_similarity import identity_pairs, similarity

PAIRS = 256  # compared at a time


def diversity(pictures: Tensor, people: Tensor, settings: GenMetricsSettings) -> float | None:
    """Mean DSSIM over random pairs within a person; None where nobody has two pictures.

    pictures: [M, 3, H, W] uint8; people: [M] int64, negative = unknown.
    """
    rng = torch.Generator().manual_seed(settings.seed)
    drawn = [identity_pairs(people, pairs_per_identity=settings.pairs, generator=rng) for _ in range(settings.repeats)]
    pairs = torch.cat(drawn)  # [P, 2]
    if not len(pairs):
        return None
    found = [similarity(pictures[one[:, 0]], pictures[one[:, 1]]) for one in pairs.split(PAIRS)]
    return (1 - float(torch.cat(found).mean())) / 2


def diversity_figures(sets: dict[str, Tensor], people: Tensor, settings: GenMetricsSettings) -> dict[str, float | None]:
    """DSSIM and SSIM of every named set of pictures: `NAME` and, for dssim..., `ssim...` beside it."""
    figures: dict[str, float | None] = {}
    for name, pictures in sets.items():
        found = diversity(pictures, people, settings)
        figures[name] = found
        figures[name.replace("dssim", "ssim")] = None if found is None else 1 - 2 * found
    return figures
