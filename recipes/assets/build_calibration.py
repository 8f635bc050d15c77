"""Fit the depth calibration of `gcl mesh`: how far the landmark network's depths are off, by linear regression.

Bodies of the package's own model, in random natural poses and plain clothes, are rendered, their landmarks are found,
and a ridge regression predicts the error in depth of each keypoint. A few minutes on one core.

    python recipes/assets/build_calibration.py
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from safetensors.numpy import save_file

from gcl_cli.body.landmarks import LandmarkRunner, find_landmarks
from gcl_cli.body.lifting import (
    CALIBRATION,
    FITTED_LANDMARKS,
    LANDMARK_OF_KEYPOINT,
    calibration_features,
    fitted_keypoints,
    metric_landmarks,
)
from gcl_cli.body.model import Body, load_body
from gcl_cli.body.rasterizer import interpolate, rasterize, vertex_normals
from gcl_cli.body.rotations import X_AXIS, Y_AXIS, Z_AXIS, about, to_rotation_vector

RIDGE = 3.0
TOGETHER = 50  # bodies a batch
SHAPE_SPREAD = 0.8  # of the betas, in standard deviations; the first one, stature, cannot be seen and stays 0
SIZES = ((128, 64), (128, 48))
OVERSAMPLING = 2
SKIN = np.array([0.85, 0.65, 0.55])
GARMENTS = {"thigh": "bottom", "pelvis": "bottom", "spine": "top", "clav": "top", "uarm": "top", "foot": "shoes"}


def main() -> None:
    """Write the regression [133, 21] as `weights`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=CALIBRATION)
    given = parser.parse_args()
    weights = fit_calibration(np.random.default_rng(given.seed), given.bodies)
    about_it = {"bodies": str(given.bodies), "seed": str(given.seed), "ridge": str(RIDGE)}
    save_file({"weights": weights.astype(np.float32)}, given.out, about_it)


def fit_calibration(random: np.random.Generator, bodies: int) -> np.ndarray:
    """The ridge regression [133, 21] from what `calibration_features` sees to the missing depth, in metres."""
    body, network = load_body(), LandmarkRunner()
    features, missing = [], []
    for _ in range(0, bodies, TOGETHER):
        pictures, keypoints = random_people(body, random, TOGETHER)
        landmarks = find_landmarks(network, pictures)
        metric = metric_landmarks(landmarks.points, landmarks.world, landmarks.visibility)
        found = landmarks.score > 0.5
        for seen, visibility, truth in mirrored_too(metric[found], landmarks.visibility[found], keypoints[found]):
            features.append(calibration_features(seen, visibility))
            missing.append(truth[..., 2] - seen[:, FITTED_LANDMARKS, 2])
    inputs, targets = np.concatenate(features), np.concatenate(missing)
    return np.linalg.solve(inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1]), inputs.T @ targets)


def mirrored_too(
    metric: np.ndarray, visibility: np.ndarray, keypoints: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The data, and the data as a mirror shows it, so that the regression treats left and right alike."""
    yield metric, visibility, keypoints
    names = list(LANDMARK_OF_KEYPOINT)
    partner = [names.index(swapped_side(name)) for name in names]
    # Landmarks come in pairs (left, right) from 7 on; before them the nose, then three points of each eye.
    landmark_partner = np.array([0, 4, 5, 6, 1, 2, 3, *np.arange(7, 33).reshape(-1, 2)[:, ::-1].ravel()])
    flip = np.array([-1.0, 1.0, 1.0])
    yield metric[:, landmark_partner] * flip, visibility[:, landmark_partner], keypoints[:, partner] * flip


def swapped_side(name: str) -> str:
    """`left_hip` for `right_hip` and the reverse; the nose for the nose."""
    side, _, part = name.partition("_")
    return {"left": f"right_{part}", "right": f"left_{part}"}.get(side, name)


def random_people(body: Body, random: np.random.Generator, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures [h, w, 3] uint8 of people, and their fitted keypoints [count, 21, 3] in metres about the mid-hip."""
    betas = (SHAPE_SPREAD * random.standard_normal((count, 10))).astype(np.float32)
    betas[:, 0] = 0
    rotations = body.world_rotations(random_poses(body, random, count))
    translations = body.place(rotations, betas)
    keypoints = body.keypoints(rotations, translations, betas)[:, fitted_keypoints(body)]
    hips = [list(LANDMARK_OF_KEYPOINT).index(name) for name in ("left_hip", "right_hip")]
    vertices = body.skin(rotations, translations, betas)
    pictures = [portrait(body, random, person, SIZES[row % len(SIZES)]) for row, person in enumerate(vertices)]
    return pictures, keypoints - keypoints[:, hips].mean(axis=1, keepdims=True)


def random_poses(body: Body, random: np.random.Generator, count: int) -> np.ndarray:
    """Poses [count, 22, 3] of people who stand or walk, turned all the way round, seen a little from above."""

    def between(low: float, high: float) -> np.ndarray:
        return np.radians(random.uniform(low, high, count)).astype(np.float32)

    def spread(degrees: float) -> np.ndarray:
        return np.radians(degrees * random.standard_normal(count)).astype(np.float32)

    bones = {"pelvis": about(X_AXIS, between(0, 15)) @ about(Y_AXIS, between(-180, 180))}
    bones["pelvis"] = bones["pelvis"] @ about(X_AXIS, spread(4)) @ about(Z_AXIS, spread(3))
    stride, phase = random.uniform(0, 1, count), random.uniform(0, 2 * np.pi, count)
    for letter, sign in (("L", 1), ("R", -1)):
        moment = phase + (0 if sign > 0 else np.pi)
        swing = np.radians(28) * stride * np.sin(moment)
        lift = np.radians(35) * stride * np.clip(np.sin(moment + 1.9), 0, None)
        bent = random.random(count) < 0.25
        bones[f"thigh{letter}"] = about(Z_AXIS, sign * (np.radians(9) + spread(3))) @ about(X_AXIS, spread(5) - swing)
        bones[f"shin{letter}"] = about(X_AXIS, lift + between(0, 12))
        bones[f"foot{letter}"] = about(X_AXIS, spread(6))
        bones[f"uarm{letter}"] = about(X_AXIS, 0.9 * swing + spread(12)) @ about(Z_AXIS, sign * between(22, 42))
        bones[f"farm{letter}"] = about(X_AXIS, between(0, 32) - bent * between(20, 70))
    for name in ("spine05", "spine04", "spine03", "spine02"):
        bones[name] = about(X_AXIS, spread(2)) @ about(Y_AXIS, spread(3))
    for name in ("neck", "head"):
        bones[name] = about(X_AXIS, spread(6)) @ about(Y_AXIS, spread(11))
    still = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    rotations = np.stack([bones.get(name, still) for name in body.bone_names], axis=1)
    return to_rotation_vector(rotations).astype(np.float32)


def portrait(body: Body, random: np.random.Generator, vertices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One person [V, 3] (metres, camera axes) in plain clothes before a blurred backdrop: [h, w, 3] uint8."""
    height, width = (OVERSAMPLING * side for side in size)
    low, high = vertices.min(axis=0)[:2], vertices.max(axis=0)[:2]
    scale = min(height * random.uniform(0.84, 0.97) / (high - low)[1], 0.96 * width / (high - low)[0])
    shift = np.array([width, height]) * (0.5 + random.uniform(-0.02, 0.02, 2)) - scale * (low + high) / 2
    points = vertices * scale + np.array([*shift, 0])
    faces, barycentric, _ = rasterize(points, body.faces, height, width)
    light = np.array([random.uniform(-0.6, 0.6), -0.5, -1.0])
    shade = 0.65 + 0.35 * np.clip(vertex_normals(vertices, body.faces) @ (light / np.linalg.norm(light)), 0, 1)
    person = interpolate((clothes(body, random) * shade[:, None]).astype(np.float32), body.faces, faces, barycentric)
    coarse = Image.fromarray(random.integers(40, 220, (6, 3, 3), dtype=np.uint8))
    backdrop = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / 255
    picture = np.where(faces[..., None] >= 0, person, backdrop)
    soft = Image.fromarray((255 * np.clip(picture, 0, 1)).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(random.uniform(0.6, 1.6))
    )
    small = np.asarray(soft.resize((size[1], size[0]), Image.Resampling.BOX)).astype(np.float32)
    noisy = small * random.uniform(0.75, 1.1) + random.normal(0, 3, small.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def clothes(body: Body, random: np.random.Generator) -> np.ndarray:
    """Colours [V, 3] in [0, 1]: top, bottom, shoes, skin and hair; sleeves and trousers short or long."""
    colours = {part: random.uniform(0.08, 1, 3) for part in ("top", "bottom", "shoes")}
    skin, hair = SKIN * random.uniform(0.35, 1.1), np.array([1, 0.8, 0.7]) * random.uniform(0.05, 0.4)
    worn = (
        GARMENTS
        | ({"farm": "top"} if random.random() < 0.6 else {})
        | ({"shin": "bottom"} if random.random() < 0.7 else {})
    )
    of_bone = [
        next((colours[garment] for bone, garment in worn.items() if name.startswith(bone)), skin)
        for name in body.bone_names
    ]
    nearest = body.dense_weights.argmax(axis=1)
    found = np.array(of_bone)[nearest]
    rest = body.mean_points[: len(found)]
    head = nearest == body.bone_names.index("head")
    top, middle = rest[head, 1].min(), np.median(rest[head, 2])
    found[head & ((rest[:, 1] < top + 0.09) | ((rest[:, 2] > middle + 0.03) & (rest[:, 1] < top + 0.2)))] = hair
    return found


if __name__ == "__main__":
    main()
