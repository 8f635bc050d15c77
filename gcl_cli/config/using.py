"""Using what was trained: views of a person, search, weights for other programs."""

from typing import Any, Literal

from pydantic import field_validator, model_validator

from gcl_cli.config.measuring import GallerySettings
from gcl_cli.config.pictures import TURNED_ANGLES, within_a_turn
from gcl_cli.config.setting import Settings, setting
from gcl_cli.errors import GclError

BEHIND = 180  # degrees


class ViewsSettings(Settings):
    """Generated pictures of the people on any photographs."""

    angles: tuple[int, ...] = setting(TURNED_ANGLES, "degrees to turn by, any from 0 to 359", option=True)
    backdrop: Literal["own", "none"] = setting(
        "own", "what is behind the people: the photograph's, or nothing (transparent, by the shipped generator alone)",
        option=True,
    )  # fmt: skip

    @field_validator("angles")
    @classmethod
    def _within_a_turn(cls, angles: tuple[int, ...]) -> tuple[int, ...]:
        return within_a_turn(angles)


class LikenessSettings(Settings):
    """From which similarity two pictures count as one person."""

    false_accepts: float = setting(
        0.01, "share of strangers that may be taken for the same person", option=True, gt=0, lt=0.5
    )
    clusters: str = setting("main", "name of the clusters that the chances were learned from")


class VerifySettings(LikenessSettings):
    """Whether two pictures show the same person."""

    prior: float = setting(
        0.5, "share of such pairs that are one person, before anybody looks", option=True, gt=0, lt=1
    )


class SearchSettings(GallerySettings, LikenessSettings):
    """Which pictures of a folder show the person of another picture."""

    unknown: bool = setting(
        False, "say how likely each match is the same person, and where nobody in the gallery is", option=True
    )
    top: int = setting(20, "pictures to list for each query", option=True, ge=1)
    angle: int | None = setting(
        None, "search by a generated view as well, the query turned by these degrees; none: as it is alone",
        option=True, ge=1, le=359,
    )  # fmt: skip
    view_weight: float = setting(
        0.2, "with an angle: how much the view counts in the query, beside the photograph; 1: the view alone",
        ge=0, le=1,
    )  # fmt: skip
    exact_to: int = setting(
        1_000_000, "pictures up to which every one is compared; more are found through a graph, where usearch is there",
        ge=0,
    )  # fmt: skip

    @model_validator(mode="after")
    def _as_learned(self) -> "SearchSettings":
        if self.unknown and self.changes:
            option = self.changes[0]
            raise ValueError(f"--unknown knows what plain similarities mean, and --{option} changes them: choose one")
        return self

    @property
    def changes(self) -> list[str]:
        """The options that make similarities other than plain ones."""
        names = ("flip", "even_cameras", "centralise", "angle")
        return [name.replace("_", "-") for name in names if getattr(self, name)]


class ReportSettings(Settings):
    """The page that shows a work folder."""

    people: int = setting(4, "people to show generated views of; 0: none", option=True, ge=0, le=50)
    queries: int = setting(6, "ranked lists of each kind, wrong and right; 0: none", option=True, ge=0, le=200)
    clusters: int = setting(12, "clusters to show, half of them the most doubtful; 0: none", option=True, ge=0, le=500)
    members: int = setting(12, "pictures of a cluster", ge=2, le=100)
    pictures: int = setting(
        400, "training pictures to embed, for the map and the nearest real pictures; 0: none", option=True,
        ge=0, le=5000,
    )  # fmt: skip
    map: Literal["tsne", "pca"] = setting("tsne", "how the embedding is laid flat", option=True)
    embed_at_most: int = setting(4000, "query and gallery pictures to embed when no evaluation kept theirs", ge=0)
    blur_faces: bool = setting(False, "blur the heads on all pictures", option=True)
    full_pictures: bool = setting(False, "keep pictures at their full size in the page", option=True)
    thumbnail: int = setting(128, "height of a picture on the page in pixels", ge=32, le=512)
    seed: int = setting(0, "seed of the choice of pictures and of the map", ge=0)


class ExportSettings(Settings):
    """An identity encoder for other programs."""

    format: Literal["onnx", "safetensors", "boxmot", "ultralytics", "reid"] = setting(
        "onnx",
        "onnx: a network that takes pictures as they are; boxmot, ultralytics: ONNX as these trackers load it; reid: a "
        "folder for Roboflow's package; safetensors: the weights",
        option=True,
    )
    int8: bool = setting(
        False, "also write the ONNX file in eight bits, and measure on the set what that costs", option=True
    )
    calibration: int = setting(200, "with --int8: training pictures whose values set the ranges", ge=8)
    measured: int = setting(1000, "with --int8: pictures to measure on, about as many of query and gallery", ge=20)
    seed: int = setting(0, "with --int8: seed of the choice of pictures", ge=0)


def with_view_from_behind(chosen: dict[str, Any]) -> dict[str, Any]:
    """What the user of `gcl search` chose, with the angle that `--from-behind` stands for."""
    if chosen.get("angle", BEHIND) != BEHIND:
        raise GclError(f"--from-behind is --angle {BEHIND}, not {chosen['angle']}.", "Give one of the two.")
    return {**chosen, "angle": BEHIND}
