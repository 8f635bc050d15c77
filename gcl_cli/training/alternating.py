"""One adversarial step over a batch in parts: the discriminator, then the generator's side through the updated one."""

from collections.abc import Callable

import torch
from torch import Tensor

from gcl_cli.training.gan import ViewGan, Views, frozen_statistics
from gcl_cli.training.parts import Part, descend_in_parts
from gcl_cli.training.state import Values
from gcl_cli.training.team import Team


def alternate(
    gan: ViewGan,
    parts: list[Part],
    objective: Callable[[Part, Views], tuple[Tensor, Values]],
    sides: tuple[str, ...],
    *,
    freeze_statistics: bool,
    team: Team,
) -> Values:
    """Step the discriminator, then the optimizers `sides` down `objective`; returns the mean values of both.

    parts: this process's, with structure pictures. A single part keeps its graph from the first step to the second. Of
    several, each is generated twice, so that the memory of only one is needed.
    """
    optimizers, count = gan.state.optimizers, len(parts)

    def generate(part: Part) -> Views:
        assert part.own is not None and part.new is not None
        return gan.views(part.seen, part.own, part.new, freeze_statistics=freeze_statistics, mixup=part.mixup())

    def rehearse(part: Part) -> Views:
        with torch.no_grad(), frozen_statistics(gan.identity_encoder, True):
            return generate(part)

    kept = generate(parts[0]) if count == 1 else None
    judged = (gan.discriminator_loss(part.target, kept or rehearse(part)) for part in parts)
    values = descend_in_parts(judged, optimizers, ("discriminator",), parts=count, team=team)
    generated = (objective(part, kept or generate(part)) for part in parts)
    return values | descend_in_parts(generated, optimizers, sides, parts=count, team=team)
