"""GCL+: identity mixup and prototype contrast in joint training."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from training_world import (
    CLUSTERING,
    CPU,
    HEIGHT,
    WIDTH,
    Bars,
    new_networks,
    rng,
    same,
    training_set,
    unbroken_and_resumed,
)

from gcl_cli.config import GanSettings, JointSettings
from gcl_cli.losses.contrast import joint_objective
from gcl_cli.records import PseudoLabels
from gcl_cli.training import epoch_clusters, joint
from gcl_cli.training.gan import ViewGan, gan_optimizers
from gcl_cli.training.gcl_plus import Mixup, prototype_loss, prototypes
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.state import TrainingState
from gcl_cli.training.structures import own_and_new
from gcl_cli.training.team import Team

ALL = ("gan", "vi", "vi_syn", "vi_mem", "mixup", "prototype")
LABELS = torch.arange(32) // 4
LABELS[[3, 30, 31]] = -1
MIXUP = Mixup(torch.full((3,), 0.7), torch.tensor([2, 0, 1]))


@pytest.fixture
def known_clusters(monkeypatch):
    monkeypatch.setattr(
        epoch_clusters, "cluster_features", lambda *_, **__: PseudoLabels(LABELS.numpy().copy(), 0.5)
    )  # fmt: skip


def new_joint(**changed) -> Joint:
    settings = JointSettings(**{"epochs": 1, "iterations": 1, "batch_size": 4, "losses": ALL, **CLUSTERING, **changed})
    return Joint(joint_state(new_networks(), settings), training_set(), Bars(), settings)


def new_gan(**changed) -> ViewGan:
    settings = GanSettings(**changed)
    networks = new_networks()
    return ViewGan(TrainingState(networks, dict(gan_optimizers(networks, settings)), rng()), settings)


def batch():
    real = torch.randn(3, 3, HEIGHT, WIDTH, generator=rng(5))
    return real, *own_and_new(Bars(), torch.tensor([0, 3, 6]), torch.tensor([1, 4, 7]), CPU)


# --- the fourth kind of generated pictures ----------------------------------------------------------------------------


def test_mixed_pictures_are_decoded_from_mixed_codes_in_their_own_structure():
    gan = new_gan()
    gan.identity_encoder.eval()
    real, own, new = batch()
    views = gan.views(real, own, new, freeze_statistics=True, mixup=MIXUP)
    parts = gan.identity_encoder(real).parts
    code = torch.stack([0.7 * parts[i] + 0.3 * parts[j] for i, j in enumerate([2, 0, 1])])
    mixed = gan.generator(gan.structure_encoder(own), gan.generator.modulation(code))
    torch.testing.assert_close(views.mixed, mixed, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        views.code_mixed.embedding, gan.identity_encoder(mixed).embedding, rtol=1e-4, atol=1e-5
    )  # fmt: skip
    plain = gan.views(real, own, new, freeze_statistics=True)
    assert plain.mixed is None and len(plain.fakes()) == 3 and len(views.fakes()) == 4


def test_discriminator_and_generator_judge_four_kinds_and_real_pictures_as_often():
    gan = new_gan(penalty_weight=0.0)
    real, own, new = batch()
    views = gan.views(real, own, new, freeze_statistics=True, mixup=MIXUP)
    judged, adversarial = 0.0, 0.0
    with torch.no_grad():
        for fake in (views.reconstructed, views.novel, views.cycled, views.mixed):
            for on_fake, on_real in zip(gan.discriminator(fake), gan.discriminator(real), strict=True):
                judged += float(on_fake.square().mean() + (on_real - 1).square().mean())
                adversarial += 2 * float((on_fake - 1).square().mean())
    assert gan.discriminator_loss(real, views).item() == pytest.approx(judged, rel=1e-5)
    assert gan.generator_loss(real, views)[1]["adversarial"].item() == pytest.approx(adversarial, rel=1e-5)


def test_penalty_of_real_pictures_counts_once_more():
    real, own, new = batch()
    extra = []
    for mixup in (None, MIXUP):
        losses = []
        for weight in (0.0, 1.0):
            gan = new_gan(penalty_weight=weight)
            for layer in gan.discriminator.modules():  # untrained, it hardly reacts to pictures
                if isinstance(layer, nn.Conv2d):
                    layer.weight.data.mul_(10)
            views = gan.views(real, own, new, freeze_statistics=True, mixup=mixup)
            losses.append(gan.discriminator_loss(real, views).item())
        extra.append(losses[1] - losses[0])
    assert extra[1] / extra[0] == pytest.approx(4 / 3, rel=1e-4)


# --- prototypes -------------------------------------------------------------------------------------------------------


def test_prototypes_are_directions_of_the_means_of_the_clusters_rows():
    memory = F.normalize(torch.randn(32, 5, generator=rng()), dim=1)
    expected = torch.stack([F.normalize(memory[k == LABELS].mean(0), dim=0) for k in range(8)])
    torch.testing.assert_close(prototypes(memory, LABELS), expected)


def test_loss_is_of_real_and_of_mixed_pictures_written_out():
    draw, rows = rng(1), torch.tensor([0, 5, 10])  # of the clusters 0, 1 and 2
    real, mixed = F.normalize(torch.randn(3, 6, generator=draw), dim=1), 3 * torch.randn(3, 6, generator=draw)
    centroids = F.normalize(torch.randn(8, 6, generator=draw), dim=1)
    expected = 0.0
    for i, j in enumerate([2, 0, 1]):
        scores = [F.log_softmax(f @ centroids.T / 0.1, dim=0) for f in (real[i], mixed[i] / mixed[i].norm())]
        expected -= float(scores[0][i] + 0.7 * scores[1][i] + 0.3 * scores[1][j]) / 3
    known = {"labels": LABELS, "centroids": centroids, "temperature": 0.1}
    assert prototype_loss(real, mixed, MIXUP, rows, **known).item() == pytest.approx(expected, rel=1e-5)
    alone = -sum(float(F.log_softmax(real[i] @ centroids.T / 0.1, dim=0)[i]) for i in range(3)) / 3
    assert prototype_loss(real, None, None, rows, **known).item() == pytest.approx(alone, rel=1e-5)


def test_prototypes_are_those_of_the_memory_at_the_start_of_the_epoch(known_clusters):
    training = new_joint(iterations=2)
    loop = training.epochs()
    next(loop)
    at_start = training.state.tables["prototypes"].clone()
    next(loop)
    assert torch.equal(training.state.tables["prototypes"], at_start)
    assert not torch.allclose(at_start, prototypes(training.state.bank, LABELS), atol=1e-4)


def test_prototype_contrast_reaches_the_generator_through_the_mixed_pictures_alone(known_clusters):
    training = new_joint()
    next(training.epochs())
    (part,), (contrast,), (drawn,) = training._joint_parts(training.state.batches[0])
    generator = training.gan.generator
    for losses, reached in ((("gan", "prototype"), False), (("gan", "mixup", "prototype"), True)):
        mixup = drawn if "mixup" in losses else None
        views = training.gan.views(part.seen, part.own, part.new, freeze_statistics=True, mixup=mixup)
        real = F.normalize(views.code.embedding, dim=1)
        generator.zero_grad(set_to_none=True)
        training._prototype(contrast.rows, real, views.code_mixed, mixup).backward()
        assert any(p.grad is not None and bool(p.grad.any()) for p in generator.parameters()) == reached


# --- runs -------------------------------------------------------------------------------------------------------------


def test_each_is_a_loss_of_its_own(known_clusters):
    gan = {"discriminator", "image", "feature", "adversarial"}
    for losses, values in (
        (ALL, gan | {"vi", "vi_syn", "vi_mem", "prototype"}),
        (("vi", "prototype"), {"vi", "prototype"}),
        (("prototype",), {"prototype"}),
    ):
        training = new_joint(losses=losses)
        assert next(training.epochs()).values.keys() == values
        assert ("prototypes" in training.state.tables) == ("prototype" in losses)


def test_mixed_people_without_the_loss_that_uses_them_are_refused():
    with pytest.raises(ValueError, match="add prototype to mixup"):
        JointSettings(losses=("gan", "vi", "mixup"))


def test_prototype_weight_scales_what_descends(known_clusters, monkeypatch):
    terms = {"gan": torch.tensor(3.0), "vi": torch.tensor(0.5), "prototype": torch.tensor(2.0)}
    assert joint_objective(terms, prototype_weight=0.25) == 3 + 0.5 + 0.25 * 2
    spied = []
    monkeypatch.setattr(joint, "joint_objective", lambda terms, **named: spied.append(named) or joint_objective(terms))
    next(new_joint(prototype_weight=0.25).epochs())
    assert spied == [{"prototype_weight": 0.25}]


def test_steps_without_generation_contrast_with_prototypes_too(known_clusters):
    events = list(new_joint(contrast_steps=1, losses=("gan", "prototype", "mixup")).epochs())
    assert events[1].values.keys() == {"prototype"}


def test_two_processes_mix_the_parts_that_one_would(known_clusters):
    training = new_joint(batchnorm_groups=2, batch_size=8)
    next(training.epochs())
    rows, before = training.state.batches[0], training.state.rng.get_state()
    alone = [*zip(*training._joint_parts(rows), strict=True)]
    assert len(alone) == 2 and sorted(alone[1][2].partners.tolist()) == [0, 1, 2, 3]
    for rank in range(2):
        training.team, training.parts = Team(rank, 2), 1
        training.state.rng.set_state(before)
        (part,) = zip(*training._joint_parts(rows), strict=True)
        for own, expected in zip(part, alone[rank], strict=True):
            assert same(list(own), list(expected))


def test_resumed_equals_unbroken_bit_for_bit(tmp_path):
    def new_loop():
        training = new_joint(epochs=2, contrast_steps=1, batchnorm_groups=2)
        return training.state, training.epochs()

    for unbroken, resumed in unbroken_and_resumed(new_loop, (4,), tmp_path):  # in the middle of the second epoch
        assert same(unbroken[1], resumed[1])
        assert unbroken[0] == resumed[0]
