"""What the card computes is what the CPU computes: epochs, clusterings, distances and networks with real numbers."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from card import CUDA, Card, card
from device_world import (
    PICTURES,
    Bars,
    architecture_of,
    chance,
    labelled_set,
    people,
    training_set,
    weighty,
)
from torch import Tensor
from torch.nn import functional as F

from gcl_cli.body.landmark_network import TorchLandmarkRunner
from gcl_cli.clustering.blocks import feature_distance
from gcl_cli.clustering.pseudo_labels import cluster_features
from gcl_cli.clustering.reranking import reranked_distances
from gcl_cli.clustering.source_distance import distance_to_source
from gcl_cli.clustering.temporal import Sightings, joint_distance_rows, time_distribution
from gcl_cli.commands.gen_metrics.inception import pool_features
from gcl_cli.config import ActSettings, ClusterContrastSettings, JointSettings, JvtcSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.metrics.ranking import cosine_distances
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.team import ALONE, Team
from gcl_cli.training.warmups.act import Act, act_state
from gcl_cli.training.warmups.cluster_contrast import ClusterContrast, cluster_contrast_state
from gcl_cli.training.warmups.jvtc import Jvtc, jvtc_state

CPU = torch.device("cpu")
TOY: dict[str, Any] = {
    "trunk_width": 16, "height": 64, "width": 32, "generator_width": 4, "modulation_width": 16,
    "discriminator_width": 4,
}  # fmt: skip
CLUSTERING: dict[str, Any] = {"radius": 0.6, "k1": 8, "k2": 3, "min_samples": 2, "precision": "fp32"}
SLOW = {"learning_rate": 1e-5}  # steps as small as these do not blow rounding up


@pytest.fixture
def here() -> Iterator[Card]:
    with card(values=True) as there:
        yield there


def cluster_contrast(device: torch.device) -> Any:
    chosen = {"epochs": 2, "iterations": 1, "people": 4, "pictures": 3, **CLUSTERING, **SLOW, **TOY}
    settings = settings_for(ClusterContrastSettings, "warmup", "tiny", chosen)
    state = cluster_contrast_state(weighty(architecture_of("tiny", **TOY), device)["identity_encoder"], settings)
    return ClusterContrast(state, training_set(settings), settings, colour_start=True)


def jvtc(device: torch.device) -> Any:
    chosen = {"epochs": 1, "iterations": 2, "batch_size": 8, **CLUSTERING, **SLOW, **TOY}
    settings = settings_for(JvtcSettings, "warmup-jvtc", "tiny", chosen)
    encoder = weighty(architecture_of("tiny", head=settings.head, **TOY), device)["identity_encoder"]
    source = labelled_set(settings)
    return Jvtc(
        jvtc_state(encoder, settings, source), training_set(settings), settings, source=source, colour_start=False
    )


def act(device: torch.device) -> Any:
    chosen = {"epochs": 1, "iterations": 2, "people": 4, "cluster_every": 1, **CLUSTERING, **SLOW, **TOY}
    settings = settings_for(ActSettings, "warmup-act", "tiny", chosen)
    encoder = weighty(architecture_of("tiny", head=settings.head, **TOY), device)["identity_encoder"]
    return Act(act_state(encoder, settings), training_set(settings), settings, source=labelled_set(settings))


def joint(device: torch.device, team: Team = ALONE, **more: Any) -> Any:
    chosen = {
        "epochs": 1, "iterations": 1, "contrast_steps": 1, "batch_size": 6, "losses": ("gan", "vi", "vi_syn", "vi_mem"),
        "negatives": 20, "generator_rate": 1e-5, "discriminator_rate": 1e-5, "identity_rate": 1e-5,
        **CLUSTERING, **more,
    }  # fmt: skip
    settings, size = settings_for(JointSettings, "joint", "tiny", chosen), architecture_of("tiny", **TOY)
    pictures = training_set(size, painted=Bars(size, channels=4))
    return Joint(joint_state(weighty(size, device), settings), pictures, Bars(size), settings, team=team)


METHODS = [cluster_contrast, jvtc, act, joint]


def agree(epochs: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The same figures, up to the rounding of small steps."""
    for one, other in zip(epochs, expected, strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            wanted = pytest.approx(value, rel=2e-3, abs=2e-3) if isinstance(value, float) else value
            assert one[name] == wanted, name


@pytest.mark.parametrize("method", METHODS)
def test_epochs_on_a_card_find_what_epochs_on_the_cpu_find(here: Card, method: Callable[[torch.device], Any]) -> None:
    on_card, on_host = ([e.values for e in method(device).epochs() if e.kind == "epoch"] for device in (CUDA, CPU))
    assert here.waits  # it was there
    agree(on_card, on_host)


def features(seed: int = 0) -> Tensor:
    """People as tight groups of unit rows."""
    centres = torch.randn(PICTURES // 4, 16, generator=chance(seed)).repeat_interleave(4, dim=0)
    return F.normalize(centres + 0.2 * torch.randn(PICTURES, 16, generator=chance(seed + 1)), dim=1)


SETTINGS = ClusterContrastSettings(k1=8, k2=3, radius=0.5, min_samples=2, camera_aware=True)
SEEN = Sightings(torch.arange(PICTURES) % 2, torch.arange(PICTURES) * 50)
MEASURES = [
    ("clusters", lambda rows: cluster_features(rows, torch.arange(PICTURES) % 2, settings=SETTINGS).labels),
    ("distance to a source", lambda rows: distance_to_source(rows, rows[:5])),
    ("cosine distances", lambda rows: cosine_distances(rows[:6], rows)),
    (
        "re-ranked",
        lambda rows: reranked_distances(rows[:8], rows[8:], k1=6, k2=3, original_weight=0.3)(torch.arange(8)),
    ),
    (
        "looks and times",
        lambda rows: joint_distance_rows(rows, SEEN, time_distribution(people().numpy(), SEEN)).rows(0, 9).cpu(),
    ),
    ("distance by rows", lambda rows: feature_distance(rows).rows(3, 7).cpu()),
]


@pytest.mark.parametrize("measure", [measure for _, measure in MEASURES], ids=[name for name, _ in MEASURES])
def test_features_on_a_card_are_clustered_and_compared_as_on_the_cpu(here: Card, measure: Any) -> None:
    np.testing.assert_allclose(measure(features().to(CUDA)), measure(features()), atol=1e-5)
    assert here.waits


def test_inception_takes_pictures_to_the_card_and_features_back(here: Card) -> None:
    inception = torchvision.models.inception.InceptionA(8, pool_features=4)
    pictures = torch.randint(0, 256, (3, 3, 256, 128), dtype=torch.uint8, generator=chance())
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 7, stride=8), inception.eval(), torch.nn.AdaptiveAvgPool2d(1))
    expected = network(pictures.float() / 255).flatten(1)
    made = pool_features(Listed(network).to(CUDA).eval(), CUDA)(pictures)
    torch.testing.assert_close(made, expected.double(), atol=1e-4, rtol=1e-3)


class Listed(torch.nn.Module):
    """A network that answers with a list, as pytorch-fid's does."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> list[Tensor]:
        return [self.network(pictures)]


def test_the_landmark_network_runs_whole_on_the_card_and_waits_for_its_outputs_alone(here: Card) -> None:
    inputs = np.random.default_rng(0).random((2, 256, 96, 3), dtype=np.float32)
    runner = TorchLandmarkRunner("cuda")
    here.forget()
    with torch.no_grad():  # what stands in for the card knows no inference mode
        found = TorchLandmarkRunner.__call__.__wrapped__(runner, inputs)
    assert {place.split()[-1] for place in here.waits} == {"<dictcomp>"}
    expected = TorchLandmarkRunner("cpu")(inputs)
    np.testing.assert_allclose(found.landmarks, expected.landmarks, atol=1e-2)


def test_the_landmark_network_keeps_cudnn_and_switches_its_short_products_off(monkeypatch: pytest.MonkeyPatch) -> None:
    # `torch.backends.cudnn.flags` switches cuDNN off unless it is told otherwise.
    runner, seen = TorchLandmarkRunner("cpu"), set()
    step = runner._step

    def watched(*arguments: Any) -> Tensor:
        seen.add((torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32))
        return step(*arguments)

    monkeypatch.setattr(runner, "_step", watched)
    runner(np.zeros((1, 256, 96, 3), np.float32))
    assert seen == {(True, False)}
