"""The closed-form fit: from keypoints to bone rotations, and the camera and depths that lead there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.body.lifting import (
    FITTED_LANDMARKS,
    LANDMARK_OF_KEYPOINT,
    fitted_keypoints,
    metric_landmarks,
    weak_perspective,
)
from gcl_cli.body.model import load_body
from gcl_cli.body.pose import MEAN_SHAPE, bone_rotations, fit_bodies
from gcl_cli.body.rotations import X_AXIS, Y_AXIS, Z_AXIS, about, to_rotation_vector

MIRROR = np.array([-1, 1, 1], np.float32)
NAMES = list(LANDMARK_OF_KEYPOINT)
PARTNER = [
    NAMES.index(name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")) for name in NAMES
]


def natural_poses(count: int, seed: int) -> np.ndarray:
    """Walking people, turned all the way round: [count, 22, 3]."""
    random, body = np.random.default_rng(seed), load_body()

    def turn(axis: np.ndarray, low: float, high: float) -> np.ndarray:
        return about(axis, np.radians(low + (high - low) * random.random(count)))

    bones = {"pelvis": turn(X_AXIS, 0, 15) @ turn(Y_AXIS, -180, 180) @ turn(Z_AXIS, -4, 4)}
    for letter, sign in (("L", 1), ("R", -1)):
        bones[f"thigh{letter}"] = turn(Z_AXIS, sign * 5, sign * 13) @ turn(X_AXIS, -30, 30)
        bones[f"shin{letter}"] = turn(X_AXIS, 0, 45)
        bones[f"foot{letter}"] = turn(X_AXIS, -8, 8)
        bones[f"uarm{letter}"] = turn(X_AXIS, -35, 35) @ turn(Z_AXIS, sign * 22, sign * 42)
        bones[f"farm{letter}"] = turn(X_AXIS, -70, 25)
    for name in ("spine05", "spine04", "spine03", "spine02", "neck", "head"):
        bones[name] = turn(X_AXIS, -4, 4) @ turn(Y_AXIS, -6, 6)
    still = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    return to_rotation_vector(np.stack([bones.get(name, still) for name in body.bone_names], axis=1))


def keypoints_of(world_rotations: np.ndarray) -> np.ndarray:
    """The fitted keypoints [N, 21, 3] of bodies of mean shape, about the mid-hip."""
    body = load_body()
    keypoints = body.keypoints(world_rotations, body.place(world_rotations, MEAN_SHAPE), MEAN_SHAPE)
    keypoints = keypoints[:, fitted_keypoints(body)]
    hips = [NAMES.index("left_hip"), NAMES.index("right_hip")]
    return keypoints - keypoints[:, hips].mean(axis=1, keepdims=True)


def landmarks_like(keypoints: np.ndarray, seed: int) -> np.ndarray:
    """World landmarks [N, 33, 3] that carry the keypoints where the fit looks, noise elsewhere."""
    world = np.random.default_rng(seed).normal(0, 0.3, (len(keypoints), 33, 3))
    world[:, FITTED_LANDMARKS] = keypoints
    return world


def test_fit_from_true_keypoints_is_within_13_mm() -> None:
    truth = keypoints_of(load_body().world_rotations(natural_poses(256, seed=0)))
    fitted = keypoints_of(bone_rotations(load_body(), truth))
    assert 1000 * np.linalg.norm(fitted - truth, axis=-1).mean() <= 13


def test_rest_keypoints_give_the_rest_pose() -> None:
    body = load_body()
    rest = body.rest_keypoints(MEAN_SHAPE)[:, fitted_keypoints(body)]
    np.testing.assert_allclose(bone_rotations(body, rest)[0], np.tile(np.eye(3), (22, 1, 1)), atol=5e-3)


def test_fit_gives_rotations() -> None:
    targets = np.random.default_rng(1).normal(0, 0.5, (64, 21, 3)).astype(np.float32)
    rotations = bone_rotations(load_body(), targets)
    np.testing.assert_allclose(
        rotations @ np.swapaxes(rotations, -1, -2), np.broadcast_to(np.eye(3), rotations.shape), atol=1e-4
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-4)


def test_turning_the_keypoints_turns_every_bone() -> None:
    truth = keypoints_of(load_body().world_rotations(natural_poses(16, seed=2)))
    turn = about(Y_AXIS, 1.1) @ about(X_AXIS, 0.4)
    rotations = bone_rotations(load_body(), truth)
    np.testing.assert_allclose(bone_rotations(load_body(), truth @ turn.T), turn @ rotations, atol=2e-4)


@pytest.mark.parametrize("size", [0.3, 2.0])
def test_size_of_the_person_does_not_matter(size: float) -> None:
    truth = keypoints_of(load_body().world_rotations(natural_poses(16, seed=3)))
    np.testing.assert_allclose(
        bone_rotations(load_body(), truth * np.float32(size)), bone_rotations(load_body(), truth), atol=2e-4
    )


def test_mirrored_keypoints_give_the_mirrored_pose() -> None:
    body = load_body()
    truth = keypoints_of(body.world_rotations(natural_poses(64, seed=4)))
    rotations = bone_rotations(body, truth)
    mirrored = bone_rotations(body, truth[:, PARTNER] * MIRROR)
    other = [
        body.bone_names.index(name[:-1] + {"L": "R", "R": "L"}.get(name[-1], name[-1])) for name in body.bone_names
    ]
    expected = (MIRROR[:, None] * rotations * MIRROR)[:, other]
    np.testing.assert_allclose(mirrored, expected, atol=5e-3)


def test_knee_never_bends_forwards_by_twisting_the_thigh() -> None:
    """A knee seen bent the wrong way keeps the thigh's twist: it points as the pelvis does."""
    body = load_body()
    pose = np.zeros((1, 22, 3), np.float32)
    pose[0, body.bone_names.index("shinL")] = -0.6 * X_AXIS  # hyperextended
    rotations = bone_rotations(body, keypoints_of(body.world_rotations(pose)))
    thigh = rotations[0, body.bone_names.index("thighL")]
    assert (thigh @ X_AXIS) @ X_AXIS > 0.99


def test_foot_and_head_stay_within_their_limits() -> None:
    body = load_body()
    targets = np.random.default_rng(5).normal(0, 0.5, (200, 21, 3)).astype(np.float32)
    rotations = bone_rotations(body, targets)
    for bone, reference, limit in (("footL", "shinL", 0.7), ("footR", "shinR", 0.7), ("head", "spine01", 1.0)):
        start, end = (rotations[:, body.bone_names.index(name)] for name in (reference, bone))
        angle = np.linalg.norm(to_rotation_vector(np.swapaxes(start, -1, -2) @ end), axis=-1)
        assert angle.max() <= limit + 1e-3


def test_weak_perspective_of_three_points_by_hand() -> None:
    """Points 0, 1, 2 on a line seen at 10, 13, 16: scale 3, shift 10; weight 0 hides a wild point."""
    source = np.array([[[0, 0], [1, 0], [2, 0], [5, 5]]], float)
    target = np.array([[[10, 4], [13, 4], [16, 4], [-99, 99]]], float)
    np.testing.assert_allclose(weak_perspective(source, target, np.array([[1, 1, 1, 0.0]])), [[3, 10, 4]])


@settings(deadline=None, max_examples=25)
@given(scale=st.floats(1, 200), shift=st.tuples(st.floats(-50, 50), st.floats(-50, 50)), seed=st.integers(0, 999))
def test_weak_perspective_finds_the_camera_again(scale: float, shift: tuple[float, float], seed: int) -> None:
    random = np.random.default_rng(seed)
    source, weights = random.normal(0, 0.5, (3, 21, 2)), random.uniform(0.1, 1, (3, 21))
    camera = weak_perspective(source, scale * source + np.array(shift), weights)
    np.testing.assert_allclose(camera, np.tile([scale, *shift], (3, 1)), rtol=1e-6, atol=1e-6)


def test_seen_landmarks_follow_the_picture_and_hidden_ones_the_network() -> None:
    random = np.random.default_rng(6)
    world = random.normal(0, 0.4, (1, 33, 3))
    world -= world[:, [23, 24]].mean(axis=1, keepdims=True)
    points = 50 * world[..., :2] + np.array([24, 64])
    visibility = np.ones((1, 33))
    visibility[0, 15] = 0
    bent = points.copy()
    bent[0, [15, 16], 0] += 20  # both wrists are moved in the picture; one of them is hidden
    metric = metric_landmarks(bent, world, visibility)
    assert metric[0, 16, 0] > world[0, 16, 0] + 0.2
    np.testing.assert_allclose(metric[0, 15], world[0, 15], atol=0.02)
    np.testing.assert_allclose(metric_landmarks(points, world, visibility), world, atol=1e-9)


def test_landmarks_that_are_no_picture_fall_back_on_the_network() -> None:
    """A negative scale (the picture turned by 180 degrees) must not turn the body inside out."""
    world = np.random.default_rng(7).normal(0, 0.4, (1, 33, 3))
    metric = metric_landmarks(-40 * world[..., :2], world, np.ones((1, 33)))
    np.testing.assert_allclose(metric, world - world[:, [23, 24]].mean(axis=1, keepdims=True))


def targets_of(world: np.ndarray) -> np.ndarray:
    return world[:, FITTED_LANDMARKS].astype(np.float32)


def test_fit_bodies_lays_the_body_on_its_landmarks() -> None:
    """Landmarks made from posed bodies and known cameras come back within a pixel and a few percent of scale."""
    truth = keypoints_of(load_body().world_rotations(natural_poses(32, seed=10)))
    world = landmarks_like(truth, seed=11)
    points = 70 * world[:, FITTED_LANDMARKS, :2] + np.array([32, 60])
    bodies = fit_bodies(load_body(), targets_of(world), points)
    seen = bodies.camera[:, None, :1] * bodies.keypoints[..., :2] + bodies.camera[:, None, 1:]
    assert np.linalg.norm(seen - points, axis=-1).mean() < 1
    np.testing.assert_allclose(bodies.camera[:, 0], 70, rtol=0.03)


def test_batch_of_landmarks_equals_landmarks_one_by_one() -> None:
    truth = keypoints_of(load_body().world_rotations(natural_poses(4, seed=12)))
    world = landmarks_like(truth, seed=13)
    points = 70 * world[:, FITTED_LANDMARKS, :2]
    together = fit_bodies(load_body(), targets_of(world), points)
    for row in range(4):
        one = slice(row, row + 1)
        alone = fit_bodies(load_body(), targets_of(world[one]), points[one])
        np.testing.assert_allclose(alone.world_rotations[0], together.world_rotations[row], atol=1e-5)
        np.testing.assert_allclose(alone.camera[0], together.camera[row], rtol=1e-5)
