"""The settings of every warm-up method of `gcl warmup`: default, range, meaning, place in the method's paper."""

from typing import Literal

from pydantic import model_validator

from gcl_cli.config.architecture import Architecture
from gcl_cli.config.setting import setting
from gcl_cli.config.training import (
    AugmentSettings,
    CameraSettings,
    ClusterSettings,
    EpochClusterSettings,
    TrainSettings,
)

FEWEST_STEPS = 20  # of an epoch that is one pass: clusters of few pictures need not be found anew more often


class WarmupSettings(TrainSettings, Architecture):
    """What all warm-up methods have, and the networks that all later stages use."""

    epochs: int = setting(50, "epochs; 0: take the weights of --init as they are", option=True, ge=0)
    iterations: int | None = setting(None, "steps an epoch; none: one pass over the pictures", option=True, ge=1)
    learning_rate: float = setting(3.5e-4, "learning rate", option=True, gt=0)
    weight_decay: float = setting(5e-4, "weight decay", ge=0)
    decay_at: tuple[float, ...] = setting((0.4, 0.8), "shares of the run after which the rate falls")
    decay: float = setting(0.1, "factor of each fall", gt=0, le=1)
    schedule: Literal["steps", "cosine"] = setting(
        "steps", "how the rate falls: in the steps of `decay_at`, or along half a cosine to a hundredth"
    )
    rise: float = setting(0.0, "share of the run over which the rate rises to its full height first", ge=0, lt=1)
    minutes: float | None = setting(
        None, "end after this time, whatever `epochs` says, with the rates in step", option=True, gt=0
    )
    colour_jitter: float = setting(
        0.0, "largest relative change of brightness, contrast and saturation of a picture", ge=0, lt=1
    )
    source_epochs: int | None = setting(
        None, "epochs on the labels of --source; none: as many as --method supervised has", ge=1
    )
    init: str = setting(
        "imagenet",
        "start: imagenet, imagenet-v2, none (random), an artifact, or a weight file made here or elsewhere",
        option=True,
    )


class PeopleSettings(WarmupSettings):
    """Batches of a few people with several pictures of each."""

    people: int = setting(16, "people (clusters) in a batch", ge=2)
    pictures: int = setting(4, "pictures of each in a batch", ge=2)
    batchnorm_groups: int = setting(1, "groups of the batch with BatchNorm statistics of their own", ge=1)

    def steps_of(self, pictures: int) -> int:
        """Steps of an epoch over so many `pictures`."""
        return self.iterations or max(FEWEST_STEPS, pictures // (self.people * self.pictures))

    @model_validator(mode="after")
    def _groups_hold_whole_people(self) -> "PeopleSettings":
        if self.people % self.batchnorm_groups:
            fitting = ", ".join(str(n) for n in range(1, self.people + 1) if self.people % n == 0)
            raise ValueError(
                f"batchnorm_groups ({self.batchnorm_groups}) does not divide the people of a batch ({self.people}): "
                f"--set batchnorm_groups to one of {fitting}, or --set people to a multiple of {self.batchnorm_groups}"
            )
        return self


class ClusterContrastSettings(PeopleSettings, AugmentSettings, CameraSettings, EpochClusterSettings):
    """Cluster Contrast (Dai et al., ACCV 2022): contrast with cluster centroids renewed every epoch."""

    iterations: int | None = setting(200, "steps an epoch; none: one pass over the pictures", option=True, ge=1)
    pictures: int = setting(16, "pictures of each cluster in a batch", ge=2)
    batchnorm_groups: int = setting(4, "groups of the batch with BatchNorm statistics of their own", ge=1)
    optimizer: Literal["adam", "adamw"] = setting("adam", "optimizer")
    temperature: float = setting(0.05, "temperature of the contrast with the centroids", gt=0)
    memory_momentum: float = setting(0.1, "weight of the old centroid in an update", ge=0, lt=1)
    hard: bool = setting(False, "update a centroid by its least similar picture only")
    colour_epochs: int = setting(
        1,
        "first epochs whose clusters come from colours instead of features, beside what the trunk sees where it is "
        "pretrained; not with weights that know people (--init FILE, warmup/NAME)",
        ge=0,
    )
    colour_fade: float = setting(
        0.0, "share of the run over which colours then give way to features, likewise", ge=0, le=1
    )
    colours_of: Literal["crop", "body"] = setting(
        "crop", "whose colours these are: of the middle of each crop, or of the people as `gcl render` cut them out"
    )
    other_backdrop: float = setting(
        0.0, "share of the pictures that are seen before somebody else's backdrop, as `gcl render` cut them out",
        ge=0, le=1,
    )  # fmt: skip
    camera_contrast_from: float = setting(0.15, "share of the run after which camera_contrast begins", ge=0, le=1)


class StyleSettings(WarmupSettings):
    """Training on camera-styled versions of every picture (CamStyle, CVPR 2018), or on augmented copies."""

    optimizer_momentum: float = setting(0.9, "Nesterov momentum of SGD", ge=0, lt=1)
    new_layer_factor: float = setting(10.0, "learning rate of the layers after the trunk, in multiples", gt=0)
    flip_probability: float = setting(0.5, "probability of mirroring a picture", ge=0, le=1)
    erase_probability: float = setting(0.5, "probability of erasing a rectangle", ge=0, le=1)
    erase_area: tuple[float, float] = setting((0.02, 0.2), "its share of the picture, from and to")
    erase_aspect: tuple[float, float] = setting((0.3, 3.0), "its height over width, from and to")


class JvtcSettings(StyleSettings, ClusterSettings):
    """JVTC (Li and Zhang, ECCV 2020): joint visual and temporal consistency."""

    head: Literal["bnneck", "batchnorm", "projection"] = setting("projection", "head of the encoder (JVTC 3.1)")
    epochs: int = setting(100, "epochs", option=True, ge=0)
    learning_rate: float = setting(0.01, "learning rate of the trunk", option=True, gt=0)
    batch_size: int = setting(32, "pictures a step, each in `versions` versions", option=True, ge=2)
    versions: int = setting(4, "versions of each picture in a batch, K", ge=1)
    local_temperature: float = setting(0.1, "temperature of the local loss, beta 1", gt=0)
    global_temperature: float = setting(0.05, "temperature of the global loss, beta 2", gt=0)
    global_weight: float = setting(0.2, "weight of the global loss", ge=0)
    memory_growth: float = setting(0.01, "the memory's weight of old values grows by this an epoch", ge=0, le=1)
    memory_limit: float = setting(0.8, "and ends here", ge=0, lt=1)
    clustering: Literal["dbscan"] = setting("dbscan", "clustering algorithm: JVTC has this one", option=True)
    cluster_from: int = setting(10, "first epoch with pseudo labels and the global loss", ge=0)
    cluster_every: int = setting(5, "epochs between two clusterings", ge=1)
    temporal_from: int = setting(30, "first epoch whose clusters use frame numbers, where there are any", ge=0)
    k1: int = setting(20, "neighbours of the k-reciprocal sets", ge=2)
    rho: float = setting(1.6e-3, "share of the closest pairs whose mean distance is the radius", gt=0, le=1)
    radius_factor: float = setting(0.8, "factor of that radius where no labelled source was seen", gt=0)
    min_samples: int = setting(1, "pictures within the radius that make a core picture (1: no noise)", ge=1)
    camera_aware: bool = setting(
        False, "remove each camera's mean feature before clustering, where cameras are known", option=True
    )
    jaccard_weight: float = setting(0.7, "weight of the Jaccard distance beside the plain one", ge=0, le=1)
    temporal_jaccard_weight: float = setting(0.5, "likewise, from epoch `temporal_from` on", ge=0, le=1)
    colour_epochs: int = setting(
        0,
        "epochs from `cluster_from` on whose clusters come from colours instead of features, beside what the trunk "
        "sees where it is pretrained; not with weights that know people (--init FILE, warmup/NAME)",
        ge=0,
    )
    colour_jitter: float = setting(
        0.2,
        "without --camstyle: largest relative change of the copies' brightness, contrast and saturation",
        ge=0,
        lt=1,
    )


class MmclSettings(StyleSettings):
    """MMCL (Wang and Zhang, CVPR 2020): unsupervised re-identification as multi-label classification."""

    head: Literal["bnneck", "batchnorm", "projection"] = setting("batchnorm", "head of the encoder (MMCL 4.2)")
    epochs: int = setting(60, "epochs", option=True, ge=0)
    learning_rate: float = setting(0.01, "learning rate of the trunk", option=True, gt=0)
    decay_at: tuple[float, ...] = setting((2 / 3,), "shares of the run after which the rate falls")
    batch_size: int = setting(128, "pictures a step", option=True, ge=2)
    memory_limit: float = setting(0.5, "weight of the memory's old values at the end; it grows from 0", ge=0, lt=1)
    multi_label_from: int = setting(6, "first epoch with predicted multi-labels (before: each picture its own)", ge=0)
    label_threshold: float = setting(0.6, "similarity from which another picture can share a label", ge=-1, le=1)
    label_candidates: int = setting(10, "candidates to look at, at least", ge=1)
    positive_weight: float = setting(5.0, "weight of the positive labels, delta", ge=0)
    hard_share: float = setting(0.01, "share of the negatives that count: the most similar ones", gt=0, le=1)
    crop_area: tuple[float, float] = setting((0.64, 1.0), "random crop: its share of the picture, from and to")
    crop_aspect: tuple[float, float] = setting((2.0, 3.0), "random crop: its height over width, from and to")
    rotation: float = setting(10.0, "largest rotation in degrees", ge=0, le=180)
    colour_jitter: float = setting(0.2, "largest relative change of brightness, contrast and saturation", ge=0, lt=1)


class ActSettings(PeopleSettings, ClusterSettings):
    """ACT (Yang et al., AAAI 2020): asymmetric co-teaching of two encoders; needs a labelled source."""

    head: Literal["bnneck", "batchnorm", "projection"] = setting("batchnorm", "head of the encoders")
    epochs: int = setting(300, "epochs", option=True, ge=0)
    learning_rate: float = setting(6e-5, "Adam learning rate", option=True, gt=0)
    weight_decay: float = setting(0.0, "weight decay", ge=0)
    decay_at: tuple[float, ...] = setting((), "shares of the run after which the rate falls")
    cluster_every: int = setting(30, "epochs of a round; each begins with new clusters", ge=1)
    keep_first: float = setting(0.28, "share of small-loss pictures that is kept in the first round", gt=0, le=1)
    keep_growth: float = setting(0.08, "growth of that share with every round", ge=0, le=1)
    margin: float = setting(0.5, "margin of the batch-hard triplet loss", ge=0)
    k1: int = setting(20, "neighbours of the k-reciprocal sets", ge=2)
    rho: float = setting(1.6e-3, "share of the closest pairs whose mean distance is the first radius", gt=0, le=1)
    camera_aware: bool = setting(
        False, "remove each camera's mean feature before clustering, where cameras are known", option=True
    )
    source_weight: float = setting(0.1, "weight of the distance to the source beside the Jaccard distance", ge=0, le=1)
    flip_probability: float = setting(0.5, "probability of mirroring a picture", ge=0, le=1)
    erase_probability: float = setting(0.5, "probability of erasing a rectangle", ge=0, le=1)
    erase_area: tuple[float, float] = setting((0.02, 0.2), "its share of the picture, from and to")
    erase_aspect: tuple[float, float] = setting((0.3, 3.33), "its height over width, from and to")


class SupervisedSettings(PeopleSettings, AugmentSettings):
    """Training on true labels: of a source before it is adapted, or as the ceiling of a network."""

    epochs: int = setting(80, "epochs", option=True, ge=0)
    decay_at: tuple[float, ...] = setting((0.5, 0.875), "shares of the run after which the rate falls")
    optimizer: Literal["adam", "adamw"] = setting("adam", "optimizer")
    label_smoothing: float = setting(0.1, "label smoothing of the classification loss", ge=0, lt=1)
    margin: float = setting(0.3, "margin of the batch-hard triplet loss", ge=0)
    triplet_weight: float = setting(1.0, "weight of the triplet loss", ge=0)


WARMUP_METHODS: dict[str, type[WarmupSettings]] = {
    "cluster-contrast": ClusterContrastSettings,
    "jvtc": JvtcSettings,
    "mmcl": MmclSettings,
    "act": ActSettings,
    "supervised": SupervisedSettings,
}
