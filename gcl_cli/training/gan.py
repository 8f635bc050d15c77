"""L_gan: one forward pass through generator and encoder, and the steps of both sides (Eq. 1-4)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Adam
from torch.utils.checkpoint import checkpoint

from gcl_cli.config import GanSettings
from gcl_cli.losses.adversarial import (
    discriminator_adversarial,
    discriminator_logistic,
    generator_adversarial,
    generator_logistic,
    gradient_penalty,
)
from gcl_cli.losses.generation import feature_reconstruction, gan_objective, image_reconstruction
from gcl_cli.machine.devices import arithmetic
from gcl_cli.networks.discriminator import Discriminator
from gcl_cli.networks.generator import Generator
from gcl_cli.networks.identity_encoder import IdentityCode, IdentityEncoder
from gcl_cli.networks.structure_encoder import StructureEncoder
from gcl_cli.training.gcl_plus import Mixup
from gcl_cli.training.parts import Descent, GenerationPart
from gcl_cli.training.schedules import every_nth
from gcl_cli.training.state import Losses, TrainingState
from gcl_cli.training.team import Team


class Views(NamedTuple):
    """One forward pass: the codes of the real pictures and what was generated from them (all [B, ...])."""

    code: IdentityCode  # of x
    reconstructed: Tensor  # x'_ori [B, 3, H, W]
    novel: Tensor  # x'_new
    cycled: Tensor  # x''_ori
    code_reconstructed: IdentityCode
    code_novel: IdentityCode
    code_cycled: IdentityCode
    mixed: Tensor | None = None  # x_mix of GCL+, where identities are mixed
    code_mixed: IdentityCode | None = None

    def fakes(self) -> list[Tensor]:
        """The kinds of generated pictures [B, 3, H, W]; the real ones count once against each."""
        made = [self.reconstructed, self.novel, self.cycled]
        return made if self.mixed is None else [*made, self.mixed]


class ViewGan:
    """The four networks of a training state as one adversarial game.

    The mode of the identity encoder decides its part: frozen and in evaluation mode during the generator's warm-up,
    trained in the joint stage.
    """

    def __init__(self, state: TrainingState, settings: GanSettings) -> None:
        self.state, self.settings = state, settings
        self.identity_encoder = cast(IdentityEncoder, state.networks["identity_encoder"])
        self.structure_encoder = cast(StructureEncoder, state.networks.get("structure_encoder"))  # a painter has none
        self.generator = cast(Generator, state.networks["generator"])
        self.discriminator = cast(Discriminator, state.networks["discriminator"])
        self.device = next(self.generator.parameters()).device
        self._judged: int | None = None
        state.optimizers["discriminator"].register_step_post_hook(self._count_judged)
        state.optimizers["discriminator"].register_load_state_dict_post_hook(self._forget_judged)

    def reconstruct(self, real: Tensor, own_structure: Tensor) -> Tensor:
        """x'_ori [B, 3, H, W] from pictures [B, 3, H, W] and their own structure pictures [B, 1, H, W]."""
        with arithmetic(self.settings.precision, self.device):
            modulation = self.generator.modulation(self.through(self.identity_encoder, real).parts)
            return self.through(self.generator, self.structure_encoder(own_structure), modulation)

    def views(
        self,
        seen: Tensor,
        own_structure: Tensor,
        new_structure: Tensor,
        *,
        freeze_statistics: bool,
        mixup: Mixup | None = None,
    ) -> Views:
        """Encode `seen` [B, 3, H, W], generate the own, the novel and the cycled view, and encode them.

        freeze_statistics: generated pictures do not move the encoder's running BatchNorm statistics.
        mixup: also generate, in their own structure, people between two of the batch (GCL+).
        """
        with arithmetic(self.settings.precision, self.device):
            code = self.through(self.identity_encoder, seen)
            modulation = self.generator.modulation(code.parts)
            own, new = self.structure_encoder(torch.cat([own_structure, new_structure])).chunk(2)
            reconstructed, novel = (self.through(self.generator, structure, modulation) for structure in (own, new))
            # Paper: does not say; the published code lets generated pictures move the encoder's running statistics.
            # Here: real pictures alone do (batchnorm_update = real).
            with frozen_statistics(self.identity_encoder, freeze_statistics):
                code_reconstructed = self.through(self.identity_encoder, reconstructed)
                code_novel = self.through(self.identity_encoder, novel)
                cycled = self.through(self.generator, own, self.generator.modulation(code_novel.parts))
                code_cycled = self.through(self.identity_encoder, cycled)
                views = Views(code, reconstructed, novel, cycled, code_reconstructed, code_novel, code_cycled)
                if mixup is not None:
                    mixed = self.through(self.generator, own, self.generator.modulation(mixup.of(code.parts)))
                    views = views._replace(mixed=mixed, code_mixed=self.through(self.identity_encoder, mixed))
        return views

    def views_of_part(self, part: GenerationPart, mixup: Mixup | None, *, freeze_statistics: bool) -> Views:
        """The views of a part of a batch."""
        return self.views(part.seen, part.own, part.new, freeze_statistics=freeze_statistics, mixup=mixup)

    def rehearsal(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, Views]:
        """Blank pictures [batch, 3, *size], and the views of such."""
        real, own = (torch.zeros(batch, channels, *size, device=self.device) for channels in (3, 1))
        return real, self.views(real, own, own, freeze_statistics=True)

    def decode_of(self, views: Views) -> Callable[[], Tensor]:
        """What draws pictures as large as those of `views`, ready to be called."""
        structure = self.structure_encoder(torch.zeros_like(views.novel[:, :1]))
        modulation = self.generator.modulation(views.code.parts)
        return lambda: self.generator(structure, modulation)

    def through(self, network: nn.Module, *inputs: Any) -> Any:
        """What `network` makes of `inputs`; where memory is short, its inside is computed anew for the gradient."""
        if not self.settings.checkpoint_activations:
            return network(*inputs)

        def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
            return nullcontext(), frozen_statistics(network, True)  # the second time must not move BatchNorm again

        return checkpoint(network, *inputs, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)

    def discriminator_loss(self, real: Tensor, views: Views) -> Tensor:
        """Eq. 3 for the discriminator, on real and (detached) generated pictures, with its penalty."""
        s = self.settings
        self.discriminator.requires_grad_(True)
        weight = every_nth(s.penalty_weight, step=self._discriminator_steps(), every=s.penalty_every)
        fakes = views.fakes()
        with arithmetic(s.precision, self.device):
            maps_fake = self.discriminator(torch.cat(fakes).detach())
        if weight > 0:  # the penalty differentiates twice: it stays in fp32
            seen = real.detach().requires_grad_(True)
            maps_real = self.discriminator(seen)
            penalty = len(fakes) * weight * gradient_penalty(maps_real, seen)
        else:
            with arithmetic(s.precision, self.device):
                maps_real = self.discriminator(real)
            penalty = real.new_zeros(())
        adversarial = discriminator_logistic if s.adversarial == "logistic" else discriminator_adversarial
        return adversarial(maps_real, by_kind(maps_fake, len(fakes))) + penalty

    def _discriminator_steps(self) -> int:
        """How many steps the discriminator has done; steps of other kinds in between must not shift the penalty.

        Its optimizer knows, but on a card it would have to be waited for: it is asked once, and then counted along.
        """
        if self._judged is None:
            moments = next(iter(self.state.optimizers["discriminator"].state.values()), None)
            self._judged = 0 if moments is None else int(moments["step"])
        return self._judged

    def _count_judged(self, *_: Any) -> None:
        self._judged = None if self._judged is None else self._judged + 1

    def _forget_judged(self, *_: Any) -> None:
        self._judged = None

    def generator_loss(self, real: Tensor, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """L_gan of the generator's side (Eq. 4), through the discriminator as it stands now, and its terms by name."""
        s = self.settings
        self.discriminator.requires_grad_(False)
        image = image_reconstruction(real, views.reconstructed, views.cycled)
        feature = feature_reconstruction(views.code.parts, views.code_reconstructed.parts, views.code_cycled.parts)
        with arithmetic(s.precision, self.device):
            maps = by_kind(self.discriminator(torch.cat(views.fakes())), len(views.fakes()))
        adversarial = generator_logistic(maps) if s.adversarial == "logistic" else generator_adversarial(maps)
        total = gan_objective(
            image, feature, s.adversarial_weight * adversarial,
            image_weight=s.image_weight, feature_weight=s.feature_weight,
        )  # fmt: skip
        return total, {"image": image, "feature": feature, "adversarial": adversarial}


def discriminator_step(
    gan: ViewGan,
    parts: Sequence[Any],
    mixups: Sequence[Mixup | None],
    *,
    freeze_statistics: bool,
    team: Team,
) -> tuple[Losses, Views | None]:
    """Step the discriminator on this process's parts of a batch; returns its mean loss, and the views of a single part.

    These keep their graph for the step of the generator's side. Of several parts, each is generated again then, so that
    the memory of only one is needed.
    """
    judging = Descent(gan.state.optimizers, "discriminator", parts=len(parts), team=team)
    if len(parts) == 1:
        kept = views_of(gan, parts[0], mixups[0], freeze_statistics=freeze_statistics)
        _judge(judging, gan, parts[0].target, kept)
        return judging.step(), kept
    for part, mixup in zip(parts, mixups, strict=True):
        with torch.no_grad(), frozen_statistics(gan.identity_encoder, True):  # they are generated once more
            rehearsed = views_of(gan, part, mixup, freeze_statistics=freeze_statistics)
        _judge(judging, gan, part.target, rehearsed)
    return judging.step(), None


def _judge(judging: Descent, gan: ViewGan, real: Tensor, views: Views) -> None:
    loss = gan.discriminator_loss(real, views)
    judging.add(loss, {"discriminator": loss})


def views_of(gan: ViewGan, part: Any, mixup: Mixup | None, *, freeze_statistics: bool) -> Views:
    """The views of a part of a batch."""
    return gan.views_of_part(part, mixup, freeze_statistics=freeze_statistics)


def by_kind(maps: list[Tensor], kinds: int) -> list[list[Tensor]]:
    """Patch maps of each kind of generated pictures apart, from maps of all end to end [kinds * B, 1, h, w]."""
    return [list(kind) for kind in zip(*(scale.chunk(kinds) for scale in maps), strict=True)]


def gan_optimizers(networks: dict[str, nn.Module], settings: GanSettings) -> dict[str, Adam]:
    """Adam for the generator's side (structure encoder, decoder, AdaIN networks) and for the discriminator."""
    side = [p for name in ("structure_encoder", "generator") if name in networks for p in networks[name].parameters()]
    judge = list(networks["discriminator"].parameters())
    # Paper: Adam's rates fall tenfold in the joint stage. Here: they stay at 1e-5, as the published code's in effect
    # (gan_decay_at lets them fall).
    betas, decay = (settings.beta1, settings.beta2), settings.gan_weight_decay
    return {
        "generator": Adam(side, lr=settings.generator_rate, betas=betas, weight_decay=decay, fused=True),
        "discriminator": Adam(judge, lr=settings.discriminator_rate, betas=betas, weight_decay=decay, fused=True),
    }


@contextmanager
def frozen_statistics(network: nn.Module, freeze: bool) -> Iterator[None]:
    """Normalise by the batch as usual, but leave the running statistics of BatchNorm alone."""
    layers = [m for m in network.modules() if isinstance(m, _BatchNorm)] if freeze else []
    before = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, (momentum, count) in zip(layers, before, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, count
