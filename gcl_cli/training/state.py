"""All that a training run is: networks, optimizers, tables, rng and position."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gcl_cli.records import Event
from gcl_cli.training.divergence import History, refuse_divergence
from gcl_cli.training.stopwatch import Stopwatch

Values = dict[str, float | int | str | None]


@dataclass
class TrainingState:
    """Everything that must survive an interruption; nothing else may influence the next step.

    tensors: named tables such as the memory bank and this epoch's `batches` [steps, B];
    epoch_values: what the beginning of the epoch found (clusters and so on); sums: for each value of this epoch's
    steps, its running sum and the number of steps that had it; next_clusters: those that an epoch found at its end for
    the next one; history: what steps and epochs before this one were like. The stopwatch alone is not kept.
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    rng: torch.Generator
    tensors: dict[str, Tensor] = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    steps_done: int = 0
    epoch_values: Values = field(default_factory=dict)
    sums: dict[str, list[float]] = field(default_factory=dict)
    next_clusters: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=dict)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def snapshot(self) -> dict[str, Any]:
        """Nested dicts of tensors and plain values; `restore` takes them back bit for bit.

        The tensors are the living ones: write them down before the next step.
        """
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "chance": self.rng.get_state(),
            "tensors": self.tensors,
            "position": {"epoch": self.epoch, "step": self.step, "steps_done": self.steps_done},
            "epoch_values": self.epoch_values,
            "sums": self.sums,
            "next_clusters": self.next_clusters,
            "history": self.history,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Become the state that `snapshot` was taken of; going on leaves the snapshot as it is."""
        for name, network in self.networks.items():
            network.load_state_dict(snapshot["networks"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(snapshot["optimizers"][name])
            _own_moments(optimizer)
        self.rng.set_state(snapshot["chance"])
        device = next(next(iter(self.networks.values())).parameters()).device
        # Copies: steps change tables in place, and a table inside a file's buffer may lie askew in memory, where matrix
        # products can round differently.
        self.tensors = {name: tensor.to(device, copy=True) for name, tensor in snapshot["tensors"].items()}
        self.epoch, self.step, self.steps_done = (snapshot["position"][k] for k in ("epoch", "step", "steps_done"))
        self.epoch_values, self.sums = snapshot["epoch_values"], dict(snapshot["sums"])
        self.next_clusters = dict(snapshot.get("next_clusters", {}))
        self.history = {name: list(values) for name, values in snapshot.get("history", {}).items()}


def _own_moments(optimizer: Optimizer) -> None:
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
    step: Callable[[Tensor], Values],
    end: Callable[[], Values] = dict,
) -> Iterator[Event]:
    """Run from where the state stands to `epochs`; yields after every step and at the end of every epoch.

    begin: plans an epoch: batches [steps, B] of row numbers, and what it found; step: does one step on a batch [B];
    end: looks back on an epoch. Between two events the state is whole: a snapshot taken there resumes exactly.
    Raises DivergenceError, and does not count the step, where training on would spoil the networks.
    """
    timing = state.stopwatch.timing
    while state.epoch < epochs:
        if state.step == 0:
            with timing("planning"):
                state.tensors["batches"], state.epoch_values = begin()
            state.sums = {}
        batches = state.tensors["batches"]
        while state.step < len(batches):
            with timing("training"):
                values = step(batches[state.step])
            refuse_divergence(state.history, values)
            for name, value in values.items():
                if isinstance(value, int | float):
                    total, count = state.sums.get(name, [0.0, 0])
                    state.sums[name] = [total + value, count + 1]
            state.step += 1
            state.steps_done += 1
            yield Event("step", state.epoch, state.step, len(batches), values)
        means: Values = {name: total / count for name, (total, count) in state.sums.items()}
        with timing("planning"):
            looked_back = end()
        done = Event("epoch", state.epoch, state.step, len(batches), state.epoch_values | means | looked_back)
        state.epoch, state.step = state.epoch + 1, 0
        yield done
