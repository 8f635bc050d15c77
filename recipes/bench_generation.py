"""How fast the generation measures are against pytorch-fid and SciPy, at equal values, in one run.

python recipes/bench_generation.py            one thread, CPU time; about three minutes
The networks have the architecture of FID's and random weights: speed does not depend on them, and no figure that
this prints is a FID.
"""

import sys
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytorch_fid.inception as published
import scipy.linalg
import torch
import torchvision
from torch import Tensor, nn

from gcl_cli import console
from gcl_cli.commands.gen_metrics.inception import pool_features
from gcl_cli.metrics.frechet import frechet_distance

DIMENSIONS, PICTURES, REPEATS = 2048, 16, 3


def seconds(job: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, Any]:
    """The shortest CPU time of some runs, and what the job returned."""
    best, found = float("inf"), None
    for _ in range(repeats):
        begun = time.process_time()
        found = job()
        best = min(best, time.process_time() - begun)
    return best, found


def random_inception(rng: torch.Generator) -> nn.Module:
    """pytorch-fid's network with random weights and random batch statistics."""
    unread = mock.patch.object(torchvision.models.Inception3, "load_state_dict")
    with mock.patch.object(published, "load_state_dict_from_url", return_value={}), unread:
        network = published.InceptionV3([3]).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=rng)
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in ((module.running_var, 0.5, 1.5), (module.running_mean, -0.2, 0.2)):
                tensor.uniform_(low, high, generator=rng)
    return network


def row(name: str, theirs: tuple[float, Any], ours: tuple[float, Any], units: int) -> dict[str, Any]:
    """A line of the table: milliseconds a unit, their ratio, and the largest relative difference of the values."""
    first, second = (np.atleast_1d(np.asarray(value, np.float64)) for value in (theirs[1], ours[1]))
    return {
        "what": name, "peer ms": 1e3 * theirs[0] / units, "gcl ms": 1e3 * ours[0] / units,
        "times faster": theirs[0] / ours[0], "difference": float(np.abs(first - second).max() / np.abs(first).max()),
    }  # fmt: skip


def inception(rng: torch.Generator) -> dict[str, Any]:
    """Pool features of pictures at 256x128."""
    pictures = torch.randint(0, 256, (PICTURES, 3, 256, 128), generator=rng, dtype=torch.uint8)
    network = random_inception(rng)

    def plain() -> Tensor:
        with torch.no_grad():
            return network(pictures.float() / 255)[0].flatten(1)

    theirs = seconds(plain)
    features = pool_features(network, torch.device("cpu"))
    return row("Inception, a picture", theirs, seconds(lambda: features(pictures)), PICTURES)


def frechet(rng: torch.Generator) -> dict[str, Any]:
    """The distance between two sets whose covariances have a spectrum that falls off."""
    mixing = torch.randn(DIMENSIONS, DIMENSIONS, generator=rng, dtype=torch.float64)
    mixing *= torch.logspace(0, -3, DIMENSIONS, dtype=torch.float64)
    sets = [torch.randn(2 * DIMENSIONS, DIMENSIONS, generator=rng, dtype=torch.float64) @ mixing for _ in range(2)]
    means, covariances = [one.mean(dim=0) for one in sets], [torch.cov(one.T) for one in sets]

    def by_square_root() -> float:
        root = scipy.linalg.sqrtm((covariances[0] @ covariances[1]).numpy())
        trace = covariances[0].trace() + covariances[1].trace() - 2 * float(np.trace(root).real)
        return float((means[0] - means[1]).square().sum() + trace)

    ours = seconds(lambda: frechet_distance(means[0], covariances[0], means[1], covariances[1]))
    return row(f"Frechet distance, {DIMENSIONS}-d", seconds(by_square_root, 1), ours, 1)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    table = [inception(rng), frechet(rng)]
    console.show({"generation": table}, as_json="--json" in sys.argv[1:])


main()
