"""A batch in parts: computed one after another, and shared among processes."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from torch import Tensor
from torch.optim import Optimizer

from gcl_cli.training.state import Losses
from gcl_cli.training.team import Team


class GenerationPart(NamedTuple):
    """Pictures that views are generated from."""

    seen: Tensor  # [b, 3, H, W] what the encoder sees
    target: Tensor  # [b, 3, H, W] what the generator must paint
    own: Tensor  # [b, 1, H, W] structure signals as photographed
    new: Tensor  # [b, 1, H, W] turned


class ContrastPart(NamedTuple):
    """What pictures are contrasted with, as rows of the memory bank."""

    rows: Tensor  # [b] the pictures themselves
    first: Tensor  # [b] positives of L_vi
    second: Tensor  # [b] positives of L''_vi
    negatives: Tensor  # [b, N] bool


Tensors = TypeVar("Tensors", bound=tuple[Tensor, ...])  # a NamedTuple of tensors [B, ...]


def cut(whole: Tensors, parts: int) -> list[Tensors]:
    """`whole` in `parts` parts of equal size, field by field."""
    pieces = zip(*(values.tensor_split(parts) for values in whole), strict=True)
    return [type(whole)(*piece) for piece in pieces]


class Descent:
    """One step of the optimizers `sides` down the mean gradient of all parts in all processes.

    `add` each of this process's `parts` parts, then `step`. Gradients of the other optimizers are cleared, too.
    """

    def __init__(self, optimizers: dict[str, Optimizer], *sides: str, parts: int, team: Team) -> None:
        self._stepping, self._parts, self._team = [optimizers[side] for side in sides], parts, team
        self._said: list[Mapping[str, Tensor]] = []
        for optimizer in optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def add(self, loss: Tensor, values: Mapping[str, Tensor]) -> None:
        """Gradients of the loss of a part, whose graph is freed; `values`: scalars to report."""
        (loss / self._parts).backward()
        self._said.append({name: value.detach() for name, value in values.items()})

    def step(self) -> Losses:
        """Step; returns the mean values, unread: on a card they are still being computed."""
        for optimizer in self._stepping:
            parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
            self._team.average_gradients(parameters)
            optimizer.step()
        sums: dict[str, Tensor] = {}
        for name, value in ((name, value) for values in self._said for name, value in values.items()):
            share = value.double() / self._parts
            sums[name] = sums[name] + share if name in sums else share
        return {**self._team.mean(sums)}
