"""People from other sides as a painted generator draws them: from bodies, painted views and what of them is seen."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.painted_generator import OPACITY, PaintedGenerator, structures
from gcl_cli.networks.painter import Painter
from gcl_cli.records import StructurePictures, ViewFlows
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.painting import paint, resized
from gcl_cli.training.structures import OWN

TOGETHER = 64  # views that are drawn at a time
COVERED = slice(3, 4)  # the opacity among the channels of a painted view

Looks = Callable[[Tensor, Tensor], Tensor]  # photographs [B, 3, H, W], where people are [B, 1, H, W] -> looks


class PaintedStructures:
    """What a painted generator is told of people, from several sides."""

    def __init__(self, bodies: StructurePictures, flows: ViewFlows) -> None:
        """Of the same people and sides; structures have the size of the bodies."""
        self.angles = bodies.angles
        self.bodies, self.flows = bodies, flows

    def __call__(self, photographs: Tensor, rows: Tensor, angle_index: Tensor) -> Tensor:
        """Structures [B, 7, H, W] of `rows` [B], each at its own `angles[angle_index]` [B].

        photographs: [B, 3, h, w] in [0, 1], theirs, changed or not: what is painted has their colours.
        """
        device = photographs.device
        grey, own = (sent(self.bodies(rows, side), device) for side in (angle_index, torch.full_like(rows, OWN)))
        flows = sent(self.flows(rows, angle_index), device)
        return structures(grey, paint(photographs, flows, (own.shape[2], own.shape[3])), own)

    def covered(self, rows: Tensor, size: tuple[int, int]) -> Tensor:
        """What the bodies of `rows` [B] cover of their photographs, [B, 1, *size] in [0, 1]."""
        return resized(self.flows(rows, torch.full_like(rows, OWN))[:, 2:3].float() / 255, size)


Structures = StructurePictures | PaintedStructures  # what a generator is told: the paper's, or a painted one


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
        photographs = sent(self.pictures[rows], device).float() / 255
        structure = self.told(photographs, rows, side)
        size = (structure.shape[2], structure.shape[3])
        covered = sent(self.told.covered(rows, size), device)
        turn = torch.tensor(self.angles)[side]
        with arithmetic(self.precision, device):
            looks = self.looks(resized(photographs, size), covered)
            drawn = self.generator(structure, sent(turn, device), looks)
        body = torch.where(sent(side == OWN, device)[:, None, None, None], structure[:, OPACITY], 0.0)
        drawn[:, COVERED] = torch.maximum(drawn[:, COVERED], body)
        made = (drawn.cpu() * 255).round_().to(torch.uint8)
        return resized_pictures(made, (self.pictures.shape[2], self.pictures.shape[3]))


def drawn_by_shipped(
    generator: PaintedGenerator, pictures: Tensor, told: PaintedStructures, precision: str
) -> DrawnViews:
    """What the generator that ships draws of people: it knows no identity encoder."""
    return DrawnViews(generator, generator.appearance, pictures, told, precision=precision)


def drawn_by_painter(
    painter: Painter, encoder: IdentityEncoder, pictures: Tensor, told: PaintedStructures, precision: str
) -> DrawnViews:
    """What a painter draws of people whom its encoder sees; both are to be in evaluation mode."""

    return DrawnViews(painter, looks_of(painter, encoder), pictures, told, precision=precision)


def looks_of(painter: Painter, encoder: IdentityEncoder) -> Looks:
    """What a painter is told of the looks of people whom its encoder sees."""
    return lambda photographs, covered: painter.looks(photographs, covered, encoder(normalise(photographs)).parts)


def resized_pictures(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures [N, C, h, w] uint8 at another `size` (height, width)."""
    if pictures.shape[2:] == size:
        return pictures
    resized = F.interpolate(pictures.float(), size, mode="bicubic", antialias=True)
    return resized.clamp(0, 255).round().to(torch.uint8)
