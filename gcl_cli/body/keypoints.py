"""Keypoints of a body, in metres and in the picture, read from all that the landmark network says of a picture.

Landmarks alone mistake legs for each other, lose what is hidden and do not know how deep it lies. Small perceptrons
read them together with how sure their heatmaps are and with the outline of the person, and say where the keypoints
are: what is hidden comes where it usually is when people stand and walk. They learnt from `gcl synth`'s people alone,
each from others, and the middle of what they say is nearer than either: `recipes/assets/build_keypoints.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

from gcl_cli.body.crops import to_crop, to_region
from gcl_cli.body.landmarks import HEATMAP_COLUMNS, LANDMARK_PARTNERS, Landmarks, sigmoid
from gcl_cli.body.lifting import KEYPOINT_PARTNERS, MIRROR, metric_landmarks
from gcl_cli.body.shipped import whole

READER = Path(__file__).parent / "assets" / "keypoints.safetensors"
SPREAD_METRES, SPREAD_PLACES, SPREAD_ODDS = 0.25, np.array([0.125, 0.25]), 4.0  # about the inputs' deviations
READ_METRES = 0.2  # about the keypoints' deviation: one unit of the perceptron's outputs
OUTLINE = (16, 6)  # cells, down and across, of the coarse outline of the person
CLEAREST = 10.0  # log-odds of a visibility, at most: beyond it lies the rounding of 32 bits
TRUNK = (11, 12, 23, 24)
HIDDEN_LAYERS = ("first", "second", "third")
KEYPOINTS = len(KEYPOINT_PARTNERS)

Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read of N people; `heading` is short where it is in doubt."""

    keypoints: np.ndarray  # [N, 21, 3] metres about the mid-hip of a person as tall as the mean body, camera axes
    points: np.ndarray  # [N, 21, 2] the same in the picture, crop pixels
    heading: np.ndarray  # [N, 2] cosine and sine of the yaw, 0 towards the camera

    def mirrored(self, widths: np.ndarray) -> "Reading":
        """The same people as a mirror shows them; `widths` [N] of the crops in pixels."""
        points = self.points[:, KEYPOINT_PARTNERS] * MIRROR[:2]
        points[..., 0] += widths[:, None]
        return Reading(self.keypoints[:, KEYPOINT_PARTNERS] * MIRROR, points, self.heading * [1, -1])

    def averaged(self, other: "Reading") -> "Reading":
        """The middle of two readings of the same people."""
        pairs = [(getattr(self, entry.name), getattr(other, entry.name)) for entry in fields(Reading)]
        return Reading(*((one + two) / 2 for one, two in pairs))


class Answer(NamedTuple):
    """What a perceptron says of N people, in its own units."""

    keypoints: np.ndarray  # [N, 21, 3], READ_METRES
    places: np.ndarray  # [N, 21, 2] in the region about the middle of the trunk, SPREAD_PLACES
    heading: np.ndarray  # [N, 2]

    @classmethod
    def of(cls, numbers: np.ndarray) -> "Answer":
        """The answer in the perceptron's outputs [N, 107]."""
        keypoints, places, heading = np.split(numbers, [3 * KEYPOINTS, 5 * KEYPOINTS], axis=1)
        return cls(keypoints.reshape(-1, KEYPOINTS, 3), places.reshape(-1, KEYPOINTS, 2), heading)

    def mirrored(self) -> "Answer":
        """The same as a mirror shows it."""
        keypoints, places = (values[:, KEYPOINT_PARTNERS] for values in self[:2])
        return Answer(keypoints * MIRROR, places * MIRROR[:2], self.heading * [1, -1])

    def numbers(self) -> np.ndarray:
        """The outputs [N, 107] that say this."""
        return np.concatenate([values.reshape(len(values), -1) for values in self], axis=1)


def read_keypoints(landmarks: Landmarks) -> Reading:
    """Read the keypoints of N people, from their landmarks and from these as a mirror shows them."""
    weights = load_reader()
    plain, mirrored = (answer(weights, numbers) for numbers in evidence(landmarks))
    keypoints, places, heading = ((one + other) / 2 for one, other in zip(plain, mirrored.mirrored(), strict=True))
    in_region = places * SPREAD_PLACES + trunk_middle(landmarks)
    return Reading(READ_METRES * keypoints, to_crop(in_region, landmarks.regions), heading)


def answer(weights: Weights, numbers: np.ndarray) -> Answer:
    """The middle of what R perceptrons, whose weights are [R, ...], answer to inputs [N, I].

    In double precision: how many are read at once leaves no trace.
    """
    x = (numbers - weights["mean"][:, None]) / weights["spread"][:, None]  # [R, N, I]
    for layer in HIDDEN_LAYERS:
        x = np.maximum(_linear(weights, layer, x), 0)
    return Answer.of(_linear(weights, "last", x).mean(axis=0))


def _linear(weights: Weights, layer: str, x: np.ndarray) -> np.ndarray:
    return x @ weights[f"{layer}.weight"].swapaxes(1, 2) + weights[f"{layer}.bias"][:, None]


def trunk_middle(landmarks: Landmarks) -> np.ndarray:
    """The middle of shoulders and hips [N, 1, 2] in shares of the region."""
    return to_region(landmarks.points[:, TRUNK], landmarks.regions).mean(axis=1, keepdims=True)


def evidence(landmarks: Landmarks) -> tuple[np.ndarray, np.ndarray]:
    """What the perceptron looks at of each person, and of the person as a mirror shows it: two [N, 624].

    For each landmark its metric and its world place, the log-odds of its visibility, its place in the region and the
    middle of its heatmap about the middle of the trunk, and what else its heatmap says; then the coarse outline.
    """
    least = sigmoid(np.array(-CLEAREST))
    seen = np.clip(landmarks.visibility, least, 1 - least)
    metric = metric_landmarks(landmarks.points, landmarks.world, landmarks.visibility)
    places, middle = to_region(landmarks.points, landmarks.regions), trunk_middle(landmarks)  # [N, 33, 2], [N, 1, 2]
    turning = [  # with the sign that x, y, z take in a mirror
        (metric / SPREAD_METRES, MIRROR),
        (landmarks.world / SPREAD_METRES, MIRROR),
        ((landmarks.traces[..., :2] - middle) / SPREAD_PLACES, MIRROR[:2]),
        ((places - middle) / SPREAD_PLACES, MIRROR[:2]),
        (np.log(seen / (1 - seen))[..., None] / SPREAD_ODDS, 1),
        (landmarks.traces[..., 2:] * [1, 1, 0.5, 16, 16], 1),
    ]
    outline = coarse_outline(landmarks.mask)
    plain = [values for values, _ in turning] + [outline]
    mirrored = [values[:, LANDMARK_PARTNERS] * sign for values, sign in turning] + [outline[:, :, ::-1]]
    one, other = (np.concatenate([v.reshape(len(v), -1) for v in columns], axis=1) for columns in (plain, mirrored))
    return one, other


def coarse_outline(mask: np.ndarray) -> np.ndarray:
    """The share of person [N, 16, 6] in large cells of the middle of a mask [N, 64, 64]."""
    middle = mask[:, :, HEATMAP_COLUMNS]
    down, across = (size // cells for size, cells in zip(middle.shape[1:], OUTLINE, strict=True))
    return middle.reshape(len(mask), OUTLINE[0], down, OUTLINE[1], across).mean(axis=(2, 4))


@cache
def load_reader() -> dict[str, np.ndarray]:
    """The weights that ship with the package; `recipes/assets/build_keypoints.py` makes them."""
    return {name: values.astype(np.float64) for name, values in load_file(whole(READER)).items()}
