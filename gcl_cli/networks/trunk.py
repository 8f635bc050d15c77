"""What the identity encoder stands on: a ResNet, an EfficientNet-Lite0, or a network of timm."""

from collections.abc import Mapping
from typing import Protocol, cast

from torch import Tensor, nn

from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.networks import lite0
from gcl_cli.networks.resnet import ResNet, blocks_of
from gcl_cli.networks.timm_trunk import PREFIX, TimmTrunk, timm_channels


class Trunk(Protocol):
    """A network from ImageNet-normalised pictures [B, 3, H, W] to a map [B, C, h, w]."""

    @property
    def stages(self) -> list[list[nn.Module]]:
        """Its modules from the stem on, as `frozen_stages` counts them."""


def build_trunk(architecture: Architecture) -> nn.Module:
    """The trunk that `architecture` names."""
    if architecture.trunk == "efficientnet-lite0":
        return lite0.EfficientNetLite0()
    if has_signed_map(architecture):
        a = architecture
        return TimmTrunk(a.trunk, a.height, a.width, half_range=a.half_range)
    block, depths = blocks_of(architecture.trunk)
    return ResNet(block, depths, architecture.trunk_width, stem_relu=architecture.stem_relu)


def part_size(architecture: Architecture) -> int:
    """Channels of the trunk's last map, hence entries of one part code: 2048 for the published network."""
    if architecture.trunk == "efficientnet-lite0":
        return lite0.CHANNELS
    if has_signed_map(architecture):
        return timm_channels(architecture.trunk, architecture.height, architecture.width)
    block, _ = blocks_of(architecture.trunk)
    return 8 * architecture.trunk_width * block.expansion


def has_signed_map(architecture: Architecture) -> bool:
    """Whether the map may be negative, so that powers of it, GeM's, mean nothing."""
    return architecture.trunk.startswith(PREFIX)


def frozen_modules(trunk: nn.Module, stages: int) -> list[nn.Module]:
    """The stem and the first `stages` stages, which do not learn; none for 0. GclError where there are fewer."""
    there = cast(Trunk, trunk).stages
    after = len(there) - 1
    if stages >= after:
        raise GclError(
            f"frozen_stages={stages}: {after} stages come after the trunk's stem, and one must be left to learn.",
            f"Freeze fewer: --set frozen_stages={after - 1}",
        )
    return [module for stage in there[: stages + 1] for module in stage] if stages else []


def load_published(trunk: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Start a trunk from the weights it was published with; GclError where names or shapes do not fit it."""
    kept = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    if isinstance(trunk, lite0.EfficientNetLite0):
        kept = lite0.lite0_from_published(weights)
    try:
        (trunk.network if isinstance(trunk, TimmTrunk) else trunk).load_state_dict(kept)
    except RuntimeError as error:
        raise GclError(
            f"The ImageNet weights do not fit the identity encoder: {error}",
            "Give torchvision's weights of the trunk that was chosen (resnet50 or resnet18, trunk width 64).",
        ) from error
