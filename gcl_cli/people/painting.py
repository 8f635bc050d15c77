"""People of photographs drawn from other sides by a painted generator: estimate, paint, generate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from gcl_cli.body.model import load_body
from gcl_cli.body.painting import body_places, traced_views
from gcl_cli.body.rendering import render_views, up_axis
from gcl_cli.body.silhouette import Surface
from gcl_cli.config import MeshSettings
from gcl_cli.datasets.decoding import picture_sizes, read_pictures
from gcl_cli.networks.painted_generator import PaintedGenerator, structures
from gcl_cli.networks.painter import Painter
from gcl_cli.people.bodies import STATUS
from gcl_cli.people.estimating import estimate_shard
from gcl_cli.people.shards import Shard
from gcl_cli.records import MeshEstimates
from gcl_cli.training.backdrops import composed, without_people
from gcl_cli.training.drawn_views import Looks

OWN = 0  # index of the side as photographed
TOGETHER = 64  # views that are drawn at a time
OPACITY = 3  # channel of painted views


@dataclass(frozen=True)
class PaintedPeople:
    """What is known of the people of N photographs before anything is generated, from S sides, their own first."""

    sides: tuple[int, ...]
    photographs: Tensor  # [N, 3, H, W] uint8
    bodies: Tensor  # [N, S, H, W] uint8, grey on white
    painted: Tensor  # [N, S, 5, H, W] uint8, colour, opacity, seen
    status: tuple[str, ...]  # how far each body is to be trusted

    def __len__(self) -> int:
        return len(self.photographs)


def paint_people(
    root: Path,
    names: Sequence[str],
    angles: Sequence[int],
    size: tuple[int, int],
    *,
    meshes: MeshEstimates | None = None,
    threads: int = 1,
) -> PaintedPeople:
    """Paint the people of the pictures `names` below `root` from `angles`, at `size` (height, width) pixels.

    meshes: their bodies; None: they are estimated.
    """
    height, width = size
    sides = (0, *angles)
    photographs = read_pictures(root, names, height=height, width=width, threads=threads)
    body = load_body()
    if meshes is None:
        meshes = estimate_shard(root, MeshSettings(), "cpu", Shard("train", 0, tuple(names)))
    rotations = body.world_rotations(meshes.pose)
    skinned = body.skin(rotations, body.place(rotations, meshes.betas), meshes.betas)  # [N, V, 3]
    surface, grey, painted = Surface.of(body.faces), [], []
    crops = zip(photographs, skinned, meshes.camera, picture_sizes(root, names), strict=True)
    for photograph, vertices, camera, crop in crops:
        seen_so = (surface, vertices, camera, crop, sides)
        up = up_axis(body, vertices)
        grey.append(render_views(*seen_so, up=up, height=height, width=width, recentre=True)[0])
        picture = photograph.permute(1, 2, 0).numpy()
        painted.append(traced_views(picture, *seen_so, up=up, recentre=True, places=body_places()))
    status = tuple(STATUS[number] for number in meshes.status)
    views = torch.from_numpy(np.array(painted)).permute(0, 1, 4, 2, 3)
    return PaintedPeople(sides, photographs, torch.from_numpy(np.array(grey)), views, status)


@torch.no_grad()
def draw_people(
    generator: PaintedGenerator | Painter,
    people: PaintedPeople,
    codes_of: Tensor | None = None,
    *,
    looks_by: Looks | None = None,
) -> Tensor:
    """Everybody from all sides: [N, S, 4, H, W] uint8, colour and opacity; fp32.

    codes_of: [N] whose looks each of them gets; None: their own. looks_by: what tells a Painter of looks; None: what a
    PaintedGenerator sees.
    """
    find = looks_by or cast(PaintedGenerator, generator).appearance
    device = next(generator.parameters()).device
    opacity = people.painted[:, OWN, OPACITY : OPACITY + 1]
    looks = torch.cat(
        [
            find(some.to(device).float() / 255, opaque.to(device).float() / 255)
            for some, opaque in zip(people.photographs.split(TOGETHER), opacity.split(TOGETHER), strict=True)
        ]
    )
    looks = looks if codes_of is None else looks[codes_of]
    person = torch.arange(len(people)).repeat_interleave(len(people.sides))
    side = torch.arange(len(people.sides)).repeat(len(people))
    turns = torch.tensor(people.sides)[side]
    drawn = []
    for who, where, turn in zip(person.split(TOGETHER), side.split(TOGETHER), turns.split(TOGETHER), strict=True):
        grey, own = people.bodies[who, where][:, None], people.bodies[who, OWN][:, None]
        given = structures(grey, people.painted[who, where], own).to(device)
        made = generator(given, turn.to(device), looks[who.to(looks.device)])
        drawn.append((made * 255).round_().to(torch.uint8).cpu())
    return torch.cat(drawn).unflatten(0, (len(people), len(people.sides)))


def before_own_backdrops(people: PaintedPeople, drawn: Tensor) -> Tensor:
    """Drawn people [N, S, 4, H, W] before what is behind them in their photographs: [N, S, 3, H, W] uint8.

    A person covers at least what the body does and what the generator draws of their own side.
    """
    covered = torch.maximum(drawn[:, OWN, 3:], people.painted[:, OWN, OPACITY : OPACITY + 1])
    behind = without_people(people.photographs, covered)
    pictures = [composed(drawn[:, side], behind) for side in range(drawn.shape[1])]
    return torch.stack(pictures, dim=1)
