"""A dressed person at one moment, turned to the camera."""

from dataclasses import dataclass

import numpy as np

from gcl_cli.body.model import blend, load_body
from gcl_cli.body.rotations import X_AXIS, Y_AXIS, about, from_rotation_vector, to_rotation_vector
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
