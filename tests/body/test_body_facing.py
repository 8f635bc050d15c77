"""Front or back: the other reading of a picture, and the evidence that calls for it."""

import os
import sys
from dataclasses import fields, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gcl_cli.body.crops import centred_region
from gcl_cli.body.estimator import Estimator
from gcl_cli.body.facing import (
    LIKELIEST,
    LOOK_SIZE,
    LOOKS,
    back_probability,
    face_as_likely,
    load_reader,
    look_at,
    read_picture,
    shows_back,
    turn_round,
)
from gcl_cli.body.landmarks import LandmarkRunner, Landmarks, find_landmarks
from gcl_cli.body.lifting import FITTED_LANDMARKS, LANDMARK_PARTNERS, metric_landmarks
from gcl_cli.body.model import load_body
from gcl_cli.body.pose import bone_rotations
from gcl_cli.body.rotations import Y_AXIS, about, from_rotation_vector
from gcl_cli.records import MeshEstimates
from gcl_cli.synth.cameras import camera
from gcl_cli.synth.chance import stream
from gcl_cli.synth.figures import dress
from gcl_cli.synth.identities import identity
from gcl_cli.synth.photograph import photograph

SEED = 404  # a set that nothing was learnt from
PEOPLE = 36
THRESHOLDS: dict[str, Any] = {
    "minimum_score": 0.8,
    "minimum_visibility": 0.62,
    "minimum_overlap": 0.45,
    "minimum_height": 0.4,
}
FRONT, BEHIND = 7, 3  # of the eight orientations in the file names of PKU-Reid


def random_landmarks(people: int) -> Landmarks:
    """Upright people whose left side is on the right of the picture, all else by chance."""
    random = np.random.default_rng(1)
    world = random.normal(0, 0.2, (people, 33, 3))
    world[:, [11, 12], 1] -= 0.6
    points = random.uniform(0, 64, (people, 33, 2))
    points[:, [11, 23], 0] += 64
    return Landmarks(
        points=points,
        world=world,
        visibility=random.random((people, 33)),
        score=np.ones(people),
        mask=np.zeros((people, 64, 64)),
        regions=np.stack([centred_region(128, 64, 1.15)] * people),
    )


@cache
def drawn_people() -> tuple[list[np.ndarray], np.ndarray, Landmarks]:
    """Synthetic people turned all the way round: pictures, yaw in degrees, landmarks as found."""
    crops, yaws = [], []
    for person in range(PEOPLE):
        random = stream(SEED, "facing test", person)
        yaw = float(random.uniform(0, 2 * np.pi))
        taken_by = camera(SEED, int(random.integers(1, 20)), shift=0.65)
        taken = photograph(random, dress(identity(SEED, person)), taken_by, yaw=yaw, seed=SEED, passer_by=None)
        crops.append(np.asarray(taken.picture.convert("RGB")))
        yaws.append(np.degrees(yaw))
    return crops, np.array(yaws), find_landmarks(LandmarkRunner(), crops)


def uncalibrated_yaw(landmarks: Landmarks) -> np.ndarray:
    """Degrees [N] of the bodies through the landmarks themselves; 0 faces the camera, 90 the left of the picture."""
    metric = metric_landmarks(landmarks.points, landmarks.world, landmarks.visibility)
    return yaw_of(bone_rotations(load_body(), metric[:, FITTED_LANDMARKS].astype(np.float32))[:, 0])


def yaw_of(pelvis: np.ndarray) -> np.ndarray:
    """Degrees [N] of world rotations [N, 3, 3]."""
    ahead = -pelvis[:, :, 2]
    return np.degrees(np.arctan2(-ahead[:, 0], -ahead[:, 2]))


def off(angles: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Degrees in [0, 180] between angles."""
    return np.abs((angles - truth + 180) % 360 - 180)


def test_turned_round_twice_is_the_same() -> None:
    landmarks = random_landmarks(20)
    again = turn_round(turn_round(landmarks))
    for entry in fields(Landmarks):
        np.testing.assert_allclose(getattr(again, entry.name), getattr(landmarks, entry.name), atol=1e-12)


def test_turning_round_moves_no_place_in_the_picture_and_swaps_sides() -> None:
    landmarks = random_landmarks(5)
    turned = turn_round(landmarks)
    np.testing.assert_array_equal(turned.points[:, LANDMARK_PARTNERS], landmarks.points)
    np.testing.assert_array_equal(turned.visibility[:, 11], landmarks.visibility[:, 12])
    np.testing.assert_array_equal(turned.world[:, 15, :2], landmarks.world[:, 16, :2])
    assert (shows_back(turned) != shows_back(landmarks)).all()


def test_the_line_of_the_trunk_keeps_its_depth() -> None:
    landmarks = random_landmarks(5)
    turned = turn_round(landmarks)
    for pair in ([11, 12], [23, 24]):
        np.testing.assert_allclose(turned.world[:, pair].mean(axis=1), landmarks.world[:, pair].mean(axis=1))


def test_nearer_becomes_farther_by_hand() -> None:
    """An upright trunk at depth 0: a nose 10 cm nearer becomes one 10 cm farther."""
    landmarks = random_landmarks(1)
    world = np.zeros((1, 33, 3))
    world[:, [11, 12], 1] = -0.5
    world[:, 0] = [0.02, -0.7, -0.1]
    np.testing.assert_allclose(turn_round(replace(landmarks, world=world)).world[0, 0], [0.02, -0.7, 0.1])


@pytest.mark.parametrize("yaw", [0.0, 40.0, -75.0, 180.0])
def test_the_trunk_of_turned_landmarks_is_turned_by_180_degrees_in_the_mirror(yaw: float) -> None:
    """An even body turned to any yaw: its trunk and hips at yaw, turned round, are those at 180 degrees - yaw."""
    landmarks = random_landmarks(1)
    at_rest = np.zeros((1, 33, 3))
    joints = {11: (0.18, -0.5), 12: (-0.18, -0.5), 23: (0.1, 0), 24: (-0.1, 0), 27: (0.1, 0.8), 28: (-0.1, 0.8)}
    for index, place in joints.items():
        at_rest[0, index, :2] = place
    at_rest[0, [0, 9, 10]] = [[0, -0.7, -0.1], [0.03, -0.65, -0.09], [-0.03, -0.65, -0.09]]

    def turned_to(degrees: float) -> np.ndarray:
        return at_rest @ about(Y_AXIS, np.radians(degrees)).T.astype(np.float64)

    other = turn_round(replace(landmarks, world=turned_to(yaw)))
    np.testing.assert_allclose(other.world, turned_to(180 - yaw), atol=1e-6)


def test_body_through_turned_landmarks_looks_the_other_way() -> None:
    _, _, landmarks = drawn_people()
    error = off(uncalibrated_yaw(turn_round(landmarks)), 180 - uncalibrated_yaw(landmarks))
    assert error.max() < 5


def test_only_those_whom_the_evidence_contradicts_are_turned() -> None:
    landmarks = random_landmarks(4)  # all seen from the front
    probability = np.array([0.1, 0.9, LIKELIEST - 0.01, LIKELIEST + 0.01])
    faced = face_as_likely(landmarks, probability)
    np.testing.assert_array_equal(shows_back(faced), [False, True, False, True])
    for name in ("points", "world", "visibility"):
        kept, turned = getattr(landmarks, name), getattr(turn_round(landmarks), name)
        np.testing.assert_array_equal(getattr(faced, name)[[0, 2]], kept[[0, 2]])
        np.testing.assert_array_equal(getattr(faced, name)[[1, 3]], turned[[1, 3]])


def test_a_mirrored_picture_has_the_same_probability() -> None:
    crops, _, landmarks = drawn_people()
    width = crops[0].shape[1]
    points = landmarks.points[:, LANDMARK_PARTNERS] * [-1, 1] + [width, 0]
    world = landmarks.world[:, LANDMARK_PARTNERS] * [-1, 1, 1]
    other = replace(landmarks, points=points, world=world, visibility=landmarks.visibility[:, LANDMARK_PARTNERS])
    mirrored = back_probability(other, [crop[:, ::-1] for crop in crops])
    np.testing.assert_allclose(mirrored, back_probability(landmarks, crops), atol=1e-4)


def test_pictures_together_equal_pictures_one_by_one() -> None:
    crops, _, landmarks = drawn_people()
    first = Landmarks(**{entry.name: getattr(landmarks, entry.name)[:1] for entry in fields(Landmarks)})
    together, alone = back_probability(landmarks, crops), back_probability(first, crops[:1])
    assert together.shape == (PEOPLE,) and ((together >= 0) & (together <= 1)).all()
    np.testing.assert_allclose(together[:1], alone, rtol=1e-4)


def test_convolutions_equal_plain_loops() -> None:
    look, weights = next(iter(LOOKS)), load_reader()
    picture = np.random.default_rng(2).random((1, 3, LOOK_SIZE, LOOK_SIZE)).astype(np.float32)
    x = picture[0]
    for layer in ("first", "second", "third"):
        kernel, bias = weights[f"{look}.{layer}.weight"], weights[f"{look}.{layer}.bias"]
        side = x.shape[1] // 2
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        halved = np.empty((len(kernel), side, side), np.float32)
        for row, column in np.ndindex(side, side):
            window = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            halved[:, row, column] = (kernel * window).sum(axis=(1, 2, 3)) + bias
        x = np.maximum(halved, 0)
    by_hand = weights[f"{look}.last.weight"][0] @ x.ravel() + weights[f"{look}.last.bias"][0]
    assert read_picture(weights, look, picture)[0] == pytest.approx(by_hand, rel=1e-3, abs=1e-3)


def test_squares_cut_from_part_of_a_crop_equal_those_cut_from_all_of_it() -> None:
    """By a crop whose surroundings are spelled out in black, which moves what is skipped into the picture."""
    crops, _, landmarks = drawn_people()
    border = 40
    framed = [np.pad(crop, ((border, border), (border, border), (0, 0))) for crop in crops]
    moved = replace(
        landmarks, points=landmarks.points + border, regions=landmarks.regions + np.array([border, border, 0, 0])
    )
    for look in LOOKS:
        np.testing.assert_allclose(look_at(moved, framed, look), look_at(landmarks, crops, look), atol=1e-5)


def test_a_square_beside_the_crop_is_black() -> None:
    crops, _, landmarks = drawn_people()
    away = replace(landmarks, points=landmarks.points + 10_000)
    assert all((look_at(away, crops, look) == 0).all() for look in LOOKS)


def test_backs_of_fresh_synthetic_people_are_recognised() -> None:
    """The probability tells front from back better than the landmarks alone do."""
    crops, yaw, landmarks = drawn_people()
    clear = np.abs(np.cos(np.radians(yaw))) > 0.3
    back = (np.cos(np.radians(yaw)) < 0)[clear]
    probability = back_probability(landmarks, crops)[clear]
    right = ((probability > LIKELIEST) == back).mean()
    assert right >= 0.88 and right >= (shows_back(landmarks)[clear] == back).mean()


def test_estimated_bodies_face_as_fresh_synthetic_people_do() -> None:
    crops, yaw, _ = drawn_people()
    found = estimates_yaw(Estimator(**THRESHOLDS, device="cpu")(crops))
    assert (off(found, yaw) < 67.5).mean() >= 0.9


def estimates_yaw(estimates: MeshEstimates) -> np.ndarray:
    return yaw_of(from_rotation_vector(estimates.pose[:, 0]))


@pytest.mark.slow
def test_real_people_face_as_they_were_told_to() -> None:
    """PKU-Reid in Market layout, the orientation 1-8 in place of the frame; see GCL_PKU. -s prints the table."""
    folder = os.environ.get("GCL_PKU")
    if not folder:
        pytest.skip("set GCL_PKU to a folder of PKU-Reid in Market layout: its pictures are not part of the project")
    files = sorted(Path(folder).glob("*/*.jpg"))
    truth = np.array([(FRONT - int(file.stem.split("_")[2])) * 45 for file in files])
    estimator = Estimator(**THRESHOLDS, device="cpu")
    starts = [*range(0, len(files), 64), len(files)]
    parts = [estimator([np.asarray(Image.open(file)) for file in files[a:b]]) for a, b in pairwise(starts)]
    found = np.concatenate([estimates_yaw(part) for part in parts])
    error = off(found, truth)
    table = np.zeros((8, 8), int)
    np.add.at(table, tuple(((yaw + 22.5) // 45).astype(int) % 8 for yaw in (truth, found)), 1)
    sys.stdout.write(f"\nrows true, columns estimated, 0 45 ... 315 degrees:\n{table}\n")
    sys.stdout.write(f"exact {(error < 22.5).mean():.3f}, within one bin {(error < 67.5).mean():.3f}\n")
    status = np.concatenate([part.status for part in parts])
    assert (error < 67.5).mean() > 0.93 and (error < 22.5).mean() > 0.73
    assert (status == 0).mean() > 0.95
