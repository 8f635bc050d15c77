"""A z-buffer in numpy: which triangle covers each pixel, and where in it.

Pixel (column i, row j) is the unit square whose centre is (i + 0.5, j + 0.5); x runs right, y down.
"""

from typing import NamedTuple

import numpy as np

EDGE_TOLERANCE = 1e-3  # pixels in x; neighbours share the centres on their common edge: rounding must not open a gap
_HALF = np.float32(0.5)


class Fragments(NamedTuple):
    """The P covered pixels, each with the triangle that is nearest there."""

    pixel: np.ndarray  # [P] int32, row * width + column
    triangle: np.ndarray  # [P]
    barycentric: np.ndarray  # [3, P] of the pixel's centre, on the screen
    depth: np.ndarray  # [P]


def rasterize(
    points: np.ndarray, faces: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest triangle at every pixel centre.

    points: [V, 3] pixel x, pixel y and a depth that is linear on the screen, smaller = nearer, such as the
    distance from an orthographic camera; faces: [F, 3], wound either way.
    Returns face_index [height, width] int32 (-1 = empty), barycentric [height, width, 3] on the screen (0 where
    empty) and depth [height, width] (inf where empty).
    """
    found = nearest(points, faces.T, height, width)
    face_index = np.full(height * width, -1, np.int32)
    face_index[found.pixel] = found.triangle
    barycentric = np.zeros((height * width, 3), np.float32)
    barycentric[found.pixel] = found.barycentric.T
    depth = np.full(height * width, np.inf, np.float32)
    depth[found.pixel] = found.depth
    shape = (height, width)
    return face_index.reshape(shape), barycentric.reshape(*shape, 3), depth.reshape(shape)


def nearest(points: np.ndarray, corners: np.ndarray, height: int, width: int) -> Fragments:
    """`rasterize` as a list of covered pixels; `corners` [3, F] are the faces' vertices, corner by corner."""
    places = np.ascontiguousarray(points.T, np.float32).take(corners, axis=1)  # [3 axes, 3 corners, F]
    x, y, z = places
    sides = places[:2, 1:] - places[:2, :1]  # [2 axes, 2 sides from the first corner, F]
    area = sides[0, 0] * sides[1, 1] - sides[0, 1] * sides[1, 0]
    solid = np.abs(area) > 1e-9
    sides /= np.where(solid, area, 1)
    triangle, row, column = _covered_pixels(*_spans(x, y, solid, height, width))
    right = column.astype(np.float32) + _HALF - x[0].take(triangle)
    down = row.astype(np.float32) + _HALF - y[0].take(triangle)
    (a_x, b_x), (a_y, b_y) = sides.take(triangle, axis=2)
    second, third = right * b_y - down * b_x, down * a_x - right * a_y
    from_first = z[1:] - z[0]
    depth = z[0].take(triangle) + second * from_first[0].take(triangle) + third * from_first[1].take(triangle)
    pixel = row * np.int32(width) + column
    buffer = np.full(height * width, np.inf, np.float32)
    np.minimum.at(buffer, pixel, depth)
    wins = np.flatnonzero(depth == buffer.take(pixel))
    second, third = second.take(wins), third.take(wins)
    barycentric = np.stack([1 - second - third, second, third])
    return Fragments(pixel.take(wins), triangle.take(wins), barycentric, depth.take(wins))


def interpolate(
    attributes: np.ndarray, faces: np.ndarray, face_index: np.ndarray, barycentric: np.ndarray
) -> np.ndarray:
    """Vertex `attributes` [V, C] at every covered pixel, [H, W, C]; 0 where `face_index` [H, W] is -1."""
    picture = np.zeros((*face_index.shape, attributes.shape[1]), np.float32)
    covered = np.flatnonzero(face_index >= 0)
    corners = faces[face_index.ravel()[covered]]  # [P, 3]
    weights = barycentric.reshape(-1, 3)[covered]
    values = sum(weights[:, [corner]] * attributes[corners[:, corner]] for corner in range(3))
    picture.reshape(-1, attributes.shape[1])[covered] = values
    return picture


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Outward unit normals [V, 3] of a mesh [V, 3] whose faces [F, 3] wind counter-clockwise seen from outside.

    The mean of the adjacent faces' normals, weighted by area.
    """
    first, second, third = vertices.T.take(faces.T, axis=1).swapaxes(0, 1)  # each [3 axes, F]
    areas = np.cross(second - first, third - first, axis=0)
    corner = faces.T.ravel()
    sums = [np.bincount(corner, np.tile(area, 3), len(vertices)) for area in areas]
    normals = np.stack(sums, axis=1)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.maximum(length, 1e-20)).astype(np.float32)


def _spans(
    x: np.ndarray, y: np.ndarray, solid: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every row of every `solid` triangle: triangle [S], row [S], first column [S] and columns [S] > 0 inside.

    x, y: [3, F]. The middle corner splits a triangle into an upper and a lower half; each half [2, F] lies between
    the long side and a short one, which are straight: column = start + slope * (rows since the half's first).
    """
    (top_x, middle_x, bottom_x), levels = _from_top_to_bottom(x, y)
    top, middle, bottom = levels
    rows = np.ceil(np.clip(levels - _HALF, 0, height)).astype(np.int32)  # the first row below each corner
    begin = rows[:2].astype(np.float32) + _HALF  # [2, F]
    along = _slope(bottom_x - top_x, bottom - top)
    upper, lower = _slope(middle_x - top_x, middle - top), _slope(bottom_x - middle_x, bottom - middle)
    long_slope, short_slope = np.stack([along, along]), np.stack([upper, lower])
    long = top_x + (begin - top) * along
    short = np.stack([top_x + (begin[0] - top) * upper, middle_x + (begin[1] - middle) * lower])
    short_is_left = middle_x - top_x < (middle - top) * along
    lines = np.stack([
        np.where(short_is_left, short, long) - np.float32(0.5 + EDGE_TOLERANCE),
        np.where(short_is_left, short_slope, long_slope),
        np.where(short_is_left, long, short) - np.float32(0.5 - EDGE_TOLERANCE),
        np.where(short_is_left, long_slope, short_slope),
    ]).reshape(4, -1)  # fmt: skip
    half, step = _count_up((np.diff(rows, axis=0) * solid).ravel())
    row = rows[:2].ravel().take(half) + step
    left, left_slope, right, right_slope = lines.take(half, axis=1)
    ends = np.stack([left + step * left_slope, right + step * right_slope])
    first, behind = np.ceil(np.clip(ends, 0, width)).astype(np.int32)
    columns = behind - first
    kept = np.flatnonzero(columns > 0)
    return half.take(kept) % len(solid), row.take(kept), first.take(kept), columns.take(kept)


def _from_top_to_bottom(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners x [3, F], y [3, F] of every triangle, by rising y."""
    xs, ys = list(x), list(y)
    for one, other in ((0, 1), (1, 2), (0, 1)):
        swapped = ys[one] > ys[other]
        xs[one], xs[other] = np.where(swapped, xs[other], xs[one]), np.where(swapped, xs[one], xs[other])
        ys[one], ys[other] = np.minimum(ys[one], ys[other]), np.maximum(ys[one], ys[other])
    return np.stack(xs), np.stack(ys)


def _slope(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Columns per row along a side that runs down; a level side has no rows, and any slope will do."""
    return across / np.maximum(down, np.float32(1e-12))


def _covered_pixels(
    triangle: np.ndarray, row: np.ndarray, first: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The triangle, row and column [P] of all pixels of the spans."""
    span, step = _count_up(columns)
    return triangle.take(span), row.take(span), first.take(span) + step


def _count_up(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every i the numbers 0, 1, ..., `counts` [N] of them: i and the number, end to end."""
    owner = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts, dtype=np.int32) - counts.astype(np.int32)
    return owner, np.arange(len(owner), dtype=np.int32) - before.take(owner)
