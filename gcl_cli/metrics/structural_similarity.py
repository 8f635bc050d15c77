"""Structural similarity (SSIM, Wang et al., 2004) in CIE Lab, and the pairs whose mean is a measure of diversity."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity
from torch import Tensor

WINDOW = 7  # pixels, uniform weights: no picture may be narrower
LAB_RANGE = 100.0


def similarity(first: Tensor, second: Tensor) -> Tensor:
    """SSIM of pairs of pictures in CIE Lab under D65, data range 100; 1 = the same.

    first, second: [B, 3, H, W] uint8 sRGB, H and W at least 7. Returns [B] float32 in [-1, 1], the mean over pixels and
    channels. (1 - SSIM) / 2 is what the tool behind the paper's column "SSIM" (Tab. 4) computes. Shared among as many
    threads as torch may use.
    """
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return torch.tensor(list(pool.map(_similarity, first.numpy(), second.numpy())), dtype=torch.float32)


def _similarity(first: np.ndarray, second: np.ndarray) -> float:
    """The same of two pictures [3, H, W]."""
    one, other = (rgb2lab(picture.astype(np.float32) / 255, channel_axis=0) for picture in (first, second))
    return float(structural_similarity(one, other, win_size=WINDOW, channel_axis=0, data_range=LAB_RANGE))


def identity_pairs(labels: Tensor, *, pairs_per_identity: int, generator: torch.Generator) -> Tensor:
    """Random pairs of two different pictures of one identity: rows [P, 2] int64, `pairs_per_identity` for each.

    labels: [N] int64 on the CPU, negative = unknown. Identities with fewer than two known pictures have no pairs; a
    pair may be drawn more than once, as in DG-Net's tool.
    """
    pairs = [torch.empty(0, 2, dtype=torch.int64)]
    for identity in labels[labels >= 0].unique():
        rows = (labels == identity).nonzero().flatten()
        if len(rows) < 2:
            continue
        first = torch.randint(len(rows), (pairs_per_identity,), generator=generator)
        # a step of 1 to n - 1 round the circle reaches each of the others alike
        step = torch.randint(1, len(rows), (pairs_per_identity,), generator=generator)
        pairs.append(rows[torch.stack([first, (first + step) % len(rows)], dim=1)])
    return torch.cat(pairs)
