"""A batch in parts: computed one after another, and shared among processes."""

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor
from torch.optim import Optimizer

from gcl_cli.training.mixup import Mixup
from gcl_cli.training.state import Values
from gcl_cli.training.team import Team


class Part(NamedTuple):
    """What a step knows of some pictures before any network sees them."""

    rows: Tensor  # [b] in the data set
    seen: Tensor  # [b, 3, H, W] what the encoder sees
    target: Tensor  # [b, 3, H, W] what the generator must paint
    own: Tensor | None = None  # [b, 1, H, W] structure signals as photographed; None: nothing is generated
    new: Tensor | None = None  # [b, 1, H, W] turned
    novel: Tensor | None = None  # [b, 3, H, W] the same people from another side, where no generator draws them
    first: Tensor | None = None  # [b] rows of the positives of L_vi; None: nothing is contrasted
    second: Tensor | None = None  # [b] rows of the positives of L''_vi
    negatives: Tensor | None = None  # [b, N] bool, rows of the memory that are negatives
    share: Tensor | None = None  # [b] of a picture's own identity code in its mix; None: identities are not mixed
    partners: Tensor | None = None  # [b] pictures of this part that give the rest

    def mixup(self) -> Mixup | None:
        """How the identity codes of this part are mixed, if they are."""
        return None if self.share is None or self.partners is None else Mixup(self.share, self.partners)


def cut(whole: Part, parts: int) -> list[Part]:
    """`whole` in `parts` parts of equal size."""
    pieces = [[None] * parts if values is None else values.tensor_split(parts) for values in whole]  # field by field
    return [Part(*values) for values in zip(*pieces, strict=True)]


def descend_in_parts(
    losses: Iterable[tuple[Tensor, Values]],
    optimizers: dict[str, Optimizer],
    sides: tuple[str, ...],
    *,
    parts: int,
    team: Team,
) -> Values:
    """One step of the optimizers `sides` down the mean gradient of all parts in all processes.

    losses: the loss and the values of each of this process's `parts` parts, computed when it is asked for, so that the
    graph of only one exists at a time. Gradients of the other optimizers are cleared, too. Returns the mean values.
    """
    for optimizer in optimizers.values():
        optimizer.zero_grad(set_to_none=True)
    sums: dict[str, float] = {}
    for loss, values in losses:
        (loss / parts).backward()
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + float(value or 0.0) / parts
        del loss
    for side in sides:
        optimizer = optimizers[side]
        team.average_gradients(parameter for group in optimizer.param_groups for parameter in group["params"])
        optimizer.step()
    return {**team.mean(sums)}
