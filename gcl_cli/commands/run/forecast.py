"""When the whole chain will be done: what steps cost on one core, corrected by what the first ones took here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gcl_cli.console import Board

TELLING = 0.03  # share of a training from which its own pace says when it ends
TRAININGS = ("warmup", "gan-warmup", "joint")  # their seconds are off by one factor, those of the others by another
A_PICTURE = {"mesh": 0.03, "render": 0.08, "evaluate": 0.05, "gen-metrics": 1.0, "cluster": 0.05}  # seconds of one core
A_START = 4.0  # seconds of any step beside
A_CARD = 100  # cores that a GPU stands for in a training
A_STEP = {  # seconds of one core for one step of a training, by preset
    "tiny": {"warmup": 0.3, "gan-warmup": 1.0, "joint": 2.0, "contrast": 0.2},
    "small": {"warmup": 1.0, "gan-warmup": 3.0, "joint": 6.0, "contrast": 0.7},
    "paper": {"warmup": 20.0, "gan-warmup": 30.0, "joint": 60.0, "contrast": 6.0},
}


@dataclass(frozen=True)
class Forecast:
    """What the steps are expected to take, by their titles, in seconds; called with the board, what is left."""

    seconds: Mapping[str, float]

    def __call__(self, board: Board) -> float:
        """The seconds until all is done."""
        rest = 0.0
        for title, state in board.states.items():
            if state == "left":
                rest += self.seconds[title] * self._pace(title, board)
            elif state == "running":
                rest += max(self._running(title, board) - board.at_step, 0.0)
        return rest

    def _running(self, title: str, board: Board) -> float:
        """What the step at work takes in all: as its own progress says, once there is some."""
        if _is_training(title) and board.meter is not None and board.meter.share >= TELLING:
            return board.at_step / board.meter.share
        return self.seconds[title] * self._pace(title, board)

    def _pace(self, title: str, board: Board) -> float:
        """How many times as long as expected the steps of this kind took so far; 1 before the first."""
        alike = [t for t, state in board.states.items() if state == "made" and _is_training(t) == _is_training(title)]
        return sum(board.seconds[t] for t in alike) / sum(self.seconds[t] for t in alike) if alike else 1.0


def step_seconds(
    stage: str, settings: Any, preset: str, pictures: Mapping[str, int], *, cores: int, on_card: bool
) -> float:
    """What one step takes, roughly: as measured for the small networks on a CPU, guessed elsewhere.

    pictures: by split.
    """
    if stage not in TRAININGS:
        own = {"evaluate": ("query", "gallery"), "mesh": tuple(pictures)}.get(stage, ("train",))
        number = sum(pictures.get(split, 0) for split in own)
        return A_START + A_PICTURE[stage] * min(number, getattr(settings, "pictures", None) or number) / cores
    cores = A_CARD if on_card else cores
    costs = A_STEP[preset]
    if stage == "warmup":
        return A_START + settings.epochs * settings.steps_of(pictures["train"]) * costs["warmup"] / cores
    steps = _steps(settings, settings.batch_size, pictures)
    if stage == "gan-warmup":
        return A_START + (settings.reconstruction_epochs + settings.epochs) * steps * costs["gan-warmup"] / cores
    return A_START + settings.epochs * steps * (costs["joint"] + settings.contrast_steps * costs["contrast"]) / cores


def _steps(settings: Any, batch: int, pictures: Mapping[str, int]) -> int:
    """The steps of an epoch."""
    return int(settings.iterations or max(1, pictures["train"] // batch))


def _is_training(title: str) -> bool:
    return title in TRAININGS
