"""A dressed person at one moment, turned to the camera."""

from dataclasses import dataclass

import numpy as np

from gcl_cli.body.model import blend, load_body
from gcl_cli.body.rotations import X_AXIS, Y_AXIS, about, from_rotation_vector, to_rotation_vector
from gcl_cli.synth.cameras import HEIGHT, OVERSAMPLING, WIDTH, Camera
from gcl_cli.synth.figures import Figure
from gcl_cli.synth.hanging import hanging_pieces
from gcl_cli.synth.identities import Identity


@dataclass(frozen=True, eq=False)
class PosedFigure:
    """What a camera sees: U vertices in camera axes, the pelvis at the origin."""

    look: Identity
    pose: np.ndarray  # [22, 3] rotation vectors relative to the parent bones; the pelvis' turns to the camera
    vertices: np.ndarray  # [U, 3] float32
    places: np.ndarray  # [U, 8]
    faces: np.ndarray  # [F, 3]
    face_cover: np.ndarray  # [F] int8
    up: np.ndarray  # [3] unit vector away from the ground


def view_rotation(yaw: float, pitch: float) -> np.ndarray:
    """The rotation [3, 3] of an upright person who is seen from above by `pitch`, turned by `yaw` (radians).

    Yaw 0 faces the camera, a quarter turn faces the left edge of the picture, a half turn shows the back.
    """
    return about(X_AXIS, pitch) @ about(Y_AXIS, yaw)


def strike(figure: Figure, pose: np.ndarray, *, yaw: float, pitch: float) -> PosedFigure:
    """Put the figure into a pose [22, 3] (rotation vectors, pelvis without yaw) and turn it to the camera."""
    rotations = load_body().world_rotations(pose[None])
    translations = load_body().place(rotations, figure.betas)
    vertices = blend(figure.vertices[None], figure.weights, rotations, translations)[0]
    joints = (rotations[0] @ figure.bone_heads[..., None])[..., 0] + translations[0]
    turn = view_rotation(yaw, pitch)
    places, faces, face_cover = [figure.places], [figure.faces], [figure.face_cover]
    parts, first = [vertices], len(vertices)
    for hanging in hanging_pieces(figure, vertices, joints):
        parts.append(hanging.vertices)
        places.append(hanging.places)
        faces.append(hanging.faces + first)
        face_cover.append(np.full(len(hanging.faces), hanging.cover, np.int8))
        first += len(hanging.vertices)
    turned = pose.copy()
    turned[0] = to_rotation_vector(turn @ from_rotation_vector(pose[0]))
    return PosedFigure(
        figure.look,
        turned,
        (np.concatenate(parts) @ turn.T).astype(np.float32),
        np.concatenate(places),
        np.concatenate(faces),
        np.concatenate(face_cover),
        turn @ np.array([0, -1, 0], np.float32),
    )


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
