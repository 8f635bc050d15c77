"""Where a person lands in the crop: perspective, distance, margins, and the weak-perspective camera that tells so."""

from dataclasses import dataclass

import numpy as np

from gcl_cli.synth.cameras import HEIGHT, OVERSAMPLING, WIDTH, Camera
from gcl_cli.synth.posing import PosedFigure

CANVAS = (OVERSAMPLING * HEIGHT, OVERSAMPLING * WIDTH)  # height and width of the picture that is drawn, pixels


@dataclass(frozen=True, eq=False)
class Framing:
    """A perspective camera of infinite resolution and the window of it that becomes the canvas."""

    centre: np.ndarray  # [3] the point the camera looks at, camera axes from the pelvis
    distance: float  # metres to that point
    origin: np.ndarray  # [2] upper left corner of the window, tangents of the viewing angle
    scale: np.ndarray  # [2] canvas pixels for each unit of tangent

    def project(self, points: np.ndarray) -> np.ndarray:
        """Canvas x, canvas y and depth in metres [N, 3] of points [N, 3] in camera axes from the pelvis."""
        x, y, z = (points - self.centre).T
        depth = z + np.float32(self.distance)
        (left, top), (across, down) = self.origin, self.scale
        return np.stack([(x / depth - left) * across, (y / depth - top) * down, depth], axis=1)  # [N, 3]


def frame_person(random: np.random.Generator, posed: PosedFigure, taken_by: Camera) -> Framing:
    """The window that a careless detector would cut around the person, now and then cutting a limb."""
    distance = taken_by.distance * float(np.exp(random.normal(0, 0.12)))
    unit = _unit_window(posed, distance)
    low, high = (bound[:2] for bound in _bounds(unit.project(posed.vertices)))
    person_width, person_height = high - low
    above, below = np.clip(random.normal(0.07, 0.04, 2), [-0.03, -0.06], 0.2) * person_height
    window_height = person_height + above + below
    width = max(window_height * WIDTH / HEIGHT * np.exp(random.normal(0, 0.07)), 0.8 * person_width)
    middle = (low[0] + high[0]) / 2 + width * random.normal(0, 0.04)
    origin = np.array([middle - width / 2, low[1] - above], np.float32)
    scale = np.array([CANVAS[1] / width, CANVAS[0] / window_height], np.float32)
    return Framing(unit.centre, distance, origin, scale)


def frame_onto(posed: PosedFigure, goal: np.ndarray, *, distance: float) -> Framing:
    """The window, as large across as down, that brings the first vertices nearest to canvas pixels `goal` [V, 2].

    Least squares. Needs goals that are not all in one place.
    """
    unit = _unit_window(posed, distance)
    tangents = unit.project(posed.vertices[: len(goal)])[:, :2]
    mean, goal_mean = tangents.mean(axis=0), goal.mean(axis=0)
    scale = ((tangents - mean) * (goal - goal_mean)).sum() / ((tangents - mean) ** 2).sum()
    origin = (mean - goal_mean / scale).astype(np.float32)
    return Framing(unit.centre, distance, origin, np.full(2, scale, np.float32))


def _unit_window(posed: PosedFigure, distance: float) -> Framing:
    """Tangents of the viewing angle, towards the person's middle."""
    heights = posed.vertices @ posed.up
    centre = (heights.min() + heights.max()) / 2 * posed.up
    return Framing(centre, distance, np.zeros(2, np.float32), np.ones(2, np.float32))


def weak_perspective(points: np.ndarray, projected: np.ndarray) -> np.ndarray:
    """Scale (crop pixels a metre), tx, ty [3] that best map points [N, 3] to their canvas pixels [N, >=2].

    Least squares of x = scale X + tx, y = scale Y + ty, in pixels of the finished crop.
    """
    metres, pixels = points[:, :2], projected[:, :2] / OVERSAMPLING
    metres_mean, pixels_mean = metres.mean(0), pixels.mean(0)
    centred = metres - metres_mean
    scale = (centred * (pixels - pixels_mean)).sum() / (centred**2).sum()
    return np.array([scale, *(pixels_mean - scale * metres_mean)], np.float32)


def _bounds(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return points.min(0), points.max(0)
