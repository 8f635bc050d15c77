"""Identity mixup: people between two people of the batch (GCL+)."""

from typing import NamedTuple

import torch
from torch import Tensor

from gcl_cli.machine.devices import sent


class Mixup(NamedTuple):
    """How the identity codes of a batch are mixed."""

    share: Tensor  # lambda [B], of a picture's own code, in [.5, 1]; the same for the whole batch
    partners: Tensor  # pi [B], the picture that gives the rest, counted within the part of the batch

    def of(self, codes: Tensor) -> Tensor:
        """a_mix: lambda a + (1 - lambda) a_pi, for the codes [B, C, 4] of a part."""
        share = sent(self.share, codes.device).to(codes.dtype)[:, None, None]
        return share * codes + (1 - share) * codes[sent(self.partners, codes.device)]


def draw_mixup(count: int, *, concentration: float, groups: int, generator: torch.Generator) -> Mixup:
    """One share for the batch, lambda = max(x, 1 - x) with x ~ Beta(c, c), and a random order of its `count` pictures.

    concentration: c. groups: equal parts that the batch will be cut into; partners are of the same part.
    """
    drawn = symmetric_beta(concentration, generator)
    share = torch.full((count,), max(drawn, 1 - drawn))
    orders = [torch.randperm(count // groups, generator=generator) for _ in range(groups)]
    return Mixup(share, torch.cat(orders))


def symmetric_beta(concentration: float, generator: torch.Generator) -> float:
    """A number in [0, 1] from Beta(c, c), exactly distributed (Joehnk, 1964).

    x = u^(1/c) and y = v^(1/c) of uniform u, v are drawn until x + y <= 1; then x / (x + y) is the number. For c from
    .1 to 2, one pair in six or better is accepted.
    """
    while True:
        one, other = torch.rand(2, generator=generator, device=generator.device, dtype=torch.float64).tolist()
        x, y = one ** (1 / concentration), other ** (1 / concentration)
        if 0 < x + y <= 1:
            return float(x / (x + y))
