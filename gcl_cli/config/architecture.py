"""The shapes of the networks."""

import re
from typing import Literal

from pydantic import field_validator

from gcl_cli.config.setting import Settings, setting

TRUNKS = ("resnet50", "resnet18", "efficientnet-lite0")


class Architecture(Settings):
    """The shapes of all four networks; it travels with the weights (section 4.2 of the paper)."""

    trunk: Literal["resnet50", "resnet18", "efficientnet-lite0"] | str = setting(
        "resnet50", "network that the identity encoder stands on; timm:NAME is any of timm's", paper="4.2"
    )
    # Below 16 channels, oneDNN's backward of the trunk's strided 1 x 1 convolutions corrupts memory (torch 2.14).
    trunk_width: int = setting(64, "channels after a ResNet's stem; 64 is the published network", ge=16)
    stem_relu: bool = setting(True, "ReLU after a ResNet's first norm; SpCL, Cluster Contrast and ICE leave it out")
    half_range: bool = setting(
        False, "a trunk of timm sees pictures as (x - .5) / .5, as TransReID-SSL, CLIP-ReID and SOLIDER learned them"
    )
    frozen_stages: int = setting(
        0, "first stages of the trunk that keep their weights and BatchNorm statistics, with its stem; 0: none", ge=0
    )
    head: Literal["bnneck", "batchnorm", "projection"] = setting(
        "bnneck",
        "bnneck: GeM pooling + BatchNorm; batchnorm: average pooling + BatchNorm; projection: average pooling + "
        "Linear(512) + BatchNorm",
    )
    height: int = setting(256, "picture height in pixels", paper="4.2", ge=64, multiple_of=32)
    width: int = setting(128, "picture width in pixels", paper="4.2", ge=32, multiple_of=32)
    generator_width: int = setting(16, "channels of the structure encoder's first convolution", ge=2)
    modulation_width: int = setting(512, "hidden units of the AdaIN parameter networks", ge=8)
    discriminator_width: int = setting(32, "channels of the discriminator's first convolutions", ge=2)
    discriminator_scales: int = setting(3, "picture scales that have a discriminator of their own", ge=1, le=4)
    padding: Literal["reflect", "zeros"] = setting("reflect", "padding of generator and discriminator")
    part_layout: Literal["stripe", "channel_major"] = setting(
        "stripe", "how the part code is cut for the four decoder blocks; channel_major is the published code's"
    )

    @field_validator("trunk")
    @classmethod
    def _known_trunk(cls, name: str) -> str:
        if name not in TRUNKS and not re.fullmatch(r"timm:[\w.]+", name):
            raise ValueError(f"must be {', '.join(TRUNKS)} or timm:NAME")
        return name
