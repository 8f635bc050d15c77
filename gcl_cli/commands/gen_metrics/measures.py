"""What is measured of generated views: in which feature spaces, by which protocol, how diverse."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from gcl_cli.config import GenMetricsSettings
from gcl_cli.metrics.frechet import frechet_distance, statistics
from gcl_cli.metrics.kernel_distance import kernel_interval
from gcl_cli.metrics.structural_similarity import identity_pairs, similarity

PROTOCOLS = {
    "pictures": (
        "real: the training pictures; generated: one picture of each from a random turn (the figures above the tables) "
        "and from every turn alone (per angle)"
    ),
    "fid": (
        "Frechet distance (FID) of pytorch-fid's Inception features; pictures resized to 256x128 (bicubic) first; "
        "biased upwards for few pictures: compare equal numbers within one tool"
    ),
    "kid": (
        "kernel distance (KID): cubic polynomial kernel, unbiased, mean over random subsets; 95 % interval of the "
        "whole from their spread; in Inception's space where its weights are there, and in the encoder's"
    ),
    "encoder": "Frechet distance of the identity encoder's unit embeddings",
    "references": (
        "real halves: the training pictures cut into two at random (half as many in each, which raises FID and Frechet "
        "distances, not KID); training against gallery: as many gallery pictures as there are; photographs: real "
        "pictures measured as if they had been generated"
    ),
    "dssim": (
        "(1 - SSIM) / 2 in CIE Lab, 7x7 windows, range 100, between pictures of one person: larger = more varied; "
        "ssim = 1 - 2 dssim; dssim: at the networks' size; dssim_real_native: photographs at the size of their "
        "files; _at_256x128: all at one size"
    ),
    "identity": (
        "each generated picture searches the real ones by cosine, its source left out: identity_kept = rank-1, and "
        "mean and median rank of the first picture of its person; across cameras: that person's pictures "
        "under the source's camera left out too; photographs: what real pictures reach in their place; other "
        "backdrop: the same with the person cut out and put before somebody else's, since a view's own backdrop may "
        "tell who stood there; backdrops alone are what is found with nobody drawn"
    ),
    "pose": (
        "the body of the generated picture, estimated as gcl mesh does, against the mesh it was asked for: share "
        "whose yaw is in the asked 45-degree bin (less than 22.5 degrees off), within 45 degrees, and in it or the "
        "next (67.5), nobody found = missed; keypoint error after the best scale and shift, in % of the body's "
        "height; photographs: the same for real pictures at the networks' size and their own mesh; against the known "
        "orientation: the mesh of a real picture and its true yaw"
    ),
    "real_side": (
        "against real photographs of the person under other cameras, of the orientation nearest to the asked one, and "
        "against other people from that side: cosine, SSIM in Lab, share closer to the person than to another one "
        "drawn at random (chance 50 %), rank-1 among all people from that side; source: the photograph as it is, "
        "unturned; photographs: a real picture of the person from that side under the source's camera. "
        "Limits: orientations are known in steps, steps and arms differ, SSIM sees every pixel of misalignment"
    ),
    "pairs": "SSIM in CIE Lab between a generated picture and the real one of its name; native: of equal size only",
}


def protocol_of(measures: Collection[str]) -> list[dict[str, str]]:
    """The protocols of some measures, a row each, for a result."""
    return [{"figure": name, "how": how} for name, how in PROTOCOLS.items() if name in measures]


INCEPTION, ENCODER = "fid", "encoder"
PREFIX = {INCEPTION: "", ENCODER: "encoder_"}  # of a kernel distance in that space
FRECHET = {INCEPTION: "fid", ENCODER: "encoder_frechet"}

Spaces = Mapping[str, Callable[[Tensor], Tensor]]  # name -> features [N, D] of pictures [N, 3, H, W] uint8
Features = dict[str, Tensor]


def features_in(spaces: Spaces, pictures: Tensor) -> Features:
    """The features of pictures in every space."""
    return {name: features(pictures) for name, features in spaces.items()}


def set_distances(real: Features, made: Features, settings: GenMetricsSettings) -> dict[str, Any]:
    """How far two sets lie apart in every space, in the measures that were asked for."""
    figures: dict[str, Any] = {}
    for space in real:
        if space in settings.measures:
            figures[FRECHET[space]] = frechet_distance(*statistics(real[space]), *statistics(made[space]))
        if "kid" in settings.measures:
            rng = torch.Generator().manual_seed(settings.seed)
            found = kernel_interval(
                real[space], made[space],
                subsets=settings.kid_subsets, subset_size=settings.kid_subset_size, generator=rng,
            )  # fmt: skip
            name = f"{PREFIX[space]}kid"
            figures |= {name: found.value, f"{name}_interval": [found.low, found.high], f"{name}_subset": found.subset}
    return figures


def halves_apart(real: Features, settings: GenMetricsSettings) -> dict[str, Any]:
    """The distances between two random halves of the real pictures: what no generator can be expected to go below."""
    count = len(next(iter(real.values())))
    order = torch.randperm(count, generator=torch.Generator().manual_seed(settings.seed))
    one, other = order[: count // 2], order[count // 2 : count // 2 * 2]
    first, second = ({space: rows[half] for space, rows in real.items()} for half in (one, other))
    return {"reference": "real halves", "pictures": count // 2, **set_distances(first, second, settings)}


PAIRS = 256  # compared at a time


def diversity(pictures: Tensor, people: Tensor, settings: GenMetricsSettings) -> float | None:
    """Mean DSSIM over random pairs within a person; None where nobody has two pictures.

    pictures: [M, 3, H, W] uint8; people: [M] int64, negative = unknown.
    """
    rng = torch.Generator().manual_seed(settings.seed)
    drawn = [identity_pairs(people, pairs_per_identity=settings.pairs, generator=rng) for _ in range(settings.repeats)]
    pairs = torch.cat(drawn)  # [P, 2]
    if not len(pairs):
        return None
    found = [similarity(pictures[one[:, 0]], pictures[one[:, 1]]) for one in pairs.split(PAIRS)]
    return (1 - float(torch.cat(found).mean())) / 2


def diversity_figures(sets: dict[str, Tensor], people: Tensor, settings: GenMetricsSettings) -> dict[str, float | None]:
    """DSSIM and SSIM of every named set of pictures: `NAME` and, for dssim..., `ssim...` beside it."""
    figures: dict[str, float | None] = {}
    for name, pictures in sets.items():
        found = diversity(pictures, people, settings)
        figures[name] = found
        figures[name.replace("dssim", "ssim")] = None if found is None else 1 - 2 * found
    return figures
