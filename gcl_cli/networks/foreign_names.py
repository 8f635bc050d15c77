"""Identity encoders made elsewhere -> ours, by the names and shapes of their tensors."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gcl_cli.errors import GclError
from gcl_cli.networks.foreign_heads import find_head
from gcl_cli.networks.foreign_parts import parts_apart, say_which
from gcl_cli.networks.resnet import ResNet, blocks_of

CHILDREN = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
COUNTER = "num_batches_tracked"  # absent from files of early torch; nothing is computed from it
FIRST_BLOCK = "layer1.0.conv1.weight"
_NUMBERED = re.compile(r"^((?:.*\.)?)(\d+)\.0\.conv1\.weight$")

TrunkName = Literal["resnet50", "resnet18"]
Head = Literal["bnneck", "batchnorm", "projection"]


class Layout(NamedTuple):
    """One place in a file where a ResNet may lie."""

    prefix: str
    renamed: dict[str, str]  # name in the file -> torchvision's name
    stem_relu: bool = True


class Coverage(NamedTuple):
    """How much of one part of the encoder a file holds."""

    part: str
    found: dict[str, Tensor]  # by our names
    missing: tuple[str, ...]
    sizes: Mapping[str, int]  # values of every tensor that is wanted
    unfit: Mapping[str, str] = MappingProxyType({})  # of the missing: those that are there, and why they do not serve

    @property
    def share(self) -> float:
        """The share found, of the tensors or of their values: whichever is smaller. Told; no share is enough."""
        tensors = 1 - len(self.missing) / max(len(self.sizes), 1)
        return min(tensors, 1 - sum(self.sizes[name] for name in self.missing) / max(sum(self.sizes.values()), 1))

    def line(self) -> str:
        """`trunk: 265 of 265 tensors, 23,561,152 of 23,561,152 values (100.0 %)`."""
        total, lost = sum(self.sizes.values()), sum(self.sizes[name] for name in self.missing)
        return (
            f"{self.part}: {len(self.sizes) - len(self.missing)} of {len(self.sizes)} tensors, "
            f"{total - lost:,} of {total:,} values ({100 * self.share:.1f} %)"
        )


@dataclass(frozen=True)
class ForeignEncoder:
    """An identity encoder as found in a file; `trunk` and `head` coverage hold its tensors by our names."""

    prefix: str
    kind: TrunkName
    width: int
    stem_relu: bool
    head_kind: Head | None  # None: the file has no head that fits
    trunk: Coverage
    head: Coverage | None  # None: the head starts new
    strangers: tuple[str, ...]  # tensors before or within the last block that a plain ResNet has no place for
    unused: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What to load, by the names of IdentityEncoder's state dict."""
        return self.trunk.found | (self.head.found if self.head else {})


def translate_encoder(tensors: Mapping[str, Tensor], *, file: str = "FILE") -> ForeignEncoder:
    """Find the one ResNet in a file, and the head that belongs to it.

    tensors: name -> tensor as `artifacts.foreign_weights.read_tensors` gives them. The trunk is found by torchvision's
    names below any prefix, or by the places of its children in an nn.Sequential; the head by shapes.
    file: what the user typed for it.
    Raises GclError when there is no ResNet or more than one, or a taken tensor is not finite.
    """
    found = [_measure(tensors, layout) for layout in _layouts(tensors)]
    if not found:
        shown = ", ".join(list(tensors)[:3])
        raise GclError(
            f"There is no ResNet in the file: no block like {FIRST_BLOCK}, plain or numbered (it begins: {shown}).",
            "Give the weights of a ResNet-50 or ResNet-18 identity encoder.",
        )
    whole = _distinct([one for one in found if not one.trunk.missing and not one.strangers])
    if len(whole) > 1:
        parts = parts_apart([one.prefix for one in whole])
        raise GclError(
            f"The file holds {len(whole)} encoders, below: {', '.join(part or '(nothing)' for part in parts)}.",
            say_which("--init", file, parts),
        )
    best = whole[0] if whole else max(found, key=lambda one: one.trunk.share)
    refuse_non_finite(best.tensors)
    return best


def require_coverage(encoder: ForeignEncoder) -> None:
    """GclError where anything of the trunk is missing or unknown: one wrong tensor changes every feature."""
    if encoder.strangers:
        raise GclError(
            f"The file's network is no plain {encoder.kind}: {_some(encoder.strangers)} have no place in it.",
            "Give the weights of a plain ResNet-50 or ResNet-18 (no IBN, no attention, no other stem or depth).",
        )
    if encoder.trunk.missing:
        unfit = tuple(f"{name} ({why})" for name, why in encoder.trunk.unfit.items())
        absent = tuple(name for name in encoder.trunk.missing if name not in encoder.trunk.unfit)
        found = ". ".join(
            f"{verb}: {_some(names)}" for verb, names in (("Missing", absent), ("Not fitting", unfit)) if names
        )
        raise GclError(
            f"The file does not hold all of a {encoder.kind} of width {encoder.width}. {found}.",
            "Give the weights of a whole ResNet-50 or ResNet-18 identity encoder for colour pictures.",
        )


def refuse_non_finite(tensors: Mapping[str, Tensor]) -> None:
    """GclError naming the tensors that hold NaN or infinity."""
    spoilt = tuple(name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all()))
    if spoilt:
        raise GclError(
            f"The weights are not finite numbers in {_some(spoilt)}.", "Give a checkpoint from before training broke."
        )


def _distinct(encoders: list[ForeignEncoder]) -> list[ForeignEncoder]:
    """Without those that repeat an earlier one: a module held under two names is written twice."""
    kept: list[ForeignEncoder] = []
    for one in encoders:
        if not any(_same(one.trunk.found, other.trunk.found) for other in kept):
            kept.append(one)
    return kept


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _layouts(tensors: Mapping[str, Tensor]) -> Iterator[Layout]:
    """Where a ResNet may lie: torchvision's names below a prefix, or its children numbered by nn.Sequential."""
    names = list(tensors)
    for name in names:
        prefix = name.removesuffix(FIRST_BLOCK)
        if name.endswith(FIRST_BLOCK) and (not prefix or prefix.endswith(".")) and _is_kernel(tensors[name]):
            below = (n for n in names if n.startswith(prefix))
            yield Layout(prefix, {n: n[len(prefix) :] for n in below if n[len(prefix) :].split(".")[0] in CHILDREN})
    numbered: dict[str, list[int]] = {}
    for name in names:
        if (match := _NUMBERED.match(name)) and _is_kernel(tensors[name]):
            numbered.setdefault(match[1], []).append(int(match[2]))
    for prefix, stages in numbered.items():
        if len(stages) == 4:
            yield _numbered_layout(names, prefix, sorted(stages))


def _is_kernel(tensor: Tensor) -> bool:
    """Whether it can be the weight of a convolution, which says how wide the network is."""
    return tensor.ndim == 4 and tensor.numel() > 0


def _numbered_layout(names: Iterable[str], prefix: str, stages: list[int]) -> Layout:
    children = dict(zip(map(str, (0, 1, *stages)), CHILDREN, strict=True))
    renamed = {}
    for name in names:
        number, _, rest = name[len(prefix) :].partition(".")
        if name.startswith(prefix) and number in children:
            renamed[name] = f"{children[number]}.{rest}"
    # conv1, bn1, relu, maxpool, layer1: the first stage is child 4. One less: the stem goes without its ReLU.
    return Layout(prefix, renamed, stem_relu=stages[0] >= 4)


def _measure(tensors: Mapping[str, Tensor], layout: Layout) -> ForeignEncoder:
    """The encoder at one place of the file, whole or not."""
    inside = {ours: tensors[theirs] for theirs, ours in layout.renamed.items()}
    kind: TrunkName = "resnet50" if "layer1.0.conv3.weight" in inside else "resnet18"
    width = inside[FIRST_BLOCK].shape[1]
    trunk = _trunk_coverage(inside, kind, width)
    known = {name.removeprefix("trunk.") for name in trunk.sizes}
    channels = 8 * width * blocks_of(kind)[0].expansion
    outside = {name: tensor for name, tensor in tensors.items() if name not in layout.renamed}
    strangers = (
        *(name for name in inside if name not in known and not name.endswith(COUNTER)),
        *_before_the_last_map({n: t for n, t in outside.items() if n.startswith(layout.prefix)}, channels),
    )
    found = find_head(outside, channels)
    return ForeignEncoder(
        layout.prefix, kind, width, layout.stem_relu, found.kind, trunk,
        Coverage("head", found.tensors, (), found.sizes) if found.tensors else None,
        strangers, tuple(name for name in outside if name not in found.taken), found.remarks,
    )  # fmt: skip


def _before_the_last_map(beside: Mapping[str, Tensor], channels: int) -> Iterator[str]:
    """The convolutions beside the trunk's children that cannot come after its last map of `channels` channels.

    A second convolution of the stem (CLIP) or attention between the layers (AGW) stands there: without it the trunk
    computes something else. What comes after the last map reads it, or what another such layer made of it.
    """
    known = {channels}
    for name, tensor in beside.items():
        if not name.endswith("weight") or tensor.ndim < 2:
            continue
        outputs, inputs = tensor.shape[:2]
        if tensor.ndim == 2 or inputs in known or (inputs == 1 and outputs in known):  # 1: one channel each
            known.add(outputs)
        else:
            yield name


def _trunk_coverage(inside: Mapping[str, Tensor], kind: TrunkName, width: int) -> Coverage:
    block, depths = blocks_of(kind)
    with torch.device("meta"):
        wanted = ResNet(block, depths, width).state_dict()
    shapes = {name: tensor.shape for name, tensor in wanted.items() if not name.endswith(COUNTER)}
    unfit = {f"trunk.{n}": why for n, s in shapes.items() if n in inside and (why := _misfit(inside[n], s))}
    found = {f"trunk.{n}": inside[n].float() for n in shapes if n in inside and f"trunk.{n}" not in unfit}
    counters = {f"trunk.{n}": inside[n] for n in wanted if n.endswith(COUNTER) and n in inside and inside[n].ndim == 0}
    sizes = {f"trunk.{name}": shape.numel() for name, shape in shapes.items()}
    return Coverage("trunk", found | counters, tuple(name for name in sizes if name not in found), sizes, unfit)


def _misfit(tensor: Tensor, wanted: torch.Size) -> str:
    """Why a tensor cannot serve; empty where it can. Whole numbers are those of a quantised network."""
    if tensor.shape != wanted:
        there, here = ("x".join(map(str, shape)) or "one value" for shape in (tensor.shape, wanted))
        return f"{there}, where {here} is wanted"
    return (
        "" if tensor.is_floating_point() else f"{str(tensor.dtype).removeprefix('torch.')}, no floating-point numbers"
    )


def _some(names: tuple[str, ...], shown: int = 8) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
