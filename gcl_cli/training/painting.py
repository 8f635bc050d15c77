"""Painting is sampling: views take their colours from pictures where flows say, differentiably.

Flows are those of `body.painting.view_flows`. The pictures may be any: changed at random, or themselves drawn, so that
what was turned can be painted back.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.machine.devices import sent
from gcl_cli.records import SUBPIXELS, ViewFlows
from gcl_cli.training.structures import OWN

SHOWN = 127  # of 255, above which a picture itself is taken to show what is painted
FAR = SUBPIXELS**2  # the square of a pixel, in parts of one


def paint(pictures: Tensor, flows: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Views [B, 5, H, W] of pictures [B, 3, h, w] in [0, 1] by flows [B, 4, H, W]: colour, opacity and what is seen.

    Colours are 0 where nobody is, and differentiable in the pictures. All are in [0, 1], of the pictures' precision.
    Painting is done at the flows' size; another `size` (height, width) is resized to.
    """
    pictures = resized(pictures, (flows.shape[2], flows.shape[3]))
    flows = sent(flows, pictures.device).to(pictures.dtype)
    columns, rows = (max(side - 1, 1) * SUBPIXELS / 2 for side in (flows.shape[3], flows.shape[2]))
    at = torch.stack([flows[:, 0] / columns, flows[:, 1] / rows], dim=3) - 1  # -1 and 1: middles of outermost pixels
    colours = F.grid_sample(pictures, at, mode="bilinear", padding_mode="border", align_corners=True)
    shares = flows[:, 2:] / 255
    colours = colours * (shares[:, :1] > 0)
    if size in (None, flows.shape[2:]):
        return torch.cat([colours, shares], dim=1)
    weighted = _bicubic(torch.cat([colours * shares[:, :1], shares], dim=1), size)
    colours = weighted[:, :3] / weighted[:, 3:4].clamp(min=1 / 255)
    return torch.cat([colours, weighted[:, 3:]], dim=1).clamp(0, 1)


def mirrored(flows: Tensor, flipped: Tensor) -> Tensor:
    """The flows [B, 4, H, W] of pictures that are mirrored left to right where `flipped` [B] is True."""
    turned = flows.flip(3)
    columns = ((flows.shape[3] - 1) * SUBPIXELS - turned[:, :1]) * (turned[:, 2:3] > 0)
    return torch.where(flipped[:, None, None, None], torch.cat([columns, turned[:, 1:]], dim=1), flows)


def turned_back(own: Tensor, new: Tensor) -> Tensor:
    """The flows [B, 4, H, W] that paint views of sides `new` back onto `own` sides, both [B, 4, H, W] of photographs.

    A pixel of the own side takes its colour from the pixel of the new side that shows its place best, and from as far
    beside it as that is off. Where the new side does not show its place, nobody is.
    """
    height, width = new.shape[2:]
    grid = torch.meshgrid(*(torch.arange(side, device=new.device) for side in (height, width)), indexing="ij")
    rows, columns = (side.flatten() for side in grid)
    shows, found = _best_shown(new, rows, columns)
    x, y = (new[:, axis].flatten(1).long().gather(1, shows) for axis in (0, 1))
    back = torch.stack([
        ((columns[shows] + columns) * SUBPIXELS - x).clamp(0, (width - 1) * SUBPIXELS),
        ((rows[shows] + rows) * SUBPIXELS - y).clamp(0, (height - 1) * SUBPIXELS),
        own[:, 2].flatten(1).long(), torch.full_like(shows, 255),
    ], dim=1)  # fmt: skip
    there = found & (back[:, 2] > 0)
    return (back * there[:, None]).unflatten(2, (height, width)).to(new.dtype)


def _best_shown(new: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Which pixel of the sides `new` [B, 4, H, W] shows each of the photographs best, [B, H * W]; and if any does."""
    height, width = new.shape[2:]
    x, y, _, seen = new.flatten(2).int().unbind(1)
    pixel = (rows * width + columns).int()
    best = torch.full_like(x, FAR * height * width)  # distance and pixel in one number: the smallest is the best
    for down in (0, 1):
        for right in (0, 1):
            column, row = x // SUBPIXELS + right, y // SUBPIXELS + down
            distance = (column * SUBPIXELS - x) ** 2 + (row * SUBPIXELS - y) ** 2
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            counts = inside & (seen > SHOWN) & (distance < FAR)
            found = torch.where(counts, distance, FAR) * height * width + pixel
            best.scatter_reduce_(1, torch.where(counts, row * width + column, 0).long(), found, "amin")
    return (best % (height * width)).long(), best < FAR * height * width


class Painting:
    """People of pictures in memory, painted from other sides; a callable of the form records.PaintedViews."""

    def __init__(self, flows: ViewFlows, pictures: Tensor) -> None:
        """pictures: [N, 3, H, W] uint8, those that the flows were made of, at any size."""
        self.angles, self.flows, self.pictures = flows.angles, flows, pictures

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        """Colour and opacity [B, 4, H, W] uint8 of `rows` [B], each from `angles[angle_index]` [B]."""
        pictures, flows = self.pictures[rows], self.flows(rows, angle_index)
        if flows.shape[2:] == pictures.shape[2:] and bool((angle_index == OWN).all()):
            opacity = flows[:, 2:3].to(torch.uint8)  # as photographed everything comes from where it is
            return torch.cat([pictures * (opacity > 0), opacity], dim=1)
        painted = paint(pictures.float() / 255, flows, (pictures.shape[2], pictures.shape[3]))
        return (painted[:, :4] * 255).round_().to(torch.uint8)


def resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Values [B, C, h, w] in [0, 1] at another `size` (height, width)."""
    return values if values.shape[2:] == size else _bicubic(values, size).clamp(0, 1)


def _bicubic(values: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(values, size, mode="bicubic", antialias=True)
