"""The warm-up of the view generator: L_gan with a frozen identity encoder (Eq. 1-4, stage 2)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gcl_cli.config import GanWarmupSettings
from gcl_cli.records import Event, StructurePictures, TrainingSet
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.gan import ViewGan, gan_optimizers
from gcl_cli.training.samplers import epoch_batches
from gcl_cli.training.state import TrainingState, Values, run_epochs
from gcl_cli.training.structures import OWN, angle_indices, draw_angles, own_and_new, to_signal


def gan_warmup_state(networks: dict[str, nn.Module], settings: GanWarmupSettings) -> TrainingState:
    """The state before the first step; the identity encoder is frozen and in evaluation mode."""
    networks["identity_encoder"].eval().requires_grad_(False)
    optimizers = gan_optimizers(networks, settings)
    return TrainingState(networks, dict(optimizers), torch.Generator().manual_seed(settings.seed))


class GanWarmup:
    """One warm-up of the generator over one data set."""

    def __init__(
        self, state: TrainingState, data: TrainingSet, structures: StructurePictures, settings: GanWarmupSettings
    ) -> None:
        self.state, self.data, self.structures, self.settings = state, data, structures, settings
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
        batches = epoch_batches(rows, batch_size=s.batch_size, steps=s.iterations, generator=self.state.chance)
        return batches, {"objective": "reconstruction" if first else "full"}

    def _step(self, batch: Tensor) -> Values:
        real = normalise(self.data.pictures[batch.cpu()].to(self.gan.device))
        if self.state.epoch < self.settings.reconstruction_epochs:
            return self._reconstruct(real, batch.cpu())
        turn = draw_angles(self.turns, len(batch), self.state.chance)
        own, new = own_and_new(self.structures, batch.cpu(), turn, self.gan.device)
        views = self.gan.views(real, own, new, freeze_statistics=True)
        values = self.gan.discriminator_step(real, views)
        loss, more = self.gan.generator_loss(real, views)
        self._descend(loss)
        return values | more

    def _reconstruct(self, real: Tensor, rows: Tensor) -> Values:
        own = to_signal(self.structures(rows, torch.full_like(rows, OWN)), self.gan.device)
        image = (self.gan.reconstruct(real, own) - real).abs().mean()
        self._descend(self.settings.image_weight * image)
        return {"image": image.item()}

    def _descend(self, loss: Tensor) -> None:
        optimizer = self.state.optimizers["generator"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
