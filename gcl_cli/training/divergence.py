"""When a training has gone wrong beyond return.

The rule: a step whose losses are not finite, or one of which explodes, is not recorded; weights that are not finite are
never written down; two epochs in a row without usable clusters, after epochs that had some, end the training.
"""

import math
import statistics
from collections.abc import Iterable, Mapping

import torch
from torch import nn

EXPLODED = 20.0  # times the usual loss; those of sound small runs reach 4 times (L'_vi)
# Losses are nats, squared scores and differences of signals in [-1, 1]: below 1 they are small, however they jump.
SMALL = 1.0
WINDOW = 100  # steps that say what is usual: enough for a median, and few enough to follow a loss that falls
FEWEST = 20  # steps before anything is usual
COLLAPSED_EPOCHS = 2  # one is mended by another radius, and often passes


class DivergenceError(Exception):
    """Training on would spoil what was learned; says what happened. What to type is for `following` to say."""

    def __init__(self, what: str, *, of_clusters: bool = False) -> None:
        super().__init__(what)
        self.of_clusters = of_clusters


def refuse_divergence(recent: dict[str, list[float]], values: Mapping[str, float | int | str | None]) -> None:
    """Check the losses of a step and remember them in `recent`, by name; DivergenceError where one is lost.

    values: of the step, by name. A loss explodes above 20 times the median of its last 100 steps, a median below 1
    counting as 1; its first 20 steps are taken as they are.
    """
    losses = {name: value for name, value in values.items() if isinstance(value, float)}
    for name, loss in losses.items():
        if not math.isfinite(loss):
            raise DivergenceError(f"the loss {name!r} is {loss}")
        before = recent.get(name, [])
        usual = max(statistics.median(before), SMALL) if len(before) >= FEWEST else math.inf
        if loss > EXPLODED * usual:
            raise DivergenceError(
                f"the loss {name!r} is {loss:.4g}, more than {EXPLODED:g} times {usual:.4g} (the median of its last "
                f"{len(before)} steps, or {SMALL:g} where that is less)"
            )
    for name, loss in losses.items():
        recent[name] = [*recent.get(name, []), loss][-WINDOW:]


def refuse_spoiled(networks: Mapping[str, nn.Module]) -> None:
    """DivergenceError where a weight or a running statistic is not finite."""
    for name, network in networks.items():
        if not _finite(network.state_dict().values()):
            raise DivergenceError(f"weights of the {name.replace('_', ' ')} are no longer finite")


def refuse_collapse(collapsed: list[float], fallback: str | None) -> None:
    """Remember in `collapsed` how an epoch's clustering went; DivergenceError when it has collapsed for good.

    fallback: why the asked-for clustering was of no use (one cluster, or nothing but noise); None: it was of use.
    """
    collapsed.append(float(fallback is not None))
    if all(collapsed[-COLLAPSED_EPOCHS:]) and not all(collapsed):
        raise DivergenceError(
            f"the clusters have collapsed for {COLLAPSED_EPOCHS} epochs in a row ({fallback})", of_clusters=True
        )


def _finite(tensors: Iterable[torch.Tensor]) -> bool:
    # One answer for all of them: a card is waited for once.
    return bool(torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).all())
