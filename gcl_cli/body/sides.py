"""Left or right? Landmarks sorted by the keypoints that were read, and both laid together in the picture.

The landmark network often takes one leg or arm for the other. Where a limb is in the picture it knows well, so what it
found is kept and only given to the other side, where that comes nearer to the keypoints that the reader expects.
"""

from dataclasses import replace

import numpy as np

from gcl_cli.body.landmarks import LANDMARK_PARTNERS, Landmarks
from gcl_cli.body.lifting import (
    FITTED_LANDMARKS,
    KEYPOINT_PARTNERS,
    LANDMARK_OF_KEYPOINT,
    LIMBS,
    SMALLEST_SCALE,
    camera_weights,
    weak_perspective,
)

TRUNK_SHARE = 0.3  # of the way from the keypoints that were read to the landmarks that are seen, in the picture
LIMB_SHARE = 0.85  # of how a limb is directed: the picture knows better where a seen limb is
ARM, LEG, TRUNK = ("elbow", "wrist"), ("knee", "ankle", "heel", "big_toe"), ("shoulder", "hip")
# Landmarks that go with a limb: all from the elbow and from the knee on, and the whole body for the trunk.
LANDMARKS_OF = {TRUNK: slice(0, 33), ARM: slice(13, 23), LEG: slice(25, 33)}


def sorted_sides(landmarks: Landmarks, keypoints: np.ndarray) -> Landmarks:
    """Landmarks of N people with left and right as in `keypoints` [N, 21, 3]: first the body, then arms, then legs."""
    for parts, along in LANDMARKS_OF.items():
        swapped = landmarks_swapped(landmarks, along)
        nearer = _distance(swapped, keypoints, parts) < _distance(landmarks, keypoints, parts)
        points = np.where(nearer[:, None, None], swapped.points, landmarks.points)
        visibility = np.where(nearer[:, None], swapped.visibility, landmarks.visibility)
        landmarks = replace(landmarks, points=points, visibility=visibility)
    return landmarks


def landmarks_swapped(landmarks: Landmarks, along: slice) -> Landmarks:
    """The landmarks `along` a stretch with left and right exchanged in the picture."""
    order = np.arange(len(LANDMARK_PARTNERS))
    order[along] = LANDMARK_PARTNERS[along]
    return replace(landmarks, points=landmarks.points[:, order], visibility=landmarks.visibility[:, order])


def _distance(landmarks: Landmarks, keypoints: np.ndarray, parts: tuple[str, ...]) -> np.ndarray:
    """The summed squares [N] of what lies between the landmarks and the keypoints of `parts`, in the picture.

    Their camera is found from what is between left and right alone, so that it is the same when sides are exchanged.
    """
    points = landmarks.points[:, FITTED_LANDMARKS]
    weights = camera_weights(landmarks.visibility)
    expected, found = ((places + places[:, KEYPOINT_PARTNERS]) / 2 for places in (keypoints[..., :2], points))
    camera = weak_perspective(expected, found, weights + weights[:, KEYPOINT_PARTNERS])
    seen = camera[:, None, :1] * keypoints[..., :2] + camera[:, None, 1:]  # [N, 21, 2] crop pixels
    rows = [index for index, name in enumerate(LANDMARK_OF_KEYPOINT) if name.partition("_")[2] in parts]
    return ((seen - points)[:, rows] ** 2).sum(axis=(1, 2))


def laid_on_picture(keypoints: np.ndarray, landmarks: Landmarks) -> np.ndarray:
    """`keypoints` [N, 21, 3] moved towards where the landmarks see them, in x and y: [N, 21, 3] metres.

    The trunk and the head follow `TRUNK_SHARE` of the way, which leaves them facing as they were read to; a limb is
    directed as it is seen to `LIMB_SHARE`. Both as far as they are visible; what is hidden stays as it was read.
    """
    points, visibility = landmarks.points[:, FITTED_LANDMARKS], landmarks.visibility[:, FITTED_LANDMARKS, None]
    camera = weak_perspective(keypoints[..., :2], points, camera_weights(landmarks.visibility))
    usable = camera[:, None, :1] > SMALLEST_SCALE
    away = (points - camera[:, None, 1:]) / np.where(usable, camera[:, None, :1], 1) - keypoints[..., :2]
    away = np.where(usable, away, 0)
    shift = TRUNK_SHARE * visibility * away  # [N, 21, 2]
    for child, parent in LIMBS:
        shift[:, child] = shift[:, parent] + LIMB_SHARE * visibility[:, child] * (away[:, child] - away[:, parent])
    return np.concatenate([keypoints[..., :2] + shift, keypoints[..., 2:]], axis=-1).astype(np.float32)
