"""Rotations as batches of 3x3 matrices that turn column vectors: x -> R x."""

import numpy as np
from scipy.spatial.transform import Rotation

X_AXIS, Y_AXIS, Z_AXIS = np.eye(3, dtype=np.float32)


def normalise(vectors: np.ndarray) -> np.ndarray:
    """`vectors` [..., 3] scaled to unit length; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, np.finfo(length.dtype).tiny)


def from_rotation_vector(vectors: np.ndarray) -> np.ndarray:
    """Rotations [..., 3, 3] about `vectors` [..., 3] by their length in radians."""
    matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    return matrices.reshape(*vectors.shape, 3).astype(vectors.dtype)


def to_rotation_vector(rotations: np.ndarray) -> np.ndarray:
    """Rotation vectors [..., 3] in radians, of length at most pi, of `rotations` [..., 3, 3].

    What rounding has bent is made orthonormal first.
    """
    vectors = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec()
    return vectors.reshape(rotations.shape[:-1]).astype(rotations.dtype)


def about(axis: np.ndarray, angles: np.ndarray | float) -> np.ndarray:
    """Rotations [..., 3, 3] by `angles` [...] (radians) about the unit vector `axis` [3] (or [..., 3])."""
    return from_rotation_vector(np.asarray(angles, dtype=axis.dtype)[..., None] * axis)


def smallest_rotation(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The rotations [..., 3, 3] of least angle that turn the directions `start` [..., 3] to `goal` [..., 3].

    Opposite directions have no unique one: some half turn is returned.
    """
    start, goal = normalise(start), normalise(goal)
    axis = np.cross(start, goal)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    cosine = (start * goal).sum(-1, keepdims=True)
    axis = np.where(sine > 1e-6, axis / np.maximum(sine, 1e-6), perpendicular(start))
    return from_rotation_vector(np.arctan2(sine, cosine) * axis)


def frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed orthonormal frames [..., 3, 3] with the columns a, b made perpendicular to a, and a x b.

    `first` a, `second` b: [..., 3], any length. Where b is parallel to a, some perpendicular direction replaces it.
    """
    column = normalise(first)
    unit = normalise(second)
    rest = _remove(unit, column)
    degenerate = np.linalg.norm(rest, axis=-1, keepdims=True) < 1e-6
    across = normalise(np.where(degenerate, perpendicular(column), rest))
    across = normalise(_remove(across, column))  # again: a tiny remainder keeps the rounding of what was removed
    return np.stack([column, across, np.cross(column, across)], axis=-1)


def slerp(start: np.ndarray, goal: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """The rotations [..., 3, 3] at `share` [...] of the shortest way from `start` (0) to `goal` (1) [..., 3, 3]."""
    way = to_rotation_vector(np.swapaxes(start, -1, -2) @ goal)
    return start @ from_rotation_vector(np.asarray(share, dtype=way.dtype)[..., None] * way)


def perpendicular(vectors: np.ndarray) -> np.ndarray:
    """Some unit vectors [..., 3] at right angles to `vectors` [..., 3]."""
    least = np.abs(vectors).argmin(-1)
    return normalise(np.cross(vectors, np.eye(3, dtype=vectors.dtype)[least]))


def _remove(vectors: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """`vectors` [..., 3] without their part along the unit vectors `directions` [..., 3]."""
    return vectors - (vectors * directions).sum(-1, keepdims=True) * directions
