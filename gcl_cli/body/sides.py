"""Left or right? Landmarks sorted by the keypoints that were read, and both brought together in the picture.

The landmark network often takes one leg or arm for the other. Where a limb is in the picture it knows well, so what it
found is kept and only given to the other side, where that comes nearer to where the reader sees the keypoints.
"""

from dataclasses import replace

import numpy as np

from gcl_cli.body.landmarks import LANDMARK_PARTNERS, Landmarks
from gcl_cli.body.lifting import FITTED_LANDMARKS, LANDMARK_OF_KEYPOINT, SMALLEST_SCALE, weak_perspective

SEEN_SHARE = 0.2  # of the way from a keypoint that was read to the landmark that is seen
PICTURED_SHARE = 0.7  # of the way from where a keypoint was read in metres to where it was read in the picture
ARM, LEG, BODY = ("elbow", "wrist"), ("knee", "ankle", "heel", "big_toe"), ("shoulder", "hip")
# Landmarks that go with a limb: all from the elbow and from the knee on, and the whole body for the trunk.
LANDMARKS_OF = {BODY: slice(0, 33), ARM: slice(13, 23), LEG: slice(25, 33)}


def sorted_sides(landmarks: Landmarks, points: np.ndarray) -> Landmarks:
    """Landmarks of N people with left and right as in `points` [N, 21, 2]: the whole body, then arms, then legs."""
    for parts, along in LANDMARKS_OF.items():
        swapped = landmarks_swapped(landmarks, along)
        nearer = _distance(swapped, points, parts) < _distance(landmarks, points, parts)
        landmarks = replace(
            landmarks,
            points=np.where(nearer[:, None, None], swapped.points, landmarks.points),
            visibility=np.where(nearer[:, None], swapped.visibility, landmarks.visibility),
        )
    return landmarks


def landmarks_swapped(landmarks: Landmarks, along: slice) -> Landmarks:
    """The landmarks `along` a stretch with left and right exchanged in the picture."""
    order = np.arange(len(LANDMARK_PARTNERS))
    order[along] = LANDMARK_PARTNERS[along]
    return replace(landmarks, points=landmarks.points[:, order], visibility=landmarks.visibility[:, order])


def _distance(landmarks: Landmarks, points: np.ndarray, parts: tuple[str, ...]) -> np.ndarray:
    """The summed squares [N] of what lies between the landmarks and the keypoints of `parts`, in the picture."""
    rows = [index for index, name in enumerate(LANDMARK_OF_KEYPOINT) if name.partition("_")[2] in parts]
    return ((landmarks.points[:, FITTED_LANDMARKS] - points)[:, rows] ** 2).sum(axis=(1, 2))


def seen_points(points: np.ndarray, landmarks: Landmarks) -> np.ndarray:
    """`points` [N, 21, 2] moved `SEEN_SHARE` of the way to their landmarks, as far as these are visible."""
    found, visibility = landmarks.points[:, FITTED_LANDMARKS], landmarks.visibility[:, FITTED_LANDMARKS, None]
    return points + SEEN_SHARE * visibility * (found - points)


def laid_on_picture(keypoints: np.ndarray, points: np.ndarray) -> np.ndarray:
    """`keypoints` [N, 21, 3] moved `PICTURED_SHARE` of the way to where `points` [N, 21, 2] see them, in x and y.

    Both were read with errors of their own, and the middle of the two has smaller ones. Through the camera that fits
    both best; where there is none, they stay. Returns [N, 21, 3] metres.
    """
    camera = weak_perspective(keypoints[..., :2], points, np.ones(points.shape[:2]))
    scale = camera[:, None, :1]
    usable = scale > SMALLEST_SCALE
    pictured = (points - camera[:, None, 1:]) / np.where(usable, scale, 1)
    flat = keypoints[..., :2] + PICTURED_SHARE * usable * (pictured - keypoints[..., :2])
    return np.concatenate([flat, keypoints[..., 2:]], axis=-1).astype(np.float32)
