"""The warm-up of the view generator: L_gan with a frozen identity encoder (Eq. 1-4, stage 2)."""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gcl_cli.config import GanWarmupSettings
from gcl_cli.machine.devices import sent
from gcl_cli.records import Event, StructurePictures, TrainingSet
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.drawn_views import PaintedStructures, Structures
from gcl_cli.training.gan import discriminator_step, gan_optimizers, views_of
from gcl_cli.training.painted_gan import PaintedPart, painted_part, view_gan
from gcl_cli.training.parts import Descent, GenerationPart, cut
from gcl_cli.training.samplers import epoch_batches
from gcl_cli.training.state import Losses, TrainingState, Values, run_epochs
from gcl_cli.training.structures import OWN, angle_indices, draw_angles, expect_next, own_and_new, read_ahead, to_signal
from gcl_cli.training.team import ALONE, Team


def gan_warmup_state(networks: dict[str, nn.Module], settings: GanWarmupSettings) -> TrainingState:
    """The state before the first step; the identity encoder is frozen and in evaluation mode."""
    networks["identity_encoder"].eval().requires_grad_(False)
    optimizers = gan_optimizers(networks, settings)
    return TrainingState(networks, dict(optimizers), torch.Generator().manual_seed(settings.seed))


class GanWarmup:
    """One warm-up of the generator over one data set, by one process or a team of them."""

    def __init__(
        self,
        state: TrainingState,
        data: TrainingSet,
        structures: Structures,
        settings: GanWarmupSettings,
        *,
        team: Team = ALONE,
    ) -> None:
        team.check(settings.batchnorm_groups)
        self.state, self.data, self.settings, self.team = state, data, settings, team
        self.gan = view_gan(state, settings)
        self.structures = (
            structures if isinstance(structures, PaintedStructures) else read_ahead(structures, self.gan.device)
        )
        self.turns = angle_indices(structures, settings.angles)
        self.parts = settings.batchnorm_groups // team.size
        self.total = settings.reconstruction_epochs + settings.epochs

    def epochs(self) -> Iterator[Event]:
        """Train to the last epoch, from wherever the state stands."""
        return run_epochs(self.state, epochs=self.total, begin=self._begin_epoch, step=self._step)

    def _begin_epoch(self) -> tuple[Tensor, Values]:
        s = self.settings
        first = self.state.epoch < s.reconstruction_epochs
        # Paper: the full objective from the first step. Here: presets for small machines begin with plain
        # reconstruction at a high rate, which draws people several times sooner.
        for group in self.state.optimizers["generator"].param_groups:
            group["lr"] = s.reconstruction_rate if first else s.generator_rate
            group["betas"] = (s.reconstruction_beta1 if first else s.beta1, s.beta2)
        rows = self.data.generating(torch.arange(len(self.data)))
        batches = epoch_batches(rows, batch_size=s.batch_size, steps=s.iterations, generator=self.state.rng)
        return batches, {"objective": "reconstruction" if first else "full"}

    def _step(self, batch: Tensor) -> Losses:
        rows = self.team.own(batch.cpu())
        with self.state.stopwatch.timing("data"):
            real = normalise(sent(self.data.pictures[rows], self.gan.device))
        if self.state.epoch < self.settings.reconstruction_epochs:
            return self._reconstruction_step(rows, real)
        turn = draw_angles(self.turns, len(batch), self.state.rng)
        return self._full_step(self._parts(batch.cpu(), real, turn))

    def _reconstruction_step(self, rows: Tensor, real: Tensor) -> Losses:
        """The generator's side learns to paint the pictures `real` [b, 3, H, W] in their own structure."""
        with self.state.stopwatch.timing("data"):
            bodies = cast(StructurePictures, self.structures)  # nothing painted: settings do not allow it
            own = to_signal(bodies(rows, torch.full_like(rows, OWN)), self.gan.device)
        learning = Descent(self.state.optimizers, "generator", parts=self.parts, team=self.team)
        for seen, structure in zip(real.tensor_split(self.parts), own.tensor_split(self.parts), strict=True):
            image = (self.gan.reconstruct(seen, structure) - seen).abs().mean()
            learning.add(self.settings.image_weight * image, {"image": image})
        return learning.step()

    def _parts(self, rows: Tensor, real: Tensor, turn: Tensor) -> Sequence[GenerationPart | PaintedPart]:
        """This process's share `real` [b, 3, H, W] of the pictures `rows` [B], each with its `turn` [B]."""
        team = self.team
        with self.state.stopwatch.timing("data"):
            if isinstance(self.structures, PaintedStructures):
                nobody = torch.zeros(len(real), dtype=torch.bool, device=real.device)
                return cut(
                    painted_part(self.structures, rows, turn, real, real, nobody, rng=self.state.rng, team=team),
                    self.parts,
                )
            own, new = own_and_new(self.structures, team.own(rows), team.own(turn), self.gan.device)
        expect_next(self.structures, self.state, self.turns, team)
        return cut(GenerationPart(real, real, own, new), self.parts)

    def _full_step(self, parts: Sequence[GenerationPart | PaintedPart]) -> Losses:
        """The discriminator, then the generator's side through it as it is now (Eq. 4)."""
        values, kept = discriminator_step(
            self.gan, parts, [None] * len(parts), freeze_statistics=True, team=self.team
        )  # fmt: skip
        learning = Descent(self.state.optimizers, "generator", parts=len(parts), team=self.team)
        for part in parts:
            views = kept or views_of(self.gan, part, None, freeze_statistics=True)
            learning.add(*self.gan.generator_loss(part.target, views))
        return values | learning.step()
