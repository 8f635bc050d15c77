"""Networks: new ones, and those that artifacts hold."""

from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import MANIFEST, Artifact, read_artifact
from gcl_cli.artifacts.weights import read_architecture, read_weights, save_weights
from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.networks.discriminator import Discriminator
from gcl_cli.networks.foreign_names import refuse_non_finite
from gcl_cli.networks.generator import Generator
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.networks.painter import Painter
from gcl_cli.networks.structure_encoder import StructureEncoder

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)
GanNetwork = type[StructureEncoder] | type[Generator] | type[Discriminator]
GAN: dict[str, GanNetwork] = {
    "structure_encoder": StructureEncoder,
    "generator": Generator,
    "discriminator": Discriminator,
}

PAINTED_GAN: dict[str, type[Painter] | type[Discriminator]] = {"generator": Painter, "discriminator": Discriminator}


def weight_file(artifact: Artifact, network: str) -> Path:
    """Where an artifact holds a network."""
    return artifact.folder / f"{network}.safetensors"


def latest(work: WorkFolder, stages: tuple[str, ...]) -> str:
    """`STAGE/main` of the first of `stages` that is there; the last one otherwise, so that its absence is explained."""
    there = [stage for stage in stages if (work.artifact(stage) / MANIFEST).exists()]
    return f"{there[0] if there else stages[-1]}/main"


def read_encoder(work: WorkFolder, reference: str) -> tuple[Artifact, Architecture]:
    """The artifact behind `--encoder` and its architecture; GclError when it holds no encoder."""
    artifact = read_artifact(work, reference)
    if not weight_file(artifact, "identity_encoder").exists():
        raise GclError(f"{reference} holds no identity encoder.", "Choose --encoder warmup or --encoder joint.")
    return artifact, read_architecture(weight_file(artifact, "identity_encoder"))


def read_generator(work: WorkFolder, reference: str) -> Artifact:
    """The artifact behind `--generator`; GclError when it holds no generator."""
    artifact = read_artifact(work, reference)
    if not weight_file(artifact, "generator").exists():
        raise GclError(f"{reference} holds no generator.", "Choose --generator gan-warmup or --generator joint.")
    return artifact


def has_painter(artifact: Artifact) -> bool:
    """Whether an artifact's generator is a painted one, which has no structure encoder."""
    return not weight_file(artifact, "structure_encoder").exists()


def load_encoder(artifact: Artifact, architecture: Architecture, device: torch.device) -> IdentityEncoder:
    """The identity encoder of an artifact, on a device."""
    return place(filled(IdentityEncoder(architecture), weight_file(artifact, "identity_encoder")), device)


def filled(network: AnyNetwork, path: Path) -> AnyNetwork:
    """The network with the weights of a file; GclError when they are of another architecture, or no finite numbers."""
    tensors = read_weights(path)
    wanted = network.state_dict()
    different = [n for n in wanted.keys() | tensors.keys() if n not in wanted or n not in tensors]
    different += [n for n in wanted.keys() & tensors.keys() if wanted[n].shape != tensors[n].shape]
    if different:
        raise GclError(
            f"{path} does not hold the network that it should: {len(different)} of its {len(wanted)} weights are "
            f"missing, unknown or of another shape ({min(different)}).",
            "Make the artifact again, or choose another one.",
        )
    refuse_non_finite(tensors)
    network.load_state_dict(tensors)
    return network


def new_gan(architecture: Architecture, seed: int, device: torch.device) -> dict[str, nn.Module]:
    """Structure encoder, generator and discriminator with weights drawn from `seed`."""
    rng = torch.Generator().manual_seed(seed)
    networks: dict[str, nn.Module] = {}
    for name, kind in GAN.items():
        network = kind(architecture)
        initialise(network, rng)
        networks[name] = place(network, device)
    return networks


def load_gan(artifact: Artifact, architecture: Architecture, device: torch.device) -> dict[str, nn.Module]:
    """Structure encoder, generator and discriminator of an artifact, in its own part layout; or a painter.

    architecture: of the encoder that they were trained with.
    """
    networks: dict[str, nn.Module] = {}
    architecture = with_own_layout(artifact, architecture)
    for name, kind in (PAINTED_GAN if has_painter(artifact) else GAN).items():
        network: nn.Module = kind(architecture)
        networks[name] = place(filled(network, weight_file(artifact, name)), device)
    return networks


def with_own_layout(artifact: Artifact, architecture: Architecture) -> Architecture:
    """`architecture` with the part layout of an artifact's generator, which gan-warmup may have chosen."""
    layout = read_architecture(weight_file(artifact, "generator")).part_layout
    return architecture.model_copy(update={"part_layout": layout})


def save_networks(folder: Path, networks: dict[str, nn.Module], architecture: Architecture) -> None:
    """Write networks by their names."""
    for name, network in networks.items():
        save_weights(folder / f"{name}.safetensors", network, architecture)


def place(network: AnyNetwork, device: torch.device) -> AnyNetwork:
    """Move a network to its device, in the memory layout that its convolutions are fastest in."""
    return network.to(device=device, memory_format=_layout(network, device))  # type: ignore[call-overload]


def _layout(network: nn.Module, device: torch.device) -> torch.memory_format:
    # Of large maps with few channels, as the generator's side has them, oneDNN takes two to four times as long over
    # weight gradients in channels-last order where a processor's widest vectors are AVX2; others were not measured.
    avx2_at_most = device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2"
    if avx2_at_most and isinstance(network, tuple(GAN.values())):
        return torch.contiguous_format
    return torch.channels_last
