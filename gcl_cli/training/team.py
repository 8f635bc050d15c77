"""Processes that train together: each computes parts of a batch, and all end up with the same numbers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gcl_cli.errors import GclError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Team:
    """The processes of one training, of which this is number `rank`; alone, nothing is sent anywhere.

    All of them draw the same random numbers and plan the same batches. What one computes, all receive in the order of
    the ranks, so that as many processes as there are parts give what one process gives, up to rounding.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and talks."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            _together(distributed.barrier)

    def check(self, parts: int) -> None:
        """GclError unless batches of `parts` parts can be shared evenly."""
        if parts % self.size:
            raise GclError(
                f"{self.size} processes cannot share batches of {parts} parts (batchnorm_groups) evenly.",
                f"Start a number of processes that divides {parts}, or add --set batchnorm_groups={self.size}; it is "
                "part of the training: one process with the same number gives the same result.",
            )

    def own(self, rows: Tensor) -> Tensor:
        """This process's share of `rows` [B, ...]: as equal parts as can be, in the order of the ranks."""
        return rows.tensor_split(self.size)[self.rank]

    def gather(self, rows: Tensor) -> Tensor:
        """All processes' `rows` [b, ...], of the same shape in each, end to end: [b * size, ...]."""
        if self.size == 1:
            return rows
        all_rows = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(self.size)]
        _together(lambda: distributed.all_gather(all_rows, rows.contiguous()))
        return torch.cat(all_rows)

    def gather_uneven(self, rows: Tensor) -> Tensor:
        """All processes' `rows` [b, ...], of any length in each, end to end."""
        lengths = self.gather(torch.tensor([len(rows)], device=rows.device)).tolist()
        padded = rows.new_zeros((max(lengths), *rows.shape[1:]))
        padded[: len(rows)] = rows
        pieces = self.gather(padded).split(max(lengths)) if max(lengths) else []
        return torch.cat([piece[:length] for piece, length in zip(pieces, lengths, strict=True)]) if pieces else rows

    def object_from_lead(self, value: Value) -> Value:
        """The leading process's `value`, whatever it is; what the others give is not looked at."""
        box = [value]
        if self.size > 1:
            _together(lambda: distributed.broadcast_object_list(box, 0))
        return box[0]

    def mean(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """The mean of each number [] over the processes, which all have the same names; nobody waits for a card."""
        if self.size == 1 or not values:
            return values
        found = torch.stack(list(values.values()))
        return dict(zip(values, self.gather(found[None]).mean(0), strict=True))

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every parameter the mean of its gradients in all processes; one message for all of them."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        _together(lambda: distributed.all_reduce(flat))
        flat /= self.size
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    def statistics(self, network: nn.Module) -> "Statistics":
        """Copies of the running statistics of every BatchNorm of `network`, for `share_statistics`; none when alone."""
        layers = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
        names = ("num_batches_tracked", "running_mean", "running_var")
        return {layer: tuple(getattr(layer, name).clone() for name in names) for layer in layers if self.size > 1}

    def share_statistics(self, before: "Statistics") -> None:
        """Move BatchNorm's running statistics as if one process had seen the parts of all, in the order of the ranks.

        before: `statistics` from before the step. An update by momentum m multiplies what was there by 1 - m, so what
        each process added can be told from where it started, and the whole be put together.
        """
        if self.size == 1:
            return
        for layer, (count, mean, variance) in before.items():
            tracked = cast(Tensor, layer.num_batches_tracked)
            keep = (1 - float(layer.momentum or 0)) ** (tracked - count).double()  # [] where it is: nobody waits
            for new, old in ((layer.running_mean, mean), (layer.running_var, variance)):
                cast(Tensor, new).copy_(_in_turn(self.gather(cast(Tensor, new)[None]), old, keep=keep))
            tracked.copy_(count + (tracked - count) * self.size)


Statistics = dict[_BatchNorm, tuple[Tensor, Tensor, Tensor]]  # count of batches, running mean and variance


def _in_turn(moved: Tensor, old: Tensor, *, keep: Tensor) -> Tensor:
    """Statistics [C] after the updates of all processes: `moved` [size, C] is what each made of `old` [C]."""
    value = old
    for one in moved:
        value = keep * value + (one - keep * old)
    return value


def _together(message: Callable[[], Value]) -> Value:
    """Send or receive; GclError when another process has gone."""
    try:
        return message()
    except RuntimeError as error:
        raise GclError(
            f"Another process of this training has ended or cannot be reached ({str(error).splitlines()[0][:120]}).",
            "Look for its message above. The same command goes on from the last checkpoint.",
        ) from error


ALONE = Team()
