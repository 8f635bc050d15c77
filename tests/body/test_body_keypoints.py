"""Keypoints in metres, read from landmarks, heatmaps and outline; the recipe that teaches it."""

import runpy
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from gcl_cli.body.crops import centred_region
from gcl_cli.body.keypoints import (
    READ_METRES,
    READER,
    Answer,
    Reading,
    answer,
    coarse_outline,
    evidence,
    load_reader,
    read_keypoints,
    trunk_middle,
)
from gcl_cli.body.landmarks import LANDMARK_PARTNERS, Landmarks, heatmap_traces, rows_of, with_rows
from gcl_cli.body.lifting import FITTED_LANDMARKS, KEYPOINT_PARTNERS, MIRROR
from gcl_cli.body.model import load_body
from gcl_cli.body.rotations import from_rotation_vector, to_rotation_vector
from gcl_cli.synth import walking
from gcl_cli.synth.identities import identity
from gcl_cli.synth.streams import stream

RECIPE = Path(__file__).parents[2] / "recipes" / "assets" / "build_keypoints.py"


def some_landmarks(people: int, seed: int = 1) -> Landmarks:
    """Landmarks by chance, in crops of 128x64."""
    random = np.random.default_rng(seed)
    points = random.uniform([10, 10], [54, 118], (people, 33, 2))
    regions = np.stack([centred_region(128, 64, 1.15)] * people)
    return Landmarks(
        points=points,
        world=random.normal(0, 0.3, (people, 33, 3)),
        visibility=random.random((people, 33)),
        score=np.ones(people),
        mask=random.random((people, 64, 64)),
        regions=regions,
        traces=heatmap_traces(random.uniform(0.3, 0.7, (people, 33, 2)), random.normal(-4, 3, (people, 64, 64, 33))),
    )


def as_a_mirror_shows(landmarks: Landmarks) -> Landmarks:
    """The landmarks of mirrored crops of 128x64, were the network itself even-handed."""
    columns = {
        name: getattr(landmarks, name)[:, LANDMARK_PARTNERS] for name in ("points", "world", "visibility", "traces")
    }
    columns["points"] = columns["points"] * [-1, 1] + [64, 0]
    columns["world"] = columns["world"] * MIRROR
    columns["traces"] = columns["traces"] * [-1, *[1] * 6] + [1, *[0] * 6]
    return replace(landmarks, mask=landmarks.mask[:, :, ::-1], **columns)


def test_a_mirror_image_is_read_as_the_mirror_image() -> None:
    landmarks = some_landmarks(6)
    plain, mirrored = read_keypoints(landmarks), read_keypoints(as_a_mirror_shows(landmarks)).mirrored(np.full(6, 64))
    np.testing.assert_allclose(mirrored.keypoints, plain.keypoints, atol=1e-4)
    np.testing.assert_allclose(mirrored.points, plain.points, atol=1e-2)
    np.testing.assert_allclose(mirrored.heading, plain.heading, atol=1e-4)


def test_evidence_of_the_mirror_image_is_the_second_half_of_the_evidence() -> None:
    landmarks = some_landmarks(4)
    (plain, mirrored), (other, back) = evidence(landmarks), evidence(as_a_mirror_shows(landmarks))
    np.testing.assert_allclose(other, mirrored, atol=1e-9)
    np.testing.assert_allclose(back, plain, atol=1e-9)


def test_mirrored_twice_is_the_same_and_swaps_sides() -> None:
    random, widths = np.random.default_rng(3), np.array([64, 48])
    reading = Reading(random.normal(0, 1, (2, 21, 3)), random.uniform(0, 64, (2, 21, 2)), random.normal(0, 1, (2, 2)))
    mirrored = reading.mirrored(widths)
    np.testing.assert_allclose(mirrored.keypoints[:, KEYPOINT_PARTNERS, 0], -reading.keypoints[..., 0])
    np.testing.assert_allclose(mirrored.points[:, KEYPOINT_PARTNERS, 0], widths[:, None] - reading.points[..., 0])
    np.testing.assert_allclose(mirrored.points[:, KEYPOINT_PARTNERS, 1], reading.points[..., 1])
    np.testing.assert_allclose(mirrored.heading[:, 1], -reading.heading[:, 1])
    np.testing.assert_allclose(mirrored.mirrored(widths).points, reading.points)
    np.testing.assert_allclose(mirrored.mirrored(widths).keypoints, reading.keypoints)


def test_some_people_are_replaced_and_the_others_stay() -> None:
    random = np.random.default_rng(4)
    one, two = (
        Reading(random.normal(0, 1, (n, 21, 3)), random.normal(0, 1, (n, 21, 2)), random.normal(0, 1, (n, 2)))
        for n in (3, 1)
    )
    mixed = with_rows(one, np.array([1]), rows_of(one, np.array([1])).averaged(two))
    for name in ("keypoints", "points", "heading"):
        before, other, after = (getattr(reading, name) for reading in (one, two, mixed))
        np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
        np.testing.assert_allclose(after[1], (before[1] + other[0]) / 2)


def test_an_answer_comes_back_from_its_numbers() -> None:
    numbers = np.random.default_rng(5).normal(0, 1, (3, 107))
    np.testing.assert_array_equal(Answer.of(numbers).numbers(), numbers)
    np.testing.assert_allclose(Answer.of(numbers).mirrored().mirrored().numbers(), numbers)


def test_points_lie_where_the_answer_places_them_about_the_trunk() -> None:
    """The same answer, in units of the region, for a person who stands five pixels further right and ten lower."""
    landmarks = some_landmarks(1)
    moved = replace(landmarks, points=landmarks.points + np.array([5, 10]))
    np.testing.assert_allclose(
        (trunk_middle(moved) - trunk_middle(landmarks))[0, 0] * landmarks.regions[0, 2:], [5, 10], atol=1e-9
    )


def test_people_together_equal_people_one_by_one() -> None:
    landmarks = some_landmarks(3)
    together = read_keypoints(landmarks)
    for row in range(3):
        one = Landmarks(**{entry.name: getattr(landmarks, entry.name)[row : row + 1] for entry in fields(Landmarks)})
        np.testing.assert_allclose(read_keypoints(one).keypoints[0], together.keypoints[row], atol=1e-5)


def plain_perceptron(weights: dict[str, np.ndarray], x: np.ndarray) -> list[float]:
    """The outputs [107] of one perceptron for one person's inputs [624], unit by unit."""
    x = (x - weights["mean"]) / weights["spread"]
    for layer in ("first", "second", "third"):
        x = [
            max(float(row @ x) + b, 0)
            for row, b in zip(weights[f"{layer}.weight"], weights[f"{layer}.bias"], strict=True)
        ]
    return [float(row @ x) + b for row, b in zip(weights["last.weight"], weights["last.bias"], strict=True)]


def test_answer_is_the_mean_of_plain_loops_over_the_perceptrons() -> None:
    weights = load_reader()
    numbers = evidence(some_landmarks(1))[0]
    readers = [{name: values[reader] for name, values in weights.items()} for reader in range(len(weights["mean"]))]
    assert len(readers) == 2
    outputs = np.mean([plain_perceptron(reader, numbers[0]) for reader in readers], axis=0)
    read = answer(weights, numbers)
    np.testing.assert_allclose(read.keypoints[0].ravel(), outputs[:63], atol=1e-3)
    np.testing.assert_allclose(read.places[0].ravel(), outputs[63:105], atol=1e-3)
    np.testing.assert_allclose(read.heading[0], outputs[105:], atol=1e-3)


def test_coarse_outline_is_the_share_of_person_in_each_cell() -> None:
    mask = np.zeros((1, 64, 64))
    mask[0, 4:8, 24:28] = 1
    outline = coarse_outline(mask)
    assert outline.shape == (1, 16, 6) and outline[0, 1, 1] == 1 and outline.sum() == 1


def test_traces_of_a_single_peak_by_hand() -> None:
    """One sure cell of the left wrist's map at row 20, column 30; the right wrist lies there too."""
    heatmap, places = np.full((1, 64, 64, 33), -60.0), np.full((1, 33, 2), 0.35)
    heatmap[0, 20, 30, 15] = 60
    places[0, 16] = [30.5 / 64, 20.5 / 64]
    x, y, here, there, total, wide, high = heatmap_traces(places, heatmap)[0, 15]
    np.testing.assert_allclose([x * 1.05, y * 1.05], [31 / 64, 21 / 64])
    assert here == pytest.approx(0, abs=1e-9) and there == pytest.approx(1) and total == pytest.approx(np.log(1.05))
    assert wide < 0.12 and high < 0.12


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    return runpy.run_path(str(RECIPE))


@pytest.mark.slow
def test_recipe_learns_a_rule_and_its_mirror_image(recipe: dict[str, Any]) -> None:
    """Keypoints that follow the landmarks and lean by how high the right wrist is: true for others as well."""

    def samples(seed: int, count: int) -> Any:
        landmarks = some_landmarks(count, seed)
        keypoints = landmarks.world[:, FITTED_LANDMARKS].copy()
        keypoints[..., 2] += 0.5 * landmarks.world[:, 15:17, 1].mean(axis=1, keepdims=True)
        return recipe["Samples"](landmarks, keypoints, landmarks.points[:, FITTED_LANDMARKS] + 3, np.zeros(count))

    learnt, fresh = samples(5, 1500), samples(6, 100)
    weights = {name: values[None] for name, values in recipe["learn"](learnt).items()}
    plain, mirrored = (answer(weights, numbers) for numbers in evidence(fresh.landmarks))
    read, goal = (plain.numbers() + mirrored.mirrored().numbers()) / 2, recipe["truth"](fresh).numbers()
    for columns in (slice(0, 63), slice(63, 105)):
        spread = np.abs(goal[:, columns] - goal[:, columns].mean(axis=0)).mean()
        assert np.abs(read - goal)[:, columns].mean() < 0.6 * spread


@pytest.mark.slow
def test_perceptrons_learn_from_people_of_their_own_and_the_second_from_loosened_ones_too(
    recipe: dict[str, Any],
) -> None:
    first, second = recipe["shown"](groups=3, loose=2)
    assert first == [(0, False), (1, False), (2, False)]
    assert second == [(5, False), (6, False), (7, False), (8, True), (9, True)]


@pytest.mark.slow
def test_loosened_people_stand_as_nobody_in_a_set_does_and_never_stretch_a_knee(recipe: dict[str, Any]) -> None:
    """Beside the same moments of people in a set: every bone is turned as far as it should be, and shins only back."""
    bones, look = load_body().bone_names, identity(3, 1)
    held, loose = [], []
    for number in range(200):
        random, again = stream(3, "loose", number), stream(3, "loose", number)
        loose.append(recipe["loosened"](random, look))
        again.normal(size=(len(bones), 3))  # what turns them further is drawn first
        held.append(walking.pose(again, look, busy=recipe["BUSY"]))
    further = to_rotation_vector(
        from_rotation_vector(np.stack(held)).swapaxes(-1, -2) @ from_rotation_vector(np.stack(loose))
    )
    for bone, name in enumerate(bones):
        expected = recipe["LOOSENED"][name.rstrip("LR0123456789")]
        assert further[:, bone].std(axis=0)[1:] == pytest.approx(expected, rel=0.25), name
    for side in "LR":
        bent = further[:, bones.index(f"shin{side}"), 0]
        assert bent.min() >= -1e-4 and bent.max() > 0.3


@pytest.mark.slow
def test_recipe_draws_what_it_learns_from_again_and_the_shipped_reader_knows_it(recipe: dict[str, Any]) -> None:
    """A first group of the people that the shipped reader learnt from: drawn anew, its keypoints are read well."""
    with safe_open(READER, framework="numpy") as file:
        made = file.metadata()
    samples = recipe["draw_people"](int(made["seed"]), 0, loose=False)
    read = read_keypoints(samples.landmarks)
    assert 1000 * np.linalg.norm(read.keypoints - samples.keypoints, axis=-1).mean() < 75
    assert np.linalg.norm(read.points - samples.points, axis=-1).mean() < 3.2
    assert len(samples.yaw) == 1000


@pytest.mark.slow
def test_a_smaller_reader_made_by_the_recipe_comes_near(recipe: dict[str, Any], tmp_path: Path) -> None:
    """The whole recipe on few people: what it writes is read, and knows people whom neither reader ever saw."""
    file = tmp_path / "keypoints.safetensors"
    sizes = ["--groups", "4", "--loose", "1"]
    subprocess.run([sys.executable, str(RECIPE), *sizes, "--out", str(file)], check=True)
    others = recipe["draw_people"](12, 0, loose=False)
    plain, _ = evidence(others.landmarks)
    made = {name: values.astype(np.float64) for name, values in load_file(file).items()}
    small, shipped = (
        np.linalg.norm(READ_METRES * answer(weights, plain).keypoints - others.keypoints, axis=-1).mean()
        for weights in (made, load_reader())
    )
    assert shipped < small < 1.6 * shipped
