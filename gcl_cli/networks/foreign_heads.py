"""The head of an identity encoder made elsewhere, recognised by shapes."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gcl_cli.networks.identity_encoder import PROJECTION_SIZE

NORM = ("weight", "bias", "running_mean", "running_var")
COUNTER = "num_batches_tracked"
NECKS = ("bnneck", "bn_neck", "feat_bn", "bottleneck")  # what identity encoders call the norm that ends them
CLASSIFIERS = ("classifier", "cls")


class FoundHead(NamedTuple):
    """A head in a file: its kind, or None, and those of its tensors that serve here, by our names."""

    kind: Literal["bnneck", "batchnorm", "projection"] | None
    tensors: dict[str, Tensor]
    taken: frozenset[str] = frozenset()  # names in the file
    remarks: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Values of every tensor that the head wants."""
        return {name: tensor.numel() for name, tensor in self.tensors.items() if not name.endswith(COUNTER)}


def find_head(tensors: Mapping[str, Tensor], channels: int) -> FoundHead:
    """The head among the tensors outside the trunk, whose last map has `channels` channels.

    projection: a linear layer (or 1 x 1 convolution) [512, channels] and a BatchNorm of 512;
    bnneck: a BatchNorm of `channels` with GeM's exponent in the file, or with a bias that stayed 0;
    batchnorm: any other BatchNorm of `channels`.
    """
    projected = _one(_linears(tensors, PROJECTION_SIZE, channels), _norms(tensors, PROJECTION_SIZE))
    if projected:
        return _projection(tensors, *projected)
    necks = _norms(tensors, channels)
    if not necks:
        return FoundHead(None, {}, remarks=_other_head(tensors, channels))
    if _linears(tensors, channels, channels):
        # Such a norm (ACT's) has the statistics of the linear layer's output, not of the pooled map.
        # A new one changes nothing until it is trained, so the feature is ACT's own: the pooled map.
        remark = "The file's BatchNorm follows a linear layer that has no place here: a new BatchNorm takes its place."
        return FoundHead("batchnorm", {}, remarks=(remark,))
    neck = _preferred(necks)
    if neck is None:
        names = ", ".join(necks)
        return FoundHead(None, {}, remarks=(f"No head is taken, since any of these could be its norm: {names}",))
    return _neck(tensors, neck)


def _linears(tensors: Mapping[str, Tensor], outputs: int, inputs: int) -> list[str]:
    """Names, without `.weight`, of the linear layers of a size; a 1 x 1 convolution of one pixel is one too."""
    shapes = ((outputs, inputs), (outputs, inputs, 1, 1))
    return [
        name.removesuffix(".weight")
        for name, tensor in tensors.items()
        if name.endswith(".weight") and tuple(tensor.shape) in shapes and not _is_classifier(name)
        if tensors.get(f"{name.removesuffix('weight')}bias", tensor[:, 0]).numel() == outputs
    ]


def _is_classifier(name: str) -> bool:
    return name.removesuffix(".weight").rpartition(".")[2] in CLASSIFIERS


def _norms(tensors: Mapping[str, Tensor], channels: int) -> list[str]:
    """Names, without `.weight`, of the BatchNorms of a size; a bias may be absent."""
    bases = (name.removesuffix(".running_mean") for name in tensors if name.endswith(".running_mean"))
    shapes = {base: {n: tensors[f"{base}.{n}"].shape for n in NORM if f"{base}.{n}" in tensors} for base in bases}
    needed = {"weight", "running_mean", "running_var"}
    return [base for base, there in shapes.items() if there.keys() >= needed and set(there.values()) == {(channels,)}]


def _one(linears: list[str], norms: list[str]) -> tuple[str, str] | None:
    """The only linear layer and the only norm; None where there is none or a choice."""
    return (linears[0], norms[0]) if len(linears) == len(norms) == 1 else None


def _preferred(norms: list[str]) -> str | None:
    """The only norm, or the only one with a neck's name; None where that leaves a choice."""
    named = [norm for norm in norms if set(norm.split(".")) & set(NECKS)]
    for candidates in (norms, named):
        if len(candidates) == 1:
            return candidates[0]
    return None


def _projection(tensors: Mapping[str, Tensor], linear: str, norm: str) -> FoundHead:
    weight = tensors[f"{linear}.weight"].float().flatten(1)  # [512, C]
    bias = tensors.get(f"{linear}.bias")
    found = {
        "head.project.weight": weight,
        "head.project.bias": torch.zeros(len(weight)) if bias is None else bias.float().flatten(),
        **_norm(tensors, norm),
    }
    pooled = "The file pools by GeM before its projection; here the projection follows average pooling."
    remarks = (pooled,) if _exponents(tensors) else ()
    return FoundHead("projection", found, _taken(tensors, linear, norm), remarks=remarks)


def _neck(tensors: Mapping[str, Tensor], neck: str) -> FoundHead:
    norm, exponents = _norm(tensors, neck), _exponents(tensors)
    if exponents:
        exponent = tensors[exponents[0]].float().reshape(1)
        taken = _taken(tensors, neck) | {exponents[0]}
        return FoundHead("bnneck", {"head.pool.p": exponent, **norm}, taken)
    if bool(norm["head.norm.bias"].eq(0).all()):
        remark = "The file pools by the average: GeM with p = 1."
        return FoundHead("bnneck", {"head.pool.p": torch.ones(1), **norm}, _taken(tensors, neck), remarks=(remark,))
    return FoundHead("batchnorm", norm, _taken(tensors, neck))


def _norm(tensors: Mapping[str, Tensor], norm: str) -> dict[str, Tensor]:
    """A BatchNorm by our names; a bias that the file leaves out is 0."""
    found = {f"head.norm.{n}": tensors[f"{norm}.{n}"].float() for n in NORM if f"{norm}.{n}" in tensors}
    found.setdefault("head.norm.bias", torch.zeros_like(found["head.norm.weight"]))
    if f"{norm}.{COUNTER}" in tensors and tensors[f"{norm}.{COUNTER}"].ndim == 0:
        found[f"head.norm.{COUNTER}"] = tensors[f"{norm}.{COUNTER}"]
    return found


def _exponents(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of GeM's exponents."""
    return [name for name, tensor in tensors.items() if name.rpartition(".")[2] == "p" and tensor.numel() == 1]


def _taken(tensors: Mapping[str, Tensor], *bases: str) -> frozenset[str]:
    return frozenset(name for name in tensors if name.rpartition(".")[0] in bases)


def _other_head(tensors: Mapping[str, Tensor], channels: int) -> tuple[str, ...]:
    """A remark on linear layers of a width that no head here has."""
    widths = sorted(
        {
            len(tensor)
            for name, tensor in tensors.items()
            if name.endswith(".weight") and tensor.ndim in (2, 4) and tensor.shape[1] == channels
        }
    )
    if not widths:
        return ()
    return (f"Linear layers to {', '.join(map(str, widths))} values (classifiers, other heads) are left out.",)
