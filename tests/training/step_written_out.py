"""One step of either training as the equations read: the oracle of the fast step, and what it is timed against.

Every picture set goes through every network on its own, whatever is computed twice is computed twice, every
parameter takes part in every graph, the contrast walks over its anchors one by one, and tensors lie in memory as
torch lays them by itself.
"""

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from gcl_cli.config import GanSettings, JointSettings
from gcl_cli.networks import generator as decoder
from gcl_cli.networks import normalisation

EPSILON = 1e-5
LEAK = 0.2

Networks = dict[str, nn.Module]
Optimizers = dict[str, Optimizer]
Code = tuple[Tensor, Tensor]  # part code [B, C, 4] and embedding [B, D]


class InstanceNorm(nn.Module):
    """torch's."""

    def forward(self, features: Tensor) -> Tensor:
        return F.instance_norm(features, eps=EPSILON)


class LayerNorm(nn.Module):
    """The decoder's norm as its formula reads; names as the fast one's."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        flat = features.flatten(1)
        mean, deviation = flat.mean(1).view(-1, 1, 1, 1), flat.std(1).view(-1, 1, 1, 1)
        normalised = (features - mean) / (deviation + EPSILON)
        return normalised * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


class DoublingConvolution(nn.Conv2d):
    """Upsampling, then the convolution, as the paper's decoder reads."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(F.interpolate(features, scale_factor=2, mode="nearest"))


def written_out(networks: Networks) -> Networks:
    """Copies with the same weights whose norms are torch's or the formula, all of whose parameters learn."""
    copies = {name: copy.deepcopy(network) for name, network in networks.items()}
    for network in copies.values():
        network.to(memory_format=torch.contiguous_format)
        network.requires_grad_(True)
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, normalisation.InstanceNorm):
                    setattr(parent, name, InstanceNorm())
                elif isinstance(child, normalisation.LayerNorm):
                    setattr(parent, name, LayerNorm(len(child.gamma)).to(child.gamma))
                    getattr(parent, name).load_state_dict(child.state_dict())
                elif isinstance(child, decoder.DoublingConvolution):
                    whole = DoublingConvolution(
                        child.in_channels, child.out_channels, 5, padding=2, padding_mode=child.padding_mode
                    )
                    setattr(parent, name, whole.to(child.weight))
                    whole.load_state_dict(child.state_dict())
    head = copies["identity_encoder"].head
    if hasattr(head, "pool") and hasattr(head.pool, "p"):
        head.norm.bias.requires_grad_(False)  # the BNNeck's, held at 0
    return copies


def plain_optimizers(networks: Networks, settings: GanSettings) -> Optimizers:
    """Adam for both sides of the game and, for joint training, SGD for the encoder, one parameter after the other."""
    side = [*networks["structure_encoder"].parameters(), *networks["generator"].parameters()]
    adam = {"betas": (settings.beta1, settings.beta2), "weight_decay": settings.gan_weight_decay, "foreach": False}
    optimizers: Optimizers = {
        "generator": Adam(side, lr=settings.generator_rate, **adam),
        "discriminator": Adam(networks["discriminator"].parameters(), lr=settings.discriminator_rate, **adam),
    }
    if isinstance(settings, JointSettings):
        optimizers["identity"] = SGD(
            [p for p in networks["identity_encoder"].parameters() if p.requires_grad], lr=settings.identity_rate,
            momentum=settings.identity_momentum, nesterov=True, weight_decay=settings.identity_weight_decay,
            foreach=False,
        )  # fmt: skip
    return optimizers


class Batch(NamedTuple):
    """What a step is given."""

    real: Tensor  # [B, 3, H, W]
    own: Tensor  # [B, 1, H, W] structure picture as photographed
    new: Tensor  # the same turned


class Forward(NamedTuple):
    """What the forward pass makes of it."""

    codes: tuple[Code, Code, Code, Code]  # of real, reconstructed, novel, cycled
    fakes: tuple[Tensor, Tensor, Tensor]  # reconstructed, novel, cycled


def adain(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Instance norm, then scale and shift [B, C]."""
    return F.instance_norm(features, eps=EPSILON) * scale[:, :, None, None] + shift[:, :, None, None]


def decode(generator: nn.Module, structure_code: Tensor, parts: Tensor) -> Tensor:
    """One decode, with its AdaIN networks; part p of the code drives block p."""
    features = structure_code
    for number, block in enumerate(generator.blocks):
        stripe = parts[:, :, number]
        scale, shift = generator.modulator.scale[number](stripe), generator.modulator.shift[number](stripe)
        channels = features.shape[1]
        first, second = block.convolutions
        inner = F.leaky_relu(adain(first(features), scale[:, :channels], shift[:, :channels]), LEAK)
        features = features + adain(second(inner), scale[:, channels:], shift[:, channels:])
    return generator.painter(features)


def set_momentum(encoder: nn.Module, momentum: float) -> None:
    """How far the next batches move the running statistics of BatchNorm: 0.1 is torch's default."""
    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = momentum


def forward(networks: Networks, batch: Batch) -> Forward:
    """Four passes of the encoder, three decodes; only the real pictures move the running statistics of BatchNorm."""
    encode, structure, generator = (networks[n] for n in ("identity_encoder", "structure_encoder", "generator"))
    code = encode(batch.real)
    set_momentum(encode, 0.0)
    reconstructed = decode(generator, structure(batch.own), code[0])
    novel = decode(generator, structure(batch.new), code[0])
    code_reconstructed, code_novel = encode(reconstructed), encode(novel)
    cycled = decode(generator, structure(batch.own), code_novel[0])
    code_cycled = encode(cycled)
    set_momentum(encode, 0.1)
    return Forward((code, code_reconstructed, code_novel, code_cycled), (reconstructed, novel, cycled))


def discriminator_step(networks: Networks, optimizer: Optimizer, batch: Batch, made: Forward, weight: float) -> Tensor:
    """The discriminator against each kind of fake in turn, the real pictures and their penalty each time anew."""
    discriminator, loss = networks["discriminator"], torch.zeros((), dtype=batch.real.dtype)
    for fake in made.fakes:
        for score in discriminator(fake.detach()):
            loss = loss + score.square().mean()
        seen = batch.real.clone().requires_grad_(True)
        for score in discriminator(seen):
            (gradient,) = torch.autograd.grad(score.sum(), seen, create_graph=True, retain_graph=True)
            loss = loss + (score - 1).square().mean() + weight * gradient.square().sum(dim=(1, 2, 3)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def generator_loss(networks: Networks, batch: Batch, made: Forward, settings: GanSettings) -> Tensor:
    """Eq. 4 of the generator's side."""
    (parts, _), (parts_reconstructed, _), _, (parts_cycled, _) = made.codes
    reconstructed, _, cycled = made.fakes
    image = (batch.real - reconstructed).abs().mean() + (batch.real - cycled).abs().mean()
    target = parts.detach()
    feature = (target - parts_reconstructed).abs().mean() + (target - parts_cycled).abs().mean()
    adversarial = torch.zeros((), dtype=batch.real.dtype)
    for fake in made.fakes:
        for score in networks["discriminator"](fake):
            adversarial = adversarial + 2 * (score - 1).square().mean()
    gan = settings.image_weight * image + settings.feature_weight * feature
    return gan + settings.adversarial_weight * adversarial


def contrast_loss(
    memory: Tensor, labels: Tensor, rows: Tensor, real: Tensor, novel: Tensor, settings: JointSettings
) -> Tensor:
    """L_vi + L'_vi + L''_vi (Eq. 6-8) anchor by anchor; real, novel: unit features [B, D]."""
    rng, total = torch.Generator().manual_seed(0), torch.zeros((), dtype=real.dtype)
    for anchor, row in enumerate(rows.tolist()):
        peers = [j for j in (labels == labels[row]).nonzero().flatten().tolist() if j != row]
        others = (labels != labels[row]).nonzero().flatten()
        drawn = others[torch.randperm(len(others), generator=rng)[: settings.negatives]]
        first, second = (peers[int(torch.randint(len(peers), (), generator=rng))] for _ in range(2))
        for query, positive in (
            (real[anchor], memory[first]), (novel[anchor], real[anchor]), (novel[anchor], memory[second]),
        ):  # fmt: skip
            logits = torch.cat([(query @ positive)[None], memory[drawn] @ novel[anchor]]) / settings.temperature
            total = total + F.cross_entropy(logits[None], torch.zeros(1, dtype=torch.long)) / len(rows)
    return total


def warm_up_step(networks: Networks, optimizers: Optimizers, batch: Batch, settings: GanSettings) -> Tensor:
    """A step of the generator's warm-up with its penalty; the encoder must be in evaluation mode. Returns both losses.

    The encoder gets gradients that nobody uses.
    """
    made = forward(networks, batch)
    judged = discriminator_step(networks, optimizers["discriminator"], batch, made, settings.penalty_weight)
    loss = generator_loss(networks, batch, made, settings)
    optimizers["generator"].zero_grad()
    loss.backward()
    optimizers["generator"].step()
    return torch.stack([judged, loss.detach()])


def joint_step(
    networks: Networks, optimizers: Optimizers, batch: Batch, settings: JointSettings,
    *, memory: Tensor, labels: Tensor, rows: Tensor,
) -> Tensor:  # fmt: skip
    """A joint step with its penalty, all networks in training mode; moves the `memory`. Returns both losses."""
    made = forward(networks, batch)
    judged = discriminator_step(networks, optimizers["discriminator"], batch, made, settings.penalty_weight)
    real, novel = (F.normalize(made.codes[kind][1], dim=1) for kind in (0, 2))
    known = memory.clone()
    loss = generator_loss(networks, batch, made, settings)
    loss = loss + contrast_loss(known, labels, rows, real, novel, settings)
    for side in ("generator", "identity"):
        optimizers[side].zero_grad()
    loss.backward()
    for side in ("generator", "identity"):
        optimizers[side].step()
    for anchor, row in enumerate(rows.tolist()):
        moved = settings.memory_momentum * memory[row] + (1 - settings.memory_momentum) * real[anchor].detach()
        memory[row] = moved / moved.norm()
    return torch.stack([judged, loss.detach()])
