"""Generator and encoder together."""

from typing import Literal

from pydantic import model_validator

from gcl_cli.config.generating import GanSettings
from gcl_cli.config.setting import setting
from gcl_cli.config.training import ContrastSettings


class JointSettings(GanSettings, ContrastSettings):
    """Generator and encoder together (Eq. 9)."""

    @model_validator(mode="after")
    def _mixed_people_need_what_makes_and_what_judges_them(self) -> "JointSettings":
        if "mixup" in self.losses and "gan" not in self.losses:
            raise ValueError("losses mixup needs generated people: add gan, or leave mixup out")
        if "mixup" in self.losses and "prototype" not in self.losses:
            raise ValueError("mixed people meet prototypes alone: add prototype to mixup, or leave mixup out")
        return self

    epochs: int = setting(20, "epochs", paper="4.2", option=True, ge=1)
    losses: tuple[Literal["gan", "vi", "vi_syn", "vi_mem", "mixup", "prototype"], ...] = setting(
        ("gan", "vi", "vi_syn", "vi_mem"),
        "terms of Eq. 9: L_gan, L_vi, L'_vi, L''_vi; with mixup and prototype: those of GCL+",
        paper="Eq. 9",
        option=True,
    )
    temperature: float = setting(0.04, "temperature of the view-invariant losses", paper="4.2, tau", gt=0)
    memory_momentum: float = setting(0.2, "weight of the old row of the memory bank", paper="4.2, alpha", ge=0, lt=1)
    negatives: int = setting(8192, "negatives an anchor (or all there are)", paper="4.2, K", ge=1)
    negatives_from: Literal["synth", "real"] = setting("synth", "the view that is pushed from negatives", paper="3.2")
    self_positive: Literal["batch", "memory"] = setting(
        "batch", "positive of L'_vi: this step's feature or its memory row"
    )
    exclude_self: bool = setting(True, "a positive is another picture of the cluster where there is one")
    refresh: Literal["none", "noise", "all"] = setting(
        "noise", "memory rows renewed before each clustering: none, those of unclustered pictures, or all"
    )
    batchnorm_update: Literal["real", "all"] = setting("real", "pictures that move the encoder's running statistics")
    memory_update: Literal["step", "epoch"] = setting(
        "step", "when memory rows move: at the step that sees the picture, or all before each clustering (Eq. 5)"
    )
    mixup_concentration: float = setting(
        0.6, "mixup: both parameters of the Beta distribution of a batch's share", ge=0.1, le=2
    )
    prototype_weight: float = setting(1.0, "weight of the prototype contrast", ge=0)
    prototype_temperature: float = setting(0.04, "temperature of the prototype contrast", gt=0)
    contrast_steps: int = setting(
        0, "steps without generation after each joint step: L_vi, prototype, and the terms of novel views", ge=0
    )
    contrast_views: Literal["none", "painted", "generated"] = setting(
        "none", "novel views of the steps without generation, for vi_syn and vi_mem: none, painted by `gcl render`, or "
        "generated from these by the generator that ships with gcl",
    )  # fmt: skip
    own_view_share: float = setting(
        0.5, "share of these views that keep the side of the photograph, and change its backdrop alone", ge=0, le=1
    )
    backdrop: Literal["own", "other"] = setting(
        "other", "what is behind the people of these views: what was, or what is behind somebody else"
    )
    augment: Literal["none", "classic"] = setting(
        "none", "flip, shift, jitter and erasing of real pictures", option=True
    )
    brightness: float = setting(0.2, "classic augmentation: largest relative change of brightness", ge=0, lt=1)
    contrast: float = setting(0.15, "classic augmentation: largest relative change of contrast", ge=0, lt=1)
    saturation: float = setting(0.1, "classic augmentation: largest relative change of saturation", ge=0, lt=1)
    identity_rate: float = setting(3.5e-4, "SGD rate of the identity encoder", paper="4.2", option=True, gt=0)
    identity_momentum: float = setting(0.9, "Nesterov momentum of the identity encoder", ge=0, lt=1)
    identity_weight_decay: float = setting(5e-4, "weight decay of the identity encoder", ge=0)
    decay_at: tuple[float, ...] = setting((0.5,), "shares of the run after which the identity rate falls", paper="4.2")
    decay: float = setting(0.1, "factor of each fall", gt=0, le=1)
    gan_decay_at: tuple[float, ...] = setting(
        (), "shares of the run after which the rates of generator and discriminator fall", paper="4.2"
    )
