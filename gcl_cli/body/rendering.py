"""Pictures of one body from several sides, as the structure encoder sees them: shaded grey on white."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gcl_cli.body.model import Body
from gcl_cli.body.rasterizer import nearest, vertex_normals
from gcl_cli.body.rotations import Y_AXIS, about, normalise
from gcl_cli.body.silhouette import Surface, coverage

WHITE = 255
# Samples of a pixel, each way: an arm before the body has a smooth edge with two, and small pictures need more, since
# limbs there have rims thinner than a pixel.
SAMPLES, SAMPLED_ROWS = 2, 256
MARGIN = 2.0  # pixels that recentred views keep free at the border
PICTURE_UP = -Y_AXIS
TORSO = ("pelvis", "spine05", "spine04", "spine03", "spine02", "spine01", "neck")
STEEPEST_LEAN = 35.0  # degrees from the picture's vertical up to which a long axis is taken for an up axis
# Directions towards the three lights in camera axes (x right, y down, z away): they stay with the camera.
LIGHTS = normalise(np.array([[-0.6, -0.6, -1.0], [1.0, -0.1, -0.4], [0.2, 0.8, -0.6]], np.float32))
STRENGTHS = np.array([0.85, 0.45, 0.25], np.float32)
AMBIENT, BRIGHTEST = 0.15, 205.0  # the share of light from everywhere; the grey level of full light


class Draw(Protocol):
    """A backend: one picture of a mesh that is already in picture coordinates."""

    def __call__(self, points: np.ndarray, greys: np.ndarray, surface: Surface, height: int, width: int) -> np.ndarray:
        """Picture [height, width] uint8, white where empty, edges smoothed by the share of the pixel that is covered.

        points: [V, 3] pixel x, pixel y, depth (smaller = nearer, on the scale of pixels); greys: [V] levels in
        [0, 255]. Faces seen from behind may be left out.
        """
        ...


def draw_with_numpy(points: np.ndarray, greys: np.ndarray, surface: Surface, height: int, width: int) -> np.ndarray:
    """The backend that needs nothing but numpy (see `Draw`)."""
    front = faces_viewer(points, surface)
    share = coverage(points, surface, front, height, width)
    corners = surface.corners[:, front]
    fine = max(SAMPLES, SAMPLED_ROWS // height)
    found = nearest(points * np.array([fine, fine, 1], np.float32), corners, height * fine, width * fine)
    corner_greys = greys.take(corners)  # [3, F]
    parts = [corner_greys[corner].take(found.triangle) * found.barycentric[corner] for corner in range(3)]
    row, column = np.divmod(found.pixel, width * fine)
    pixel = row // fine * width + column // fine
    sums = np.bincount(pixel, np.clip(parts[0] + parts[1] + parts[2], 0, WHITE), height * width)
    counts = np.bincount(pixel, minlength=height * width)
    levels = np.where(counts > 0, sums / np.maximum(counts, 1), -1).astype(np.float32)
    return _on_white(levels.reshape(height, width), share)


def render_views(
    surface: Surface,
    vertices: np.ndarray,
    camera: np.ndarray | Sequence[float],
    crop_size: tuple[int, int],
    angles: Sequence[float],
    *,
    up: np.ndarray,
    height: int,
    width: int,
    recentre: bool,
    draw: Draw = draw_with_numpy,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a body of any topology as its crop shows it (angle 0) and turned by the other `angles`, in degrees.

    vertices: [V, 3] metres, camera axes; camera: (scale, tx, ty), crop pixel = scale * xy + t; crop_size: (height,
    width) of the crop, mapped to the picture with a scale of its own in x and y.
    up: [3] the axis of the turn, through the mean of the vertices (`up_axis`, `long_axis` or `PICTURE_UP`).
    A person seen from behind at 0 faces image-left at 90, the viewer at 180, image-right at 270.
    recentre: move turned views to the middle and shrink those the picture is too narrow for.
    `PICTURE_UP` without recentring is the published convention.
    Returns pictures [angles, height, width] uint8 and clipped [angles] bool: the silhouette touches the border.
    """
    points, turns = turned_points(
        vertices, camera, crop_size, angles, up=up, height=height, width=width, recentre=recentre
    )
    greys = shade(vertex_normals(vertices, surface.faces), LIGHTS @ turns)  # lights seen from the body, [A, V]
    views = zip(points, greys, strict=True)
    pictures = np.stack([draw(view, levels, surface, height, width) for view, levels in views])
    return pictures, touches_border(pictures)


def turned_points(
    vertices: np.ndarray,
    camera: np.ndarray | Sequence[float],
    crop_size: tuple[int, int],
    angles: Sequence[float],
    *,
    up: np.ndarray,
    height: int,
    width: int,
    recentre: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the vertices are in the pictures of `render_views`: pixel x, y and depth [A, V, 3]; the turns [A, 3, 3]."""
    turns = about(up.astype(np.float32), np.deg2rad(np.asarray(angles, np.float32)))
    points = _turned_points(vertices, turns, camera, crop_size, height, width)
    # Paper: turned bodies stay where they were. Here: they are recentred, and shrunk where the crop is too narrow.
    if recentre:
        front = to_picture(vertices, camera, crop_size, height, width)
        for index in np.flatnonzero(np.asarray(angles) % 360):
            _fit(points[index], front, height, width)
    return points, turns


def to_picture(
    vertices: np.ndarray, camera: np.ndarray | Sequence[float], crop_size: tuple[int, int], height: int, width: int
) -> np.ndarray:
    """Pixel x, y and depth [..., V, 3] in a picture of a crop, for `vertices` [..., V, 3] in metres, camera axes."""
    scale, *shift = (float(number) for number in camera)
    stretch = np.array([width / crop_size[1], height / crop_size[0]], np.float32)
    crop_pixels = vertices[..., :2] * scale + np.array(shift, np.float32)
    return np.concatenate([crop_pixels * stretch, vertices[..., 2:] * (scale * stretch[1])], axis=-1)


def up_axis(body: Body, vertices: np.ndarray) -> np.ndarray:
    """The direction [3] from pelvis to neck of posed `vertices` [V, 3]: how the torso as a whole carries "up".

    The rotation that takes the torso of the mean rest body, which stands upright, to the posed one (Kabsch 1976).
    """
    weights = body.dense_weights[:, [body.bone_names.index(name) for name in TORSO]].sum(axis=1, keepdims=True)
    rest, posed = body.mean_points[: len(vertices)], vertices
    rest, posed = (points - (weights * points).sum(axis=0) / weights.sum() for points in (rest, posed))
    left, _, right = np.linalg.svd((weights * posed).T @ rest)
    left[:, 2] *= np.sign(np.linalg.det(left @ right))  # a rotation, never a reflection
    return (left @ right) @ -Y_AXIS


def long_axis(vertices: np.ndarray) -> np.ndarray:
    """The up direction [3] of a body whose parts are unknown: the longest principal axis of its `vertices` [V, 3].

    The picture's vertical instead where that axis leans by more than `STEEPEST_LEAN`: people who sit, lie or stretch.
    """
    _, _, axes = np.linalg.svd(vertices - vertices.mean(axis=0), full_matrices=False)
    axis: np.ndarray = axes[0] * (1 if axes[0] @ PICTURE_UP > 0 else -1)
    return axis if axis @ PICTURE_UP >= np.cos(np.deg2rad(STEEPEST_LEAN)) else PICTURE_UP


def shade(normals: np.ndarray, lights: np.ndarray = LIGHTS) -> np.ndarray:
    """Grey levels [..., V] of unit `normals` [V, 3] under three Lambertian lights from `lights` [..., 3, 3]."""
    light = STRENGTHS @ np.maximum(lights @ normals.T, 0)
    return np.minimum(AMBIENT + (1 - AMBIENT) * light, 1) * np.float32(BRIGHTEST)


def touches_border(pictures: np.ndarray) -> np.ndarray:
    """Whether the body in `pictures` [A, H, W] reaches the first or last row or column, [A] bool."""
    sides = (pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1])
    return np.any([(side != WHITE).any(axis=1) for side in sides], axis=0)


def _turned_points(
    vertices: np.ndarray,
    turns: np.ndarray,
    camera: np.ndarray | Sequence[float],
    crop_size: tuple[int, int],
    height: int,
    width: int,
) -> np.ndarray:
    """`to_picture` of the vertices turned about their mean by `turns` [A, 3, 3]: [A, V, 3], each axis in one piece."""
    centre = vertices.mean(axis=0)
    corners = to_picture(np.concatenate([np.zeros((1, 3), np.float32), np.eye(3, dtype=np.float32)]),
                         camera, crop_size, height, width)  # fmt: skip
    matrix, shift = (corners[1:] - corners[0]).T, corners[0]  # the camera, which is affine
    moved = (matrix @ turns) @ (vertices - centre).T  # [A, 3, V]
    moved += (matrix @ centre + shift)[:, None]
    return np.swapaxes(moved, 1, 2)


def _fit(points: np.ndarray, front: np.ndarray, height: int, width: int) -> None:
    """Move a turned view (`points` [V, 3], pixels) to the middle of the picture, shrunk where it does not fit.

    It may stay as tall as `front`, the view at 0, is: a person the crop cuts is cut in every view.
    """
    low, high = points.min(axis=0)[:2], points.max(axis=0)[:2]
    room = np.array([width, height], np.float32) - 2 * MARGIN
    front_low, front_high = front[:, 1].min(), front[:, 1].max()
    shrink = min(1.0, room[0] / (high - low)[0], max(room[1], front_high - front_low) / (high - low)[1])
    half = (high - low)[1] * shrink / 2
    middle = (low + high)[1] / 2
    if 2 * half <= room[1]:
        middle = np.clip(middle, MARGIN + half, height - MARGIN - half)
    else:
        middle = (front_low + front_high) / 2
    goal = np.array([width / 2, middle], np.float32)
    points *= np.float32(shrink)
    points[:, :2] += goal - (low + high) / 2 * np.float32(shrink)


def faces_viewer(points: np.ndarray, surface: Surface) -> np.ndarray:
    """Which faces of the surface turn their outside to the viewer, [F] bool; `points` [V, 3] in the picture."""
    x, y = np.ascontiguousarray(points.T[:2]).take(surface.corners, axis=1)  # each [3, F]
    return (x[1] - x[0]) * (y[2] - y[0]) < (x[2] - x[0]) * (y[1] - y[0])


def _on_white(levels: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Grey `levels` [H, W] (below 0 where no centre is covered) on white by the covered `share` [H, W], as uint8."""
    height, width = levels.shape
    seen = np.flatnonzero(share)
    grey = levels.take(seen)
    empty = np.flatnonzero(grey < 0)  # only the rim of the body reaches into these: as bright as what is beside them
    padded = np.pad(levels, 1, constant_values=-1)
    row, column = np.divmod(seen.take(empty), width)
    window = np.array([(i, j) for i in (0, 1, 2) for j in (0, 1, 2)])
    beside = padded[row + window[:, :1], column + window[:, 1:]]  # [9, E]
    known = beside >= 0
    sums, counts = np.where(known, beside, 0).sum(axis=0), known.sum(axis=0)
    grey[empty] = np.where(counts > 0, sums / np.maximum(counts, 1), AMBIENT * BRIGHTEST)
    picture = np.full(height * width, WHITE, np.uint8)
    picture[seen] = np.rint(WHITE - share.take(seen) * (WHITE - grey))
    return picture.reshape(height, width)
