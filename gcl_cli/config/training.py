"""What several training commands share: seeds, clustering, augmentation."""

from typing import Literal

from gcl_cli.config.setting import Settings, setting


class ClusterSettings(Settings):
    """Pseudo labels from features (section 3.2)."""

    clustering: Literal["dbscan", "hdbscan"] = setting("dbscan", "clustering algorithm", paper="3.2", option=True)
    k1: int = setting(30, "neighbours of the k-reciprocal sets", paper="appendix A", ge=2)
    k2: int = setting(6, "neighbours of the local query expansion", paper="appendix A", ge=1)
    radius: float | None = setting(
        None, "fixed DBSCAN radius; none: from the share `rho` of all pairs", option=True, gt=0, lt=1
    )
    rho: float = setting(0.002, "share of the closest pairs whose mean distance is the radius", paper="4.2", gt=0, le=1)
    rho_floor: float = setting(
        1e-6, "distance up to which pairs have the same neighbourhoods and do not count in that mean", ge=0, lt=1
    )
    min_samples: int = setting(4, "pictures within the radius that make a core picture", paper="4.2", ge=1)
    min_cluster_size: int = setting(4, "HDBSCAN: the smallest cluster", ge=2)
    camera_aware: bool = setting(
        True, "remove each camera's mean feature before clustering, where cameras are known", option=True
    )
    neighbours: Literal["exact", "faiss"] = setting(
        "exact",
        "search for neighbours; faiss: approximate, for hundreds of thousands of pictures (pip install faiss-cpu)",
    )


class EpochClusterSettings(ClusterSettings):
    """Pseudo labels of an epoch of training."""

    centralise_below: float = setting(
        0.0,
        "cluster again with features of neighbours in other cameras added, where a smaller share of clusters spans "
        "cameras; 0: never",
        ge=0,
        le=1,
    )


class CorrectedSettings(ClusterSettings):
    """Pseudo labels that obey corrections by hand."""

    corrections: str | None = setting(
        None,
        "CSV file (kind,first,second) of pictures that must-link or cannot-link share a cluster, or not-a-person",
    )


class TrainSettings(Settings):
    """What every training command has."""

    seed: int = setting(1, "seed of all random choices", option=True, ge=0)
    precision: Literal["fp32", "bf16", "auto"] = setting(
        "fp32", "arithmetic of the networks; auto: bf16 where the processor is faster with it", option=True
    )
    checkpoint_every: int = setting(200, "steps of work that an interruption may cost", option=True, ge=1)


class AugmentSettings(Settings):
    """Classic augmentation of real pictures (Cluster Contrast; rows 3 of the paper's Table 3)."""

    flip_probability: float = setting(0.5, "probability of mirroring a picture", ge=0, le=1)
    crop_padding: int = setting(10, "largest shift in pixels, at a height of 256", ge=0)
    erase_probability: float = setting(0.5, "probability of erasing a rectangle", ge=0, le=1)
    erase_area: tuple[float, float] = setting((0.02, 0.4), "its share of the picture, from and to")
    erase_aspect: tuple[float, float] = setting((0.3, 3.33), "its height over width, from and to")


class CameraSettings(Settings):
    """The contrast with each cluster camera by camera (CAP, Wang et al., AAAI 2021; ICE, Chen et al., ICCV 2021)."""

    camera_contrast: float = setting(
        0.0, "weight of the contrast with each cluster's centroids camera by camera, where cameras are known", ge=0
    )
    camera_temperature: float = setting(0.07, "its temperature", gt=0)
    camera_momentum: float = setting(0.2, "weight of an old centroid of a camera in an update", ge=0, lt=1)
    camera_negatives: int = setting(50, "hardest centroids of other clusters that it pushes away", ge=1)


class ContrastSettings(CorrectedSettings, EpochClusterSettings, AugmentSettings, CameraSettings, TrainSettings):
    """Joins the groups above for the stages that cluster while they train."""
