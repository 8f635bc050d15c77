"""Identity encoders made elsewhere -> ours, by the names and shapes of their tensors."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gcl_cli.errors import GclError
from gcl_cli.networks.foreign_heads import find_head
from gcl_cli.networks.trunk import Trunk, blocks_of

ENOUGH = 0.95  # share of the trunk that must be found, of its tensors and of their values
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

    @property
    def share(self) -> float:
        """The share found, of the tensors or of their values: whichever is smaller. Norms are few values, yet vital."""
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
    strangers: tuple[str, ...]  # tensors within the blocks that a plain ResNet has no place for
    unused: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What to load, by the names of IdentityEncoder's state dict."""
        return self.trunk.found | (self.head.found if self.head else {})


def translate_encoder(tensors: Mapping[str, Tensor]) -> ForeignEncoder:
    """Find the one ResNet in a file, and the head that belongs to it.

    tensors: name -> tensor as `artifacts.foreign_weights.read_tensors` gives them. The trunk is found by torchvision's
    names below any prefix, or by the places of its children in an nn.Sequential; the head by shapes.
    Raises GclError when there is no ResNet or more than one, or a taken tensor is not finite.
    """
    found = [_measure(tensors, layout) for layout in _layouts(tensors)]
    if not found:
        shown = ", ".join(list(tensors)[:3])
        raise GclError(
            f"There is no ResNet in the file: no block like {FIRST_BLOCK}, plain or numbered (it begins: {shown}).",
            "Give the weights of a ResNet-50 or ResNet-18 identity encoder.",
        )
    whole = _distinct([one for one in found if one.trunk.share >= ENOUGH and not one.strangers])
    if len(whole) > 1:
        raise GclError(
            f"The file holds {len(whole)} encoders, below: {', '.join(one.prefix or '(nothing)' for one in whole)}.",
            "Keep one: torch.save(torch.load(FILE, weights_only=True)[KEY], 'encoder.pth')",
        )
    best = whole[0] if whole else max(found, key=lambda one: one.trunk.share)
    refuse_non_finite(best.tensors)
    return best


def require_coverage(encoder: ForeignEncoder) -> None:
    """GclError where too little of the trunk was found, or it is another kind of ResNet; lists what and how much."""
    if encoder.strangers:
        raise GclError(
            f"The file's network is no plain {encoder.kind}: {_some(encoder.strangers)} have no place in it.",
            "Give the weights of a plain ResNet-50 or ResNet-18 (no IBN, no attention, no other depth).",
        )
    if encoder.trunk.share < ENOUGH:
        raise GclError(
            f"The file holds {100 * encoder.trunk.share:.1f} % of the encoder's trunk, less than {ENOUGH:.0%}. "
            f"Missing: {_some(encoder.trunk.missing)}.",
            "Give the weights of a whole ResNet-50 or ResNet-18 identity encoder.",
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


def _layouts(names: Mapping[str, Tensor]) -> Iterator[Layout]:
    """Where a ResNet may lie: torchvision's names below a prefix, or its children numbered by nn.Sequential."""
    for name in names:
        prefix = name.removesuffix(FIRST_BLOCK)
        if name.endswith(FIRST_BLOCK) and (not prefix or prefix.endswith(".")):
            below = (n for n in names if n.startswith(prefix))
            yield Layout(prefix, {n: n[len(prefix) :] for n in below if n[len(prefix) :].split(".")[0] in CHILDREN})
    numbered: dict[str, list[int]] = {}
    for name in names:
        if match := _NUMBERED.match(name):
            numbered.setdefault(match[1], []).append(int(match[2]))
    for prefix, stages in numbered.items():
        if len(stages) == 4:
            yield _numbered_layout(names, prefix, sorted(stages))


def _numbered_layout(names: Mapping[str, Tensor], prefix: str, stages: list[int]) -> Layout:
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
    strangers = tuple(name for name in inside if name not in known and not name.endswith(COUNTER))
    outside = {name: tensor for name, tensor in tensors.items() if name not in layout.renamed}
    found = find_head(outside, 8 * width * blocks_of(kind)[0].expansion)
    return ForeignEncoder(
        layout.prefix, kind, width, layout.stem_relu, found.kind, trunk,
        Coverage("head", found.tensors, (), found.sizes) if found.tensors else None,
        strangers, tuple(name for name in outside if name not in found.taken), found.remarks,
    )  # fmt: skip


def _trunk_coverage(inside: Mapping[str, Tensor], kind: TrunkName, width: int) -> Coverage:
    block, depths = blocks_of(kind)
    with torch.device("meta"):
        wanted = Trunk(block, depths, width).state_dict()
    shapes = {name: tensor.shape for name, tensor in wanted.items() if not name.endswith(COUNTER)}
    found = {f"trunk.{n}": inside[n].float() for n, s in shapes.items() if n in inside and inside[n].shape == s}
    counters = {f"trunk.{name}": inside[name] for name in wanted if name.endswith(COUNTER) and name in inside}
    sizes = {f"trunk.{name}": shape.numel() for name, shape in shapes.items()}
    return Coverage("trunk", found | counters, tuple(name for name in sizes if name not in found), sizes)


def _some(names: tuple[str, ...], shown: int = 8) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
