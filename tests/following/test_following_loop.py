import json
import signal

import pytest
import torch
from torch import nn

from gcl_cli.artifacts.checkpoints import newest_checkpoint, save_checkpoint
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import CHECKPOINTS, METRICS, Run
from gcl_cli.errors import GclError
from gcl_cli.following.advice import tell_memory
from gcl_cli.following.loop import complete_already, follow, last_epoch, resume, warn_of, warn_of_camera_clusters
from gcl_cli.machine import devices
from gcl_cli.records import Event
from gcl_cli.training.ram import MemoryEstimate
from gcl_cli.training.state import TrainingState, run_epochs

EPOCHS, STEPS = 3, 4


class PowerCut(Exception):  # noqa: N818 (no error of the program)
    """The run ends here, without a word."""


def fresh_state() -> TrainingState:
    layer = nn.Linear(3, 1)
    nn.init.constant_(layer.weight, 0.5)
    nn.init.constant_(layer.bias, 0.0)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    return TrainingState({"layer": layer}, {"layer": optimizer}, torch.Generator().manual_seed(4))


def events(state: TrainingState, cut_after: int | None, during=lambda state: None):
    """A small training whose every step draws from the state's rng."""

    def begin():
        return torch.randperm(STEPS, generator=state.rng)[:, None], {"clusters": 2 + state.epoch, "fallback": None}

    def step(batch):
        if cut_after == state.steps_done:
            raise PowerCut
        during(state)
        rows = torch.randn(8, 3, generator=state.rng) + batch
        loss = (state.networks["layer"](rows) - 1).square().mean()
        state.optimizers["layer"].zero_grad()
        loss.backward()
        state.optimizers["layer"].step()
        return {"loss": loss.item()}

    return run_epochs(state, epochs=EPOCHS, begin=begin, step=step)


def train(work: WorkFolder, *, every: int, cut_after: int | None = None, during=lambda state: None):
    """The training part of a stage; returns the recorded epochs and the weights. `during`: happens in every step."""
    state = fresh_state()
    with Run(work, "warmup", "main", {"every": every}, {}).begin(restart=False) as run:
        resume(run, state)
        epochs = follow(run, state, events(state, cut_after, during), epochs=EPOCHS, checkpoint_every=every)
    return epochs, state.networks["layer"].state_dict()


def figures(epochs) -> list[dict]:
    """What the epochs found, without times."""
    return [
        {k: v for k, v in epoch.items() if k not in ("time", "pictures_per_second") and not k.startswith("seconds_")}
        for epoch in epochs
    ]


@pytest.mark.parametrize("every", [1, 3, 4, 100])
@pytest.mark.parametrize("cut_after", [0, 3, 4, 5, 11])
def test_a_run_that_was_cut_off_anywhere_ends_as_an_unbroken_one(tmp_path, every, cut_after):
    epochs, weights = train(WorkFolder(tmp_path / "unbroken"), every=every)
    broken = WorkFolder(tmp_path / "broken")
    with pytest.raises(PowerCut):
        train(broken, every=every, cut_after=cut_after)
    with (broken.artifact("warmup/main.partial") / METRICS).open("a") as file:
        file.write('{"epoch": 9, "lo')  # the line that was being written
    again, weights_again = train(broken, every=every)
    assert figures(again) == figures(epochs)
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)


def typed_in(*steps: int):
    """Ctrl-C in the middle of these steps."""

    def during(state):
        for _ in range(steps.count(state.steps_done)):
            signal.raise_signal(signal.SIGINT)

    return during


@pytest.mark.parametrize("step", [0, 2, 3, 6, 11])  # also the last of an epoch, and of all
def test_ctrl_c_in_a_step_keeps_that_step_and_the_run_ends_as_an_unbroken_one(tmp_path, capfd, step):
    epochs, weights = train(WorkFolder(tmp_path / "unbroken"), every=100)
    broken = WorkFolder(tmp_path / "broken")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(broken, every=100, during=typed_in(step))
    assert signal.getsignal(signal.SIGINT) is before
    assert newest_checkpoint(broken.artifact("warmup/main.partial") / CHECKPOINTS) == step + 1
    said = capfd.readouterr().err
    assert "Stopping after this step. Ctrl-C again: at once" in said
    assert f"Kept as a checkpoint: warmup/main after {step + 1} steps." in said
    again, weights_again = train(broken, every=100)
    assert figures(again) == figures(epochs)
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)


def test_ctrl_c_twice_stops_at_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(WorkFolder(tmp_path), every=2, during=typed_in(3, 3))
    assert newest_checkpoint(tmp_path / "warmup" / "main.partial" / CHECKPOINTS) == 2


def test_where_ctrl_c_is_ignored_it_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        epochs, _ = train(WorkFolder(tmp_path), every=2, during=typed_in(3))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(epochs) == EPOCHS


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_and_said_so(tmp_path, capsys):
    epochs, weights = train(WorkFolder(tmp_path / "unbroken"), every=3)
    broken = WorkFolder(tmp_path / "broken")
    with pytest.raises(PowerCut):
        train(broken, every=3, cut_after=8)
    newest = broken.artifact("warmup/main.partial") / CHECKPOINTS / "000000006" / "tensors.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    capsys.readouterr()
    again, weights_again = train(broken, every=3)
    said = capsys.readouterr().err
    assert "000000006 is damaged: an earlier checkpoint takes its place" in said and "at epoch 1, step 3" in said
    assert figures(again) == figures(epochs)
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)


def diverging(work: WorkFolder, spoil, config=None):
    """A training of which `spoil` changes the value of every step's loss, or the weights."""
    state = fresh_state()

    def step(batch):
        loss = float(batch[0]) / 10
        return {"loss": spoil(state, loss)}

    loop = run_epochs(state, epochs=EPOCHS, begin=lambda: (torch.arange(STEPS)[:, None], {}), step=step)
    with Run(work, "joint", "main", config or {}, {}).begin(restart=False) as run:
        resume(run, state)
        follow(run, state, loop, epochs=EPOCHS, checkpoint_every=2)


def test_divergence_stops_before_its_step_is_recorded_and_says_what_to_change(tmp_path):
    rates = {"identity_rate": 3e-3, "precision": "bf16", "decay": 0.1}

    def spoil(state, loss):
        return float("nan") if state.steps_done == 6 else loss

    for _ in range(2):  # the same command goes the same way
        with pytest.raises(GclError) as caught:
            diverging(WorkFolder(tmp_path), spoil, rates)
        assert "joint/main diverged in epoch 2, at step 3 (the 7th of the run): the loss 'loss' is nan" in str(
            caught.value
        )
        assert "the checkpoint of step 6 is whole" in caught.value.problem
        assert "--restart --precision fp32 --set identity_rate=0.001 " in caught.value.fix
        assert "would go the same way" in caught.value.fix
    assert not (tmp_path / "joint" / "main").exists()


@pytest.mark.parametrize(
    ("bf16_is_faster", "advice"), [(True, "--restart --precision fp32 --set"), (False, "--restart --set")]
)
def test_fp32_is_no_advice_where_auto_stands_for_it(tmp_path, monkeypatch, bf16_is_faster, advice):
    monkeypatch.setattr(devices, "_computes_bf16", lambda device: bf16_is_faster)
    settings = {"identity_rate": 3e-3, "precision": "auto"}
    with pytest.raises(GclError) as caught:
        diverging(WorkFolder(tmp_path), lambda state, loss: float("nan"), settings)
    assert advice in caught.value.fix


def test_weights_that_are_not_finite_are_never_written_down(tmp_path):
    def spoil(state, loss):
        if state.steps_done == 3:
            torch.nn.init.constant_(state.networks["layer"].bias, float("inf"))
        return loss

    with pytest.raises(GclError, match=r"weights of the layer are no longer finite.* checkpoint of step 2 is whole"):
        diverging(WorkFolder(tmp_path), spoil)
    folder = tmp_path / "joint" / "main.partial" / CHECKPOINTS
    assert [path.name for path in folder.iterdir()] == ["000000002"]


def test_a_line_says_the_rates_the_pace_and_where_the_time_went(tmp_path):
    epochs, _ = train(WorkFolder(tmp_path), every=3)
    for epoch in epochs:
        assert epoch["rate_layer"] == 0.1 and epoch["pictures_per_second"] > 0
        assert {"seconds_planning", "seconds_training", "seconds_checkpoints", "seconds_per_step"} <= epoch.keys()
    assert {"rate_layer", "seconds_training"} & last_epoch(epochs).keys() == set()


def test_what_observers_see_is_recorded(tmp_path):
    state = fresh_state()
    with Run(WorkFolder(tmp_path), "warmup", "main", {}, {}).begin(restart=False) as run:
        epochs = follow(
            run, state, events(state, None), epochs=EPOCHS, checkpoint_every=9,
            observers=[lambda event: {"seen": 10 * event.epoch}],
        )  # fmt: skip
    assert [epoch["seen"] for epoch in epochs] == [0, 10, 20]


def test_every_epoch_is_one_line_of_the_metrics(tmp_path):
    epochs, _ = train(WorkFolder(tmp_path), every=100)
    lines = (tmp_path / "warmup" / "main.partial" / METRICS).read_text().splitlines()
    assert [json.loads(line) for line in lines] == epochs
    assert [(e["epoch"], e["steps"], e["clusters"]) for e in epochs] == [(1, 4, 2), (2, 4, 3), (3, 4, 4)]
    assert all(e["seconds_per_step"] > 0 and e["loss"] > 0 for e in epochs)


def test_checkpoints_come_as_often_as_asked(tmp_path):
    train(WorkFolder(tmp_path), every=5)
    folder = tmp_path / "warmup" / "main.partial" / CHECKPOINTS
    assert sorted(path.name for path in folder.iterdir()) == ["000000005", "000000010"]


def test_progress_says_how_far_the_whole_run_is(tmp_path, capsys):
    train(WorkFolder(tmp_path), every=5)
    err = capsys.readouterr().err
    assert "warmup: 12/12" in err
    assert "epoch 1/3: clusters 2, loss" in err and "epoch 3/3: clusters 4, loss" in err
    train(WorkFolder(tmp_path), every=5)
    assert "Resuming warmup/main at epoch 3, step 2." in capsys.readouterr().err


def test_a_finished_run_is_not_done_again(tmp_path, capsys):
    def run():
        return Run(WorkFolder(tmp_path), "warmup", "main", {}, {})

    assert complete_already(run(), restart=False) is None
    with run().begin(restart=False) as job:
        job.publish({"loss": 0.5})
    assert complete_already(run(), restart=False) == {"loss": 0.5}
    assert "warmup/main is complete already" in capsys.readouterr().err
    assert complete_already(run(), restart=True) is None


def test_the_last_epoch_is_the_result():
    epochs = [{"epoch": 1, "loss": 2.0}, {"time": "t", "epoch": 2, "steps": 4, "loss": 1.0}]
    assert last_epoch(epochs) == {"epoch": 2, "loss": 1.0}


def test_a_replaced_clustering_is_told(capsys):
    warn_of(Event("epoch", 0, 1, 1, {"fallback": "all noise: took a wider radius"}))
    warn_of(Event("epoch", 0, 1, 1, {"fallback": None}))
    warn_of(Event("epoch", 0, 1, 1, {}))
    assert capsys.readouterr().err == "Note: all noise: took a wider radius\n"


@pytest.mark.parametrize(
    ("shares", "warned"),
    [
        ([0.1, 0.1], False),
        ([0.1, 0.1, 0.1], True),
        ([0.1, 0.1, 0.1, 0.1], False),  # said already
        ([0.1, 0.5, 0.1, 0.1], False),
        ([0.1, 0.5, 0.1, 0.1, 0.0], True),
        ([None, None, None], False),
    ],
)
def test_clusters_that_follow_cameras_are_warned_of_once(shares, warned, capsys):
    warn_of_camera_clusters(shares)
    assert ("learning cameras instead of people" in capsys.readouterr().err) == warned


def test_memory_is_told_in_parts_that_people_can_read(capsys):
    tell_memory(MemoryEstimate(networks=2_000_000_000, activations=550_000_000, data=600_000))
    said = " ".join(capsys.readouterr().err.split())
    assert said == (
        "Memory: about 2.6 GB beside the libraries (activations of a step 550 MB, networks and optimizers 2.0 GB, "
        "pictures and memory bank 600 kB)."
    )


def test_checkpoints_of_an_earlier_version_are_refused_and_left_alone(tmp_path):
    work, state = WorkFolder(tmp_path), fresh_state()
    with Run(work, "warmup", "main", {}, {}).begin(restart=False) as run:
        older = state.snapshot()
        del older["tables"]
        save_checkpoint(run.folder / CHECKPOINTS, 7, {"state": older, "lines": []})
        with pytest.raises(GclError, match="checkpoints of an earlier version") as caught:
            resume(run, state)
        assert caught.value.fix.endswith("--restart") and newest_checkpoint(run.folder / CHECKPOINTS) == 7
