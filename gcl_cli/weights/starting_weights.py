"""Where an identity encoder starts: chance, ImageNet, an artifact, or a weight file made here or elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from shlex import quote
from typing import TypeVar

import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts.foreign_weights import ENDINGS, made_here
from gcl_cli.artifacts.layout import MADE_BY, WorkFolder
from gcl_cli.artifacts.manifest import Artifact
from gcl_cli.artifacts.weights import read_architecture, read_weights
from gcl_cli.config import Architecture
from gcl_cli.config.presets import PRESETS
from gcl_cli.errors import GclError
from gcl_cli.networks.foreign_names import (
    ForeignEncoder,
    Head,
    refuse_non_finite,
    require_coverage,
    translate_encoder,
)
from gcl_cli.networks.foreign_transformers import is_transformer
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.networks.trunk import load_published
from gcl_cli.weights.given_weights import GivenWeights, given_weights
from gcl_cli.weights.networks import latest, load_encoder, place, read_encoder, weight_file, with_own_layout
from gcl_cli.weights.pretrained import IMAGENET, imagenet_weights
from gcl_cli.weights.starting_transformers import tell_transformer, transformer_for

HEAD_SEED = 0  # of a head that the weights lack, where no settings have a seed for it

AnyArchitecture = TypeVar("AnyArchitecture", bound=Architecture)


@dataclass(frozen=True)
class Start:
    """What `--init` names. Without tensors, the trunk has its ImageNet weights or none."""

    init: str
    inputs: dict[str, str] = field(default_factory=dict)  # digests, so that other weights of the same name are noticed
    tensors: dict[str, Tensor] = field(default_factory=dict)  # of the encoder's state dict, or its trunk's alone
    trunk: tuple[str, int] | None = None  # trunk of the tensors, and a ResNet's width
    stem_relu: bool = True  # whether their trunk has a ReLU after its first norm
    head: Head | None = None  # head of the tensors
    label: str = ""  # a name for what is made of it
    architecture: Architecture | None = None  # all of it, where a gcl command wrote the file
    transformer: dict[str, Tensor] = field(default_factory=dict)  # a file's tensors, by its own names

    @property
    def knows_people(self) -> bool:
        """Whether the weights may have learned to tell people apart; chance and ImageNet have not."""
        return bool(self.tensors or self.transformer)


@dataclass(frozen=True)
class OpenedEncoder:
    """The identity encoder that a stage begins with."""

    reference: str  # artifact, or what `--init` said
    label: str  # a name for what is made of it
    preset: str
    architecture: Architecture
    inputs: dict[str, str]
    load: Callable[[torch.device], IdentityEncoder]

    @property
    def is_artifact(self) -> bool:
        """Whether the encoder lies in the work folder under its reference."""
        return self.reference in self.inputs


def open_encoder(work: WorkFolder, *, encoder: str | None, init: str | None, stages: tuple[str, ...]) -> OpenedEncoder:
    """The encoder that `--encoder` or `--init` names, or the latest artifact of `stages`.

    Weights from elsewhere get the preset that has their trunk.
    """
    if encoder is not None and init is not None:
        raise GclError("--encoder and --init both name the encoder.", "Give one of the two.")
    if init is None or (_is_reference(init) and given_weights(init) is None):
        source, architecture = read_encoder(work, init or _artifact(encoder) or latest(work, stages))
        if init is None and encoder is None:
            console.say(f"Encoder: {source.reference}, made {source.manifest.finished[:16].replace('T', ' ')} UTC.")
        return OpenedEncoder(
            source.reference, source.reference.replace("/", "-"), source.config.get("preset", "paper"), architecture,
            {source.reference: source.manifest.digest}, lambda device: load_encoder(source, architecture, device),
        )  # fmt: skip
    start = read_start(work, init)
    preset = _preset(start)
    return _opened(start, start.architecture or Architecture(**PRESETS[preset]["architecture"]), preset)


def open_encoder_of(work: WorkFolder, gan: Artifact, *, init: str | None) -> OpenedEncoder:
    """The encoder that a generator was trained with; what `--init` names in its place, where it is given.

    The architecture has the generator's part layout.
    """
    if init is None:
        opened = open_encoder(work, encoder=gan.config.get("encoder", gan.reference), init=None, stages=())
        return replace(opened, architecture=with_own_layout(gan, opened.architecture))
    return _opened(read_start(work, init), read_architecture(weight_file(gan, "generator")), gan.config["preset"])


def _opened(start: Start, architecture: Architecture, preset: str) -> OpenedEncoder:
    if start.init == "none":
        raise GclError("--init none: this command needs an encoder that has learned.", "Make one: gcl warmup")
    settled = with_head_of(start, architecture)
    return OpenedEncoder(
        start.init, f"init-{start.label}", preset, settled, start.inputs,
        lambda device: new_encoder(start, settled, seed=HEAD_SEED, device=device),
    )  # fmt: skip


def read_start(work: WorkFolder, init: str) -> Start:
    """Read what `--init` names, and say on stderr how much of an encoder a file from elsewhere holds."""
    if init == "none" or init in IMAGENET:
        return Start(init)
    if (given := given_weights(init)) is not None:
        return _read_file(given, init, {"init": given.digest})
    if not _is_reference(init):
        raise GclError(
            f"--init {init}: there is no such file.",
            f"Name a weight file ({', '.join(ENDINGS)}), an artifact (warmup/main), {', '.join(IMAGENET)}, or none.",
        )
    source, _ = read_encoder(work, init)
    file = GivenWeights(weight_file(source, "identity_encoder"), "")
    return _read_file(file, init, {source.reference: source.manifest.digest})


def with_head_of(start: Start, architecture: AnyArchitecture) -> AnyArchitecture:
    """`architecture` with the head of the starting weights; GclError when their trunk is another one."""
    if start.transformer:
        found = transformer_for(architecture, start.transformer, start.init)
        tell_transformer(start.init, found)
        start = replace(start, head=found.head.kind)
    wanted = (architecture.trunk, architecture.trunk_width)
    if start.trunk is not None and start.trunk != wanted:
        raise GclError(
            f"--init {start.init} holds a {start.trunk[0]} of width {start.trunk[1]}; "
            f"the preset has a {wanted[0]} of width {wanted[1]}.",
            f"Choose the preset with that trunk: --preset {_preset(start)}",
        )
    if start.tensors and start.stem_relu != architecture.stem_relu:
        console.say(f"The stem follows the weights of --init: {'a' if start.stem_relu else 'no'} ReLU after its norm.")
        architecture = architecture.model_copy(update={"stem_relu": start.stem_relu})
    if start.head is None or start.head == architecture.head:
        return architecture
    console.say(f"The head follows the weights of --init: {start.head} instead of {architecture.head}.")
    return architecture.model_copy(update={"head": start.head})


def refuse_itself(reference: str, inputs: Mapping[str, str]) -> None:
    """GclError where an artifact would take the place of the one that it starts from."""
    if reference in inputs:
        raise GclError(f"{reference} cannot start from itself and take its own place.", "Choose another --name.")


def new_encoder(start: Start, architecture: Architecture, *, seed: int, device: torch.device) -> IdentityEncoder:
    """An identity encoder with the starting weights; what they do not hold is drawn from `seed`.

    architecture: as `with_head_of` gives it.
    """
    encoder = IdentityEncoder(architecture)
    initialise(encoder, torch.Generator().manual_seed(seed))
    if start.init in IMAGENET:
        load_published(encoder.trunk, imagenet_weights(architecture, start.init))
    else:
        given = start.tensors
        if start.transformer:
            given = transformer_for(architecture, start.transformer, start.init).tensors
        encoder.load_state_dict(encoder.state_dict() | given)
    return place(encoder, device)


def _is_reference(init: str) -> bool:
    return init.partition("/")[0] in MADE_BY


def _artifact(encoder: str | None) -> str | None:
    """What `--encoder` names; GclError where that is a file."""
    if encoder is not None and not _is_reference(encoder) and given_weights(encoder) is not None:
        raise GclError(
            f"--encoder {encoder} is a file; it takes an artifact of the work folder, such as warmup/main.",
            f"Name a weight file with --init: gcl evaluate --init {quote(encoder)} (also cluster, export, search ...)",
        )
    return encoder


def _read_file(given: GivenWeights, init: str, inputs: dict[str, str]) -> Start:
    """The encoder in a weight file, made here or elsewhere."""
    path, label = given.path, given.label
    if made_here(path):
        own, tensors = read_architecture(path), read_weights(path)
        with torch.device("meta"):
            wanted = IdentityEncoder(own).state_dict()
        if _shapes(tensors) != _shapes(wanted):
            raise GclError(f"{path} holds no identity encoder.", "Give an identity_encoder.safetensors of gcl.")
        refuse_non_finite(tensors)
        return Start(init, inputs, tensors, (own.trunk, own.trunk_width), own.stem_relu, own.head, label, own)
    tensors = given.tensors()
    if is_transformer(tensors):
        return Start(init, inputs, label=label, transformer=tensors)
    found = translate_encoder(tensors, file=str(path))
    _tell(init, found)
    require_coverage(found)
    return Start(init, inputs, found.tensors, (found.kind, found.width), found.stem_relu, found.head_kind, label)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _tell(init: str, found: ForeignEncoder) -> None:
    """The coverage table."""
    below = f", below {found.prefix.rstrip('.')!r}" if found.prefix else ""
    console.say(f"--init {init}: {found.kind} of width {found.width}{below}")
    console.say(f"  {found.trunk.line()}")
    console.say(f"  {found.head.line()}, {found.head_kind}" if found.head else "  head: starts new")
    for verb, names in (("missing", found.trunk.missing), ("not used", found.unused)):
        if names:
            console.say(f"  {verb}: {', '.join(names[:6])}{f' and {len(names) - 6} more' if len(names) > 6 else ''}")
    for remark in found.remarks:
        console.warn(remark)


def _preset(start: Start) -> str:
    """The first preset with the trunk of the starting weights; GclError when there is none."""
    if start.transformer:
        raise GclError(
            f"--init {start.init} holds a transformer, and no preset has one.",
            f"Make it an artifact: gcl warmup DATA --init {quote(start.init)} --epochs 0 --set trunk=timm:NAME",
        )
    trunk = start.trunk or ("resnet50", 64)  # ImageNet's
    for name, stages in PRESETS.items():
        fields = Architecture(**stages["architecture"])
        if (fields.trunk, fields.trunk_width) == trunk:
            return name
    raise GclError(
        f"No preset has a {trunk[0]} of width {trunk[1]}, as --init {start.init} holds.",
        f"Say so at the warm-up: gcl warmup DATA --init {start.init} --set trunk={trunk[0]} "
        f"--set trunk_width={trunk[1]} --epochs 0",
    )
