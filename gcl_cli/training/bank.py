"""What the contrast remembers: one feature per picture (Eq. 5) or one per cluster, and what is drawn from it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.machine.devices import sent
from gcl_cli.networks.normalisation import at_least_float32


class MemoryBank:
    """One unit feature per training picture, the keys of the contrast (Eq. 5); never part of a graph."""

    def __init__(self, rows: Tensor) -> None:
        """Continue with the unit `rows` [N, D]: taken as they are, not copied, and changed in place."""
        self.rows = rows  # [N, D]

    def __len__(self) -> int:
        return len(self.rows)

    @torch.no_grad()
    def update(self, indices: Tensor, features: Tensor, *, momentum: float) -> None:
        """Move the rows `indices` [B] towards the unit `features` [B, D] of the same pictures (Eq. 5).

        momentum: alpha in [0, 1], the weight of the OLD value. A picture that is twice in the batch moves twice,
        in the order of the batch. Rows that are not in the batch stay as they are.
        """
        # Paper: once per epoch, without renormalising. Here: every step (or memory_update = epoch), renormalised.
        _blend_in_order(self.rows, indices, features, momentum)

    @torch.no_grad()
    def update_all(self, features: Tensor, *, momentum: float) -> None:
        """Move every row towards the unit `features` [N, D] of all pictures, as `update` does."""
        self.rows.copy_(F.normalize(momentum * self.rows + (1 - momentum) * features.to(self.rows), dim=1))

    @torch.no_grad()
    def refresh(self, indices: Tensor, features: Tensor) -> None:
        """Replace the rows `indices` [B] (no repeats) by freshly computed `features` [B, D]."""
        self.rows[sent(indices, self.rows.device)] = F.normalize(features.to(self.rows), dim=1)


class ClusterMemory:
    """One unit centroid per cluster, the classes of the warm-up's loss (Cluster Contrast, ACCV 2022)."""

    def __init__(self, centroids: Tensor) -> None:
        """Continue with the unit `centroids` [K, D], changed in place; row k belongs to the pseudo label k."""
        self.centroids = centroids  # [K, D]

    @classmethod
    def from_features(cls, features: Tensor, labels: Tensor) -> "ClusterMemory":
        """Centroids of the features [N, D] under the pseudo labels [N] (-1 = noise, which has no centroid)."""
        labels = labels.to(features.device)
        clustered = labels >= 0
        values = at_least_float32(features.detach())
        sums = values.new_zeros(int(labels.max()) + 1, values.shape[1])  # [K, D]
        # The mean and the sum point the same way, and only the direction is kept.
        return cls(F.normalize(sums.index_add_(0, labels[clustered], values[clustered]), dim=1))

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor, *, momentum: float, hard: bool) -> None:
        """Move the centroids of the pseudo labels [B], known to the host, towards the unit features [B, D].

        momentum: in [0, 1], the weight of the OLD centroid. Every sample moves its centroid, in the order of the
        batch; when `hard`, each centroid moves once, towards the sample of the batch that is least similar to it.
        """
        if hard:
            own = self.centroids[sent(labels, self.centroids.device)]
            order = (features.to(self.centroids) * own).sum(1).argsort(stable=True).cpu()  # [B]
            hardest = order[_earlier_appearances(labels[order]) == 0]
            features, labels = features[sent(hardest, features.device)], labels[hardest]
        _blend_in_order(self.centroids, labels, features, momentum)


def draw_positives(labels: Tensor, indices: Tensor, *, exclude_self: bool, generator: torch.Generator) -> Tensor:
    """Draw, for each anchor, a picture of its cluster, uniformly (k+ of Eq. 6 and 8; section 3.3 of the paper).

    labels: [N] pseudo labels, -1 = noise; indices: [B] rows of the anchors, all clustered.
    exclude_self: draw another picture than the anchor wherever its cluster has one; otherwise the anchor may
    draw itself, as in the published code.
    Returns [B] rows. Raises ValueError for an anchor without a cluster.
    """
    anchors = labels[indices]
    if bool((anchors < 0).any()):
        raise ValueError("noise has no positives: draw the anchors among the clustered pictures")
    members, order = labels.sort(stable=True)
    first = torch.searchsorted(members, anchors)  # [B] where the anchor's cluster starts in `order`
    size = torch.searchsorted(members, anchors, right=True) - first
    # float64, so that rounding never lifts the product to its upper end
    chance = torch.rand(len(indices), generator=generator, device=generator.device, dtype=torch.float64)
    chance = chance.to(labels.device)
    if not exclude_self:
        return order[first + (chance * size).long()]
    place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    others = (size - 1).clamp(min=1)
    steps_on = 1 + (chance * others).long()  # 1 .. size - 1 places after the anchor, round the cluster
    return order[first + (place[indices] - first + steps_on) % size]


def negative_mask(labels: Tensor, indices: Tensor, *, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` negatives of each anchor without replacement, uniformly (k- of Eq. 6-8; K of section 4.2).

    labels: [N] pseudo labels, -1 = noise; indices: [B] rows of the anchors. Negatives are all rows with another
    label, noise among them. An anchor with fewer than `count` takes all of them, so rows may differ in number.
    Returns [B, N] bool, True where the row of the memory is a drawn negative.
    """
    others = labels[None, :] != labels[indices][:, None]  # [B, N]
    if count >= len(labels):
        return others
    keys = sent(torch.rand(others.shape, generator=generator, device=generator.device), labels.device)
    drawn = keys.masked_fill_(~others, 2.0).topk(count, dim=1, largest=False, sorted=False).indices  # [B, count]
    return torch.zeros_like(others).scatter_(1, drawn, True) & others


def _blend_in_order(rows: Tensor, indices: Tensor, features: Tensor, momentum: float) -> None:
    """rows[i] <- unit(momentum * rows[i] + (1 - momentum) * f) for each (i, f) of the batch in turn, in place."""
    indices, features = indices.cpu(), features.to(rows)
    turns = _earlier_appearances(indices)
    for turn in range(int(turns.max()) + 1):  # within a turn no row appears twice: usually there is one turn
        now = (turns == turn).nonzero().flatten()
        places, now = sent(indices[now], rows.device), sent(now, rows.device)
        rows[places] = F.normalize(momentum * rows[places] + (1 - momentum) * features[now], dim=1)


def _earlier_appearances(indices: Tensor) -> Tensor:
    """How often each entry of `indices` [B] stands before itself in the batch: [B], 0 = the first time."""
    return (indices[:, None] == indices[None, :]).tril(-1).sum(1)
