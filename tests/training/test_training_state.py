from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from training_world import CPU, rng, same, through_disk

from gcl_cli.training.state import TrainingState, run_epochs
from gcl_cli.weights.networks import place

STEPS = 3


def new_state(optimizer=Adam, **options) -> TrainingState:
    network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 4 * 4, 5))
    for parameter in network.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=rng(1)))
    place(network, CPU)
    return TrainingState({"net": network}, {"net": optimizer(network.parameters(), lr=0.01, **options)}, rng(3))


def toy_loop(state: TrainingState, epochs: int = 2):
    network, optimizer = state.networks["net"], state.optimizers["net"]

    def begin():
        state.tables["table"] = torch.rand(6, generator=state.rng)
        return torch.randint(6, (STEPS, 2), generator=state.rng), {"drawn": float(state.tables["table"][0])}

    def step(batch):
        loss = network(torch.randn(4, 4, 6, 6, generator=state.rng)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state.tables["table"][batch] *= 0.5
        return {"loss": loss.item()}

    return run_epochs(state, epochs=epochs, begin=begin, step=step)


def test_events_are_every_step_and_then_the_epoch():
    events = list(toy_loop(new_state()))
    assert [(e.kind, e.epoch, e.step) for e in events] == [
        ("step", 0, 1), ("step", 0, 2), ("step", 0, 3), ("epoch", 0, 3),
        ("step", 1, 1), ("step", 1, 2), ("step", 1, 3), ("epoch", 1, 3),
    ]  # fmt: skip
    assert {e.steps for e in events} == {STEPS}


def test_epoch_event_has_what_the_epoch_found_and_means_over_the_steps_that_had_the_value():
    state = new_state()
    steps = iter([{"a": 1.0, "b": 5.0}, {"a": 2.0}, {"a": 6.0, "b": None}])
    loop = run_epochs(
        state,
        epochs=1,
        begin=lambda: (torch.zeros(3, 1), {"clusters": 7, "fallback": None}),
        step=lambda _: next(steps),
    )
    assert list(loop)[-1].values == {"clusters": 7, "fallback": None, "a": 3.0, "b": 5.0}


def test_sums_start_anew_each_epoch():
    state = new_state()
    numbers = iter(range(6))
    loop = run_epochs(
        state, epochs=2, begin=lambda: (torch.zeros(3, 1), {}), step=lambda _: {"n": float(next(numbers))}
    )
    assert [e.values["n"] for e in loop if e.kind == "epoch"] == [1.0, 4.0]


def test_a_finished_state_has_nothing_left_to_do():
    state = new_state()
    list(toy_loop(state))
    assert list(toy_loop(state)) == []


@pytest.mark.parametrize(
    ("optimizer", "options"), [(Adam, {"weight_decay": 0.1}), (SGD, {"momentum": 0.9, "nesterov": True})]
)
@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_restored_state_continues_bit_for_bit(optimizer, options, stop, tmp_path: Path):
    state = new_state(optimizer, **options)
    events = list(toy_loop(state))
    broken = new_state(optimizer, **options)
    for _, _event in zip(range(stop), toy_loop(broken), strict=False):
        pass
    resumed = new_state(optimizer, **options)
    resumed.restore(through_disk(broken, tmp_path / "stop"))
    assert list(toy_loop(resumed)) == events[stop:]
    assert same(through_disk(resumed, tmp_path / "resumed"), through_disk(state, tmp_path / "unbroken"))


def test_restored_moments_lie_in_memory_as_their_weights_do(tmp_path: Path):
    state = new_state()
    list(toy_loop(state))
    resumed = new_state()
    resumed.restore(through_disk(state, tmp_path))
    weight = resumed.networks["net"][0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    assert resumed.optimizers["net"].state[weight]["exp_avg"].stride() == weight.stride()


def test_going_on_leaves_the_snapshot_that_was_restored_as_it_was(tmp_path: Path):
    state = new_state()
    next(toy_loop(state))
    snapshot = through_disk(state, tmp_path)
    ends = []
    for _ in range(2):
        resumed = new_state()
        resumed.restore(snapshot)
        list(toy_loop(resumed))
        ends.append(through_disk(resumed, tmp_path / "end"))
    assert same(*ends)


def test_restore_refuses_weights_of_other_networks(tmp_path: Path):
    state = new_state()
    snapshot = through_disk(state, tmp_path)
    other = TrainingState({"net": nn.Linear(2, 2)}, {}, rng())
    with pytest.raises(RuntimeError, match="Missing key"):
        other.restore(snapshot)
