"""Structural similarity (SSIM) in CIE Lab, and the diversity measure of DG-Net and GCL derived from it."""

import torch
from torch import Tensor

WINDOW = 7  # pixels, uniform weights
LAB_RANGE = 100.0
_K1, _K2 = 0.01, 0.03
_DARK, _DARK_SLOPE = 0.008856, 7.787  # of CIE Lab: up to this share of white it is a line of this slope
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
    to_xyz = (torch.tensor(_XYZ_FROM_RGB) / torch.tensor(_D65_WHITE)[:, None]).to(pictures.device)
    lab = torch.empty(pictures.shape, device=pictures.device)
    # one picture at a time, in buffers that stay: its numbers fit into a processor's cache, a batch's do not
    linear, xyz, bent = lab.new_empty(3, 3, pictures[0, 0].numel())
    for picture, found in zip(pictures.flatten(1), lab.flatten(2), strict=True):
        torch.index_select(levels, 0, picture.int(), out=linear.view(-1))
        torch.mm(to_xyz, linear, out=xyz)  # [3, H * W], relative to white
        torch.clamp(xyz, min=_DARK, out=bent).log_().mul_(1 / 3).exp_()  # the cube root, in half of pow's time
        x, y, z = bent.add_(xyz.sub_(_DARK).clamp_(max=0), alpha=_DARK_SLOPE)  # a line below _DARK
        torch.mul(y, 116, out=found[0]).sub_(16)
        torch.sub(x, y, out=found[1]).mul_(500)
        torch.sub(y, z, out=found[2]).mul_(200)
    return lab


def _linear_levels() -> Tensor:
    """The linear intensity of each of the 256 sRGB levels, [256] float32 in [0, 1] (IEC 61966-2-1)."""
    level = torch.arange(256, dtype=torch.float64) / 255
    return torch.where(level > 0.04045, ((level + 0.055) / 1.055) ** 2.4, level / 12.92).float()


def ssim(first: Tensor, second: Tensor, *, data_range: float) -> Tensor:
    """Mean SSIM (Wang et al., 2004) of pairs of pictures over pixels and channels.

    first, second: [B, C, H, W] of one float type, H and W at least 7. Returns [B] in [-1, 1]. Windows are 7 x 7 and
    uniform, lie wholly inside the picture, and give sample covariances (divided by 48).
    """
    batch, channels, height, width = first.shape
    windows = _Windows(first, data_range)
    # one channel at a time: its maps fit into a processor's cache, a whole batch's do not
    pairs = zip(first.reshape(-1, height * width), second.reshape(-1, height * width), strict=True)
    sums = [windows.sum_of_similarities(a, b) for a, b in pairs]
    return torch.stack(sums).view(batch, channels).mean(dim=1) / ((height - WINDOW + 1) * (width - WINDOW + 1))


class _Windows:
    """The memory in which maps of one size are compared: allocating it anew takes longer than the arithmetic.

    Maps are flat, so that a window's sum is a sum of shifted copies; sums that wrap around a border are cut off.
    """

    def __init__(self, pictures: Tensor, data_range: float) -> None:
        height, width = pictures.shape[2:]
        self._maps, spare, summed = pictures.new_empty(3, 4, height * width)
        across = height * width - (WINDOW - 1) * width  # entries that have a whole column below them
        valid = across - (WINDOW - 1)
        self._additions = [
            *_sums_of_seven(self._maps.view(-1), width, spare.view(-1), summed.view(-1)),
            *_sums_of_seven(summed.view(-1), 1, spare.view(-1), self._maps.view(-1)),
        ]
        self._sums = self._maps[:, :valid]
        self._product, self._squares = spare[:2, :valid]
        self._inside = self._product.as_strided((height - WINDOW + 1, width - WINDOW + 1), (width, 1))
        # SSIM multiplied out by the size of the window: sums stand for means, and each c for its share
        self._c1 = (_K1 * data_range * WINDOW**2) ** 2
        self._c2 = (_K2 * data_range) ** 2 * (WINDOW**2 - 1)

    def sum_of_similarities(self, a: Tensor, b: Tensor) -> Tensor:
        """The sum over all windows of the SSIM of two maps [H * W], a scalar."""
        for plain, values in zip(self._maps, (a, b), strict=False):
            plain.copy_(values)
        torch.mul(a, a, out=self._maps[2]).addcmul_(b, b)
        torch.mul(a, b, out=self._maps[3])
        for one, other, result in self._additions:
            torch.add(one, other, out=result)
        sum_a, sum_b, variances, covariance = self._sums  # the last two still are sums of squares and of products
        product, squares = torch.mul(sum_a, sum_b, out=self._product), torch.mul(sum_a, sum_a, out=self._squares)
        squares.addcmul_(sum_b, sum_b)
        covariance.sub_(product, alpha=1 / WINDOW**2).add_(self._c2 / 2).mul_(product.add_(self._c1 / 2))
        variances.sub_(squares, alpha=1 / WINDOW**2).add_(self._c2).mul_(squares.add_(self._c1))
        torch.div(covariance, variances, out=product)
        return 4 * self._inside.sum()


def _sums_of_seven(maps: Tensor, step: int, spare: Tensor, result: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The four additions (what, what, where to) that leave the sums of seven entries `step` apart in `result`."""
    length = len(maps)
    pairs, fours, end = spare[: length - step], result[: length - 3 * step], length - 6 * step
    return [
        (maps[: length - step], maps[step:], pairs),
        (pairs[: length - 3 * step], pairs[2 * step :], fours),
        (fours[:end], pairs[4 * step : 4 * step + end], fours[:end]),
        (fours[:end], maps[6 * step :], fours[:end]),
    ]


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
