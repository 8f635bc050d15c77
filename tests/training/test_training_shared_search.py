"""Processes that share the search of faiss find the clusters that one finds."""

import multiprocessing

import numpy as np
import torch
from torch import distributed

from gcl_cli.config import EpochClusterSettings
from gcl_cli.training import epoch_clusters
from gcl_cli.training.epoch_clusters import cluster_together
from gcl_cli.training.team import ALONE, Team

SETTINGS = EpochClusterSettings(neighbours="faiss", rho=5e-3)


def people() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(60, 16, generator=rng)
    rows = centres[torch.randint(60, (701,), generator=rng)] + 0.4 * torch.randn(701, 16, generator=rng)
    return torch.nn.functional.normalize(rows, dim=1), torch.randint(3, (701,), generator=rng)


def one_of_a_team(rank: int, size: int, folder: str) -> None:
    """A process of its own: leaves the labels, and how many pictures it searched for."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
    search, searched = epoch_clusters.approximate_neighbours, []

    def counted(features, *, k, rows):
        searched.append(len(rows))
        return search(features, k=k, rows=rows)

    epoch_clusters.approximate_neighbours = counted
    found = cluster_together(*people(), settings=SETTINGS, team=Team(rank, size))
    np.savez(f"{folder}/{rank}.npz", labels=found.labels, radius=found.radius, searched=searched)
    distributed.destroy_process_group()


def test_two_processes_search_a_half_each_and_find_what_one_finds(tmp_path):
    context = multiprocessing.get_context("spawn")
    team = [context.Process(target=one_of_a_team, args=(rank, 2, str(tmp_path))) for rank in range(2)]
    for process in team:
        process.start()
    for process in team:
        process.join(200)
    assert [process.exitcode for process in team] == [0, 0]
    alone = cluster_together(*people(), settings=SETTINGS, team=ALONE)
    assert alone.clusters > 30 and alone.fallback is None
    for rank, searched in enumerate((351, 350)):
        found = np.load(tmp_path / f"{rank}.npz")
        assert found["labels"].tolist() == alone.labels.tolist()
        assert float(found["radius"]) == alone.radius
        assert found["searched"].tolist() == [searched]
