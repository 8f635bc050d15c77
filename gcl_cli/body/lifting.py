"""From landmarks in a picture to places in metres, and the weak-perspective camera between the two."""

import numpy as np

from gcl_cli.body.model import Body

LANDMARK_OF_KEYPOINT = {  # the body's keypoints that the landmark network knows too
    "nose": 0,
    "left_eye": 2,
    "right_eye": 5,
    "left_ear": 7,
    "right_ear": 8,
    "left_shoulder": 11,
    "right_shoulder": 12,
    "left_elbow": 13,
    "right_elbow": 14,
    "left_wrist": 15,
    "right_wrist": 16,
    "left_hip": 23,
    "right_hip": 24,
    "left_knee": 25,
    "right_knee": 26,
    "left_ankle": 27,
    "right_ankle": 28,
    "left_heel": 29,
    "right_heel": 30,
    "left_big_toe": 31,
    "right_big_toe": 32,
}
FITTED_LANDMARKS = np.array(list(LANDMARK_OF_KEYPOINT.values()))
HIP_LANDMARKS = (23, 24)
SMALLEST_SCALE = 1e-3  # pixels a metre; below, the landmarks are no picture of a person
MIRROR = np.array([-1.0, 1.0, 1.0], np.float32)


def _swapped_side(name: str) -> str:
    """`left_hip` for `right_hip` and the reverse; the nose for the nose."""
    side, _, part = name.partition("_")
    return {"left": f"right_{part}", "right": f"left_{part}"}.get(side, name)


KEYPOINT_PARTNERS = np.array([list(LANDMARK_OF_KEYPOINT).index(_swapped_side(name)) for name in LANDMARK_OF_KEYPOINT])


def fitted_keypoints(body: Body) -> np.ndarray:
    """Where the body keeps the keypoints of LANDMARK_OF_KEYPOINT: [21] indices into its keypoint names."""
    return np.array([body.keypoint_names.index(name) for name in LANDMARK_OF_KEYPOINT])


def weak_perspective(source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted least squares for target = scale * source + shift.

    source, target: [N, K, 2]; weights: [N, K], positive somewhere. Returns [N, 3]: scale, shift in x, shift in y.
    """
    share = (weights / weights.sum(axis=1, keepdims=True))[..., None]  # [N, K, 1]
    source_mean, target_mean = (share * source).sum(axis=1), (share * target).sum(axis=1)  # [N, 2]
    centred = source - source_mean[:, None]
    covariance = (share * centred * (target - target_mean[:, None])).sum(axis=(1, 2))
    scale = covariance / np.maximum((share * centred**2).sum(axis=(1, 2)), 1e-12)
    return np.concatenate([scale[:, None], target_mean - scale[:, None] * source_mean], axis=1)


def metric_landmarks(points: np.ndarray, world: np.ndarray, visibility: np.ndarray) -> np.ndarray:
    """Landmarks in metres whose x and y follow the picture where they are seen; z is the network's own.

    points: [N, 33, 2] crop pixels; world: [N, 33, 3]; visibility: [N, 33]. Returns [N, 33, 3] about the mid-hip.
    """
    camera = weak_perspective(world[..., :2], points, visibility**2 + 1e-3)
    scale = camera[:, None, :1]  # [N, 1, 1]
    usable = scale > SMALLEST_SCALE
    pictured = (points - camera[:, None, 1:]) / np.where(usable, scale, 1.0)
    trust = visibility[..., None] * usable
    metric = np.concatenate([trust * pictured + (1 - trust) * world[..., :2], world[..., 2:]], axis=-1)
    return metric - metric[:, HIP_LANDMARKS].mean(axis=1, keepdims=True)
