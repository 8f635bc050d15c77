"""The warm-up of the view generator: L_gan with a frozen identity encoder (Eq. 1-4, stage 2)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gcl_cli.config import GanWarmupSettings
from gcl_cli.records import Event, StructurePictures, TrainingSet
from gcl_cli.training.alternating import alternate
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.gan import ViewGan, gan_optimizers
from gcl_cli.training.parts import Part, cut, descend_in_parts
from gcl_cli.training.samplers import epoch_batches
from gcl_cli.training.state import TrainingState, Values, run_epochs
from gcl_cli.training.structures import OWN, angle_indices, draw_angles, own_and_new, to_signal
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
        structures: StructurePictures,
        settings: GanWarmupSettings,
        *,
        team: Team = ALONE,
    ) -> None:
        team.check(settings.batchnorm_groups)
        self.state, self.data, self.structures, self.settings, self.team = state, data, structures, settings, team
        self.gan = ViewGan(state, settings)
        self.turns = angle_indices(structures, settings.angles)
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

    def _step(self, batch: Tensor) -> Values:
        s, team = self.settings, self.team
        rows, parts = team.own(batch.cpu()), s.batchnorm_groups // team.size
        with self.state.stopwatch.timing("data"):
            real = normalise(self.data.pictures[rows].to(self.gan.device))
        if self.state.epoch < s.reconstruction_epochs:
            with self.state.stopwatch.timing("data"):
                own = to_signal(self.structures(rows, torch.full_like(rows, OWN)), self.gan.device)
            losses = (self._reconstruct(part) for part in cut(Part(rows, real, real, own), parts))
            return descend_in_parts(losses, self.state.optimizers, ("generator",), parts=parts, team=team)
        turn = team.own(draw_angles(self.turns, len(batch), self.state.rng))
        with self.state.stopwatch.timing("data"):
            whole = Part(rows, real, real, *own_and_new(self.structures, rows, turn, self.gan.device))
        return alternate(
            self.gan, cut(whole, parts), lambda part, views: self.gan.generator_loss(part.target, views),
            ("generator",), freeze_statistics=True, team=team,
        )  # fmt: skip

    def _reconstruct(self, part: Part) -> tuple[Tensor, Values]:
        assert part.own is not None
        image = (self.gan.reconstruct(part.seen, part.own) - part.target).abs().mean()
        return self.settings.image_weight * image, {"image": image.item()}
