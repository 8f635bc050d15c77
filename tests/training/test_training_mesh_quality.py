"""Pictures whose mesh is not good enough are never generated from."""

import pytest
import torch
from torch import Tensor
from training_world import CLUSTERING, CPU, Bars, new_networks, training_set

from gcl_cli.config import GanWarmupSettings, JointSettings
from gcl_cli.records import PseudoLabels, TrainingSet
from gcl_cli.training import epoch_clusters
from gcl_cli.training.features import embed
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.joint import Joint, joint_state

LABELS = torch.arange(32) // 4
POOR = [1, 6, 7, 20]  # pictures whose mesh is not good enough


@pytest.fixture(autouse=True)
def known_clusters(monkeypatch):
    found = PseudoLabels(LABELS.numpy().copy(), 0.5)
    monkeypatch.setattr(epoch_clusters, "cluster_features", lambda *_, **__: found)


def poorly_meshed() -> TrainingSet:
    data = training_set()
    data.well_meshed = torch.ones(len(data), dtype=torch.bool)
    data.well_meshed[POOR] = False
    return data


def asked_for(structures: Bars) -> set[int]:
    return {row for rows, _ in structures.asked for row in rows}


def new_joint(data: TrainingSet, structures: Bars, **changed) -> Joint:
    settings = JointSettings(**{"epochs": 1, "iterations": 8, "batch_size": 4, **CLUSTERING, **changed})
    return Joint(joint_state(new_networks(), settings), data, structures, settings)


def anchors(training: Joint, monkeypatch) -> tuple[list[int], list[int]]:
    """The anchors of all joint steps and of all contrast-only steps."""
    seen: tuple[list[int], list[int]] = ([], [])

    def note(kind: int):
        def step(rows: Tensor):
            seen[kind].extend(rows.tolist())
            return {}

        return step

    monkeypatch.setattr(training, "_joint_step", note(0))
    monkeypatch.setattr(training, "_contrast_step", note(1))
    list(training.epochs())
    return seen


def test_generator_warmup_draws_only_from_good_meshes():
    settings = GanWarmupSettings(epochs=1, reconstruction_epochs=1, iterations=None, batch_size=4)
    structures = Bars()
    list(GanWarmup(gan_warmup_state(new_networks(), settings), poorly_meshed(), structures, settings).epochs())
    assert asked_for(structures) == set(range(32)) - set(POOR)


def test_joint_steps_draw_only_from_good_meshes_and_the_rest_stays_in_the_memory():
    structures = Bars()
    training = new_joint(poorly_meshed(), structures)
    list(training.epochs())
    assert asked_for(structures) == set(range(32)) - set(POOR)
    assert training.state.bank.shape[0] == 32


def test_contrast_steps_need_no_mesh(monkeypatch):
    joint_rows, contrast_rows = anchors(new_joint(poorly_meshed(), Bars(), contrast_steps=1), monkeypatch)
    assert set(joint_rows) == set(range(32)) - set(POOR)
    assert set(contrast_rows) & set(POOR)


def test_without_a_generator_all_pictures_are_anchors(monkeypatch):
    _, contrast_rows = anchors(new_joint(poorly_meshed(), Bars(), losses=("vi",)), monkeypatch)
    assert set(contrast_rows) == set(range(32))


def test_where_all_meshes_are_good_nothing_changes(monkeypatch):
    data = training_set()
    data.well_meshed = torch.ones(len(data), dtype=torch.bool)
    rows = [anchors(new_joint(some, Bars(), contrast_steps=1), monkeypatch) for some in (data, training_set())]
    assert rows[0] == rows[1]


def test_memory_of_pictures_that_are_never_anchors_is_renewed(monkeypatch):
    training = new_joint(poorly_meshed(), Bars(), epochs=2, iterations=1)
    training.planner.begin()
    training.state.bank.zero_()
    training.planner._refresh(LABELS)
    memory = training.state.bank
    fresh = embed(training.gan.identity_encoder, training.data.pictures[POOR], precision="fp32")
    assert memory.device == CPU and memory.abs().sum(dim=1).nonzero().flatten().tolist() == POOR
    torch.testing.assert_close(memory[POOR], fresh)
