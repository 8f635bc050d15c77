"""Checkpoints in the layout of every family of identity encoders, made from an encoder of ours with random weights."""

import argparse
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gcl_cli.config import Architecture
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise

CHILDREN = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
Content = Callable[[IdentityEncoder], Any]


class Family(NamedTuple):
    """How a code base writes its encoder, and the head that ours has then (None: the file has none)."""

    head: str | None
    content: Content
    exponent: float | None = None  # of GeM, where the head has one
    zero_bias: bool = False


def encoder_with(head: str | None, *, trunk: str = "resnet18", width: int = 16, zero_bias: bool = False):
    """An encoder whose every tensor is random, running statistics included."""
    encoder = IdentityEncoder(Architecture(trunk=trunk, trunk_width=width, head=head or "bnneck"))
    rng = torch.Generator().manual_seed(5)
    initialise(encoder, rng)
    for name, tensor in encoder.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(7)
        elif tensor.ndim == 1:
            tensor.copy_(torch.rand(tensor.shape, generator=rng) + 0.5)
    if zero_bias or head == "bnneck":
        encoder.head.norm.bias.data.zero_()
    return encoder


def trunk_below(prefix: str, encoder: IdentityEncoder) -> dict[str, Tensor]:
    """torchvision's names below a prefix."""
    return {f"{prefix}{name}": tensor for name, tensor in encoder.trunk.state_dict().items()}


def trunk_numbered(prefix: str, encoder: IdentityEncoder, *, first_stage: int) -> dict[str, Tensor]:
    """The children of nn.Sequential(conv1, bn1, ..., layer1, layer2, layer3, layer4)."""
    numbers = dict(zip(CHILDREN, (0, 1, *range(first_stage, first_stage + 4)), strict=True))
    named = ((name.partition("."), tensor) for name, tensor in encoder.trunk.state_dict().items())
    return {f"{prefix}{numbers[child]}.{rest}": tensor for (child, _, rest), tensor in named}


def norm_below(prefix: str, encoder: IdentityEncoder) -> dict[str, Tensor]:
    """The head's BatchNorm."""
    return {f"{prefix}.{name}": tensor for name, tensor in encoder.head.norm.state_dict().items()}


def linear_below(prefix: str, encoder: IdentityEncoder) -> dict[str, Tensor]:
    """The head's projection."""
    return {f"{prefix}.{name}": tensor for name, tensor in encoder.head.project.state_dict().items()}


def parallel(tensors: dict[str, Tensor]) -> "OrderedDict[str, Tensor]":
    """As DataParallel writes it."""
    return OrderedDict((f"module.{name}", tensor) for name, tensor in tensors.items())


def _torchvision(encoder: IdentityEncoder) -> Any:
    return trunk_below("", encoder) | {"fc.weight": torch.ones(1000, encoder.part_size), "fc.bias": torch.ones(1000)}


def _without_counters(encoder: IdentityEncoder) -> Any:
    named = _torchvision(encoder)
    return OrderedDict((n, torch.nn.Parameter(t.clone())) for n, t in named.items() if "tracked" not in n)


def _authors_first(encoder: IdentityEncoder) -> Any:
    ids = {"classifier.weight": torch.ones(751, 512), "classifier.bias": torch.ones(751)}
    return trunk_below("", encoder) | linear_below("fc", encoder) | norm_below("feat_bn", encoder) | ids


def _authors_later(encoder: IdentityEncoder) -> Any:
    return {"a": trunk_below("base.", encoder) | linear_below("feat", encoder) | norm_below("feat_bn", encoder)}


def _jvtc(encoder: IdentityEncoder) -> Any:
    return parallel(_authors_first(encoder))


def _mmcl(encoder: IdentityEncoder) -> Any:
    return {"state_dict": trunk_numbered("base.", encoder, first_stage=4) | norm_below("bn", encoder), "epoch": 60}


def _act(encoder: IdentityEncoder) -> Any:
    size = encoder.part_size
    linear = {"feat.weight": torch.ones(size, size), "feat.bias": torch.ones(size)}
    norm = {f"feat_bn.{name}": torch.full((size,), 3.0) for name in ("weight", "bias", "running_mean", "running_var")}
    return {"state_dict": trunk_below("base.", encoder) | linear | norm}


def _cluster_contrast(encoder: IdentityEncoder) -> Any:
    tensors = trunk_numbered("base.", encoder, first_stage=3) | norm_below("feat_bn", encoder)
    state = parallel(tensors | {"gap.p": encoder.head.pool.p.data})
    return {"state_dict": state, "epoch": 50, "best_mAP": np.float64(0.82)}


def _spcl(encoder: IdentityEncoder) -> Any:
    tensors = trunk_numbered("base.", encoder, first_stage=3) | norm_below("feat_bn", encoder)
    return {"state_dict": parallel(tensors), "epoch": 50, "best_mAP": 0.73}


def _ice(encoder: IdentityEncoder) -> Any:
    classes = {"classifier.weight": torch.ones(500, encoder.part_size)}
    return trunk_numbered("base.", encoder, first_stage=3) | norm_below("bottleneck", encoder) | classes


def _torchreid(encoder: IdentityEncoder) -> Any:
    classes = {"classifier.weight": torch.ones(751, encoder.part_size), "classifier.bias": torch.ones(751)}
    optimizer = {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    return {
        "state_dict": parallel(trunk_below("", encoder) | classes),
        "epoch": 60,
        "rank1": 0.9,
        "optimizer": optimizer,
    }


def _torchreid_512(encoder: IdentityEncoder) -> Any:
    classes = {"classifier.weight": torch.ones(751, 512), "classifier.bias": torch.ones(751)}
    return {
        "state_dict": trunk_below("", encoder) | linear_below("fc.0", encoder) | norm_below("fc.1", encoder) | classes
    }


def _fast_reid(encoder: IdentityEncoder) -> Any:
    more = {
        "pixel_mean": torch.ones(1, 3, 1, 1), "pixel_std": torch.ones(1, 3, 1, 1),
        "heads.pool_layer.p": encoder.head.pool.p.data, "heads.weight": torch.ones(751, encoder.part_size),
    }  # fmt: skip
    model = trunk_below("backbone.", encoder) | norm_below("heads.bottleneck.0", encoder) | more
    return {"model": model, "iteration": 17999, "scheduler": {"last_epoch": 59}}


def _timm(encoder: IdentityEncoder) -> Any:
    return {"state_dict": _torchvision(encoder), "args": argparse.Namespace(model="resnet50"), "metric": np.float32(79)}


FAMILIES = {
    "torchvision": Family(None, _torchvision),
    "torch before 0.4.1": Family(None, _without_counters),
    "timm": Family(None, _timm),
    "GCL stage 1": Family("projection", _authors_first),
    "GCL stage 2 and 3": Family("projection", _authors_later),
    "JVTC": Family("projection", _jvtc),
    "MMCL": Family("batchnorm", _mmcl),
    "ACT": Family("batchnorm", _act),
    "Cluster Contrast": Family("bnneck", _cluster_contrast),
    "SpCL": Family("bnneck", _spcl, exponent=1.0),
    "ICE": Family("bnneck", _ice, exponent=1.0),
    "torchreid": Family(None, _torchreid),
    "torchreid, fc512": Family("projection", _torchreid_512),
    "fast-reid": Family("bnneck", _fast_reid),
}


def published_generator(networks: dict[str, torch.nn.Module]) -> dict[str, Any]:
    """Structure encoder and generator in one file, as DG-Net's trainer writes them: a norm stands before its layer."""
    state: OrderedDict[str, Tensor] = OrderedDict()
    for number, (weight, bias) in enumerate(_pairs(networks["structure_encoder"].state_dict(), "weight", "bias")):
        state |= {f"enc_content.model.{number}.conv.weight": weight, f"enc_content.model.{number}.conv.bias": bias}
    generator = networks["generator"]
    for letter, part in (("w", generator.modulator.scale), ("b", generator.modulator.shift)):
        for block, network in enumerate(part):
            for number, (weight, bias) in enumerate(_pairs(network.state_dict(), "weight", "bias")):
                name = f"mlp_{letter}{block + 1}.model.{number}.fc"
                state |= {f"{name}.weight": weight, f"{name}.bias": bias}
    decoder = {name: t for name, t in generator.state_dict().items() if not name.startswith("modulator")}
    norms = iter(_pairs(decoder, "gamma", "beta"))
    for number, (weight, bias) in enumerate(_pairs(decoder, "weight", "bias")):
        name = f"dec.model.{number}"
        if weight.shape[2] == 5:
            state |= dict(zip((f"{name}.norm.gamma", f"{name}.norm.beta"), next(norms), strict=True))
        elif number < 8:  # AdaIN keeps statistics that nothing reads
            state |= {f"{name}.norm.running_mean": torch.zeros(8), f"{name}.norm.running_var": torch.ones(8)}
        state |= {f"{name}.conv.weight": weight, f"{name}.conv.bias": bias}
    return {"a": state}


def published_discriminator(networks: dict[str, torch.nn.Module]) -> dict[str, Any]:
    """All scales in one file."""
    state: OrderedDict[str, Tensor] = OrderedDict()
    for scale, network in enumerate(networks["discriminator"].scales):
        for number, (weight, bias) in enumerate(_pairs(network.state_dict(), "weight", "bias")):
            state |= {f"cnns.{scale}.{number}.conv.weight": weight, f"cnns.{scale}.{number}.conv.bias": bias}
    return {"a": state}


def _pairs(tensors: Any, first: str, second: str) -> list[tuple[Tensor, Tensor]]:
    bases = [name.removesuffix(f".{first}") for name in tensors if name.endswith(f".{first}")]
    return [(tensors[f"{base}.{first}"], tensors[f"{base}.{second}"]) for base in bases]
