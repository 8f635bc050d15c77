"""Bone rotations from keypoints in closed form: batched, no iterations."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gcl_cli.body.lifting import (
    LANDMARK_OF_KEYPOINT,
    fitted_keypoints,
    weak_perspective,
)
from gcl_cli.body.model import Body
from gcl_cli.body.rotations import (
    X_AXIS,
    frame,
    from_rotation_vector,
    normalise,
    slerp,
    smallest_rotation,
    to_rotation_vector,
)

SPINE_SHARES = {"spine05": 0.1, "spine04": 0.3, "spine03": 0.5, "spine02": 0.8, "spine01": 1.0}  # pelvis 0, chest 1
FOOT_LIMIT, HEAD_LIMIT = 0.7, 1.0  # radians from the shin and from the chest
HEAD_SHARE = 0.7  # of the measured turn of the head: five points within 20 cm tell it only roughly
SHOULDERS_IN_PELVIS = 0.3  # how much the shoulders' line steadies the hips', which are only 19 cm apart
MEAN_SHAPE = np.zeros((1, 1), np.float32)  # clothes make shape unobservable: a fitted one counts them as fat

Joints = Mapping[str, np.ndarray]  # keypoint name -> [N, 3]
Bend = tuple[np.ndarray, np.ndarray]  # unit directions [N, 3] of the upper and the lower half of a limb


@dataclass(frozen=True)
class FittedBodies:
    """N bodies of mean shape and their cameras."""

    world_rotations: np.ndarray  # [N, 22, 3, 3]
    translations: np.ndarray  # [N, 22, 3]
    keypoints: np.ndarray  # [N, 21, 3] metres, in the order of LANDMARK_OF_KEYPOINT
    camera: np.ndarray  # [N, 3] scale (pixels a metre), tx, ty


def fit_bodies(body: Body, targets: np.ndarray, points: np.ndarray) -> FittedBodies:
    """Bodies of mean shape through keypoints, and the cameras that see them at points in the picture.

    targets: [N, 21, 3] metres, camera axes; points: [N, 21, 2] crop pixels.
    """
    rotations = bone_rotations(body, targets)
    translations = body.place(rotations, MEAN_SHAPE)
    keypoints = body.keypoints(rotations, translations, MEAN_SHAPE)[:, fitted_keypoints(body)]  # [N, 21, 3]
    camera = weak_perspective(keypoints[..., :2], points, np.ones(points.shape[:2]))
    return FittedBodies(rotations, translations, keypoints, camera.astype(np.float32))


def bone_rotations(body: Body, targets: np.ndarray) -> np.ndarray:
    """World rotations [N, 22, 3, 3] that bring a body of mean shape to keypoints `targets` [N, 21, 3] (metres).

    Only directions between keypoints count, so size and place are free. The twist of a limb follows the plane in
    which it bends, as far as it bends; a straight limb keeps the twist of the bone it hangs on.
    """
    seen = _by_name(targets)
    rest = _by_name(body.rest_keypoints(MEAN_SHAPE)[:, fitted_keypoints(body)])
    pelvis = _torso(seen, _hip_line(seen)) @ _transposed(_torso(rest, _hip_line(rest)))
    chest = _torso(seen, _line(seen, "shoulder")) @ _transposed(_torso(rest, _line(rest, "shoulder")))
    bones = {"pelvis": pelvis} | {name: slerp(pelvis, chest, share) for name, share in SPINE_SHARES.items()}
    bones["neck"], bones["head"] = _neck_and_head(chest, seen, rest)
    for side in ("left", "right"):
        letter = side[0].upper()
        arm, forearm = _arm(chest, seen, rest, side)
        thigh, shin = _leg(pelvis, seen, rest, side)
        bones |= {f"clav{letter}": chest, f"uarm{letter}": arm, f"farm{letter}": forearm, f"hand{letter}": forearm}
        bones |= {f"thigh{letter}": thigh, f"shin{letter}": shin, f"foot{letter}": _foot(shin, seen, rest, side)}
    return np.stack([bones[name] for name in body.bone_names], axis=1)


def _torso(joints: Joints, line: np.ndarray) -> np.ndarray:
    """The frame of pelvis or chest: up along the trunk, then along a line [N, 3] to the person's left."""
    return frame(_middle(joints, "shoulder") - _middle(joints, "hip"), line)


def _hip_line(joints: Joints) -> np.ndarray:
    return _line(joints, "hip") + SHOULDERS_IN_PELVIS * _line(joints, "shoulder")


def _line(joints: Joints, part: str) -> np.ndarray:
    """From the right one of a pair of joints to the left one."""
    return joints[f"left_{part}"] - joints[f"right_{part}"]


def _arm(chest: np.ndarray, seen: Joints, rest: Joints, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Upper arm and forearm; the elbow bends in whatever plane it is seen to."""
    straight = _bend(rest, side, "shoulder", "elbow", "wrist")
    return _limb(chest, _bend(seen, side, "shoulder", "elbow", "wrist"), straight, np.cross(*straight), -1.0)


def _leg(pelvis: np.ndarray, seen: Joints, rest: Joints, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Thigh and shin; a knee that seems to bend forwards is taken for straight."""
    straight = _bend(rest, side, "hip", "knee", "ankle")
    return _limb(pelvis, _bend(seen, side, "hip", "knee", "ankle"), straight, X_AXIS, 0.0)


def _limb(
    parent: np.ndarray, seen: Bend, rest: Bend, rest_hinge: np.ndarray, least_agreement: float
) -> tuple[np.ndarray, np.ndarray]:
    """World rotations [N, 3, 3] of a limb's upper and lower bone, given the bone it hangs on.

    The hinge is the axis it bends about, seen as upper x lower where the bend is clear (its sine from .1 to .5) and
    the cosine to the carried hinge is at least `least_agreement`; else the rest pose's, carried along.
    """
    (upper, lower), (rest_upper, rest_lower) = seen, rest
    rest_hinge = normalise(rest_hinge - (rest_hinge * rest_upper).sum(-1, keepdims=True) * rest_upper)
    carried = _turned(smallest_rotation(_turned(parent, rest_upper), upper) @ parent, rest_hinge)  # [N, 3]
    axis = np.cross(upper, lower)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    axis = normalise(axis)
    agrees = (axis * carried).sum(-1, keepdims=True) >= least_agreement
    trust = np.clip((sine - 0.1) / 0.4, 0, 1) * agrees
    hinge = trust * axis + (1 - trust) * carried
    upper_rotation = frame(upper, hinge) @ _transposed(frame(rest_upper, rest_hinge))
    return upper_rotation, smallest_rotation(_turned(upper_rotation, rest_lower), lower) @ upper_rotation


def _foot(shin: np.ndarray, seen: Joints, rest: Joints, side: str) -> np.ndarray:
    sole, rest_sole = (joints[f"{side}_big_toe"] - joints[f"{side}_heel"] for joints in (seen, rest))
    pointed = smallest_rotation(_turned(shin, rest_sole), sole) @ shin
    return shin @ _softened(_transposed(shin) @ pointed, 1.0, FOOT_LIMIT)


def _neck_and_head(chest: np.ndarray, seen: Joints, rest: Joints) -> tuple[np.ndarray, np.ndarray]:
    facing, rest_facing = (
        frame(joints["nose"] - _middle(joints, "ear"), _line(joints, "ear")) for joints in (seen, rest)
    )
    turn = _softened(_transposed(chest) @ facing @ _transposed(rest_facing), HEAD_SHARE, HEAD_LIMIT)
    return slerp(chest, chest @ turn, 0.5), chest @ turn


def _softened(rotation: np.ndarray, share: float, limit: float) -> np.ndarray:
    """`share` of a rotation [N, 3, 3], at most `limit` radians."""
    vector = share * to_rotation_vector(rotation)
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    return from_rotation_vector(vector * (limit / np.maximum(angle, limit)))


def _by_name(keypoints: np.ndarray) -> Joints:
    return {name: keypoints[:, index] for index, name in enumerate(LANDMARK_OF_KEYPOINT)}


def _middle(joints: Joints, part: str) -> np.ndarray:
    return (joints[f"left_{part}"] + joints[f"right_{part}"]) / 2


def _bend(joints: Joints, side: str, start: str, middle: str, end: str) -> Bend:
    start_point, middle_point, end_point = (joints[f"{side}_{name}"] for name in (start, middle, end))
    return normalise(middle_point - start_point), normalise(end_point - middle_point)


def _turned(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (rotations @ vectors[..., None])[..., 0]


def _transposed(rotations: np.ndarray) -> np.ndarray:
    return np.swapaxes(rotations, -1, -2)
