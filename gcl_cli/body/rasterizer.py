"""A z-buffer in numpy: which triangle covers each pixel, and where in it.

Pixel (column i, row j) is the unit square whose centre is (i + 0.5, j + 0.5); x runs right, y down.
"""

import numpy as np

EDGE_TOLERANCE = 1e-5  # neighbours share the pixels on their common edge: rounding must not open a gap


def rasterize(
    points: np.ndarray, faces: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest triangle at every pixel centre.

    points: [V, 3] pixel x, pixel y and a depth that is linear on the screen, smaller = nearer: the distance for an
    orthographic camera, -1 / distance for a perspective one (then see `correct_for_perspective`); faces: [F, 3],
    wound either way.
    Returns face_index [height, width] int32 (-1 = empty), barycentric [height, width, 3] on the screen (0 where
    empty) and depth [height, width] (inf where empty).
    """
    corners = np.ascontiguousarray(points.T, np.float32).take(faces.T, axis=1)  # [3 axes, 3 corners, F]
    gradients = _barycentric_gradients(corners)
    triangle, row, column = _covered_pixels(*_spans(corners, gradients, height, width))
    weights = _barycentrics(corners, gradients, triangle, row, column)  # [3, P]
    depth = (weights * corners[2].take(triangle, axis=1)).sum(axis=0)
    pixel = row * width + column
    nearest = np.full(height * width, np.inf, np.float32)
    np.minimum.at(nearest, pixel, depth)
    wins = np.flatnonzero(depth == nearest[pixel])
    face_index = np.full(height * width, -1, np.int32)
    face_index[pixel[wins]] = triangle[wins]
    barycentric = np.zeros((height * width, 3), np.float32)
    barycentric[pixel[wins]] = weights[:, wins].T
    shape = (height, width)
    return face_index.reshape(shape), barycentric.reshape(*shape, 3), nearest.reshape(shape)


def correct_for_perspective(
    barycentric: np.ndarray, face_index: np.ndarray, faces: np.ndarray, distance: np.ndarray
) -> np.ndarray:
    """Barycentrics [H, W, 3] on the surface from those on the screen; `distance` [V] > 0 from the camera plane.

    Attributes over distance are linear on the screen, hence b'_i ~ b_i / z_i.
    """
    weights = barycentric / distance[faces[face_index]]
    total = weights.sum(axis=-1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0).astype(np.float32, copy=False)


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


def _barycentric_gradients(corners: np.ndarray) -> np.ndarray:
    """How the three barycentrics grow with x and y, [2, 3, F]; NaN for a triangle without area."""
    x, y = corners[:2]  # [3, F]
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    inverse = np.divide(1, area, out=np.full_like(area, np.nan), where=np.abs(area) > 1e-9)
    following, previous = [1, 2, 0], [2, 0, 1]
    return np.stack([y[following] - y[previous], x[previous] - x[following]]) * inverse


def _spans(
    corners: np.ndarray, gradients: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every row of every triangle: triangle [S], row [S], first and last column [S] whose centres lie inside.

    On a row, b_i >= 0 bounds x from the left where b_i grows with x, from the right where it falls.
    """
    x, y = corners[:2]
    top = np.ceil(np.clip(y.min(axis=0) - 0.5, 0, height)).astype(np.int32)
    bottom = np.floor(np.clip(y.max(axis=0) - 0.5, -1, height - 1)).astype(np.int32)
    growth = gradients[0]  # [3, F]
    rows = np.where(np.isnan(growth[0]), 0, np.maximum(bottom - top + 1, 0))
    triangle, row = _count_up(rows, top)
    level = np.abs(growth) < 1e-12  # a level edge bounds no x; the triangle's rows already end there
    divisor = np.where(level, 1, growth)
    slope = -gradients[1] / divisor
    at_third = x[2] - (np.array([[0], [0], [1]], np.float32) + EDGE_TOLERANCE) / divisor  # x where b_i = 0
    left = np.where(level | (growth < 0), -np.inf, at_third)
    right = np.where(level | (growth > 0), np.inf, at_third)
    shift = (row + np.float32(0.5)).astype(np.float32) - y[2, triangle]
    shift = shift * slope.take(triangle, axis=1)  # [3, S]
    first = np.ceil(np.clip((left.take(triangle, axis=1) + shift).max(axis=0) - 0.5, 0, width)).astype(np.int32)
    last = np.floor(np.clip((right.take(triangle, axis=1) + shift).min(axis=0) - 0.5, -1, width - 1)).astype(np.int32)
    return triangle, row, first, last


def _covered_pixels(
    triangle: np.ndarray, row: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The triangle, row and column [P] of all pixels of the spans."""
    span, column = _count_up(np.maximum(last - first + 1, 0), first)
    return triangle[span], row[span], column


def _count_up(counts: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every i the numbers starts_i, starts_i + 1, ..., `counts` of them: i and the number, end to end."""
    owner = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    ends = np.cumsum(counts, dtype=np.int32)
    shift = starts - (ends - counts.astype(np.int32))
    return owner, np.arange(len(owner), dtype=np.int32) + shift[owner]


def _barycentrics(
    corners: np.ndarray, gradients: np.ndarray, triangle: np.ndarray, row: np.ndarray, column: np.ndarray
) -> np.ndarray:
    """Barycentrics [3, P] of pixel centres; the first two are 0 at the third corner."""
    right = (column + np.float32(0.5)).astype(np.float32) - corners[0, 2, triangle]
    down = (row + np.float32(0.5)).astype(np.float32) - corners[1, 2, triangle]
    first, second = gradients[0, :2].take(triangle, axis=1) * right + gradients[1, :2].take(triangle, axis=1) * down
    return np.stack([first, second, 1 - first - second])
