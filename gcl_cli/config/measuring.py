"""What is measured: retrieval, generated views."""

from typing import Literal

from gcl_cli.config.pictures import TURNED_ANGLES
from gcl_cli.config.setting import Settings, setting


class EvaluateSettings(Settings):
    """Retrieval: CMC, mAP, mINP."""

    average_precision: Literal["open-reid", "market"] = setting(
        "open-reid", "convention of the average precision", option=True
    )
    save_embeddings: bool = setting(False, "write the embeddings of query and gallery", option=True)
    temporal: bool = setting(
        False, "rank by looks and frame numbers together (JVTC+); needs training pictures", option=True
    )
    temporal_rho: float = setting(
        1.6e-3, "with --temporal: share of the closest training pairs that sets the clusters' radius", gt=0, le=1
    )


class GenMetricsSettings(Settings):
    """How good generated views are."""

    measures: tuple[Literal["fid", "encoder", "dssim", "identity"], ...] = setting(
        ("fid", "encoder", "dssim", "identity"),
        "FID; Frechet distance in the encoder's space; (1 - SSIM) / 2 within a person; identity kept",
        option=True,
    )
    angles: tuple[int, ...] = setting(TURNED_ANGLES, "turns to measure, each alone and mixed", option=True)
    pictures: int | None = setting(None, "training pictures to use; none: all", option=True, ge=8)
    pairs: int = setting(10, "pairs a person for DSSIM", ge=1)
    repeats: int = setting(5, "sweeps over the people for DSSIM", ge=1)
    seed: int = setting(7, "seed of angles and pairs", option=True, ge=0)
