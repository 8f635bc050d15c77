"""The generator's settings: L_gan, its optimizers, its warm-up."""

from typing import Literal

from pydantic import model_validator

from gcl_cli.config.pictures import TURNED_ANGLES
from gcl_cli.config.setting import setting
from gcl_cli.config.training import TrainSettings


class GanSettings(TrainSettings):
    """L_gan (Eq. 1-4) and its optimizers."""

    @model_validator(mode="after")
    def _parts_are_equal(self) -> "GanSettings":
        if self.batch_size % self.batchnorm_groups or self.batch_size < 2 * self.batchnorm_groups:
            raise ValueError(
                f"batch_size ({self.batch_size}) does not make {self.batchnorm_groups} equal parts (batchnorm_groups) "
                "of two pictures or more"
            )
        return self

    batch_size: int = setting(16, "pictures a step", paper="4.2", option=True, ge=2)
    batchnorm_groups: int = setting(
        1, "parts of a batch, computed one after another or by as many processes, with BatchNorm of their own", ge=1
    )
    checkpoint_activations: bool = setting(
        False, "compute what encoder and decoder find on the way twice instead of keeping it: less memory, more time"
    )
    iterations: int | None = setting(None, "steps an epoch; none: one pass over the pictures", option=True, ge=1)
    angles: tuple[int, ...] = setting(TURNED_ANGLES, "turns a novel view is drawn from", paper="3.1", option=True)
    mesh_quality: Literal["ok", "low", "all"] = setting(
        "all", "pictures to generate from: mesh ok; or ok and of low confidence; or all, fallbacks too", option=True
    )
    sheet_every: int = setting(1, "epochs between two sheets of generated views in `views`; 0: none", ge=0)
    image_weight: float = setting(5.0, "weight of the image reconstruction loss", paper="4.2, lambda_img", ge=0)
    feature_weight: float = setting(5.0, "weight of the feature reconstruction loss", paper="4.2, lambda_feat", ge=0)
    adversarial_weight: float = setting(1.0, "weight of the adversarial loss", paper="Eq. 4", ge=0)
    adversarial: Literal["least_squares", "logistic"] = setting(
        "least_squares", "form of the adversarial loss: the published code's, or that of Eq. 3", paper="Eq. 3"
    )
    penalty_weight: float = setting(0.01, "weight of the gradient penalty on real pictures", ge=0)
    penalty_every: int = setting(1, "steps between two gradient penalties (then weighted by as much)", ge=1)
    generator_rate: float = setting(1e-4, "Adam rate of generator and structure encoder", gt=0)
    discriminator_rate: float = setting(1e-4, "Adam rate of the discriminator", gt=0)
    beta1: float = setting(0.0, "Adam beta 1", ge=0, lt=1)
    beta2: float = setting(0.999, "Adam beta 2", ge=0, lt=1)
    gan_weight_decay: float = setting(5e-4, "weight decay of generator side and discriminator", ge=0)


class GanWarmupSettings(GanSettings):
    """The view generator alone, with a frozen identity encoder."""

    generator: Literal["mesh", "painted"] = setting(
        "mesh", "what draws views: the paper's generator, from grey bodies (small, tiny: by 20 epochs of plain "
        "reconstruction and 3 of the full objective); or ours, from painted views, which begins with the weights that "
        "ship with gcl", option=True,
    )  # fmt: skip
    epochs: int = setting(40, "epochs of the full objective", paper="4.2", option=True, ge=0)
    reconstruction_epochs: int = setting(0, "epochs of plain reconstruction before them", option=True, ge=0)
    reconstruction_rate: float = setting(2e-3, "Adam rate of these epochs", gt=0)
    reconstruction_beta1: float = setting(0.9, "Adam beta 1 of these epochs", ge=0, lt=1)
    part_layout: Literal["stripe", "channel_major"] | None = setting(
        None, "how the generator cuts the part code (see gcl warmup); none: as its weights or the encoder's file say"
    )
