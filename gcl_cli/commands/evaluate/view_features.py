"""Embeddings of the views of pictures from other sides, and how much these are to count beside the pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.clustering.pseudo_labels import cluster_features
from gcl_cli.config import EpochClusterSettings
from gcl_cli.errors import GclError
from gcl_cli.metrics.ranking import rank_features
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.turning import ViewGenerator, turn_people
from gcl_cli.training.drawn_views import resized_pictures
from gcl_cli.training.features import embed
from gcl_cli.weights.networks import read_generator
from gcl_cli.weights.shipped_generator import SHIPPED

BATCH = 64  # pictures whose views exist at a time
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # of views beside the picture, from which one is chosen
ANCHORS = 2000  # pictures that are ranked by each of them, at most


def read_view_inputs(work: WorkFolder, generator: str | None) -> dict[str, str]:
    """What the views depend on: the artifact that `--generator` names, with its digest; nothing where gcl's own draws.

    GclError when it is missing.
    """
    if generator in (None, SHIPPED):
        return {}
    gan = read_generator(work, str(generator))
    return {gan.reference: gan.manifest.digest}


def embed_views(
    network: IdentityEncoder, generator: ViewGenerator, files: Sequence[Path], angles: tuple[int, ...],
    size: tuple[int, int], *, what: str,
) -> Tensor:  # fmt: skip
    """Unit rows [N, D]: the means of the embeddings of each file's person from `angles`, drawn by `generator`.

    size: (height, width) of the pictures that the network reads; what: the files, for the meter.
    """
    rows = []
    with console.meter(f"views of {what}", len(files)) as meter:
        for start in range(0, len(files), BATCH):
            drawn = turn_people(generator, files[start : start + BATCH], angles, tell=False).generated
            of_sides = embed(network, resized_pictures(drawn.flatten(0, 1), size), precision="fp32").cpu()
            rows.append(F.normalize(of_sides.unflatten(0, (-1, len(angles))).mean(dim=1), dim=1))
            meter.advance(len(drawn))
    return torch.cat(rows)


def mixed(own: Tensor, views: Tensor, weight: float) -> Tensor:
    """Unit rows [N, D] between those of pictures and of their views."""
    return F.normalize((1 - weight) * own + weight * views, dim=1)


def chosen_weight(own: Tensor, views: Tensor, cameras: Tensor, settings: EpochClusterSettings) -> float:
    """How much views are to count, in WEIGHTS, without labels: where the clusters of the pictures are found best.

    own, views: [N, D] unit rows; cameras: [N], negative = unknown. The clusters are those of the pictures alone, as a
    joint training finds them: these favour a weight of 0, so that views count where they help in spite of that. By the
    mean average precision of clustered pictures, in other cameras where cameras are known. 0 where there are none.
    """
    known = bool((cameras >= 0).all())
    try:
        labels = cluster_features(own, cameras if known else None, settings=settings).labels
        return _best_of_weights(own, views, labels, cameras.numpy() if known else np.arange(len(own)))
    except GclError as error:
        console.warn(f"--views: there is nothing to choose a weight by, and views do not count. {error.problem}")
        return 0.0


def _best_of_weights(own: Tensor, views: Tensor, labels: np.ndarray, cameras: np.ndarray) -> float:
    clustered = np.flatnonzero(labels >= 0)
    anchors = clustered[np.linspace(0, len(clustered) - 1, min(ANCHORS, len(clustered))).astype(int)]
    people = np.where(labels >= 0, labels + 1, labels.max() + 2 + np.arange(len(labels)))  # the others: nobody twice

    def precision(weight: float) -> float:
        rows = mixed(own, views, weight)
        return rank_features(
            rows[anchors], rows, people[anchors], cameras[anchors], people, cameras,
            max_rank=1, average_precision="open-reid",
        ).mean_average_precision  # fmt: skip

    return max(WEIGHTS, key=precision)  # of equals the smallest
