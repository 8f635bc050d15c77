"""Structure pictures as the networks see them, and which side is drawn."""

import torch
from torch import Tensor

from gcl_cli.errors import GclError
from gcl_cli.machine.devices import sent
from gcl_cli.records import PaintedViews, StructurePictures

OWN = 0  # index of the angle 0


def to_signal(pictures: Tensor, device: torch.device) -> Tensor:
    """Grey pictures [B, 1, H, W] uint8 as signals in [-1, 1]: white background = 1 (section 3.1)."""
    return sent(pictures, device).float() / 127.5 - 1.0


def angle_indices(structures: StructurePictures | PaintedViews, angles: tuple[int, ...]) -> Tensor:
    """Where `angles` (degrees) stand among the rendered ones; GclError when one was not rendered."""
    missing = [angle for angle in angles if angle not in structures.angles]
    if missing:
        raise GclError(
            f"The views have no angle {missing[0]}; they have {', '.join(map(str, structures.angles))}.",
            "Render it: gcl render --angles 0,45,90,135,180,225,270,315 --restart",
        )
    return torch.tensor([structures.angles.index(angle) for angle in angles])


def draw_angles(choices: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` angle indices, each drawn uniformly from `choices` [A]."""
    # Paper: a turn of 45 to 315 degrees (the published code never draws 315). Here: all seven turns.
    return choices[torch.randint(len(choices), (count,), generator=generator)]


def own_and_new(
    structures: StructurePictures, rows: Tensor, angle_index: Tensor, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Signals [B, 1, H, W] of `rows` as photographed, and turned to `angle_index` [B]."""
    own = structures(rows, torch.full_like(rows, OWN))
    return to_signal(own, device), to_signal(structures(rows, angle_index), device)
