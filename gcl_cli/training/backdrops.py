"""People cut out of their photographs, and what is behind others."""

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.records import PaintedViews, TrainingSet
from gcl_cli.training.structures import OWN

TOGETHER = 64  # pictures that are painted at a time: memory stays the same however many there are
COARSER = 2  # factor between two levels of the pyramid
SEEN = 0.5  # share of a pixel from which it is taken to show the person


def composed(painted: Tensor, backdrop: Tensor) -> Tensor:
    """Painted people [B, 4, H, W] (colour, opacity) uint8 before `backdrop` [B, 3, H, W] in [0, 255]: uint8."""
    opacity = painted[:, 3:].float() / 255
    return (painted[:, :3] * opacity + backdrop * (1 - opacity)).round_().to(torch.uint8)


def without_people(pictures: Tensor, opacity: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] uint8 where the person (`opacity` [B, 1, H, W] uint8) is filled from around: float.

    Pull-push interpolation (Gortler et al. 1996): means of what is known at ever coarser scales, taken from the finest
    scale that knows a place. What the person does not cover stays as it is.
    """
    known = (_widened(opacity) < SEEN * 255).float()
    known = torch.where(known.amax((2, 3), keepdim=True) > 0, known, 1.0)  # all person: there is no backdrop to know
    return _filled(pictures.float() * known, known)


def _widened(opacity: Tensor) -> Tensor:
    """The largest of every pixel and its eight neighbours, [B, 1, H, W] uint8: fifteen times as fast as pooling."""
    spread = F.pad(opacity, (1, 1, 1, 1))
    for axis in (2, 3):
        before, here, after = (spread.narrow(axis, start, spread.shape[axis] - 2) for start in range(3))
        spread = torch.maximum(torch.maximum(before, here), after)
    return spread


def _filled(values: Tensor, known: Tensor) -> Tensor:
    """values / known where `known` [B, 1, h, w] is 1, from coarser scales where it is less; `values` are weighted."""
    height, width = known.shape[2:]
    if max(height, width) == 1:
        return values / known.clamp(min=1e-6)
    window = [min(COARSER, side) for side in (height, width)]
    pooled = [F.avg_pool2d(table, window, ceil_mode=True, count_include_pad=False) for table in (values, known)]
    weight = pooled[1].clamp(min=1e-6)
    certain = (pooled[1] * window[0] * window[1]).clamp(max=1)  # one known pixel is enough
    coarse = _filled(pooled[0] / weight * certain, certain)
    behind = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    return values + (1 - known) * behind


class CutOuts:
    """The people of a data set as their meshes cut them out, which can be put before other people's backdrops.

    What everybody covers is kept from its first use on: one byte a pixel of the pictures.
    """

    def __init__(self, data: TrainingSet, painted: PaintedViews) -> None:
        self.data, self.painted = data, painted
        self.backdrops = data.generating(torch.arange(len(data)))  # of pictures whose people are known to be cut out

    @property
    def nbytes(self) -> int:
        """Bytes that are kept, once all is."""
        return self.data.pictures[:, :1].nbytes

    @cached_property
    def covered(self) -> Tensor:
        """What the people cover of their photographs, [N, 1, H, W] uint8."""
        everybody = torch.arange(len(self.data)).split(TOGETHER)
        return torch.cat([self.painted(rows, torch.full_like(rows, OWN))[:, 3:] for rows in everybody])

    def others(self, count: int, rng: torch.Generator) -> Tensor:
        """Whose backdrops `count` people get: rows [count], drawn at random."""
        return self.backdrops[torch.randint(len(self.backdrops), (count,), generator=rng)]

    def before(self, people: Tensor, behind: Tensor, rows: Tensor) -> Tensor:
        """People [B, 4, H, W] uint8 before what is behind the people of `behind` [B]: pictures [B, 3, H, W] uint8.

        rows: [B], whose people they are; where their mesh is no good, the photograph itself.
        """
        pictures = composed(people, without_people(self.data.pictures[behind], self.covered[behind]))
        if self.data.well_meshed is None:
            return pictures
        return torch.where(self.data.well_meshed[rows][:, None, None, None], pictures, self.data.pictures[rows])
