"""People from other sides as a painted generator draws them: from bodies, painted views and what of them is seen."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.painted_generator import OPACITY, PaintedGenerator, structures
from gcl_cli.networks.painter import Painter
from gcl_cli.records import PaintedViews, StructurePictures
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.structures import OWN

TOGETHER = 64  # views that are drawn at a time
COVERED = slice(3, 4)  # the opacity among the channels of a painted view

Looks = Callable[[Tensor, Tensor], Tensor]  # photographs [B, 3, H, W], where people are [B, 1, H, W] -> looks


class PaintedStructures:
    """What a painted generator is told of people, from several sides."""

    def __init__(self, bodies: StructurePictures, painted: PaintedViews, seen: StructurePictures) -> None:
        """Views of the same people, sides and size; seen: how far the photographs show what is painted."""
        self.angles = bodies.angles
        self.bodies, self.painted, self.seen = bodies, painted, seen

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        """Structures [B, 7, H, W] in [0, 1] of `rows` [B], each at its own `angles[angle_index]` [B]."""
        own = self.bodies(rows, torch.full_like(rows, OWN))
        given = torch.cat([self.painted(rows, angle_index), self.seen(rows, angle_index)], dim=1)
        return structures(self.bodies(rows, angle_index), given, own)

    def covered(self, rows: Tensor) -> Tensor:
        """What the bodies of `rows` [B] cover of their photographs, [B, 1, H, W] in [0, 1]."""
        return self.painted(rows, torch.full_like(rows, OWN))[:, COVERED].float() / 255


class DrawnViews:
    """Draws the people of photographs; a callable of the form records.PaintedViews.

    On their own side they cover at least what their bodies do.
    """

    def __init__(
        self, generator: nn.Module, looks: Looks, pictures: Tensor, told: PaintedStructures, *, precision: str
    ) -> None:
        """generator: a PaintedGenerator or Painter; pictures: [N, 3, H, W] uint8, any size; told: of their people."""
        self.angles = told.angles
        self.generator, self.looks, self.pictures, self.precision = generator, looks, pictures, precision
        self.told = told

    @torch.no_grad()
    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        """Colour and opacity [B, 4, H, W] uint8 of `rows` [B], each from `angles[angle_index]` [B]."""
        some = zip(rows.split(TOGETHER), angle_index.split(TOGETHER), strict=True)
        return torch.cat([self._some(*pair) for pair in some])

    def _some(self, rows: Tensor, side: Tensor) -> Tensor:
        device = next(self.generator.parameters()).device
        structure, covered = self.told(rows, side), self.told.covered(rows)
        photographs = resized_pictures(self.pictures[rows], (covered.shape[2], covered.shape[3]))
        turn = torch.tensor(self.angles)[side]
        with arithmetic(self.precision, device):
            looks = self.looks(sent(photographs, device).float() / 255, sent(covered, device))
            drawn = self.generator(sent(structure, device), sent(turn, device), looks).cpu()
        body = torch.where((side == OWN)[:, None, None, None], structure[:, OPACITY], 0.0)
        drawn[:, COVERED] = torch.maximum(drawn[:, COVERED], body)
        size = (self.pictures.shape[2], self.pictures.shape[3])
        return resized_pictures((drawn * 255).round_().to(torch.uint8), size)


def drawn_by_shipped(
    generator: PaintedGenerator, pictures: Tensor, told: PaintedStructures, precision: str
) -> DrawnViews:
    """What the generator that ships draws of people: it knows no identity encoder."""
    return DrawnViews(generator, generator.appearance, pictures, told, precision=precision)


def drawn_by_painter(
    painter: Painter, encoder: IdentityEncoder, pictures: Tensor, told: PaintedStructures, precision: str
) -> DrawnViews:
    """What a painter draws of people whom its encoder sees; both are to be in evaluation mode."""

    def looks(photographs: Tensor, covered: Tensor) -> Tensor:
        return painter.looks(photographs, covered, encoder(normalise(photographs)).parts)

    return DrawnViews(painter, looks, pictures, told, precision=precision)


def resized_pictures(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures [N, C, h, w] uint8 at another `size` (height, width)."""
    if pictures.shape[2:] == size:
        return pictures
    resized = F.interpolate(pictures.float(), size, mode="bicubic", antialias=True)
    return resized.clamp(0, 255).round().to(torch.uint8)
