"""People from other sides as a painted generator draws them: from bodies, painted views and what of them is seen."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.painted_generator import OPACITY, PaintedGenerator, structures
from gcl_cli.records import PaintedViews, StructurePictures
from gcl_cli.training.structures import OWN

TOGETHER = 64  # views that are drawn at a time
COVERED = slice(3, 4)  # the opacity among the channels of a painted view


class DrawnViews:
    """Draws the people of photographs; a callable of the form records.PaintedViews.

    On their own side they cover at least what their bodies do.
    """

    def __init__(
        self,
        generator: PaintedGenerator,
        pictures: Tensor,
        bodies: StructurePictures,
        painted: PaintedViews,
        seen: StructurePictures,
        *,
        precision: str,
    ) -> None:
        """pictures: [N, 3, H, W] uint8; bodies, painted, seen: their views, all of one size, which may be another."""
        self.angles = painted.angles
        self.generator, self.pictures, self.precision = generator, pictures, precision
        self.bodies, self.painted, self.seen = bodies, painted, seen

    @torch.no_grad()
    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        """Colour and opacity [B, 4, H, W] uint8 of `rows` [B], each from `angles[angle_index]` [B]."""
        some = zip(rows.split(TOGETHER), angle_index.split(TOGETHER), strict=True)
        return torch.cat([self._some(*pair) for pair in some])

    def _some(self, rows: Tensor, side: Tensor) -> Tensor:
        device = next(self.generator.parameters()).device
        structure = self.structures(rows, side)
        own = self.painted(rows, torch.full_like(rows, OWN))[:, COVERED]
        photographs = resized_pictures(self.pictures[rows], (own.shape[2], own.shape[3]))
        turn = torch.tensor(self.angles)[side]
        with arithmetic(self.precision, device):
            looks = self.generator.appearance(sent(photographs, device).float() / 255, sent(own, device).float() / 255)
            drawn = self.generator(sent(structure, device), sent(turn, device), looks)
        drawn = drawn.cpu()
        body = torch.where((side == OWN)[:, None, None, None], structure[:, OPACITY], 0.0)
        drawn[:, COVERED] = torch.maximum(drawn[:, COVERED], body)
        size = (self.pictures.shape[2], self.pictures.shape[3])
        return resized_pictures((drawn * 255).round_().to(torch.uint8), size)

    def structures(self, rows: Tensor, side: Tensor) -> Tensor:
        """What the generator is told [B, 7, h, w] of `rows` [B] from the sides `side` [B]."""
        own = self.bodies(rows, torch.full_like(rows, OWN))
        given = torch.cat([self.painted(rows, side), self.seen(rows, side)], dim=1)
        return structures(self.bodies(rows, side), given, own)


def resized_pictures(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures [N, C, h, w] uint8 at another `size` (height, width)."""
    if pictures.shape[2:] == size:
        return pictures
    resized = F.interpolate(pictures.float(), size, mode="bicubic", antialias=True)
    return resized.clamp(0, 255).round().to(torch.uint8)
