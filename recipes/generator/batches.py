"""Batches of the pairs that `pairs.py` drew: other light, other scenes, and texture that is hidden."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gcl_cli.networks.painted_generator import structures

OWN_VIEWS = 0.12  # share of a batch that is drawn as photographed
OTHER_SCENE = 0.35  # probability that somebody else's scene is behind the person
GAIN, CAST, GAMMA = 0.12, 0.10, 0.15  # deviations of brightness, of each colour's and of gamma, in logarithms
SEEN = 0.5
MOST_CHANNELS = 5  # of a stored picture
# What is hidden of a painted view: nothing; what the photograph does not show; a block of it; both; all.
HIDING = torch.tensor([0.40, 0.20, 0.20, 0.10, 0.10])


class Batch(NamedTuple):
    """B views; all pictures in [0, 1]."""

    photograph: Tensor  # [B, 3, H, W]
    own_opacity: Tensor  # [B, 1, H, W] of the estimated body as photographed
    own_alpha: Tensor  # [B, 1, H, W] true
    structure: Tensor  # [B, 7, H, W], see networks.painted_generator
    turn: Tensor  # [B] degrees
    scene: Tensor  # [B, 3, H, W]
    true: Tensor  # [B, 3, H, W] before the scene
    alpha: Tensor  # [B, 1, H, W]


class Pairs:
    """The parts of a folder, as they are on disk; parts that are drawn meanwhile join at `reload`.

    small: pictures at half their size.
    """

    def __init__(self, folder: Path, *, small: bool = False) -> None:
        self.folder, self.small, self.parts, self.rows = folder, small, {}, []
        self.reload()

    def __len__(self) -> int:
        return len(self.rows)

    def reload(self) -> None:
        """Read the parts that are new."""
        for file in sorted(self.folder.glob("*.npz")):
            if file.name not in self.parts:
                with np.load(file) as stored:
                    read = {name: torch.from_numpy(stored[name]) for name in stored.files}
                self.parts[file.name] = {name: halved(value) for name, value in read.items()} if self.small else read
                self.rows += [(file.name, row) for row in range(len(self.parts[file.name]["person"]))]

    def batch(self, people: list[int], views: list[int]) -> Batch:
        """The views `views` [B] of `people` [B]."""
        found = [(self.parts[self.rows[person][0]], self.rows[person][1]) for person in people]

        def of_person(name: str) -> Tensor:
            return torch.stack([part[name][row] for part, row in found])

        def of_view(name: str) -> Tensor:
            return torch.stack([part[name][row, view] for (part, row), view in zip(found, views, strict=True)])

        own_grey = torch.stack([part["grey"][row, 0] for part, row in found])
        own_opacity = torch.stack([part["painted"][row, 0, :, :, 3] for part, row in found])
        true = _first(of_view("true"))
        painted = of_view("painted").movedim(-1, 1)
        structure = structures(of_view("grey")[:, None], painted, own_grey[:, None])
        return Batch(
            _first(of_person("crop")), own_opacity[:, None] / 255, of_person("own_alpha")[:, None] / 255,
            structure, of_view("angles").float(), _first(of_person("scene")), true[:, :3], true[:, 3:],
        )  # fmt: skip

    def views_of(self, person: int) -> int:
        """How many views a person has, their own included."""
        name, row = self.rows[person]
        return len(self.parts[name]["angles"][row])


def _first(pictures: Tensor) -> Tensor:
    """uint8 [B, H, W, C] -> [B, C, H, W] in [0, 1]."""
    return (pictures.movedim(-1, 1).float() / 255).contiguous()


def halved(values: Tensor) -> Tensor:
    """Pictures [..., H, W] or [..., H, W, channels], uint8, at half the size; other values about people as they are."""
    if values.dtype != torch.uint8 or values.dim() < 3:
        return values
    rows = -3 if values.shape[-1] <= MOST_CHANNELS else -2
    means = values.float()
    for axis in (rows, rows + 1):
        means = means.unflatten(axis, (-1, 2)).mean(axis)
    return means.round().to(torch.uint8)


def drawn_batch(pairs: Pairs, size: int, rng: torch.Generator) -> Batch:
    """Views of people drawn at random: augmented, with hidden texture."""
    people = torch.randint(len(pairs), (size,), generator=rng).tolist()
    own = (torch.rand(size, generator=rng) < OWN_VIEWS).tolist()
    at = torch.rand(size, generator=rng).tolist()
    counts = [pairs.views_of(person) - 1 for person in people]
    views = [0 if is_own else 1 + int(place * n) for is_own, place, n in zip(own, at, counts, strict=True)]
    return hide(augment(pairs.batch(people, views), rng), rng)


def augment(batch: Batch, rng: torch.Generator) -> Batch:
    """Mirrored, another scene behind the person now and then, and another light on everything."""
    batch = _mirrored(batch, torch.rand(len(batch.turn), generator=rng) < 0.5)
    size = (len(batch.turn), 1, 1, 1)
    moved = (torch.rand(size, generator=rng) < OTHER_SCENE) * (
        batch.scene[torch.randperm(len(batch.turn), generator=rng)] - batch.scene
    )
    gain = torch.randn(size, generator=rng) * GAIN + torch.randn(len(batch.turn), 3, 1, 1, generator=rng) * CAST
    gamma = torch.exp(torch.randn(size, generator=rng) * GAMMA)

    def lit(pictures: Tensor) -> Tensor:
        return (pictures.clamp(0, 1).pow(gamma) * gain.exp()).clamp(max=1)

    structure = batch.structure.clone()
    structure[:, 1:4] = lit(structure[:, 1:4])
    return batch._replace(
        photograph=lit(batch.photograph + (1 - batch.own_alpha) * moved),
        structure=structure,
        scene=lit(batch.scene + moved),
        true=lit(batch.true + (1 - batch.alpha) * moved),
    )


def _mirrored(batch: Batch, which: Tensor) -> Batch:
    flipped = [torch.where(which[:, None, None, None], value.flip(-1), value) for value in batch if value.dim() == 4]
    photograph, own_opacity, own_alpha, structure, scene, true, alpha = flipped
    turn = torch.where(which, (360 - batch.turn) % 360, batch.turn)
    return Batch(photograph, own_opacity, own_alpha, structure, turn, scene, true, alpha)


def hide(batch: Batch, rng: torch.Generator) -> Batch:
    """Without some of the painted texture, so that it has to come from the identity code."""
    size, height, width = len(batch.turn), *batch.structure.shape[2:]
    kind = torch.multinomial(HIDING, size, replacement=True, generator=rng)[:, None, None, None]
    seen = batch.structure[:, 5:6] > SEEN
    block = _blocks(size, height, width, rng)
    kept = torch.where(kind == 1, seen, torch.where(kind == 2, ~block, torch.where(kind == 3, seen & ~block, kind < 4)))
    structure = batch.structure.clone()
    structure[:, 1:6] *= kept
    return batch._replace(structure=structure)


def _blocks(size: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    """A rectangle of each picture, [B, 1, H, W] bool: from a hand to half the body."""
    middle = torch.rand(size, 2, generator=rng)
    half = 0.05 + 0.3 * torch.rand(size, 2, generator=rng)
    low, high = middle - half, middle + half
    y, x = ((torch.arange(n) + 0.5) / n for n in (height, width))
    rows = (y >= low[:, :1]) & (y < high[:, :1])
    columns = (x >= low[:, 1:]) & (x < high[:, 1:])
    return (rows[:, :, None] & columns[:, None, :])[:, None]
