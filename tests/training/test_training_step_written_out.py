"""The fast steps compute what the equations read, to the last digits of float64."""

import pytest
import step_written_out as plain
import torch
from torch.nn import functional as F
from training_world import Bars, new_networks, rng, running_statistics, training_set

from gcl_cli.config import GanWarmupSettings, JointSettings
from gcl_cli.training import gan_warmup, joint
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.structures import draw_angles, own_and_new

ROWS = torch.tensor([0, 3, 6, 9])
CLOSE = 1e-9
LABELS = torch.arange(32) // 2  # two of a kind: the only positive is the other one


@pytest.fixture
def double(monkeypatch):
    """Everything in float64: networks, pictures and signals."""
    for loop in (gan_warmup, joint):
        monkeypatch.setattr(loop, "normalise", lambda pictures: normalise(pictures).double())
        monkeypatch.setattr(loop, "own_and_new", lambda *given: tuple(x.double() for x in own_and_new(*given)))
    networks = new_networks()
    for network in networks.values():
        network.double()
    with torch.no_grad():  # an untrained discriminator hardly reacts: its gradient penalty would drown in rounding
        for parameter in networks["discriminator"].parameters():
            parameter.mul_(10)
    return networks


def batch_of(training) -> plain.Batch:
    """What the first step of `training` will be given, as its own random numbers say; they are put back."""
    before = training.state.rng.get_state()
    turn = draw_angles(training.turns, len(ROWS), training.state.rng)
    training.state.rng.set_state(before)
    own, new = own_and_new(Bars(), ROWS, turn, training.gan.device)
    return plain.Batch(normalise(training_set().pictures[ROWS]).double(), own.double(), new.double())


def ready_to_step(training):
    """The loop of `training`, standing in the middle of an epoch before a step on ROWS."""
    training.state.batches = torch.stack([ROWS] * 3)
    training.state.step = 1
    return training.epochs()


def gradients_at_the_steps(networks, optimizers):
    """By network and parameter, the gradients that each optimizer steps down, filled in while it does."""
    names = {p: (kind, name) for kind, network in networks.items() for name, p in network.named_parameters()}
    found = {}

    def note(optimizer, *_):
        for group in optimizer.param_groups:
            found.update({names[p]: p.grad.clone() for p in group["params"]})

    for optimizer in optimizers.values():
        optimizer.register_step_pre_hook(note)
    return found


def assert_close(found, expected):
    """Each gradient within CLOSE of its own norm; one that only rounding made (of a bias before a norm) of 1e-6 of
    the largest norm.
    """
    assert found.keys() == expected.keys()
    largest = max(gradient.norm() for gradient in expected.values())
    for name, gradient in found.items():
        size = max(expected[name].norm(), 1e-6 * largest)
        assert (gradient - expected[name]).norm() <= CLOSE * size, name


def steps(training, expected_networks, expected_optimizers):
    """Gradients of both, to be filled by their steps."""
    state = training.state
    found = gradients_at_the_steps(state.networks, state.optimizers)
    return found, gradients_at_the_steps(expected_networks, expected_optimizers)


def assert_same_losses(values, settings, losses):
    ours = settings.image_weight * values["image"] + settings.feature_weight * values["feature"]
    ours += values["adversarial"] + sum(values.get(name, 0.0) for name in ("vi", "vi_syn", "vi_mem"))
    assert [values["discriminator"], ours] == pytest.approx(losses.tolist(), rel=CLOSE)


@pytest.mark.parametrize("checkpoint_activations", [False, True])
def test_a_warm_up_step_has_the_gradients_of_the_step_written_out(double, checkpoint_activations):
    settings = GanWarmupSettings(batch_size=len(ROWS), checkpoint_activations=checkpoint_activations)
    training = GanWarmup(gan_warmup_state(double, settings), training_set(), Bars(), settings)
    networks = plain.written_out(double)
    optimizers = plain.plain_optimizers(networks, settings)
    found, expected = steps(training, networks, optimizers)
    losses = plain.warm_up_step(networks, optimizers, batch_of(training), settings)
    assert_same_losses(next(ready_to_step(training)).values, settings, losses)
    assert {kind for kind, _ in found} == {"structure_encoder", "generator", "discriminator"}
    assert_close(found, expected)


@pytest.mark.parametrize("checkpoint_activations", [False, True])
def test_a_joint_step_has_the_gradients_of_the_step_written_out(double, checkpoint_activations):
    settings = JointSettings(batch_size=len(ROWS), checkpoint_activations=checkpoint_activations)
    training = Joint(joint_state(double, settings), training_set(), Bars(), settings)
    memory = F.normalize(torch.randn(32, training.gan.identity_encoder.embedding_size, generator=rng()), dim=1)
    memory = memory.double()
    training.state.bank, training.state.labels = memory.clone(), LABELS
    networks = plain.written_out(double)
    optimizers = plain.plain_optimizers(networks, settings)
    found, expected = steps(training, networks, optimizers)
    losses = plain.joint_step(
        networks, optimizers, batch_of(training), settings, memory=memory, labels=LABELS, rows=ROWS
    )  # fmt: skip
    assert_same_losses(next(ready_to_step(training)).values, settings, losses)
    assert {kind for kind, _ in found} == set(double)
    assert_close(found, expected)
    assert (training.state.bank - memory).abs().max() <= CLOSE
    statistics = [running_statistics(each["identity_encoder"]) for each in (double, networks)]
    for name, value in statistics[0].items():
        if "running" in name:
            torch.testing.assert_close(value, statistics[1][name], rtol=CLOSE, atol=CLOSE)
