"""Parts of a batch, and processes that share them: the same numbers as one process and one pass."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed
from training_world import ARCHITECTURE, CLUSTERING, Bars, new_networks, tables, training_set

from gcl_cli.config import ClusterContrastSettings, GanWarmupSettings, JointSettings
from gcl_cli.errors import GclError
from gcl_cli.networks.identity_encoder import IdentityCode
from gcl_cli.records import PseudoLabels
from gcl_cli.training import augmentation, epoch_clusters, features, gan_warmup, joint, structures
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.team import ALONE, Team
from gcl_cli.training.warmups import cluster_contrast
from gcl_cli.training.warmups.cluster_contrast import ClusterContrast, cluster_contrast_state

LABELS = torch.arange(32) // 4
LABELS[[3, 30, 31]] = -1
TINY = {"epochs": 2, "iterations": 1, "batch_size": 8, "seed": 3}


def in_float64(patch: Callable[[object, str, object], None]) -> None:
    """Pictures and signals in 64 bits, and clusters that are known."""
    for module in (joint, gan_warmup, features):
        patch(module, "normalise", lambda pictures: augmentation.normalise(pictures).double())
    patch(gan_warmup, "to_signal", lambda pictures, device: structures.to_signal(pictures, device).double())
    own_and_new = structures.own_and_new
    doubled = lambda *arguments: tuple(signal.double() for signal in own_and_new(*arguments))  # noqa: E731
    for module in (joint, gan_warmup):
        patch(module, "own_and_new", doubled)
    warm_up = augmentation.warm_up_augmentation
    patch(cluster_contrast, "warm_up_augmentation", lambda *a, **named: warm_up(*a, **named).double())
    patch(epoch_clusters, "cluster_features", lambda *_, **__: PseudoLabels(LABELS.numpy().copy(), 0.5, "as known"))


def in_joint(team: Team, **changed):
    settings = JointSettings(**TINY, **CLUSTERING, contrast_steps=1, **changed)
    networks = {name: network.double() for name, network in new_networks().items()}
    return Joint(joint_state(networks, settings), training_set(), Bars(), settings, team=team)


def in_gan_warmup(team: Team, **changed):
    settings = GanWarmupSettings(**TINY, reconstruction_epochs=1, **changed)
    networks = {name: network.double() for name, network in new_networks().items()}
    return GanWarmup(gan_warmup_state(networks, settings), training_set(), Bars(), settings, team=team)


def in_warmup(team: Team, **changed):
    settings = ClusterContrastSettings(
        epochs=2, iterations=2, people=4, pictures=2, seed=3, **CLUSTERING, **ARCHITECTURE.model_dump(), **changed
    )
    encoder = new_networks()["identity_encoder"].double()
    state = cluster_contrast_state(encoder, settings)
    return ClusterContrast(state, training_set(), settings, colour_start=True, team=team)


LOOPS = {"joint": in_joint, "gan-warmup": in_gan_warmup, "warmup": in_warmup}


def outcome(training) -> dict[str, Tensor]:
    """All values of all events, then all networks and tables."""
    for optimizer in training.state.optimizers.values():
        for group in optimizer.param_groups:
            if "eps" in group:
                group["eps"] = 1e-3  # a bias before a norm has no gradient but rounding, which Adam would blow up
    values = [list(event.values.items()) for event in training.epochs()]
    numbers = [float(v) for event in values for _, v in event if isinstance(v, int | float)]
    words = sorted({str(v) for event in values for _, v in event if isinstance(v, str)})
    found = {"values": torch.tensor(numbers, dtype=torch.float64), "words": torch.tensor([len(w) for w in words])}
    for name, network in training.state.networks.items():
        found |= {f"{name}.{key}": value.clone() for key, value in network.state_dict().items()}
    return found | {f"table.{name}": value.clone() for name, value in tables(training.state).items()}


def different(one: dict[str, Tensor], other: dict[str, Tensor]) -> dict[str, float]:
    """What is not the same to 1e-10 of its largest entry (whole numbers: not the same), and by how much."""
    assert one.keys() == other.keys()
    found = {}
    for name, value in one.items():
        if not value.numel() == other[name].numel() > 0:
            assert value.shape == other[name].shape, name  # a table that this kind of training has not
            continue
        distance = float((other[name].double() - value.double()).abs().max() / value.abs().max().clamp(min=1e-3))
        if distance > (1e-10 if value.is_floating_point() else 0):
            found[name] = distance
    return found


def one_of_a_team(rank: int, size: int, folder: str) -> None:
    """A process of its own: trains in every loop, and leaves what came out."""
    torch.set_num_threads(1)
    in_float64(setattr)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
    for name, loop in LOOPS.items():
        torch.save(outcome(loop(Team(rank, size), batchnorm_groups=2)), f"{folder}/{name}-{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def made_together(tmp_path_factory) -> Path:
    """A folder with what each of two processes ended with."""
    folder = tmp_path_factory.mktemp("team")
    context = multiprocessing.get_context("spawn")
    team = [context.Process(target=one_of_a_team, args=(rank, 2, str(folder))) for rank in range(2)]
    for process in team:
        process.start()
    for process in team:
        process.join(500)
    assert [process.exitcode for process in team] == [0, 0]
    return folder


@pytest.mark.parametrize("loop", LOOPS)
def test_two_processes_train_as_one_does(made_together, monkeypatch, loop):
    in_float64(monkeypatch.setattr)
    alone = outcome(LOOPS[loop](ALONE, batchnorm_groups=2))
    for rank in range(2):
        together = torch.load(made_together / f"{loop}-{rank}.pt", weights_only=True)
        assert different(alone, together) == {}


@pytest.mark.parametrize("loop", ["joint", "gan-warmup"])
def test_parts_are_one_batch_whose_encoder_normalises_in_groups(monkeypatch, loop):
    in_float64(monkeypatch.setattr)
    in_parts = LOOPS[loop](ALONE, batchnorm_groups=2)
    at_once = LOOPS[loop](ALONE)
    encoder = at_once.gan.identity_encoder
    whole = encoder.forward

    def in_groups(pictures):
        codes = [whole(half) for half in pictures.chunk(2)] if encoder.training else [whole(pictures)]
        return IdentityCode(*(torch.cat(values) for values in zip(*codes, strict=True)))

    monkeypatch.setattr(encoder, "forward", in_groups)
    expected, found = outcome(at_once), outcome(in_parts)
    odd = different(expected, found)
    if loop == "joint":  # the parts' statistics come in another order: part by part, not real before generated
        odd = {name: size for name, size in odd.items() if not name.endswith(("running_mean", "running_var"))}
    assert odd == {}


def test_a_team_that_cannot_share_the_parts_evenly_is_refused():
    with pytest.raises(GclError, match="3 processes cannot share batches of 2 parts") as caught:
        in_joint(Team(0, 3), batchnorm_groups=2)
    assert "--set batchnorm_groups=3" in caught.value.fix


@pytest.mark.parametrize("groups", [3, 8])
def test_parts_of_unequal_size_or_of_one_picture_are_refused(groups):
    with pytest.raises(ValueError, match="does not make"):
        JointSettings(batch_size=8, batchnorm_groups=groups)
