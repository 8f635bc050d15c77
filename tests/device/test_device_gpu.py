"""A real card against the CPU, in fp32: `pytest -m gpu`, which recipes/gpu.sh runs first."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from device_world import architecture_of, weighty
from test_device_numbers import CPU, MEASURES, METHODS, agree, features
from torch import Tensor, distributed, multiprocessing

from gcl_cli.artifacts.checkpoints import load_checkpoint, save_checkpoint
from gcl_cli.body.landmark_network import TorchLandmarkRunner
from gcl_cli.training.features import embed
from gcl_cli.training.team import ALONE, Team

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA card")]
CARD = torch.device("cuda")


@pytest.fixture(autouse=True)
def whole_products() -> Iterator[None]:
    """No TF32: what differs from the CPU is the order of sums."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def epochs(training: Any) -> list[dict[str, Any]]:
    return [event.values for event in training.epochs() if event.kind == "epoch"]


@pytest.mark.parametrize("method", METHODS)
def test_epochs_on_the_card_find_what_epochs_on_the_cpu_find(method: Callable[..., Any]) -> None:
    agree(epochs(method(CARD)), epochs(method(CPU)))


@pytest.mark.parametrize("measure", [measure for _, measure in MEASURES], ids=[name for name, _ in MEASURES])
def test_features_on_the_card_are_clustered_and_compared_as_on_the_cpu(measure: Any) -> None:
    np.testing.assert_allclose(measure(features().to(CARD)), measure(features()), atol=1e-4)


@pytest.mark.parametrize("preset", ["tiny", "paper"])
def test_embeddings_of_the_card_are_those_of_the_cpu(preset: str) -> None:
    size = architecture_of(preset)
    pictures = torch.randint(0, 256, (4, 3, size.height, size.width), dtype=torch.uint8)
    on_card, on_host = (
        embed(weighty(size, device)["identity_encoder"], pictures, precision="fp32").cpu() for device in (CARD, CPU)
    )
    torch.testing.assert_close(on_card, on_host, atol=1e-4, rtol=1e-3)
    short = embed(weighty(size, CARD)["identity_encoder"], pictures, precision="bf16").cpu()
    assert (short * on_host).sum(1).min() > 0.98


@pytest.mark.parametrize("method", METHODS)
def test_a_training_goes_on_from_a_checkpoint_on_the_card(method: Callable[..., Any], tmp_path: Path) -> None:
    unbroken = method(CARD)
    events = unbroken.epochs()
    next(events)
    save_checkpoint(tmp_path, 1, unbroken.state.snapshot())
    rest = [event.values for event in events if event.kind == "epoch"]
    resumed, saved = method(CARD), load_checkpoint(tmp_path)
    assert saved is not None
    resumed.state.restore(saved)
    agree(epochs(resumed), rest)


def test_landmarks_of_the_card_are_those_of_the_cpu() -> None:
    inputs = np.random.default_rng(0).random((2, 256, 96, 3), dtype=np.float32)
    found, expected = TorchLandmarkRunner("cuda")(inputs), TorchLandmarkRunner("cpu")(inputs)
    np.testing.assert_allclose(found.landmarks, expected.landmarks, atol=0.05)


def test_two_processes_on_one_card_find_what_one_finds(tmp_path: Path) -> None:
    multiprocessing.spawn(_member, args=(str(tmp_path),), nprocs=2)
    together = torch.load(tmp_path / "found")
    agree(together, epochs(_shared(ALONE)))


def _shared(team: Team) -> Any:
    return METHODS[-1](CARD, team=team, batchnorm_groups=2)


def _member(rank: int, folder: str) -> None:
    """One of two processes; messages go through the host, since nccl wants a card for each of them."""
    gather, broadcast, reduce = distributed.all_gather, distributed.broadcast, distributed.all_reduce

    def by_host(values: Tensor, send: Callable[[Tensor], Any]) -> None:
        there = values.cpu()
        send(there)
        values.copy_(there)

    def gathered(into: list[Tensor], values: Tensor) -> None:
        there = [one.cpu() for one in into]
        gather(there, values.cpu())
        for one, found in zip(into, there, strict=True):
            one.copy_(found)

    distributed.all_gather = gathered
    distributed.broadcast = lambda values, root: by_host(values, lambda there: broadcast(there, root))
    distributed.all_reduce = lambda values: by_host(values, reduce)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found = epochs(_shared(Team(rank, 2)))
    if rank == 0:
        torch.save(found, Path(folder) / "found")
    distributed.destroy_process_group()
