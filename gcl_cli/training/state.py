"""All that a training run is: networks, optimizers, tables, rng and position."""

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gcl_cli.records import Event, PseudoLabels
from gcl_cli.training.divergence import refuse_divergence
from gcl_cli.training.stopwatch import Stopwatch

Values = dict[str, float | int | str | None]
Losses = dict[str, Tensor | float | int | str | None]  # of one step; a tensor [] is a number that is still to be read
READ_EVERY = 20  # steps between two looks at the losses on a card: a look waits for all that is queued there

TENSORS = ("labels", "bank", "batches")
PLAIN = ("epoch", "step", "steps_done", "epoch_values", "sums", "recent", "collapsed", "scores", "seconds", "begun_at")


def _no_rows() -> Tensor:
    return torch.empty(0, dtype=torch.int64)


@dataclass
class TrainingState:
    """Everything that must survive an interruption; nothing else may influence the next step.

    Tables are empty before there are any. The stopwatch alone is not kept, and no unread losses: a snapshot reads them.
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    rng: torch.Generator
    labels: Tensor = field(default_factory=_no_rows)  # [N] pseudo labels of this epoch, -1 = noise
    bank: Tensor = field(default_factory=lambda: torch.empty(0, 0))  # [N, D] a unit feature for each picture
    tables: dict[str, Tensor] = field(default_factory=dict)  # what only one kind of training has, by name
    batches: Tensor = field(default_factory=_no_rows)  # [steps, B] of this epoch
    epoch: int = 0
    step: int = 0
    steps_done: int = 0
    epoch_values: Values = field(default_factory=dict)  # what the beginning of the epoch found (clusters and so on)
    sums: dict[str, list[float]] = field(default_factory=dict)  # of each value of this epoch's steps: sum and number
    next_clusters: PseudoLabels | None = None  # those that an epoch found at its end for the next one
    recent: dict[str, list[float]] = field(default_factory=dict)  # the last losses, by name
    collapsed: list[float] = field(default_factory=list)  # for each epoch, 1 where its clusters were of no use
    scores: list[float] = field(default_factory=list)  # what each epoch's encoder was worth
    seconds: float = 0.0  # that the training has taken
    begun_at: float = 0.0  # the seconds that it had taken when this epoch began
    best: dict[str, Tensor] = field(default_factory=dict)  # state dict of the encoder that was worth most
    unread: list[Losses] = field(default_factory=list)  # of the last steps, where nobody has looked at them yet
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def begin_epoch(self, plan: Callable[[], tuple[Tensor, Values]]) -> None:
        """Before an epoch's first step, `plan` it: batches [steps, B] of row numbers, and what it found."""
        if self.step == 0:
            self.begun_at = self.seconds
            with self.stopwatch.timing("planning"):
                self.batches, self.epoch_values = plan()
            self.sums = {}

    def batches_left(self) -> Iterator[Tensor]:
        """The batches [B] of this epoch that no step has seen."""
        while self.step < len(self.batches):
            yield self.batches[self.step]

    def stepped(self, losses: Losses) -> Event:
        """Count a step that had these `losses`; DivergenceError, and not counted, where training on would spoil all.

        On a card they are read, and the event has values, at every READ_EVERY-th step and at the last one of an epoch.
        """
        self.unread.append(losses)
        queued = any(isinstance(loss, Tensor) and loss.device.type == "cuda" for loss in losses.values())
        due = not queued or len(self.unread) >= READ_EVERY or self.step + 1 == len(self.batches)
        values = self.read_losses() if due else {}
        self.step += 1
        self.steps_done += 1
        return Event("step", self.epoch, self.step, len(self.batches), values)

    def read_losses(self) -> Values:
        """Look at the unread losses, step by step, and add them to the sums; returns those of the last of them.

        Raises DivergenceError where training on would spoil the networks.
        """
        with self.stopwatch.timing("training"):  # a card is waited for here
            steps, self.unread = _numbers(self.unread), []
        for values in steps:
            refuse_divergence(self.recent, values)
            for name, value in values.items():
                if isinstance(value, int | float):
                    total, count = self.sums.get(name, [0.0, 0])
                    self.sums[name] = [total + value, count + 1]
        return steps[-1] if steps else {}

    def end_epoch(self, look_back: Callable[[], Values] = dict) -> Event:
        """Close the epoch: what its beginning found, the means of its steps, and what `look_back` finds."""
        means: Values = {name: total / count for name, (total, count) in self.sums.items()}
        with self.stopwatch.timing("planning"):
            looked_back = look_back()
        done = Event("epoch", self.epoch, self.step, len(self.batches), self.epoch_values | means | looked_back)
        self.epoch, self.step = self.epoch + 1, 0
        return done

    def snapshot(self) -> dict[str, Any]:
        """Nested dicts of tensors and plain values; `restore` takes them back bit for bit.

        The tensors are the living ones: write them down before the next step. Raises DivergenceError as `read_losses`.
        """
        self.read_losses()
        found = self.next_clusters
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "rng": self.rng.get_state(),
            "tensors": {name: getattr(self, name) for name in TENSORS},
            "tables": self.tables,
            "best": self.best,
            "plain": {name: getattr(self, name) for name in PLAIN},
            "next_clusters": {} if found is None else asdict(found) | {"labels": torch.from_numpy(found.labels)},
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Become the state that `snapshot` was taken of; going on leaves the snapshot as it is."""
        for name, network in self.networks.items():
            network.load_state_dict(snapshot["networks"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(snapshot["optimizers"][name])
            lay_out_moments(optimizer)
        self.rng.set_state(snapshot["rng"])
        for name, value in (self._copies(snapshot["tensors"]) | deepcopy(snapshot["plain"])).items():
            setattr(self, name, value)
        self.tables, self.best = self._copies(snapshot["tables"]), self._copies(snapshot["best"])
        found = snapshot["next_clusters"]
        self.next_clusters = PseudoLabels(**found | {"labels": found["labels"].numpy()}) if found else None
        self.unread = []

    def _copies(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """On the device of the networks; whole numbers, such as batches and labels, where the host plans with them.

        Copies: steps change tables in place, and a table inside a file's buffer may lie askew in memory, where matrix
        products can round differently.
        """
        device = next(next(iter(self.networks.values())).parameters()).device
        return {
            name: tensor.to(device if tensor.is_floating_point() else "cpu", copy=True)
            for name, tensor in tensors.items()
        }


def _numbers(steps: list[Losses]) -> list[Values]:
    """What the tensors among the losses hold, all of them in one copy."""
    held = [value.double() for losses in steps for value in losses.values() if isinstance(value, Tensor)]
    found = iter(torch.stack(held).cpu().tolist() if held else [])
    return [{name: next(found) if isinstance(x, Tensor) else x for name, x in losses.items()} for losses in steps]


def lay_out_moments(optimizer: Optimizer) -> None:
    """Copy moments, laid out in memory as their parameters are, so that a resumed run rounds as an unbroken one."""
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                like = parameter if value.shape == parameter.shape else value
                moments[name] = torch.empty_like(like, dtype=value.dtype, requires_grad=False).copy_(value)


def run_epochs(
    state: TrainingState,
    *,
    epochs: int,
    begin: Callable[[], tuple[Tensor, Values]],
    step: Callable[[Tensor], Losses],
    end: Callable[[], Values] = dict,
    minutes: float | None = None,
) -> Iterator[Event]:
    """Run from where the state stands to `epochs`; yields after every step and at the end of every epoch.

    begin: plans an epoch: batches [steps, B] of row numbers, and what it found; step: does one step on a batch [B];
    end: looks back on an epoch. Between two events the state is whole: a snapshot taken there resumes exactly.
    minutes: ends with the epoch in which this time is over instead, interruptions not counted.
    Raises DivergenceError, and does not count the step, where training on would spoil the networks.
    """
    passing = _Passing(state) if minutes is not None else lambda: None
    while state.epoch < epochs if minutes is None else state.seconds < 60 * minutes:
        state.begin_epoch(begin)
        for batch in state.batches_left():
            with state.stopwatch.timing("training"):
                losses = step(batch)
            passing()
            yield state.stepped(losses)
        yield state.end_epoch(end)
        passing()


class _Passing:
    """Adds the time since the last call to a state's seconds."""

    def __init__(self, state: TrainingState) -> None:
        self.state, self.since = state, time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        self.state.seconds, self.since = self.state.seconds + now - self.since, now
