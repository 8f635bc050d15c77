"""Whether a view shows its person before somebody else's backdrop: what is left of them in their own tells nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gcl_cli.records import PaintedViews
from gcl_cli.training.backdrops import TOGETHER, composed, without_people
from gcl_cli.training.structures import OWN


@dataclass(frozen=True)
class Backdrops:
    """The photographs of M people, cut apart by the silhouettes of their painted bodies."""

    people: Tensor  # [M, 4, H, W] uint8, colour and opacity as photographed
    empty: Tensor  # [M, 3, H, W] uint8, what is behind them
    whose: Tensor  # [M] int64, behind whom each of them is put

    def alone(self) -> Tensor:
        """The backdrop that each of the people is put before, with nobody: [M, 3, H, W] uint8."""
        return self.empty[self.whose]

    def before(self, cut_outs: Tensor) -> Tensor:
        """Views of the people [M, 4, H, W] uint8 (colour, opacity), each before somebody else's backdrop: uint8."""
        return composed(cut_outs, self.alone())


def open_backdrops(photographs: Tensor, painted: PaintedViews, rows: Tensor, people: Tensor, seed: int) -> Backdrops:
    """The backdrops of `rows` [M] among `photographs` [N, 3, H, W] uint8, and who is put before whose.

    people: [M] who each of them shows, negative = unknown; nobody is put before a picture of themselves where another
    person is there.
    """
    own, empty = [], []
    for some in rows.split(TOGETHER):
        views = painted(some, torch.full_like(some, OWN))
        own.append(torch.cat([photographs[some], views[:, 3:]], dim=1))
        empty.append(without_people(photographs[some], views[:, 3:]).round_().to(torch.uint8))
    return Backdrops(torch.cat(own), torch.cat(empty), _somebody_else(people, seed))


def _somebody_else(people: Tensor, seed: int) -> Tensor:
    """For each of `people` [M] the row of another one, drawn at random; of any other row where there is nobody else."""
    rng = torch.Generator().manual_seed(seed)
    count = len(people)
    rows = torch.arange(count)
    differs = (people[:, None] != people[None]) | (people[:, None] < 0)
    differs[rows, rows] = False
    alone = ~differs.any(dim=1)
    differs[alone] = rows[None] != rows[alone, None] if count > 1 else True
    return torch.multinomial(differs.double(), 1, generator=rng)[:, 0]
