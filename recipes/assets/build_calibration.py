"""Fit the calibration of `gcl mesh`: where the landmark network is wrong about dressed people in small pictures.

People of `gcl synth` are drawn, whose bodies are known, their landmarks are found, and a ridge regression on random
ramps predicts what the keypoints miss. Some minutes on one core.

    python recipes/assets/build_calibration.py
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from gcl_cli.body.landmarks import LandmarkRunner, find_landmarks
from gcl_cli.body.lifting import (
    CALIBRATION,
    FITTED_LANDMARKS,
    KEYPOINT_PARTNERS,
    LANDMARK_OF_KEYPOINT,
    MIRROR,
    Calibration,
    calibration_features,
    fitted_keypoints,
    metric_landmarks,
    mirrored,
)
from gcl_cli.body.model import load_body
from gcl_cli.body.pose import MEAN_SHAPE
from gcl_cli.synth.population import Drawing, by_person, draw, plan

RIDGE = 20.0
RAMPS = 768
PEOPLE, CAMERAS, PICTURES_EACH, SHIFT = 200, 12, 2, 0.65  # of one set; every set has other people, cameras and scenes
NARROW = slice(8, 56)  # columns: each picture is also seen at 128x48, as some data sets cut theirs


def main() -> None:
    """Write the regression, tensor by tensor as in `lifting.Calibration`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=8, help="of 400 pictures")
    parser.add_argument("--seed", type=int, default=7000)
    parser.add_argument("--out", type=Path, default=CALIBRATION)
    given = parser.parse_args()
    found = fit_calibration(sets=given.sets, seed=given.seed)
    tensors = {"centre": found.centre, "directions": found.directions, "offsets": found.offsets}
    stored = {name: values.astype(np.float16) for name, values in tensors.items()}
    stored["weights"] = found.weights.astype(np.float32)
    save_file(stored, given.out, {"sets": str(given.sets), "seed": str(given.seed), "ridge": str(RIDGE)})


def fit_calibration(*, sets: int, seed: int) -> Calibration:
    """The regression, from `sets` synthetic sets of the seeds `seed`, `seed` + 1, ..."""
    network, parts = LandmarkRunner(), []
    for number in range(sets):
        drawings = draw_people(seed + number, people=PEOPLE, each=PICTURES_EACH)
        keypoints = true_keypoints(drawings)
        pictures = [np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for _, file, _ in drawings]
        for columns in (slice(None), NARROW):
            landmarks = find_landmarks(network, [np.ascontiguousarray(picture[:, columns]) for picture in pictures])
            metric = metric_landmarks(landmarks.points, landmarks.world, landmarks.visibility)
            seen = landmarks.score > 0.5
            parts.append((metric[seen], landmarks.visibility[seen], keypoints[seen]))
    metric, visibility, keypoints = (np.concatenate(column) for column in zip(*parts, strict=True))
    return regression(metric, visibility, keypoints, seed)


def draw_people(seed: int, *, people: int, each: int) -> list[Drawing]:
    """`each` random pictures of every person of a synthetic set, with what is true of them."""
    random = np.random.default_rng(seed)
    shots = plan(ids=people, cameras=CAMERAS, images=2, shift=SHIFT, seed=seed, distractors=0)
    picked = [group[index] for group in by_person(shots) for index in random.permutation(len(group))[:each]]
    return list(draw(picked))


def true_keypoints(drawings: list[Drawing]) -> np.ndarray:
    """The fitted keypoints [N, 21, 3] about the mid-hip, in metres of a person as tall as the mean body.

    Stature cannot be seen in a crop: the body that is fitted is always the mean one.
    """
    body = load_body()
    betas = np.stack([truth.betas for *_, truth in drawings])
    rotations = body.world_rotations(np.stack([truth.pose for *_, truth in drawings]))
    keypoints = body.keypoints(rotations, body.place(rotations, betas), betas)[:, fitted_keypoints(body)]
    hips = [list(LANDMARK_OF_KEYPOINT).index(name) for name in ("left_hip", "right_hip")]
    mean_height = np.ptp(body.shape(MEAN_SHAPE)[0][0, :, 1])
    heights = np.array([np.ptp(body.shape(one[None])[0][0, :, 1]) for one in betas])
    return (keypoints - keypoints[:, hips].mean(axis=1, keepdims=True)) * (mean_height / heights)[:, None, None]


def regression(metric: np.ndarray, visibility: np.ndarray, keypoints: np.ndarray, seed: int) -> Calibration:
    """The calibration that best finds keypoints [N, 21, 3] from metric landmarks [N, 33, 3] and visibility [N, 33].

    Learned from the data and from their mirror image.
    """
    random = np.random.default_rng(seed)
    width = metric.shape[1] * 4
    directions = half_precision(random.standard_normal((width, RAMPS)) / np.sqrt(width))
    offsets = half_precision(0.7 * random.standard_normal(RAMPS))
    blank = Calibration(np.zeros(width), directions, offsets, np.empty(0))
    both = [(metric, visibility), mirrored(metric, visibility)]
    plain = np.concatenate([calibration_features(*one, blank)[:, RAMPS:-1] for one in both])
    ready = Calibration(half_precision(plain.mean(axis=0)), directions, offsets, np.empty(0))
    features = np.concatenate([calibration_features(*one, ready) for one in both])
    truths = (keypoints, keypoints[:, KEYPOINT_PARTNERS] * MIRROR)
    missing = [truth - one[:, FITTED_LANDMARKS] for truth, (one, _) in zip(truths, both, strict=True)]
    penalty = np.full(features.shape[1], RIDGE)
    penalty[-1] = 0  # the constant is free
    targets = np.concatenate(missing).reshape(len(features), -1)
    weights = np.linalg.solve(features.T @ features + np.diag(penalty), features.T @ targets)
    return Calibration(ready.centre, directions, offsets, weights)


def half_precision(values: np.ndarray) -> np.ndarray:
    """`values` as they will be stored, so that the weights are fitted to the very ramps that ship."""
    return values.astype(np.float16).astype(np.float64)


if __name__ == "__main__":
    main()
