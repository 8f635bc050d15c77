"""Pictures of one body from several sides, as the structure encoder sees them: shaded grey on white."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from gcl_cli.body.model import Body
from gcl_cli.body.rasterizer import interpolate, rasterize, vertex_normals
from gcl_cli.body.rotations import Y_AXIS, about, normalise

WHITE = 255
MARGIN = 2.0  # pixels that recentred views keep free at the border
TORSO = ("pelvis", "spine05", "spine04", "spine03", "spine02", "spine01", "neck")
# Directions towards the three lights in camera axes (x right, y down, z away): they stay with the camera.
LIGHTS = normalise(np.array([[-0.6, -0.6, -1.0], [1.0, -0.1, -0.4], [0.2, 0.8, -0.6]], np.float32))
STRENGTHS = np.array([0.85, 0.45, 0.25], np.float32)
AMBIENT, BRIGHTEST = 0.15, 205.0  # the share of light from everywhere; the grey level of full light


class Draw(Protocol):
    """A backend: one picture of a mesh that is already in picture coordinates."""

    def __call__(self, points: np.ndarray, greys: np.ndarray, faces: np.ndarray, height: int, width: int) -> np.ndarray:
        """Picture [height, width] uint8, white where empty.

        points: [V, 3] pixel x, pixel y, depth (smaller = nearer, on the scale of pixels); greys: [V] levels in
        [0, 255]; faces: [F, 3], counter-clockwise seen from outside in camera axes. Faces seen from behind may be
        left out.
        """
        ...


def draw_with_numpy(points: np.ndarray, greys: np.ndarray, faces: np.ndarray, height: int, width: int) -> np.ndarray:
    """The backend that needs nothing but numpy (see `Draw`)."""
    front = faces[_faces_viewer(points, faces)]
    face_index, barycentric, _ = rasterize(points, front, height, width)
    picture = interpolate(greys[:, None], front, face_index, barycentric)[..., 0]
    return np.where(face_index >= 0, np.rint(picture), WHITE).astype(np.uint8)


def render_views(
    body: Body,
    vertices: np.ndarray,
    camera: np.ndarray | Sequence[float],
    crop_size: tuple[int, int],
    angles: Sequence[float],
    *,
    height: int,
    width: int,
    turn: Literal["body", "camera"],
    recentre: bool,
    draw: Draw = draw_with_numpy,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a body as its crop shows it (angle 0) and turned by the other `angles`, in degrees.

    vertices: [V, 3] metres, camera axes; camera: (scale, tx, ty), crop pixel = scale * xy + t; crop_size: (height,
    width) of the crop, mapped to the picture with a scale of its own in x and y.
    A person seen from behind at 0 faces image-left at 90, the viewer at 180, image-right at 270.
    turn: the axis, through the mean of the vertices: the body's own up direction or the camera's vertical.
    recentre: move turned views to the middle and shrink those the picture is too narrow for.
    "camera" without recentring is the published convention.
    Returns pictures [angles, height, width] uint8 and clipped [angles] bool: the silhouette touches the border.
    """
    # Paper: bodies turn about the picture's vertical. Here: about their own up axis, since estimates lean in depth.
    up = up_axis(body, vertices) if turn == "body" else -Y_AXIS
    turns = about(up, np.deg2rad(np.asarray(angles, np.float32)))  # [A, 3, 3]
    centre = vertices.mean(axis=0)
    turned = (vertices - centre) @ np.swapaxes(turns, -1, -2) + centre  # [A, V, 3]
    points = to_picture(turned, camera, crop_size, height, width)
    # Paper: turned bodies stay where they were. Here: they are recentred, and shrunk where the crop is too narrow.
    if recentre:
        front = to_picture(vertices, camera, crop_size, height, width)
        for index in np.flatnonzero(np.asarray(angles) % 360):
            points[index] = _fit(points[index], front, height, width)
    normals = vertex_normals(vertices, body.faces) @ np.swapaxes(turns, -1, -2)  # [A, V, 3]
    pictures = np.stack(
        [draw(view, shade(normal), body.faces, height, width) for view, normal in zip(points, normals, strict=True)]
    )
    return pictures, touches_border(pictures)


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


def shade(normals: np.ndarray) -> np.ndarray:
    """Grey levels [V] under the three Lambertian lights, for unit `normals` [V, 3] in camera axes."""
    light = np.maximum(normals @ LIGHTS.T, 0) @ STRENGTHS
    return np.minimum(AMBIENT + (1 - AMBIENT) * light, 1) * np.float32(BRIGHTEST)


def touches_border(pictures: np.ndarray) -> np.ndarray:
    """Whether the body in `pictures` [A, H, W] reaches the first or last row or column, [A] bool."""
    sides = (pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1])
    return np.any([(side != WHITE).any(axis=1) for side in sides], axis=0)


def _fit(points: np.ndarray, front: np.ndarray, height: int, width: int) -> np.ndarray:
    """A turned view (`points` [V, 3], pixels) moved to the middle of the picture, shrunk where it does not fit.

    It may stay as tall as `front`, the view at 0, is: a person the crop cuts is cut in every view.
    """
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
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
    placed = (points[:, :2] - (low + high) / 2) * np.float32(shrink) + goal
    return np.concatenate([placed, points[:, 2:] * np.float32(shrink)], axis=1)


def _faces_viewer(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Which `faces` [F, 3] turn their outside to the viewer, [F] bool; `points` [V, 3] in the picture."""
    x, y = points.T[:2].take(faces.T, axis=1)  # each [3, F]
    return (x[1] - x[0]) * (y[2] - y[0]) < (x[2] - x[0]) * (y[1] - y[0])
