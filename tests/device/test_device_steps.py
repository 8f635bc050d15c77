"""Every step of every stage on a card that is not there: nothing mixes devices, and nobody waits for the card.

Networks have the full size of their preset. A step may queue copies to the card as it likes; where it waits, that is
counted, and the counts here are promises: losses are read together, once in READ_EVERY steps.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from card import CUDA, Card, OnCard, card
from device_world import (
    PEOPLE,
    PICTURES,
    STEPS,
    Bars,
    Flows,
    amid_an_epoch,
    architecture_of,
    chance,
    labelled_set,
    people,
    training_set,
    unit_rows,
    weightless,
)
from torch import Tensor

from gcl_cli.config import (
    ActSettings,
    Architecture,
    ClusterContrastSettings,
    GanWarmupSettings,
    JointSettings,
    JvtcSettings,
    MmclSettings,
    SupervisedSettings,
)
from gcl_cli.config.presets import settings_for
from gcl_cli.records import TrainingSet
from gcl_cli.training.camera_centroids import CameraClusters
from gcl_cli.training.drawn_views import PaintedStructures, Structures
from gcl_cli.training.features import embed
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.generation import generate
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.state import READ_EVERY, TrainingState
from gcl_cli.training.warmups.act import Act, act_state
from gcl_cli.training.warmups.cluster_contrast import ClusterContrast, cluster_contrast_state
from gcl_cli.training.warmups.jvtc import Jvtc, jvtc_state
from gcl_cli.training.warmups.mmcl import Mmcl, mmcl_state
from gcl_cli.training.warmups.supervised import Supervised, supervised_state
from gcl_cli.weights.networks import GAN, PAINTED_GAN

EVERY = ("gan", "vi", "vi_syn", "vi_mem", "mixup", "prototype")
BATCH = 8
PRESETS = ("tiny", "small", "paper")
FEWER = ("tiny", pytest.param("small", marks=pytest.mark.slow), "paper")  # `small` takes the way of `tiny` there
Loop = tuple[TrainingState, Any]


@pytest.fixture
def here() -> Iterator[Card]:
    with card(values=False) as there:
        yield there


def batches(*shape: int) -> Tensor:
    return torch.randint(PICTURES, (STEPS, *shape), generator=chance(2))


def by_camera(data: TrainingSet, width: int) -> Tensor:
    """A centroid for every cluster in every camera that saw it."""
    return unit_rows(len(CameraClusters.of(people(), data.cameras).cluster), width)


def cluster_contrast(preset: str, **chosen: Any) -> Loop:
    settings = settings_for(
        ClusterContrastSettings,
        "warmup",
        preset,
        {"precision": "bf16", "people": 4, "camera_contrast": 0.5, "camera_contrast_from": 0.0} | chosen,
    )
    networks = weightless(architecture_of(preset, trunk=settings.trunk))
    state = cluster_contrast_state(networks["identity_encoder"], settings)
    width = networks["identity_encoder"].embedding_size
    data = training_set(settings)
    amid_an_epoch(
        state, batches(4 * settings.pictures), labels=people(), centroids=unit_rows(PEOPLE, width),
        camera_centroids=by_camera(data, width),
    )  # fmt: skip
    return state, ClusterContrast(state, data, settings, colour_start=False)


def supervised(preset: str, **chosen: Any) -> Loop:
    settings = settings_for(SupervisedSettings, "warmup-supervised", preset, {"precision": "bf16"} | chosen)
    state = supervised_state(weightless(architecture_of(preset))["identity_encoder"], settings, labelled_set(settings))
    amid_an_epoch(state, batches(BATCH))
    return state, Supervised(state, labelled_set(settings), settings)


def jvtc(preset: str, **chosen: Any) -> Loop:
    chosen = {"precision": "bf16", "batch_size": BATCH, "cluster_from": 0} | chosen
    settings = settings_for(JvtcSettings, "warmup-jvtc", preset, chosen)
    networks = weightless(architecture_of(preset, head=settings.head))
    state = jvtc_state(networks["identity_encoder"], settings, labelled_set(settings))
    amid_an_epoch(
        state, batches(BATCH), source_batches=batches(BATCH), labels=people(),
        bank=unit_rows(PICTURES, networks["identity_encoder"].embedding_size),
    )  # fmt: skip
    return state, Jvtc(state, training_set(settings), settings, source=labelled_set(settings), colour_start=False)


def mmcl(preset: str, **chosen: Any) -> Loop:
    settings = settings_for(MmclSettings, "warmup-mmcl", preset, {"precision": "bf16", "batch_size": BATCH} | chosen)
    networks = weightless(architecture_of(preset, head=settings.head))
    state = mmcl_state(networks["identity_encoder"], settings)
    amid_an_epoch(state, batches(BATCH), bank=unit_rows(PICTURES, networks["identity_encoder"].embedding_size))
    return state, Mmcl(state, training_set(settings), settings)


def act(preset: str, **chosen: Any) -> Loop:
    settings = settings_for(ActSettings, "warmup-act", preset, {"precision": "bf16", "people": 4} | chosen)
    state = act_state(weightless(architecture_of(preset, head=settings.head))["identity_encoder"], settings)
    amid_an_epoch(state, batches(2, BATCH), labels=people(), outlier_labels=people())
    return state, Act(state, training_set(settings), settings, source=labelled_set(settings))


def told(size: Architecture, *, painted: bool) -> Structures:
    return PaintedStructures(Bars(size), Flows(size)) if painted else Bars(size)


def gan_warmup(preset: str, *, painted: bool = False, **chosen: Any) -> Loop:
    chosen = {"precision": "bf16", "batch_size": BATCH, "reconstruction_epochs": 0} | chosen
    settings, size = settings_for(GanWarmupSettings, "gan-warmup", preset, chosen), architecture_of(preset)
    state = gan_warmup_state(weightless(size, PAINTED_GAN if painted else GAN), settings)
    amid_an_epoch(state, batches(BATCH))
    return state, GanWarmup(state, training_set(size), told(size, painted=painted), settings)


def joint(preset: str, *, painted: bool = False, **chosen: Any) -> Loop:
    chosen = {
        "precision": "bf16", "batch_size": BATCH, "losses": EVERY, "negatives": 16, "contrast_steps": 0,
        "contrast_views": "painted",
    } | chosen  # fmt: skip
    settings, size = settings_for(JointSettings, "joint", preset, chosen), architecture_of(preset)
    networks = weightless(size, PAINTED_GAN if painted else GAN)
    state, width = joint_state(networks, settings), networks["identity_encoder"].embedding_size
    pictures = training_set(size, painted=Bars(size, channels=4))
    amid_an_epoch(
        state, batches(BATCH), labels=people(), bank=unit_rows(PICTURES, width), prototypes=unit_rows(PEOPLE, width),
        camera_centroids=by_camera(pictures, width),
    )  # fmt: skip
    return state, Joint(state, pictures, told(size, painted=painted), settings)


def waits_of(here: Card, loop: Loop, *, steps: int = 1) -> dict[str, int]:
    """Where the next steps wait; what the optimizers remember is on the card afterwards."""
    state, training = loop
    events = training.epochs()
    here.forget()
    for _ in range(steps):
        assert next(events).values == {}
    assert len(state.unread) == steps  # nobody has read a loss
    assert all(
        isinstance(value, OnCard)
        for optimizer in state.optimizers.values() for moments in optimizer.state.values() for value in moments.values()
    )  # fmt: skip
    return dict(here.waits)


@pytest.mark.parametrize("preset", FEWER)
@pytest.mark.parametrize("method", [cluster_contrast, supervised, jvtc])
def test_a_step_of_a_warm_up_never_waits_for_the_card(here: Card, preset: str, method: Any) -> None:
    assert waits_of(here, method(preset)) == {}


@pytest.mark.parametrize("trunk", ["efficientnet-lite0", "timm:vit_base_patch16_clip_quickgelu_224"])
def test_a_step_of_a_warm_up_never_waits_whatever_the_trunk(here: Card, trunk: str) -> None:
    assert waits_of(here, cluster_contrast("paper", trunk=trunk)) == {}


@pytest.mark.parametrize("preset", FEWER)
def test_a_step_of_act_never_waits_whichever_encoder_learns(here: Card, preset: str) -> None:
    assert waits_of(here, act(preset), steps=2) == {}


@pytest.mark.parametrize("preset", FEWER)
def test_mmcl_waits_only_where_it_walks_along_the_most_similar_pictures(here: Card, preset: str) -> None:
    assert waits_of(here, mmcl(preset, multi_label_from=6)) == {}
    walking = waits_of(here, mmcl(preset, multi_label_from=0))
    assert {place.split()[-1] for place in walking} <= {"predict_labels", "_passed", "multi_label"}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("reconstruction", [0, 1])
def test_a_step_of_the_generators_warm_up_never_waits(here: Card, preset: str, reconstruction: int) -> None:
    assert waits_of(here, gan_warmup(preset, reconstruction_epochs=reconstruction)) == {}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_joint_step_with_every_loss_never_waits(here: Card, preset: str) -> None:
    assert waits_of(here, joint(preset, penalty_every=1)) == {}


@pytest.mark.parametrize("stage", [gan_warmup, joint])
def test_a_step_with_a_painted_generator_never_waits(here: Card, stage: Any) -> None:
    assert waits_of(here, stage("tiny", painted=True)) == {}


IN_PARTS = {"checkpoint_activations": True, "batchnorm_groups": 2}
AUGMENTED = {"augment": "classic", "adversarial": "logistic", "self_positive": "memory", "penalty_every": 3}
PUBLISHED = {"negatives_from": "real", "batchnorm_update": "all", "memory_update": "epoch", "augment": "none"}


@pytest.mark.parametrize(
    ("preset", "chosen", "steps"),
    [("paper", IN_PARTS, 1), ("tiny", AUGMENTED, 2), ("tiny", PUBLISHED, 1)],
    ids=["in parts, computed twice", "augmented", "as published"],
)
def test_no_variant_of_a_joint_step_waits(here: Card, preset: str, chosen: dict[str, Any], steps: int) -> None:
    assert waits_of(here, joint(preset, **chosen), steps=steps) == {}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_step_without_generation_never_waits(here: Card, preset: str) -> None:
    assert waits_of(here, joint(preset, contrast_steps=STEPS)) == {}


@pytest.mark.parametrize("stage", [gan_warmup, joint])
def test_the_views_of_the_next_step_are_read_while_this_one_is_computed(here: Card, stage: Any) -> None:
    state, training = stage("tiny")
    asked = training.structures._structures.asked
    events = training.epochs()
    first, second, last = [], [], []
    for requests in (first, second):
        next(events)
        training.structures._reading.result()
        requests += asked
        asked.clear()
    assert len(first) == len(second) == 4 and first[2:] == second[:2]  # expected, and then asked for
    state.step = len(state.batches) - 1
    next(events)
    last += asked
    assert len(last) == 2 and training.structures._reading is None  # after the last step nothing is known yet


def test_losses_of_a_card_are_read_together_once_in_so_many_steps(here: Card) -> None:
    state, training = joint("tiny", losses=("vi",), contrast_steps=0, camera_contrast=0.0)
    state.batches = torch.randint(PICTURES, (2 * READ_EVERY, BATCH), generator=chance())
    events = training.epochs()
    read = []
    for _ in range(2 * READ_EVERY - 1):
        here.forget()
        event = next(events)
        read.append(bool(event.values))
        assert sum(here.waits.values()) == len(event.values) and set(event.values) <= {"vi"}
    assert read == [step in (READ_EVERY, 2 * READ_EVERY - 1) for step in range(1, 2 * READ_EVERY)]
    assert state.sums["vi"][1] == 2 * READ_EVERY - 1


@pytest.mark.parametrize("method", [cluster_contrast, jvtc, act, gan_warmup, joint])
def test_a_resumed_training_waits_no_more_than_an_unbroken_one(here: Card, method: Any) -> None:
    state, training = method("tiny")
    next(training.epochs())
    on_disk = on_host(state.snapshot())
    again, resumed = method("tiny")
    again.restore(on_disk)
    planned = (again.batches, again.labels, *again.tables.values())
    assert not any(table.is_cuda for table in planned if not table.is_floating_point())
    next(resumed.epochs())  # where the discriminator's optimizer is asked, once, how often it has stepped
    again.unread.clear()
    assert waits_of(here, (again, resumed)) == {}


def on_host(x: Any) -> Any:
    """A snapshot as it comes back from a file."""
    if isinstance(x, dict):
        return {name: on_host(value) for name, value in x.items()}
    if isinstance(x, list):
        return [on_host(value) for value in x]
    return x.detach().cpu() if isinstance(x, Tensor) else x


@pytest.mark.parametrize("preset", PRESETS)
def test_embedding_a_set_never_waits_and_generating_waits_once_a_chunk(here: Card, preset: str) -> None:
    size = architecture_of(preset)
    networks, pictures = weightless(size), training_set(size).pictures
    here.forget()
    rows = embed(networks["identity_encoder"], pictures, precision="bf16", batch=20)
    assert rows.device == CUDA and rows.shape == (PICTURES, networks["identity_encoder"].embedding_size)
    assert not here.waits and here.queued
    everyone = torch.arange(PICTURES)
    made = generate(networks, pictures, Bars(size), everyone, everyone % 8)
    assert made.device.type == "cpu" and made.shape == pictures.shape
    assert sum(here.waits.values()) == 1
