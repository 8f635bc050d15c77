"""L_gan: one forward pass through generator and encoder, and the steps of both sides (Eq. 1-4)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Adam

from gcl_cli.config import GanSettings
from gcl_cli.losses.adversarial import discriminator_adversarial, generator_adversarial, gradient_penalty
from gcl_cli.losses.generation import feature_reconstruction, gan_objective, image_reconstruction
from gcl_cli.networks.discriminator import Discriminator
from gcl_cli.networks.generator import Generator
from gcl_cli.networks.identity_encoder import IdentityCode, IdentityEncoder
from gcl_cli.networks.structure_encoder import StructureEncoder
from gcl_cli.training.devices import arithmetic
from gcl_cli.training.schedules import every_nth
from gcl_cli.training.state import TrainingState, Values

FAKES = 3  # reconstruction, novel view, cycle: the real pictures count once against each


class Views(NamedTuple):
    """One forward pass: the codes of the real pictures and what was generated from them (all [B, ...])."""

    code: IdentityCode  # of x
    reconstructed: Tensor  # x'_ori [B, 3, H, W]
    novel: Tensor  # x'_new
    cycled: Tensor  # x''_ori
    code_reconstructed: IdentityCode
    code_novel: IdentityCode
    code_cycled: IdentityCode


class ViewGan:
    """The four networks of a training state as one adversarial game.

    The mode of the identity encoder decides its part: frozen and in evaluation mode during the generator's warm-up,
    trained in the joint stage.
    """

    def __init__(self, state: TrainingState, settings: GanSettings) -> None:
        self.state, self.settings = state, settings
        self.identity_encoder = cast(IdentityEncoder, state.networks["identity_encoder"])
        self.structure_encoder = cast(StructureEncoder, state.networks["structure_encoder"])
        self.generator = cast(Generator, state.networks["generator"])
        self.discriminator = cast(Discriminator, state.networks["discriminator"])
        self.device = next(self.generator.parameters()).device

    def reconstruct(self, real: Tensor, own_structure: Tensor) -> Tensor:
        """x'_ori [B, 3, H, W] from pictures [B, 3, H, W] and their own structure pictures [B, 1, H, W]."""
        with arithmetic(self.settings.precision, self.device):
            modulation = self.generator.modulation(self.identity_encoder(real).parts)
            return self.generator(self.structure_encoder(own_structure), modulation).float()

    def views(self, seen: Tensor, own_structure: Tensor, new_structure: Tensor, *, freeze_statistics: bool) -> Views:
        """Encode `seen` [B, 3, H, W], generate the own, the novel and the cycled view, and encode them.

        freeze_statistics: generated pictures do not move the encoder's running BatchNorm statistics.
        """
        with arithmetic(self.settings.precision, self.device):
            code = self.identity_encoder(seen)
            modulation = self.generator.modulation(code.parts)
            own, new = self.structure_encoder(torch.cat([own_structure, new_structure])).chunk(2)
            reconstructed, novel = self.generator(own, modulation), self.generator(new, modulation)
            # Paper: does not say; the published code lets generated pictures move the encoder's running statistics.
            # Here: real pictures alone do (batchnorm_update = real).
            with frozen_statistics(self.identity_encoder, freeze_statistics):
                code_reconstructed = self.identity_encoder(reconstructed)
                code_novel = self.identity_encoder(novel)
                cycled = self.generator(own, self.generator.modulation(code_novel.parts))
                code_cycled = self.identity_encoder(cycled)
        pictures = (reconstructed.float(), novel.float(), cycled.float())
        return Views(code, *pictures, code_reconstructed, code_novel, code_cycled)

    def discriminator_step(self, real: Tensor, views: Views) -> Values:
        """One Adam step of the discriminator on real and (detached) generated pictures."""
        s = self.settings
        self.discriminator.requires_grad_(True)
        weight = every_nth(s.penalty_weight, step=self._discriminator_steps(), every=s.penalty_every)
        fakes = torch.cat([views.reconstructed, views.novel, views.cycled]).detach()
        with arithmetic(s.precision, self.device):
            maps_fake = self.discriminator(fakes)
        if weight > 0:  # the penalty differentiates twice: it stays in fp32
            seen = real.detach().requires_grad_(True)
            maps_real = self.discriminator(seen)
            penalty = FAKES * weight * gradient_penalty(maps_real, seen)
        else:
            with arithmetic(s.precision, self.device):
                maps_real = self.discriminator(real)
            penalty = real.new_zeros(())
        loss = discriminator_adversarial(maps_real, by_kind(maps_fake)) + penalty
        optimizer = self.state.optimizers["discriminator"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"discriminator": loss.item()}

    def _discriminator_steps(self) -> int:
        """How many steps the discriminator has done; steps of other kinds in between must not shift the penalty."""
        moments = next(iter(self.state.optimizers["discriminator"].state.values()), None)
        return 0 if moments is None else int(moments["step"])

    def generator_loss(self, real: Tensor, views: Views) -> tuple[Tensor, Values]:
        """L_gan of the generator's side (Eq. 4), through the discriminator as it stands now."""
        s = self.settings
        self.discriminator.requires_grad_(False)
        image = image_reconstruction(real, views.reconstructed, views.cycled)
        feature = feature_reconstruction(views.code.parts, views.code_reconstructed.parts, views.code_cycled.parts)
        with arithmetic(s.precision, self.device):
            maps = self.discriminator(torch.cat([views.reconstructed, views.novel, views.cycled]))
        adversarial = generator_adversarial(by_kind(maps))
        total = gan_objective(
            image, feature, s.adversarial_weight * adversarial,
            image_weight=s.image_weight, feature_weight=s.feature_weight,
        )  # fmt: skip
        values: Values = {"image": image.item(), "feature": feature.item(), "adversarial": adversarial.item()}
        return total, values


def by_kind(maps: list[Tensor]) -> list[list[Tensor]]:
    """Patch maps of reconstruction, novel view and cycle apart, from maps of the three end to end [3B, 1, h, w]."""
    return [list(kind) for kind in zip(*(scale.chunk(FAKES) for scale in maps), strict=True)]


def gan_optimizers(networks: dict[str, nn.Module], settings: GanSettings) -> dict[str, Adam]:
    """Adam for the generator's side (structure encoder, decoder, AdaIN networks) and for the discriminator."""
    side = [*networks["structure_encoder"].parameters(), *networks["generator"].parameters()]
    # Paper: Adam's rates fall tenfold in the joint stage. Here: they stay (at 1e-5, as the published code's in effect).
    betas, decay = (settings.beta1, settings.beta2), settings.gan_weight_decay
    return {
        "generator": Adam(side, lr=settings.generator_rate, betas=betas, weight_decay=decay),
        "discriminator": Adam(
            networks["discriminator"].parameters(), lr=settings.discriminator_rate, betas=betas, weight_decay=decay
        ),
    }


@contextmanager
def frozen_statistics(network: nn.Module, freeze: bool) -> Iterator[None]:
    """Normalise by the batch as usual, but leave the running statistics of BatchNorm alone."""
    layers = [m for m in network.modules() if isinstance(m, _BatchNorm)] if freeze else []
    momenta = [layer.momentum for layer in layers]
    counts = [layer.num_batches_tracked.clone() for layer in layers if layer.num_batches_tracked is not None]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum, count in zip(layers, momenta, counts, strict=True):
            layer.momentum = momentum
            cast(Tensor, layer.num_batches_tracked).copy_(count)
