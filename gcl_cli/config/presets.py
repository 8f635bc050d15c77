"""Presets: what the size of the job changes, stage by stage, against the paper's defaults in config/."""

from typing import Any, TypeVar

from pydantic import ValidationError

from gcl_cli.config import Architecture, Settings
from gcl_cli.config.setting import refused

AnySettings = TypeVar("AnySettings", bound=Settings)

# What a preset changes, by stage. `paper`: ResNet-50 at 256x128, for GPUs. `small` (ResNet-18) and `tiny` (half-width
# ResNet-18) at 128x64 train from scratch on a CPU. The preset is chosen at `gcl warmup` and travels with the weights.
_FROM_SCRATCH: dict[str, dict[str, Any]] = {
    "warmup": {
        "epochs": 44, "iterations": None, "people": 16, "pictures": 4, "batchnorm_groups": 1, "optimizer": "adamw",
        "learning_rate": 1e-3, "schedule": "cosine", "rise": 0.05, "radius": 0.38, "k1": 20, "precision": "auto",
        "colour_fade": 0.6, "colours_of": "body", "other_backdrop": 0.5, "colour_jitter": 0.3, "camera_contrast": 0.5,
        "centralise_below": 0.75, "init": "none",
    },
    "warmup-jvtc": {  # times stay out: the frame numbers of synthetic people are drawn at random
        "epochs": 20, "iterations": 25, "batch_size": 32, "versions": 2, "precision": "auto", "init": "none",
        "learning_rate": 0.05, "new_layer_factor": 2.0, "decay_at": (0.6, 0.85), "global_weight": 1.0,
        "cluster_from": 0, "cluster_every": 1, "colour_epochs": 10, "temporal_from": 20, "camera_aware": True,
        "radius": 0.28, "min_samples": 4,
    },
    "warmup-mmcl": {"epochs": 40, "iterations": 45, "batch_size": 48, "precision": "auto", "init": "none"},
    "warmup-act": {
        "epochs": 20, "cluster_every": 2, "iterations": 20, "people": 12, "learning_rate": 5e-4, "rho": 0.015,
        "camera_aware": True, "precision": "auto", "init": "none",
    },
    "warmup-supervised": {
        "epochs": 40, "iterations": 40, "people": 12, "optimizer": "adamw", "learning_rate": 1e-3, "precision": "auto",
        "init": "none",
    },
    "gan-warmup": {  # the generator that ships has learned already: a glance at the user's pictures
        "generator": "painted", "epochs": 1, "iterations": 10, "precision": "auto", "penalty_every": 4,
    },
    "gan-warmup-mesh": {
        "epochs": 3, "reconstruction_epochs": 20, "iterations": 45, "generator_rate": 5e-4,
        "discriminator_rate": 4e-4, "precision": "auto", "penalty_every": 4, "sheet_every": 5,
    },
    "joint": {
        "epochs": 20, "iterations": 5, "contrast_steps": 19, "augment": "classic", "identity_rate": 1e-3,
        "refresh": "all", "contrast_views": "painted",
        "generator_rate": 2e-4, "discriminator_rate": 2e-4, "decay_at": (0.6,), "radius": 0.38, "k1": 20,
        "camera_contrast": 0.5, "centralise_below": 0.75, "precision": "auto", "penalty_every": 4, "sheet_every": 5,
    },
    "cluster": {"radius": 0.4, "k1": 20},
}  # fmt: skip
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {
        "architecture": {},
        "warmup": {"radius": 0.6},
        "joint": {"generator_rate": 1e-5, "discriminator_rate": 1e-5},
    },
    "small": {"architecture": {"trunk": "resnet18", "height": 128, "width": 64}, **_FROM_SCRATCH},
    "tiny": {
        "architecture": {
            "trunk": "resnet18", "trunk_width": 32, "height": 128, "width": 64, "generator_width": 8,
            "modulation_width": 128, "discriminator_width": 8, "discriminator_scales": 2, "padding": "zeros",
        },
        **_FROM_SCRATCH,
    },
}  # fmt: skip


def settings_for(model: type[AnySettings], stage: str, preset: str, chosen: dict[str, Any]) -> AnySettings:
    """The settings of a stage: the paper's defaults, changed by the preset, changed by what the user chose.

    GclError where they do not go together: here alone is everything known that a setting depends on.
    """
    networks = PRESETS[preset]["architecture"] if issubclass(model, Architecture) else {}
    try:
        return model(**(networks | PRESETS[preset].get(stage, {}) | chosen))
    except ValidationError as error:
        raise refused(error, stage, chosen) from error
