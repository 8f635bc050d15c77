"""Which pictures meet in a batch."""

import torch
from torch import Tensor

from gcl_cli.errors import GclError


def epoch_batches(rows: Tensor, *, batch_size: int, steps: int | None, generator: torch.Generator) -> Tensor:
    """One epoch over `rows` [M] in random order: [batches, batch_size].

    steps: the number of batches, for which the rows come again and again, each time in a new order; None: one pass
    whose incomplete last batch is dropped. Fewer rows than a batch needs make one batch in which rows repeat (as
    evenly as possible), so that tiny sets train. Raises GclError when there are no rows at all.
    """
    if len(rows) == 0:
        raise GclError(
            "there is no picture to train on: every picture is noise to the clustering",
            "make the radius of the clustering larger (--radius), or give more pictures of each person",
        )
    batches = max(1, len(rows) // batch_size) if steps is None else steps
    rounds = -(-batches * batch_size // len(rows))  # enough orders of all rows, rounded up
    return _permutations(rows, rounds, generator)[: batches * batch_size].view(batches, batch_size)


def person_batches(
    labels: Tensor, cameras: Tensor | None, *, people: int, pictures: int, batches: int, generator: torch.Generator
) -> Tensor:
    """Batches of `people` clusters with `pictures` of each (RandomMultipleGallery of Cluster Contrast, ACCV 2022).

    labels: [N] pseudo labels, -1 = noise; cameras: [N], or None where they are unknown.
    Clusters come in random order, again and again until all batches are full. Each gives an anchor and pictures of
    it from other cameras than the anchor's, without repetition while there are enough. Where the cluster has no
    other camera, or cameras are unknown, its other pictures serve. Clusters of one picture are left out.
    Returns [batches, people * pictures] rows; the pictures of one cluster lie side by side, so that a batch can be
    cut into groups of whole people for BatchNorm. Raises GclError when no cluster has two pictures.
    """
    clusters = [(labels == label).nonzero().flatten() for label in labels[labels >= 0].unique()]
    clusters = [members for members in clusters if len(members) > 1]
    if not clusters:
        raise GclError(
            f"none of the clusters of {len(labels)} pictures has two members, so there is nothing to pull together",
            "make the radius of the clustering larger (--radius), or give more pictures of each person",
        )
    needed = batches * people
    turns = _permutations(torch.arange(len(clusters)), -(-needed // len(clusters)), generator)[:needed]
    groups = [_gallery(clusters[turn], cameras, pictures, generator) for turn in turns.tolist()]
    return torch.stack(groups).view(batches, people * pictures)


def identity_batches(labels: Tensor, *, people: int, pictures: int, batches: int, generator: torch.Generator) -> Tensor:
    """Batches of `people` clusters with `pictures` of each, whatever their cameras (Hermans et al. 2017).

    labels: [N] pseudo labels, -1 = none; at least one picture has a label. Clusters come in random order, again and
    again until all batches are full; one with fewer pictures, even with a single one, repeats them.
    Returns [batches, people * pictures] rows; the pictures of one cluster lie side by side.
    """
    clusters = [(labels == label).nonzero().flatten() for label in labels[labels >= 0].unique()]
    needed = batches * people
    turns = _permutations(torch.arange(len(clusters)), -(-needed // len(clusters)), generator)[:needed]
    groups = [
        _permutations(clusters[turn], -(-pictures // len(clusters[turn])), generator)[:pictures]
        for turn in turns.tolist()
    ]
    return torch.stack(groups).view(batches, people * pictures)


def _gallery(members: Tensor, cameras: Tensor | None, pictures: int, generator: torch.Generator) -> Tensor:
    """A random anchor among `members` and pictures - 1 companions, from other cameras if possible: [pictures] rows."""
    anchor = members[torch.randint(len(members), (1,), generator=generator)]
    pool = members[members != anchor]
    if cameras is not None:
        elsewhere = pool[cameras[pool] != cameras[anchor]]
        pool = elsewhere if len(elsewhere) else pool
    companions = pictures - 1
    if len(pool) >= companions:
        chosen = torch.randperm(len(pool), generator=generator)[:companions]
    else:
        chosen = torch.randint(len(pool), (companions,), generator=generator)
    return torch.cat([anchor, pool[chosen]])


def _permutations(rows: Tensor, rounds: int, generator: torch.Generator) -> Tensor:
    """`rounds` random orders of `rows` [M], one after another: [rounds * M]."""
    return torch.cat([rows[torch.randperm(len(rows), generator=generator)] for _ in range(rounds)])
