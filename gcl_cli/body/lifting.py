"""From landmarks in a picture to keypoints in metres, and the weak-perspective camera between the two."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from gcl_cli.body.model import Body
from gcl_cli.body.shipped import whole

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
# How much a keypoint counts for the camera, the others 1: the face says little about where the body is.
CAMERA_WEIGHTS = {"nose": 0.5, "ear": 0.5, "eye": 0.1, "heel": 0.4, "toe": 0.4}
SMALLEST_SCALE = 1e-3  # pixels a metre; below, the landmarks are no picture of a person
SIDEWAYS_SHARE = (
    0.2  # of the correction of x and y: all of it helps synthetic people most, and moves bodies off real ones
)
SPREAD_METRES, SPREAD_VISIBILITY = 0.25, 0.3  # about the standard deviations of landmarks and visibilities
MIRROR = np.array([-1.0, 1.0, 1.0], np.float32)
# Landmarks come in pairs (left, right) from 7 on; before them the nose, then three points of each eye.
LANDMARK_PARTNERS = np.array([0, 4, 5, 6, 1, 2, 3, *np.arange(7, 33).reshape(-1, 2)[:, ::-1].ravel()])
CALIBRATION = Path(__file__).parent / "assets" / "depth_calibration.safetensors"


def _swapped_side(name: str) -> str:
    """`left_hip` for `right_hip` and the reverse; the nose for the nose."""
    side, _, part = name.partition("_")
    return {"left": f"right_{part}", "right": f"left_{part}"}.get(side, name)


def _limbs() -> list[tuple[int, int]]:
    """Which keypoint hangs on which: indices into LANDMARK_OF_KEYPOINT, from the trunk outwards."""
    names = list(LANDMARK_OF_KEYPOINT)
    chain = {"elbow": "shoulder", "wrist": "elbow", "knee": "hip", "ankle": "knee", "heel": "ankle", "big_toe": "ankle"}
    sides = ("left", "right")
    return [(names.index(f"{side}_{c}"), names.index(f"{side}_{p}")) for c, p in chain.items() for side in sides]


KEYPOINT_PARTNERS = np.array([list(LANDMARK_OF_KEYPOINT).index(_swapped_side(name)) for name in LANDMARK_OF_KEYPOINT])
LIMBS = _limbs()


@dataclass(frozen=True, eq=False)
class Calibration:
    """A linear regression on random ramps of its inputs (an extreme learning machine): closed form to fit and to use.

    Only `weights` are learned; the ramps are drawn once. Huang, Zhu and Siew, "Extreme learning machine" (2006).
    """

    centre: np.ndarray  # [132] the mean of the inputs
    directions: np.ndarray  # [132, H]
    offsets: np.ndarray  # [H]
    weights: np.ndarray  # [H + 133, 63] metres of 21 keypoints per feature


def fitted_keypoints(body: Body) -> np.ndarray:
    """Where the body keeps the keypoints of LANDMARK_OF_KEYPOINT: [21] indices into its keypoint names."""
    return np.array([body.keypoint_names.index(name) for name in LANDMARK_OF_KEYPOINT])


def camera_weights(visibility: np.ndarray) -> np.ndarray:
    """The weight [N, 21] of each fitted keypoint in the camera's least squares; visibility: [N, 33]."""
    parts = [name.rsplit("_", 1)[-1] for name in LANDMARK_OF_KEYPOINT]
    return np.array([CAMERA_WEIGHTS.get(part, 1.0) for part in parts]) * (0.1 + 0.9 * visibility[:, FITTED_LANDMARKS])


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


def mirrored(metric: np.ndarray, visibility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Metric landmarks [N, 33, 3] and their visibility [N, 33] as a mirror shows them: left is right."""
    return metric[:, LANDMARK_PARTNERS] * MIRROR, visibility[:, LANDMARK_PARTNERS]


def calibration_features(metric: np.ndarray, visibility: np.ndarray, calibration: Calibration) -> np.ndarray:
    """What the calibration looks at: [N, H + 133] = H ramps of the inputs, the 132 inputs themselves, 1.

    The inputs are 33 metric landmarks [N, 33, 3] and 33 visibilities [N, 33], brought to a common spread.
    """
    inputs = np.concatenate([metric.reshape(len(metric), -1) / SPREAD_METRES, visibility / SPREAD_VISIBILITY], axis=1)
    centred = inputs - calibration.centre
    ramps = np.maximum(centred @ calibration.directions + calibration.offsets, 0)  # [N, H]
    return np.concatenate([ramps, centred, np.ones((len(metric), 1))], axis=1)


def missing_places(metric: np.ndarray, visibility: np.ndarray, calibration: Calibration) -> np.ndarray:
    """How far the fitted keypoints are from where the landmarks put them: [N, 21, 3] metres.

    Asked twice, of the landmarks and of their mirror image, so that left and right are treated exactly alike.
    """
    plain = calibration_features(metric, visibility, calibration) @ calibration.weights
    other = calibration_features(*mirrored(metric, visibility), calibration) @ calibration.weights
    return (plain.reshape(-1, 21, 3) + other.reshape(-1, 21, 3)[:, KEYPOINT_PARTNERS] * MIRROR) / 2


def calibrated_keypoints(metric: np.ndarray, visibility: np.ndarray, calibration: Calibration) -> np.ndarray:
    """The fitted keypoints [N, 21, 3] float32 in metres, corrected by a regression: depth in full, x and y in part.

    metric: [N, 33, 3]; visibility: [N, 33]. The trunk and the head follow `SIDEWAYS_SHARE` of the correction of x and
    y, which tells front from back; a limb follows it as far as it is hidden, for the picture knows better where a seen
    limb is: meshes would lie worse on real pictures.
    """
    missing = missing_places(metric, visibility, calibration)
    shift = SIDEWAYS_SHARE * missing  # [N, 21, 3]
    for child, parent in LIMBS:
        hidden = 1 - visibility[:, FITTED_LANDMARKS[child], None]
        shift[:, child] = shift[:, parent] + SIDEWAYS_SHARE * hidden * (missing[:, child] - missing[:, parent])
    shift[..., 2] = missing[..., 2]
    return (metric[:, FITTED_LANDMARKS] + shift).astype(np.float32)


@cache
def load_depth_calibration() -> Calibration:
    """The regression that ships with the package; `recipes/assets/build_calibration.py` makes it."""
    return Calibration(**{name: values.astype(np.float32) for name, values in load_file(whole(CALIBRATION)).items()})
