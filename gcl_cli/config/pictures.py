"""What is made before any training: synthetic people, bodies, views."""

from typing import Literal

from pydantic import field_validator, model_validator

from gcl_cli.config.setting import Settings, setting

TURNED_ANGLES = (45, 90, 135, 180, 225, 270, 315)


def within_a_turn(angles: tuple[int, ...]) -> tuple[int, ...]:
    """The angles; ValueError for one that is no whole number of degrees of one turn."""
    if not all(0 <= angle < 360 for angle in angles):
        raise ValueError("an angle is from 0 to 359 degrees")
    return angles


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
    turned: tuple[int, ...] = setting(
        (), "also draw every person turned by these degrees, with alpha, to turned/<picture>/<degrees>.png", option=True
    )

    @field_validator("turned")
    @classmethod
    def _within_a_turn(cls, turned: tuple[int, ...]) -> tuple[int, ...]:
        return within_a_turn(turned)

    @model_validator(mode="after")
    def _turned_stay_out_of_training(self) -> "SynthSettings":
        if self.turned and not self.labels:
            raise ValueError("turned pictures would be training pictures of a set without labels: leave one of them")
        return self


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
    paint_height: int = setting(
        128, "height of the views painted in the photograph's colours (the width follows); 0: none", option=True,
        ge=0, le=1024,
    )  # fmt: skip
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
