"""A training in TensorBoard: the same curves whether it was interrupted or not."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import CHECKPOINTS, METRICS, Run
from gcl_cli.errors import GclError
from gcl_cli.following.loop import follow, resume
from gcl_cli.following.observers import FOLDER, scalars
from gcl_cli.session import Session
from gcl_cli.training.state import TrainingState, run_epochs

EPOCHS, STEPS = 4, 3
WATCHED = Session(tensorboard=True)


class PowerCut(Exception):  # noqa: N818 (no error of the program)
    """The run ends here, without a word."""


def train(work: WorkFolder, options: Session = WATCHED, *, cut_after: int | None = None) -> list[dict]:
    """A training without a network's work, a checkpoint every 2 steps; draws a sheet at the second epoch."""
    layer = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    state = TrainingState({"layer": layer}, {"layer": optimizer}, torch.Generator().manual_seed(1))

    def step(_):
        if cut_after == state.steps_done:
            raise PowerCut
        return {"loss": float(torch.rand((), generator=state.rng))}

    with Run(work, "warmup", "main", {}, {}).begin(restart=False) as run:

        def draw(event):
            if event.epoch == 1:
                (run.folder / "views").mkdir(exist_ok=True)
                Image.fromarray(np.full((4, 6, 3), 9, np.uint8)).save(run.folder / "views" / "epoch_002.png")
            return {"true_ari": 0.25 * event.epoch}

        resume(run, state)
        events = run_epochs(
            state, epochs=EPOCHS, begin=lambda: (torch.zeros(STEPS, 1), {"clusters": 3, "fallback": None}), step=step
        )
        observers = (draw, *scalars(run, state, options))
        return follow(run, state, events, epochs=EPOCHS, checkpoint_every=2, observers=observers)


def curves(work: WorkFolder) -> tuple[dict[str, list[tuple[int, float]]], list[int]]:
    """Every curve as TensorBoard reads it, and the epochs that have pictures."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(work.root / FOLDER / "warmup" / "main"))
    read.Reload()
    found = {tag: [(one.step, one.value) for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    return found, [one.step for tag in read.Tags()["images"] for one in read.Images(tag)]


def test_every_epoch_is_a_point_of_every_curve_and_sheets_are_pictures(tmp_path):
    epochs = train(WorkFolder(tmp_path))
    found, sheets = curves(WorkFolder(tmp_path))
    assert found.keys() == {"loss", "clusters", "true_ari", "rate_layer"}  # fallback is a text
    for name, points in found.items():
        assert [step for step, _ in points] == [1, 2, 3, 4]
        assert [value for _, value in points] == pytest.approx([line[name] for line in epochs])
    assert sheets == [2]


@pytest.mark.parametrize("cut_after", [2, 7, 10])
def test_an_interrupted_training_goes_on_in_the_same_curves(tmp_path, cut_after):
    whole, broken = WorkFolder(tmp_path / "whole"), WorkFolder(tmp_path / "broken")
    train(whole)
    with pytest.raises(PowerCut):
        train(broken, cut_after=cut_after)
    train(broken)
    assert curves(broken) == curves(whole)


def test_a_training_made_anew_begins_its_curves_anew(tmp_path):
    work = WorkFolder(tmp_path)
    with pytest.raises(PowerCut):
        train(work, cut_after=7)
    for checkpoint in sorted((work.artifact("warmup/main.partial") / CHECKPOINTS).iterdir()):
        for file in checkpoint.iterdir():
            file.unlink()
        checkpoint.rmdir()
    train(work)
    assert [step for step, _ in curves(work)[0]["loss"]] == [1, 2, 3, 4]


def test_nothing_is_written_unless_asked_for_and_the_metrics_are_the_same(tmp_path):
    plain, watched = WorkFolder(tmp_path / "plain"), WorkFolder(tmp_path / "watched")
    train(plain, Session())
    train(watched)
    assert not (plain.root / FOLDER).exists()

    def lines(work):
        text = (work.artifact("warmup/main.partial") / METRICS).read_text()
        return [{k: v for k, v in json.loads(line).items() if k in ("loss", "true_ari")} for line in text.splitlines()]

    assert lines(plain) == lines(watched)


def test_without_the_package_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    with pytest.raises(GclError, match="needs a package") as caught:
        train(WorkFolder(tmp_path))
    assert "gcl-cli[tensorboard]" in caught.value.fix
