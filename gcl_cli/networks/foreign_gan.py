"""Structure encoder, generator and discriminator made elsewhere -> ours, by the order and shapes of their layers.

The published generator (and DG-Net, which it comes from) stores its layers in the order in which they are applied.
What no shape can tell is assumed: the dilated branches come with dilations 3, 6, 9, the discriminators from the
largest scale to the smallest, and `w1` to `w4`, `b1` to `b4` name the networks for scale and shift of the four blocks.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from gcl_cli.errors import GclError
from gcl_cli.networks.foreign_parts import parts_apart, say_which
from gcl_cli.networks.generator import Generator
from gcl_cli.networks.modulation import ModulationNetworks

_PURPOSE = re.compile(r"(?:^|[._])(w|b|weight|bias)_?(\d)(?=[._])")  # `mlp_w1.model.0.fc`: scale of the first block


class Layer(NamedTuple):
    """Two tensors that belong together: weight and bias, or gamma and beta of a norm."""

    name: str  # without the tensors' own
    first: Tensor
    second: Tensor


def translate_gan(tensors: Mapping[str, Tensor], network: nn.Module, *, file: str = "FILE") -> dict[str, Tensor] | None:
    """The state dict of `network`, one of the three, from a file of tensors in the order of their modules.

    file: what the user typed for it. None where the file does not hold it. Raises GclError where it could be in more
    than one place: nothing is guessed.
    """
    own = network.state_dict()
    if own.keys() == tensors.keys():
        fits = all(own[name].shape == tensor.shape for name, tensor in tensors.items())
        return {name: tensor.float() for name, tensor in tensors.items()} if fits else None
    in_order = partial(_in_order, tensors, file=file)
    if not isinstance(network, Generator):
        return in_order(own, "weight", "bias")
    decoder = {name: tensor for name, tensor in own.items() if not name.startswith("modulator.")}
    found = (
        in_order(decoder, "weight", "bias"),
        in_order(decoder, "gamma", "beta"),
        _modulation(tensors, network.modulator),
    )
    if any(part is None for part in found):
        return None
    return {name: tensor for part in found if part is not None for name, tensor in part.items()}


def _in_order(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], first: str, second: str, *, file: str
) -> dict[str, Tensor] | None:
    """The one run of layers in the file that has the shapes of ours, by our names."""
    wanted, there = _layers(own, first, second), _layers(tensors, first, second)
    starts = _runs(there, wanted)
    if len(starts) > 1:
        parts = parts_apart([there[start].name for start in starts])
        raise GclError(
            f"The file holds more than one network of the same shapes, below: {', '.join(parts)}.",
            say_which("--init-gan", file, parts),
        )
    return _renamed(there[starts[0] :], wanted, first, second) if starts else None


def _modulation(tensors: Mapping[str, Tensor], modulator: ModulationNetworks) -> dict[str, Tensor] | None:
    """The eight networks that make the AdaIN parameters; equal in shape, so their names say which is which."""
    wanted, there = _layers(modulator.scale[0].state_dict()), _layers(tensors)
    starts = _runs(there, wanted)
    if not starts:
        return None
    runs = {_purpose(there[start].name): there[start:] for start in starts}
    numbers = sorted({number for _, number in runs})
    expected = {(kind, number) for kind in ("scale", "shift") for number in numbers}
    if runs.keys() != expected or not len(runs) == len(starts) == 2 * len(modulator.scale):
        raise GclError(
            f"The file's AdaIN networks cannot be told apart: {', '.join(there[start].name for start in starts)}.",
            "Their names must say w1 to w4 and b1 to b4, as DG-Net's do.",
        )
    found = {}
    for (kind, number), run in runs.items():
        for name, tensor in _renamed(run, wanted, "weight", "bias").items():
            found[f"modulator.{kind}.{numbers.index(number)}.{name}"] = tensor
    return found


def _purpose(name: str) -> tuple[str, str]:
    """(scale or shift, number of the block) as a network's name says; empty where it does not."""
    said = _PURPOSE.search(name)
    return ("scale" if said[1].startswith("w") else "shift", said[2]) if said else ("", "")


def _layers(tensors: Mapping[str, Tensor], first: str = "weight", second: str = "bias") -> list[Layer]:
    """The layers among the tensors, in their order; a BatchNorm or a lone weight is none."""
    bases = [name.removesuffix(f".{first}") for name in tensors if name.endswith(f".{first}")]
    pairs = [b for b in bases if f"{b}.{second}" in tensors and f"{b}.running_mean" not in tensors]
    return [Layer(base, tensors[f"{base}.{first}"], tensors[f"{base}.{second}"]) for base in pairs]


def _runs(there: Sequence[Layer], wanted: Sequence[Layer]) -> list[int]:
    """Where the shapes of `wanted` begin in `there`, one after the other."""
    shapes, own = ([(one.first.shape, one.second.shape) for one in layers] for layers in (there, wanted))
    return [start for start in range(len(shapes) - len(own) + 1) if shapes[start : start + len(own)] == own]


def _renamed(found: Sequence[Layer], wanted: Sequence[Layer], first: str, second: str) -> dict[str, Tensor]:
    pairs = zip(found[: len(wanted)], wanted, strict=True)
    return {
        f"{ours.name}.{name}": tensor.float()
        for theirs, ours in pairs
        for name, tensor in ((first, theirs.first), (second, theirs.second))
    }
