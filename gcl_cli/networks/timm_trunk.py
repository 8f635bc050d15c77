"""Any network of timm to stand on, convolutional or a transformer (the extra `timm`)."""

from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gcl_cli.errors import GclError
from gcl_cli.networks.normalisation import IMAGENET_MEAN, IMAGENET_STD

PREFIX = "timm:"
CONTAINERS = ("blocks", "layers", "stages")  # what timm's networks call the list of their stages

HALF = (0.5, 0.5, 0.5)


class Tokens(NamedTuple):
    """What a transformer with a class token says about B pictures."""

    map: Tensor  # [B, C, h, w], one entry for each patch
    whole: Tensor  # [B, C, 1, 1] the class token, which the head takes in place of a pooled map


class TimmTrunk(nn.Module):
    """A network of timm without its pooling and classifier, for pictures of one size; its map may be negative.

    Position embeddings are made for that size. GclError where timm is missing, or has no such network.
    """

    scale: Tensor  # [1, 3, 1, 1], and shift: from ImageNet's scaling to the network's own
    shift: Tensor

    def __init__(self, trunk: str, height: int, width: int, *, half_range: bool = False) -> None:
        super().__init__()
        self.made_for = (trunk.removeprefix(PREFIX), height, width)
        self.network = created(*self.made_for)
        wanted = {"mean": HALF, "std": HALF} if half_range else self.network.pretrained_cfg
        mean, std, own_mean, own_std = (
            torch.tensor(values).view(1, 3, 1, 1)
            for values in (IMAGENET_MEAN, IMAGENET_STD, wanted["mean"], wanted["std"])
        )
        self.register_buffer("scale", std / own_std, persistent=False)
        self.register_buffer("shift", (mean - own_mean) / own_std, persistent=False)

    @property
    def stages(self) -> list[list[nn.Module]]:
        """Its modules from the stem on, as `frozen_stages` counts them: of a transformer, block by block."""
        found: list[list[nn.Module]] = [[]]
        for name, child in self.network.named_children():
            if name in CONTAINERS:
                found += [[block] for block in child.children()]
            elif name.startswith("layer"):
                found.append([child])
            else:
                found[-1].append(child)
        return found

    def forward(self, pictures: Tensor) -> Tensor | Tokens:
        """pictures: [B, 3, H, W], ImageNet-normalised -> map [B, C, h, w], with the class token where there is one."""
        features: Tensor = self.network.forward_features(pictures * self.scale + self.shift)
        if features.ndim == 4:
            channels_last = getattr(self.network, "output_fmt", "NCHW") == "NHWC"
            return features.permute(0, 3, 1, 2) if channels_last else features
        extra = self.network.num_prefix_tokens
        patches = features[:, extra:].transpose(1, 2).unflatten(2, self.network.patch_embed.grid_size)
        return Tokens(patches, features[:, 0, :, None, None]) if extra else patches

    @torch.no_grad()
    def redraw(self, generator: torch.Generator) -> None:
        """First weights as timm draws them, from a seed that `generator` draws."""
        seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.network.load_state_dict(created(*self.made_for).state_dict())


def created(name: str, height: int, width: int, **how: Any) -> Any:
    """timm's network for pictures of a size; how: more of timm's own arguments."""
    if find_spec("timm") is None:
        raise GclError(f"trunk=timm:{name} needs timm.", "Install it: pip install 'gcl-cli[timm]'")
    import timm  # seconds to import, for who asks for it

    if not timm.is_model(name):
        alike = timm.list_models(f"*{name.partition('.')[0][:12]}*")[:4]
        raise GclError(
            f"timm has no network {name!r}.", f"Choose another, such as --set trunk=timm:{(alike or ['resnet18'])[0]}"
        )
    common = {"num_classes": 0, **how}
    try:
        if name.startswith("swin"):  # windows of the size that the weights were learned with, on pictures of any size
            common["always_partition"] = True
        return _with_biases(timm.create_model(name, img_size=(height, width), **common))
    except TypeError:  # a convolutional network takes pictures of any size
        return timm.create_model(name, **common)


def _with_biases(network: Any) -> Any:
    """The network, its patch mergings with a bias of 0: SOLIDER shifts what comes out of them."""
    for module in network.modules():
        old = getattr(module, "reduction", None)
        if isinstance(old, nn.Linear) and old.bias is None:
            module.reduction = nn.Linear(old.in_features, old.out_features)
            module.reduction.weight = old.weight
            nn.init.zeros_(module.reduction.bias)
    return network


@cache
@torch.no_grad()
def timm_channels(trunk: str, height: int, width: int) -> int:
    """Channels of the map of a trunk; GclError where it gives none for pictures of that size."""
    with torch.device("meta"):
        try:
            seen = TimmTrunk(trunk, height, width)(torch.empty(1, 3, height, width))
        except (AssertionError, AttributeError, RuntimeError, ValueError) as error:
            raise GclError(
                f"trunk={trunk} makes no map of pictures of {height}x{width}: {error}",
                "Choose a convolutional network or a vision transformer, or another height and width.",
            ) from error
    return int((seen.map if isinstance(seen, Tokens) else seen).shape[1])
