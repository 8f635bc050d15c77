"""Values that depend on how far training has come: pure functions, so that a resumed run needs no scheduler state."""

import math
from collections.abc import Sequence
from typing import Protocol

from torch import Tensor
from torch.optim import Optimizer

from gcl_cli.training.state import TrainingState

LOWEST = 0.01  # share of the learning rate that half a cosine ends at
FIRST = 1e-3  # share of a run that counts as done at its first step: the rise begins above 0


class Schedule(Protocol):
    """What a learning rate depends on in a method's settings."""

    @property
    def epochs(self) -> int:
        """Epochs of the run."""

    @property
    def learning_rate(self) -> float:
        """The rate at the start."""

    @property
    def decay_at(self) -> tuple[float, ...]:
        """Shares of the run after which it falls."""

    @property
    def decay(self) -> float:
        """Factor of each fall."""

    @property
    def schedule(self) -> str:
        """`steps`, or `cosine`."""

    @property
    def rise(self) -> float:
        """Share of the run over which the rate rises to its full height."""

    @property
    def minutes(self) -> float | None:
        """What the run lasts, whatever its epochs are."""


def rate_now(state: TrainingState, schedule: Schedule) -> float:
    """The learning rate of the step that `state` is about to do; epochs of any lengths count alike."""
    if schedule.minutes is not None:
        done, whole = share_done(state, schedule), 1
    else:
        done, whole = state.epoch + state.step / len(state.batches), schedule.epochs
    risen = min(1.0, (done / whole + FIRST) / schedule.rise) if schedule.rise else 1.0
    if schedule.schedule == "cosine":
        return risen * half_cosine(schedule.learning_rate, done / whole)
    return risen * learning_rate(
        schedule.learning_rate, step=done, steps=whole, decay_at=schedule.decay_at, decay=schedule.decay
    )


def share_done(state: TrainingState, schedule: Schedule) -> float:
    """The share of the run that lay behind at the beginning of this epoch, in [0, 1]: of its time, or of its epochs."""
    if schedule.minutes is None:
        return min(1.0, state.epoch / schedule.epochs)
    return min(1.0, state.begun_at / (60 * schedule.minutes))


def half_cosine(base: float, share: float) -> float:
    """From `base` at share 0 of a run to a hundredth of it at 1 (Loshchilov and Hutter, ICLR 2017, no restarts)."""
    return base * (LOWEST + (1 - LOWEST) * (1 + math.cos(math.pi * share)) / 2)


def learning_rate(base: float, *, step: float, steps: int, decay_at: Sequence[float], decay: float) -> float:
    """The rate for step (or epoch) `step`, 0-based, of `steps`: `base`, times `decay` for every fraction passed.

    decay_at: fractions of the run in [0, 1]. (0.5,) lowers it once from epoch 10 of 20 on (section 4.2 of the paper),
    (0.4, 0.8) every 20 of 50 epochs (Cluster Contrast); none keeps it constant.
    """
    return base * decay ** sum(step / steps >= fraction for fraction in decay_at)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give every parameter group of `optimizer` the learning rate `rate`, times its own `factor` where it has one."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def descend(optimizer: Optimizer, loss: Tensor, *, rate: float) -> None:
    """One step of `optimizer` down the gradient of `loss`, at the learning rate `rate`."""
    set_learning_rate(optimizer, rate)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def every_nth(weight: float, *, step: int, every: int) -> float:
    """The weight of a loss that is computed only at every n-th step: n times `weight` there, 0 in between.

    Its mean over the steps is `weight`; step is 0-based and the first step computes it (R1 penalty of the
    discriminator; "lazy regularization", Karras et al. 2020).
    """
    return weight * every if step % every == 0 else 0.0


def is_joint_step(step: int, *, contrast_steps: int) -> bool:
    """Whether step `step`, 0-based, trains everything: each joint step is followed by `contrast_steps` without GAN."""
    # Paper: every step trains the generator and the contrast. Here: contrast-only steps may stand between (0 = none).
    return step % (contrast_steps + 1) == 0
