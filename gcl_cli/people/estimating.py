"""Estimating the bodies of some pictures, in whichever process: nothing here imports torch."""

from functools import cache
from pathlib import Path

from gcl_cli.body.estimator import Estimator
from gcl_cli.config import MeshSettings
from gcl_cli.datasets.decoding import read_crops
from gcl_cli.people.shards import Shard
from gcl_cli.records import MeshEstimates


def estimate_shard(root: Path, settings: MeshSettings, device: str, shard: Shard) -> MeshEstimates:
    """The bodies of a shard's pictures; `device`: see `body.estimator.Estimator`."""
    return open_estimator(settings, device)(list(read_crops(root, shard.names)))


@cache
def open_estimator(settings: MeshSettings, device: str) -> Estimator:
    """The estimator of this process: networks, body and reader are read once."""
    return Estimator(
        minimum_score=settings.score_threshold,
        minimum_visibility=settings.visibility_threshold,
        minimum_overlap=settings.overlap_threshold,
        minimum_height=settings.height_threshold,
        device=device,
    )
