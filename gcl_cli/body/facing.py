"""Front or back? Evidence of its own, and landmarks re-read where it contradicts them.

The landmark network sees a face where long hair, a hood or a backpack hides none, and its score does not tell. Two
witnesses are asked instead: a small perceptron that reads all landmarks together (are toes before heels, is the face
visible, which way do knees and elbows bend), and small convolutions over the head and over head and shoulders. Both
learnt from `gcl synth`'s people alone: `recipes/assets/build_facing.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import load_file

from gcl_cli.body.crops import cut, to_region
from gcl_cli.body.landmarks import Landmarks, sigmoid
from gcl_cli.body.lifting import HIP_LANDMARKS, LANDMARK_PARTNERS
from gcl_cli.body.shipped import whole

READER = Path(__file__).parent / "assets" / "facing.safetensors"
NOSE, EARS, SHOULDERS, HIPS = 0, (7, 8), (11, 12), HIP_LANDMARKS
# What the two pictures show, in trunk lengths: the side of the square and how far it reaches above the shoulders.
LOOKS = {"head": (0.75, 0.72), "upper": (1.6, 0.7)}
LOOK_SIZE = 32  # pixels
KERNEL_REACH = 2  # of the cubic kernel by which `crops.cut` resamples, in pixels of the coarser side
LOOK_WEIGHT = 0.7  # of each picture's log-odds beside the landmarks': they learnt from drawn faces, so a little less
LIKELIEST = 0.5  # the probability of a back from which a body is shown from behind
SHORTEST_TRUNK, LONGEST_TRUNK = 0.15, 0.35  # in shares of the network's region, whatever the landmarks say
UPRIGHT_TRUNK = 0.2  # metres of trunk in the picture; a shorter one is no line to turn about
CLEAREST = 10.0  # log-odds of a visibility, at most: beyond it lies the rounding of 32 bits

Weights = Mapping[str, np.ndarray]


def turn_round(landmarks: Landmarks) -> Landmarks:
    """The other reading of the same picture: left and right swapped, near and far swapped.

    What a picture shows is the same for a body and for its mirror image that faces the other way. Depth is reflected
    about the line from mid-hip to mid-shoulder, so that a trunk seen from above keeps its lean; places in the picture
    stay. A body that is alike on both sides becomes itself at yaw 180 degrees - yaw. Twice is the identity.
    """
    world = landmarks.world[:, LANDMARK_PARTNERS]
    hip, shoulder = world[:, HIPS].mean(axis=1), world[:, SHOULDERS].mean(axis=1)  # [N, 3]
    trunk = shoulder - hip
    upright = trunk[:, 1] < -UPRIGHT_TRUNK
    slope = np.where(upright, trunk[:, 2] / np.where(upright, trunk[:, 1], 1), 0)
    line = hip[:, 2:] + slope[:, None] * (world[..., 1] - hip[:, 1:2])  # [N, 33] depth of the trunk's line at each y
    world[..., 2] = 2 * line - world[..., 2]
    points, visibility = landmarks.points[:, LANDMARK_PARTNERS], landmarks.visibility[:, LANDMARK_PARTNERS]
    return replace(landmarks, points=points, world=world, visibility=visibility)


def shows_back(landmarks: Landmarks) -> np.ndarray:
    """Whether the landmarks themselves say that the back is seen [N]: left hip and shoulder on the left."""
    across = landmarks.points[..., 0]
    left, right = (across[:, SHOULDERS[side]] + across[:, HIPS[side]] for side in (0, 1))
    return left < right


def face_as_likely(landmarks: Landmarks, probability: np.ndarray) -> Landmarks:
    """Turn round those whose landmarks contradict the `probability` [N] that the back is seen."""
    wrong = (probability > LIKELIEST) != shows_back(landmarks)
    turned = turn_round(landmarks)

    def picked(name: str) -> np.ndarray:
        kept, other = getattr(landmarks, name), getattr(turned, name)
        return np.where(wrong.reshape(-1, *[1] * (kept.ndim - 1)), other, kept)

    return replace(landmarks, points=picked("points"), world=picked("world"), visibility=picked("visibility"))


def back_probability(landmarks: Landmarks, crops: Sequence[np.ndarray]) -> np.ndarray:
    """The probability [N] that a person turns the back to the camera.

    landmarks: of N crops, as found; crops: N pictures [h, w, 3] uint8. A mirrored picture has the same probability.
    """
    weights = load_reader()
    plain, mirrored = (read_landmarks(weights, numbers) for numbers in landmark_features(landmarks))
    odds = (plain + mirrored) / 2
    for look in LOOKS:
        pictures = look_at(landmarks, crops, look)  # [N, 3, size, size]
        plain, mirrored = (read_picture(weights, look, seen) for seen in (pictures, pictures[..., ::-1]))
        odds = odds + LOOK_WEIGHT * (plain + mirrored) / 2
    return sigmoid(odds)


def landmark_features(landmarks: Landmarks) -> tuple[np.ndarray, np.ndarray]:
    """What the perceptron reads of each person, and of the person as a mirror shows it: two [N, 198].

    33 log-odds of visibility, 33 x 3 metres, and 33 x 2 places in trunk lengths from the middle of the trunk.
    """
    least = sigmoid(np.array(-CLEAREST))
    seen = np.clip(landmarks.visibility, least, 1 - least)
    visibility = np.log(seen / (1 - seen))
    places = to_region(landmarks.points, landmarks.regions)  # [N, 33, 2]
    middle, trunk = places[:, SHOULDERS + HIPS].mean(axis=1), places[:, SHOULDERS].mean(1) - places[:, HIPS].mean(1)
    places = (places - middle[:, None]) / (np.linalg.norm(trunk, axis=1)[:, None, None] + 0.02)
    columns = np.concatenate([visibility[..., None], landmarks.world, places], axis=-1)  # [N, 33, 6]
    mirrored = columns[:, LANDMARK_PARTNERS] * [1, -1, 1, 1, -1, 1]
    return columns.reshape(len(columns), -1), mirrored.reshape(len(columns), -1)


def look_at(landmarks: Landmarks, crops: Sequence[np.ndarray], look: str) -> np.ndarray:
    """The square about the head that one of LOOKS asks for, of every crop: [N, 3, size, size] float32 in [0, 1]."""
    side, above = LOOKS[look]
    places, regions = to_region(landmarks.points, landmarks.regions), landmarks.regions
    shoulder, head = places[:, SHOULDERS].mean(axis=1), places[:, (NOSE, *EARS)].mean(axis=1)  # [N, 2]
    trunk = np.linalg.norm(places[:, HIPS].mean(axis=1) - shoulder, axis=1)
    trunk = np.clip(trunk, SHORTEST_TRUNK, LONGEST_TRUNK)
    left = (shoulder[:, 0] + head[:, 0] - side * trunk) / 2
    corner = np.stack([left, shoulder[:, 1] - above * trunk], axis=1)  # [N, 2]
    size = side * trunk[:, None]
    squares = np.concatenate([regions[:, :2] + corner * regions[:, 2:], size * regions[:, 2:]], axis=1)  # [N, 4]
    pictures = [_cut_out(crop, square) for crop, square in zip(crops, squares, strict=True)]
    return np.stack(pictures).transpose(0, 3, 1, 2)


def _cut_out(crop: np.ndarray, square: np.ndarray) -> np.ndarray:
    """`crops.cut` of a square that is a small part of a crop: only the pixels it needs are looked at."""
    left, top, across, down = square
    start, stop = [], []
    for first, length, pixels in ((top, down, crop.shape[0]), (left, across, crop.shape[1])):
        margin = KERNEL_REACH * max(length / LOOK_SIZE, 1)
        start.append(int(np.clip(first - margin, 0, pixels - 1)))
        stop.append(int(np.clip(np.ceil(first + length + margin), start[-1] + 1, pixels)))
    part = crop[start[0] : stop[0], start[1] : stop[1]]
    return cut(part, square - [start[1], start[0], 0, 0], LOOK_SIZE)


def read_landmarks(weights: Weights, numbers: np.ndarray) -> np.ndarray:
    """The perceptron's log-odds [N] of a back; numbers: [N, 198], see `landmark_features`."""
    x = ((numbers - weights["landmarks.mean"]) / weights["landmarks.spread"]).astype(np.float32)
    for layer in ("first", "second"):
        x = np.maximum(x @ weights[f"landmarks.{layer}.weight"].T + weights[f"landmarks.{layer}.bias"], 0)
    return (x @ weights["landmarks.last.weight"].T + weights["landmarks.last.bias"])[:, 0]


def read_picture(weights: Weights, look: str, pictures: np.ndarray) -> np.ndarray:
    """The convolutions' log-odds [N] of a back; pictures: [N, 3, size, size], see `look_at`."""
    x = pictures
    for layer in ("first", "second", "third"):
        x = _halved(x, weights[f"{look}.{layer}.weight"], weights[f"{look}.{layer}.bias"])
    return (x.reshape(len(x), -1) @ weights[f"{look}.last.weight"].T + weights[f"{look}.last.bias"])[:, 0]


def _halved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A 3x3 convolution at every second place, padded by zeros, and a ReLU: [N, C, s, s] -> [N, K, s / 2, s / 2]."""
    count, _, side, _ = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2]  # [N, C, s / 2, s / 2, 3, 3]
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(count * (side // 2) ** 2, -1)
    convolved = np.maximum(columns @ kernel.reshape(len(kernel), -1).T + bias, 0)
    return convolved.reshape(count, side // 2, side // 2, -1).transpose(0, 3, 1, 2)


@cache
def load_reader() -> dict[str, np.ndarray]:
    """The weights that ship with the package; `recipes/assets/build_facing.py` makes them."""
    return load_file(whole(READER))
