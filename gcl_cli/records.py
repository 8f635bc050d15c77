"""The few values that travel between layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:  # importing torch takes seconds: processes that share work on arrays do without
    from torch import Tensor

DRAWN_BY = "gcl-cli"  # the mark in every picture that a command draws, so that none is taken for a person again
SUBPIXELS = 8  # parts of a pixel, each way, that flows are counted in


@dataclass(frozen=True)
class Sample:
    """One picture of a data set; `name` is its path relative to the data set, with forward slashes."""

    name: str
    person: int | None = None  # identity label; None: unknown. 0 in a Market-1501 gallery: a distractor
    camera: int | None = None  # as written in the file name
    frame: int | None = None  # frame number or time stamp
    slot: str | None = None  # sequence (Market-1501) or recording slot (MSMT17) the frame counts in


class StyleVersions(Protocol):
    """Every training picture in the style of every camera (CamStyle), read when asked for."""

    def __call__(self, rows: Tensor, cameras: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] uint8 of `rows` [B], each as the camera `cameras` [B] would have taken it."""
        ...


@dataclass(frozen=True)
class Corrections:
    """What a person says of pairs of pictures, as rows of the training set."""

    must: np.ndarray  # [M, 2] int64, the same person
    cannot: np.ndarray  # [C, 2] int64, different people; never linked by `must`
    nobody: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # [B], no person; never in `must`


class PaintedViews(Protocol):
    """People from several sides in the colours of their photographs, read when asked for."""

    angles: tuple[int, ...]  # degrees, 0 first: as photographed, cut out

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        """Colour and opacity [B, 4, H, W] uint8 of `rows` [B], each at its own `angles[angle_index]` [B]."""
        ...


class ViewFlows(Protocol):
    """Where people seen from several sides take their colours from in their photographs, read when asked for."""

    angles: tuple[int, ...]  # degrees, 0 first: as photographed

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        """Flows [B, 4, H, W] int16 of `rows` [B], each at its own `angles[angle_index]` [B].

        Column and row in parts of a pixel (SUBPIXELS), opacity, how far the photograph itself shows what is painted.
        """
        ...


@dataclass
class TrainingSet:
    """What the training loops learn from: pictures in memory, and what is known of them; never a true label."""

    pictures: Tensor  # [N, 3, H, W] uint8, at the size of the network
    cameras: Tensor | None = None  # [N] int64
    times: Tensor | None = None  # [N] int64, frames on one clock for each camera
    slots: Tensor | None = None  # [N] int64, recordings that share nobody's track (MSMT17); None: all are one
    versions: StyleVersions | None = None  # camera-styled pictures, where the user has them
    well_meshed: Tensor | None = None  # [N] bool, whose mesh is good enough to generate views from; None: all are
    corrections: Corrections | None = None  # what a person says of pairs of pictures; None: nothing
    painted: PaintedViews | None = None  # every person from other sides in their own colours; None: nobody painted them

    def __len__(self) -> int:
        return len(self.pictures)

    def generating(self, rows: Tensor) -> Tensor:
        """Those of `rows` [M] whose mesh is good enough to generate views from."""
        return rows if self.well_meshed is None else rows[self.well_meshed[rows]]


@dataclass
class LabelledSet:
    """A source: pictures in memory with the people they show."""

    pictures: Tensor  # [N, 3, H, W] uint8, at the size of the network
    people: Tensor  # [N] int64 in 0 .. number - 1, every number taken
    cameras: Tensor | None = None  # [N] int64

    def __len__(self) -> int:
        return len(self.pictures)


class Sided(Protocol):
    """What is of people from several sides."""

    angles: tuple[int, ...]  # degrees, 0 first


class StructurePictures(Protocol):
    """Rendered meshes, read when asked for."""

    angles: tuple[int, ...]  # degrees, 0 first

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        """Grey pictures [B, 1, H, W] uint8 of `rows` [B], each at its own angle `angles[angle_index]` [B]."""
        ...


@dataclass(frozen=True)
class PseudoLabels:
    """Clusters of one data set and how they came about."""

    labels: np.ndarray  # [N] int64, -1 = noise
    radius: float  # the radius that was used (NaN for HDBSCAN)
    fallback: str | None = None  # why the asked-for clustering was replaced, in words; None: it was not

    @property
    def clusters(self) -> int:
        """The number of clusters."""
        return int(self.labels.max(initial=-1)) + 1

    @property
    def share_labelled(self) -> float:
        """The share of pictures that belong to a cluster."""
        return float((self.labels >= 0).mean()) if len(self.labels) else 0.0


@dataclass(frozen=True)
class MeshEstimates:
    """Estimated bodies of N pictures, in the order of their names (the mesh artifact's columns)."""

    pose: np.ndarray  # [N, 22, 3] float32, rotation vector of each bone relative to its parent, camera axes
    betas: np.ndarray  # [N, 10] float32, shape coefficients in standard deviations
    camera: np.ndarray  # [N, 3] float32, weak perspective: scale (pixels a metre), tx, ty (crop pixels)
    landmarks: np.ndarray  # [N, 33, 3] float32, x, y in crop pixels and visibility in [0, 1]
    score: np.ndarray  # [N] float32 in [0, 1], the landmark network's own
    status: np.ndarray  # [N] uint8: 0 ok, 1 low_confidence, 2 fallback

    def __len__(self) -> int:
        return len(self.pose)


@dataclass(frozen=True)
class Event:
    """What a training loop did: one optimizer step, or the end of an epoch."""

    kind: str  # "step" or "epoch"
    epoch: int  # 0-based
    step: int  # steps done in this epoch
    steps: int  # steps this epoch will have
    values: dict[str, float | int | str | None] = field(default_factory=dict)


Observer = Callable[[Event], dict[str, Any]]  # at the end of an epoch, with what earlier ones saw: more of its values
