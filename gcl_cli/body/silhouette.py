"""How much of each pixel a closed surface covers, from its contour alone: smooth edges without supersampling."""

from dataclasses import dataclass

import numpy as np

SUBROWS = 4  # lines a pixel on which coverage is measured; along a line it is exact
_STEPS = 4096  # positions a pixel that crossings are rounded to
_LINE = 32  # bits of a sort key below the line's number


@dataclass(frozen=True, eq=False)
class Surface:
    """The faces of a mesh and which of them are neighbours: what stays the same while it moves."""

    faces: np.ndarray  # [F, 3], counter-clockwise seen from outside in camera axes
    corners: np.ndarray  # [3, F], the same corner by corner
    across: np.ndarray  # [3, F], the face beyond the edge from corner c to corner c + 1; F where there is none

    @classmethod
    def of(cls, faces: np.ndarray) -> "Surface":
        """The surface of `faces` [F, 3]. Where more than two faces meet in an edge, none counts as a neighbour."""
        corners = np.ascontiguousarray(faces.T, np.intp)
        size = corners.max(initial=0) + 1
        starts, ends = corners.ravel(), np.roll(corners, -1, axis=0).ravel()
        keys, edge, row, count = np.unique(
            starts * size + ends, return_index=True, return_inverse=True, return_counts=True
        )
        wanted = ends * size + starts
        place = np.searchsorted(keys, wanted) % max(len(keys), 1)
        paired = (keys[place] == wanted) & (count[place] == 1) & (count[row] == 1)
        across = np.where(paired, edge[place] % max(len(faces), 1), len(faces))
        return cls(faces, corners, across.reshape(3, -1))


def coverage(points: np.ndarray, surface: Surface, front: np.ndarray, height: int, width: int) -> np.ndarray:
    """The covered share [height, width] of every pixel, in [0, 1].

    points: [V, 3] pixel x, y (and a depth that is not used); front: [F] bool, the faces whose projections count,
    which all wind the same way on the screen as those that turn their outside to the viewer do.
    Going along a line from left to right, the number of such faces in front of one another rises and falls only at
    the edges where they border on others: their neighbours across cancel all other edges. Closed or not, what is
    covered is where that number is positive.
    """
    line, position, rises = _crossings(points, surface, front, height, width)
    keys = (line.astype(np.int64) << _LINE) | (position << 1) | ~rises
    keys.sort()
    change = 1 - 2 * (keys & 1)
    layers = np.cumsum(change)
    border = np.flatnonzero((layers > 0) != (layers - change > 0))
    keys, change = keys.take(border), change.take(border)
    position = (keys & ((1 << _LINE) - 1)) >> 1
    pixel = (keys >> _LINE) // SUBROWS * (width + 2) + position // _STEPS
    behind = change * (position % _STEPS).astype(np.float32) / _STEPS  # the part of the pixel left of the crossing
    # A crossing at share s of a pixel adds 1 - s to it and 1 to all on its right: running sums of 1 - s, s.
    steps = np.bincount(pixel, change - behind, height * (width + 2))
    steps[1:] += np.bincount(pixel, behind, height * (width + 2))[:-1]
    shares = steps.astype(np.float32).reshape(height, width + 2).cumsum(axis=1)[:, :width]
    return np.clip(shares * np.float32(1 / SUBROWS), 0, 1)


def _crossings(
    points: np.ndarray, surface: Surface, front: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the contour's edges cross the lines: line [C], position [C] in steps, whether a layer begins there [C]."""
    edge = np.flatnonzero(front > np.append(front, False).take(surface.across))
    start = surface.corners.ravel().take(edge)
    end = surface.corners.ravel().take((edge + len(front)) % max(surface.corners.size, 1))
    x, y = np.ascontiguousarray(points.T[:2])
    begin_x, begin_y = x.take(start), y.take(start) * SUBROWS
    end_y = y.take(end) * SUBROWS
    lines = [np.ceil(np.clip(level - 0.5, 0, height * SUBROWS)).astype(np.int32) for level in (begin_y, end_y)]
    counts = np.abs(lines[1] - lines[0])
    crossing = np.repeat(np.arange(len(edge)), counts)
    before = np.cumsum(counts) - counts
    line = np.minimum(*lines).take(crossing) + (np.arange(len(crossing)) - before.take(crossing))
    slope = (x.take(end) - begin_x) / np.where(counts > 0, end_y - begin_y, 1)
    distance = (line + 0.5).astype(np.float32) - begin_y.take(crossing)
    position = np.clip(begin_x.take(crossing) + distance * slope.take(crossing), 0, width) * np.float32(_STEPS)
    return line, position.astype(np.int64), (lines[0] < lines[1]).take(crossing)
