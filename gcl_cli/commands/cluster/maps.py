"""What a scale is made of: maps from what features say to a chance, and lines from a raw figure to a range."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Map:
    """A monotone map of a weighted sum: isotonic regression, by its corners."""

    weights: tuple[float, ...]
    bias: float
    x: tuple[float, ...]  # sums, rising
    y: tuple[float, ...]  # what they stand for

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """What the rows of `columns` [N, C] stand for: [N]; beyond the corners as at the nearest."""
        return np.interp(columns @ np.array(self.weights) + self.bias, self.x, self.y)


class Range(NamedTuple):
    """A figure, and where it lies nine times in ten."""

    about: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """A line on a log (or logit) scale, with how far the truth lay from it on the sets that it was fitted to."""

    share: bool  # of a share between 0 and 1: logit; else of a number: log
    bias: float
    slope: float
    low: float  # quantiles .05 and .95 of the distances
    high: float

    def __call__(self, raw: float) -> Range:
        """The figure that `raw` stands for."""
        at = self.bias + self.slope * float(self.link(raw))
        return Range(*(float(self._back(at + off)) for off in (0.0, self.low, self.high)))

    def link(self, value: np.ndarray | float) -> np.ndarray:
        """A share or number on the scale of the line."""
        if not self.share:
            return np.log(np.maximum(value, 1e-9))
        inside = np.clip(value, 0.001, 0.999)
        return np.log(inside / (1 - inside))

    def _back(self, at: float) -> np.ndarray:
        return 1 / (1 + np.exp(-at)) if self.share else np.exp(at)


@dataclass(frozen=True)
class Scale:
    """All maps, each of its own columns (`trust.Facts`)."""

    pure: Map  # of a cluster's columns: the share of its pairs of pictures that show one person
    two: Map  # of a cluster's columns: the chance that it holds two people or more
    right: Map  # of a picture's columns: the chance that it shows the person of most of its cluster
    shared: tuple[Map, Map, Map]  # of the likeness of two clusters, cluster and picture, two pictures: the share shared
    same: Map  # of the likeness of two clusters: the chance that most of both is one person
    people: Line  # of people for each group of pictures: clusters, and those in none
    precision: Line
    recall: Line
