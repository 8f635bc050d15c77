"""Structural similarity (SSIM) in CIE Lab, and the diversity measure of DG-Net and GCL derived from it."""

import torch
from torch import Tensor

WINDOW = 7  # pixels, uniform weights
LAB_RANGE = 100.0
_K1, _K2 = 0.01, 0.03
_D65_WHITE = (0.95047, 1.0, 1.08883)  # X, Y, Z of the 2 degree observer
_XYZ_FROM_RGB = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))


def dissimilarity(first: Tensor, second: Tensor) -> Tensor:
    """DSSIM = (1 - SSIM) / 2 of pairs of pictures in CIE Lab, data range 100; larger = more different.

    first, second: [B, 3, H, W] uint8 sRGB. Returns [B] float32 in [0, 1]. It is what the tool behind the
    paper's column "SSIM" (Tab. 4) computes; SSIM itself is 1 - 2 DSSIM. Where a picture is in many pairs, call
    `lab_of_srgb` once for it and `ssim` for the pairs: the conversion costs as much as the comparison.
    """
    return (1 - ssim(lab_of_srgb(first), lab_of_srgb(second), data_range=LAB_RANGE)) / 2


def lab_of_srgb(pictures: Tensor) -> Tensor:
    """CIE Lab under D65 of `pictures` [B, 3, H, W] uint8 sRGB; float32, L in [0, 100]."""
    levels = _linear_levels().to(pictures.device)
    linear = levels.index_select(0, pictures.flatten().int()).view(pictures.shape)  # [B, 3, H, W]
    to_xyz = torch.tensor(_XYZ_FROM_RGB) / torch.tensor(_D65_WHITE)[:, None]
    xyz = torch.einsum("ck,bkhw->bchw", to_xyz.to(pictures.device), linear)  # relative to white
    bent = torch.where(xyz > 0.008856, xyz.clamp(min=0.008856).pow(1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = bent.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _linear_levels() -> Tensor:
    """The linear intensity of each of the 256 sRGB levels, [256] float32 in [0, 1] (IEC 61966-2-1)."""
    level = torch.arange(256, dtype=torch.float64) / 255
    return torch.where(level > 0.04045, ((level + 0.055) / 1.055) ** 2.4, level / 12.92).float()


def ssim(first: Tensor, second: Tensor, *, data_range: float) -> Tensor:
    """Mean SSIM (Wang et al., 2004) of pairs of pictures over pixels and channels.

    first, second: [B, C, H, W] of one float type, H and W at least 7. Returns [B] in [-1, 1]. Windows are 7 x 7 and
    uniform, lie wholly inside the picture, and give sample covariances (divided by 48).
    """
    batch, channels = first.shape[:2]
    # one channel at a time: its maps fit into a processor's cache, a whole batch's do not
    pairs = zip(first.flatten(0, 1), second.flatten(0, 1), strict=True)
    return torch.stack([_ssim_of_channel(a, b, data_range) for a, b in pairs]).view(batch, channels).mean(dim=1)


def _ssim_of_channel(a: Tensor, b: Tensor, data_range: float) -> Tensor:
    """Mean SSIM of two maps [H, W], a scalar."""
    height, width = a.shape
    a, b = a.flatten(), b.flatten()
    maps = torch.stack([a, b, torch.addcmul(a * a, b, b), a * b])  # [4, H * W]
    # On flat maps a window's sum is a sum of shifted copies; those that wrap around the border are cut off below.
    means = _sums_of_seven(_sums_of_seven(maps, width), 1).div_(WINDOW**2)
    mean_a, mean_b, mean_squares, mean_product = means
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    sample = WINDOW**2 / (WINDOW**2 - 1)
    product, squares = mean_a * mean_b, torch.addcmul(mean_a * mean_a, mean_b, mean_b)
    covariance, variances = mean_product.sub_(product).mul_(sample), mean_squares.sub_(squares).mul_(sample)
    above = product.mul_(2).add_(c1).mul_(covariance.mul_(2).add_(c2))
    below = squares.add_(c1).mul_(variances.add_(c2))
    return above.div_(below).as_strided((height - WINDOW + 1, width - WINDOW + 1), (width, 1)).mean()


def _sums_of_seven(maps: Tensor, step: int) -> Tensor:
    """Sums of seven entries `step` apart along the last axis: [K, N] -> [K, N - 6 * step], in four additions."""
    length = maps.shape[-1]
    end = length - 6 * step
    twos = maps[:, : length - step] + maps[:, step:]
    fours = twos[:, : length - 3 * step] + twos[:, 2 * step :]
    return (fours[:, :end] + twos[:, 4 * step : 4 * step + end]).add_(maps[:, 6 * step :])


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
