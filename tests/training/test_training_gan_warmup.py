import pytest
import torch
from training_world import (
    Bars,
    new_networks,
    same,
    tensors_of,
    training_set,
    unbroken_and_resumed,
)

from gcl_cli.config import GanWarmupSettings
from gcl_cli.records import TrainingSet
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state


def chosen(**changed) -> GanWarmupSettings:
    few = {"epochs": 1, "reconstruction_epochs": 1, "iterations": 2, "batch_size": 3, "penalty_every": 2}
    return GanWarmupSettings(**(few | changed))


def new_loop(settings: GanWarmupSettings, structures: Bars | None = None):
    state = gan_warmup_state(new_networks(), settings)
    return state, GanWarmup(state, training_set(), structures or Bars(), settings).epochs()


def finished(settings: GanWarmupSettings):
    state, loop = new_loop(settings)
    events = list(loop)
    return events, {name: tensors_of(network) for name, network in state.networks.items()}, state.rng.get_state()


def moved(state, before):
    return {name for name, network in state.networks.items() if not same(tensors_of(network), before[name])}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_equals_unbroken_bit_for_bit(precision, tmp_path):
    settings = chosen(precision=precision)
    for unbroken, resumed in unbroken_and_resumed(lambda: new_loop(settings), (1, 2, 3, 4), tmp_path):
        assert same(unbroken[1], resumed[1])
        assert unbroken[0] == resumed[0]


def test_one_seed_gives_one_run_and_another_seed_another():
    settings = [chosen(seed=seed, reconstruction_epochs=0) for seed in (1, 1, 2)]
    first, again, other = map(finished, settings)
    assert same(first, again)
    assert not same(first[1], other[1])


def test_global_chance_is_not_touched():
    _, loop = new_loop(chosen())
    before = torch.get_rng_state()
    list(loop)
    assert torch.equal(torch.get_rng_state(), before)


def test_frozen_encoder_is_bit_identical_parameters_and_running_statistics():
    state, loop = new_loop(chosen())
    before = {name: tensors_of(network) for name, network in state.networks.items()}
    list(loop)
    assert moved(state, before) == {"structure_encoder", "generator", "discriminator"}
    assert not state.networks["identity_encoder"].training


def test_feature_loss_alone_moves_the_generator_through_the_frozen_encoder():
    only = {"image_weight": 0.0, "adversarial_weight": 0.0, "gan_weight_decay": 0.0}
    state, loop = new_loop(chosen(reconstruction_epochs=0, **only))
    before = {name: tensors_of(network) for name, network in state.networks.items()}
    next(loop)
    assert {"structure_encoder", "generator"} <= moved(state, before)
    assert any(p.grad is not None and p.grad.any() for p in state.networks["generator"].painter.parameters())
    assert "identity_encoder" not in moved(state, before)


def test_reconstruction_comes_first_with_own_views_and_without_discriminator():
    bars = Bars()
    state, loop = new_loop(chosen(), bars)
    before = {name: tensors_of(network) for name, network in state.networks.items()}
    events = [next(loop) for _ in range(3)]
    assert [set(e.values) for e in events] == [{"image"}, {"image"}, {"image", "objective"}]
    assert events[-1].values["objective"] == "reconstruction"
    assert all(set(angles) == {0} for _, angles in bars.asked)
    assert moved(state, before) == {"structure_encoder", "generator"}
    assert next(loop).values.keys() == {"image", "feature", "adversarial", "discriminator"}
    assert moved(state, before) == {"structure_encoder", "generator", "discriminator"}


def test_reconstruction_has_rate_and_beta_of_its_own():
    state, loop = new_loop(
        chosen(reconstruction_rate=3e-3, reconstruction_beta1=0.7, generator_rate=2e-4, beta1=0.1, beta2=0.98)
    )
    groups = []
    for event in loop:
        if event.kind == "epoch":
            group = state.optimizers["generator"].param_groups[0]
            groups.append((group["lr"], tuple(group["betas"])))
    assert groups == [(3e-3, (0.7, 0.98)), (2e-4, (0.1, 0.98))]


def test_reconstruction_learns():
    settings = chosen(epochs=0, iterations=12, batch_size=4, reconstruction_rate=3e-3)
    one_person = TrainingSet(training_set().pictures[:4])
    loop = GanWarmup(gan_warmup_state(new_networks(), settings), one_person, Bars(), settings).epochs()
    losses = [event.values["image"] for event in loop if event.kind == "step"]
    assert losses[-1] < 0.6 * losses[0]


def test_an_epoch_is_one_pass_over_all_pictures_whose_incomplete_batch_is_dropped():
    bars = Bars()
    _, loop = new_loop(chosen(epochs=0, iterations=None, batch_size=6), bars)
    assert len(list(loop)) == 5 + 1
    seen = [row for rows, _ in bars.asked for row in rows]
    assert len(seen) == len(set(seen)) == 30


def test_novel_views_come_from_the_chosen_turns_alone():
    bars = Bars()
    _, loop = new_loop(chosen(reconstruction_epochs=0, angles=(90, 315), batch_size=8), bars)
    list(loop)
    own, new = ([angle for _, angles in bars.asked[i::2] for angle in angles] for i in (0, 1))
    assert set(own) == {0} and set(new) == {2, 7}


def test_epoch_reports_means_over_its_steps():
    events = list(new_loop(chosen(reconstruction_epochs=0))[1])
    for name in ("image", "feature", "adversarial", "discriminator"):
        assert events[-1].values[name] == pytest.approx(sum(e.values[name] for e in events[:2]) / 2)
    assert events[-1].values["objective"] == "full"
