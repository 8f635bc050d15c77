"""Every hyper-parameter: default, range, meaning, place in the paper.

A default is written once, here. Command-line options, help texts, manifests and the README's tables derive from
these models. The defaults are the paper's (preset `paper`);
`presets.py` lists what the smaller presets change.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

TURNED_ANGLES = (45, 90, 135, 180, 225, 270, 315)


class Settings(BaseModel):
    """A group of settings: frozen, and no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)

    @field_validator("angles", "splits", "measures", "losses", check_fields=False)
    @classmethod
    def _named_once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if not values or len(set(values)) < len(values):
            raise ValueError("name at least one, and none twice")
        return values


def setting(default: Any, description: str, *, paper: str = "", option: bool = False, **limits: Any) -> Any:
    """A field with its meaning, its place in the paper, and whether it is a command-line option of its own."""
    return Field(default, description=description, json_schema_extra={"paper": paper, "option": option}, **limits)


class Architecture(Settings):
    """The shapes of all four networks; it travels with the weights (section 4.2 of the paper)."""

    trunk: Literal["resnet50", "resnet18"] = setting("resnet50", "ResNet of the identity encoder", paper="4.2")
    # Below 16 channels, oneDNN's backward of the trunk's strided 1 x 1 convolutions corrupts memory (torch 2.14).
    trunk_width: int = setting(64, "channels after the trunk's stem; 64 is the published network", ge=16)
    stem_relu: bool = setting(True, "ReLU after the trunk's first norm; SpCL, Cluster Contrast and ICE leave it out")
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


class SynthSettings(Settings):
    """A synthetic data set in Market-1501 layout."""

    ids: int = setting(120, "people; half are for training, half for testing", option=True, ge=2, le=9998)
    cameras: int = setting(6, "cameras", option=True, ge=2, le=9)
    images: int = setting(3, "pictures of each person in each camera", option=True, ge=2, le=99)
    shift: float = setting(0.65, "how much cameras differ in light, colour and sharpness", option=True, ge=0, le=1)
    seed: int = setting(0, "seed of the whole set", option=True, ge=0)
    distractors: int | None = setting(
        None, "people who are in the gallery alone, as person 0000; none: as many as people", option=True,
        ge=0, le=9999,
    )  # fmt: skip
    labels: bool = setting(True, "Market-1501 layout; without: unlabelled training pictures in images/", option=True)
    private_scenes: bool = setting(False, "a background of its own for every camera, which tells it apart", option=True)


class MeshSettings(Settings):
    """Bodies estimated from crops, or taken from elsewhere."""

    splits: tuple[Literal["train", "query", "gallery"], ...] = setting(
        ("train",), "splits to estimate; training needs train alone", option=True
    )
    score_threshold: float = setting(0.8, "landmark score below which an estimate is of low confidence", ge=0, le=1)
    visibility_threshold: float = setting(0.62, "mean landmark visibility, likewise", ge=0, le=1)
    overlap_threshold: float = setting(0.45, "overlap (IoU) of mesh and person mask, likewise", ge=0, le=1)
    height_threshold: float = setting(0.4, "height of the body as a share of the picture's, likewise", ge=0, le=1)
    on_missing: Literal["fallback", "error"] = setting(
        "fallback", "a picture without a usable mesh: a standing body in its place, or stop", option=True
    )
    meshes: str | None = setting(
        None,
        "meshes made elsewhere: a folder with an .obj or .npz for each picture, or one .npz with names",
        option=True,
    )
    mesh_axes: Literal["y-down", "y-up"] = setting(
        "y-down", "axes of these meshes: x right, y down, z away (HMR's), or x right, y up, z near", option=True
    )
    export: Literal["none", "obj", "ply"] = setting(
        "none", "also write a mesh file for each picture, to export/ beside the table", option=True
    )
    sheet: int = setting(24, "pictures on the contact sheet overlay.png", ge=0, le=400)


class RenderSettings(Settings):
    """Grey pictures of every estimated body from several sides (section 3.1)."""

    angles: tuple[int, ...] = setting(
        (0, *TURNED_ANGLES), "degrees to turn by; 0 must be first", paper="3.1", option=True
    )
    height: int = setting(256, "height of a picture", option=True, ge=32, le=1024)
    width: int = setting(128, "width of a picture", option=True, ge=16, le=1024)
    backend: Literal["auto", "numpy", "egl", "osmesa"] = setting("auto", "what draws the pictures", option=True)
    turn: Literal["body", "camera"] = setting(
        "body", "axis of the turn: the body's own up axis, or the picture's vertical as published", option=True
    )
    recentre: bool = setting(True, "move and shrink turned bodies that would leave the picture", option=True)
    import_from: str | None = setting(
        None, "take pictures rendered elsewhere: a folder of {train,test}/render[_<degrees>]/<picture>", option=True
    )
    on_missing: Literal["fallback", "error"] = setting(
        "fallback", "import: a picture without a rendered one: a standing body in its place, or stop"
    )
    export_png: str | None = setting(None, "also write one PNG file a view, to a folder of that layout", option=True)

    @field_validator("angles")
    @classmethod
    def _own_side_first(cls, angles: tuple[int, ...]) -> tuple[int, ...]:
        if angles[0] != 0:
            raise ValueError("the first angle must be 0, the person as photographed")
        return angles


class ClusterSettings(Settings):
    """Pseudo labels from features (section 3.2)."""

    clustering: Literal["dbscan", "hdbscan"] = setting("dbscan", "clustering algorithm", paper="3.2", option=True)
    k1: int = setting(30, "neighbours of the k-reciprocal sets", paper="appendix A", ge=2)
    k2: int = setting(6, "neighbours of the local query expansion", paper="appendix A", ge=1)
    radius: float | None = setting(
        None, "fixed DBSCAN radius; none: from the share `rho` of all pairs", option=True, gt=0, lt=1
    )
    rho: float = setting(0.002, "share of the closest pairs whose mean distance is the radius", paper="4.2", gt=0, le=1)
    min_samples: int = setting(4, "pictures within the radius that make a core picture", paper="4.2", ge=1)
    min_cluster_size: int = setting(4, "HDBSCAN: the smallest cluster", ge=2)
    camera_aware: bool = setting(
        True, "remove each camera's mean feature before clustering, where cameras are known", option=True
    )


class TrainSettings(Settings):
    """What every training command has."""

    seed: int = setting(1, "seed of all random choices", option=True, ge=0)
    precision: Literal["fp32", "bf16"] = setting("fp32", "arithmetic of the networks", option=True)
    checkpoint_every: int = setting(200, "steps of work that an interruption may cost", option=True, ge=1)


class AugmentSettings(Settings):
    """Classic augmentation of real pictures (Cluster Contrast; rows 3 of the paper's Table 3)."""

    flip_probability: float = setting(0.5, "probability of mirroring a picture", ge=0, le=1)
    crop_padding: int = setting(10, "largest shift in pixels, at a height of 256", ge=0)
    erase_probability: float = setting(0.5, "probability of erasing a rectangle", ge=0, le=1)
    erase_area: tuple[float, float] = setting((0.02, 0.4), "its share of the picture, from and to")
    erase_aspect: tuple[float, float] = setting((0.3, 3.33), "its height over width, from and to")


class ContrastSettings(ClusterSettings, AugmentSettings, TrainSettings):
    """Joins the groups above for the stages that cluster while they train."""


class GanSettings(TrainSettings):
    """L_gan (Eq. 1-4) and its optimizers."""

    batch_size: int = setting(16, "pictures a step", paper="4.2", option=True, ge=2)
    iterations: int | None = setting(None, "steps an epoch; none: one pass over the pictures", option=True, ge=1)
    angles: tuple[int, ...] = setting(TURNED_ANGLES, "turns a novel view is drawn from", paper="3.1")
    mesh_quality: Literal["ok", "low", "all"] = setting(
        "all", "pictures to generate from: mesh ok; or ok and of low confidence; or all, fallbacks too", option=True
    )
    image_weight: float = setting(5.0, "weight of the image reconstruction loss", paper="4.2, lambda_img", ge=0)
    feature_weight: float = setting(5.0, "weight of the feature reconstruction loss", paper="4.2, lambda_feat", ge=0)
    adversarial_weight: float = setting(1.0, "weight of the adversarial loss", paper="Eq. 4", ge=0)
    penalty_weight: float = setting(0.01, "weight of the gradient penalty on real pictures", ge=0)
    penalty_every: int = setting(1, "steps between two gradient penalties (then weighted by as much)", ge=1)
    generator_rate: float = setting(1e-4, "Adam rate of generator and structure encoder", gt=0)
    discriminator_rate: float = setting(1e-4, "Adam rate of the discriminator", gt=0)
    beta1: float = setting(0.0, "Adam beta 1", ge=0, lt=1)
    beta2: float = setting(0.999, "Adam beta 2", ge=0, lt=1)
    gan_weight_decay: float = setting(5e-4, "weight decay of generator side and discriminator", ge=0)


class GanWarmupSettings(GanSettings):
    """The view generator alone, with a frozen identity encoder."""

    epochs: int = setting(40, "epochs of the full objective", paper="4.2", option=True, ge=0)
    reconstruction_epochs: int = setting(0, "epochs of plain reconstruction before them", option=True, ge=0)
    reconstruction_rate: float = setting(2e-3, "Adam rate of these epochs", gt=0)
    reconstruction_beta1: float = setting(0.9, "Adam beta 1 of these epochs", ge=0, lt=1)


class JointSettings(GanSettings, ContrastSettings):
    """Generator and encoder together (Eq. 9)."""

    @model_validator(mode="after")
    def _synthetic_terms_need_a_generator(self) -> "JointSettings":
        if "gan" not in self.losses and {"vi_syn", "vi_mem"} & set(self.losses):
            raise ValueError("losses vi_syn and vi_mem need generated views: add gan")
        return self

    epochs: int = setting(20, "epochs", paper="4.2", option=True, ge=1)
    losses: tuple[Literal["gan", "vi", "vi_syn", "vi_mem"], ...] = setting(
        ("gan", "vi", "vi_syn", "vi_mem"), "terms of Eq. 9: L_gan, L_vi, L'_vi, L''_vi", paper="Eq. 9", option=True
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
    contrast_steps: int = setting(0, "steps of L_vi alone after each joint step", ge=0)
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
