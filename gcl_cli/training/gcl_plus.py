"""GCL+: people between two people of the batch, and the contrast with prototypes of the clusters."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.losses.contrast import cluster_contrast, mixed_cluster_contrast
from gcl_cli.machine.devices import sent
from gcl_cli.training.bank import ClusterMemory


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


def prototypes(memory: Tensor, labels: Tensor) -> Tensor:
    """p [K, D]: the direction of the mean of the memory's unit rows [N, D] of each pseudo label [N] (-1 = noise)."""
    return ClusterMemory.from_features(memory, labels).centroids


def prototype_loss(
    real: Tensor, mixed: Tensor | None, mixup: Mixup | None, rows: Tensor, *, labels: Tensor, centroids: Tensor,
    temperature: float,
) -> Tensor:  # fmt: skip
    """L_id of real pictures and, where identities are mixed, of the pictures between two people; a scalar in nats.

    real: [B, D] unit rows, f of the pictures `rows` [B]; mixed: [B, D] embeddings of x_mix, before the L2 norm;
    labels: [N] pseudo labels of the data set, those of `rows` >= 0; centroids: [K, D] prototypes.
    """
    own = sent(labels, real.device)[sent(rows, real.device)]
    loss = cluster_contrast(real, centroids, own, temperature=temperature)
    if mixed is None or mixup is None:
        return loss
    partners = own[sent(mixup.partners, own.device)]
    features = F.normalize(mixed.to(real.dtype), dim=1)
    return loss + mixed_cluster_contrast(
        features, centroids, own, partners, share=float(mixup.share[0]), temperature=temperature
    )
