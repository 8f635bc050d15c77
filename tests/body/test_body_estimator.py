"""From crops to mesh estimates and their status."""

from typing import Any

import numpy as np
import pytest

from gcl_cli.body.estimator import Estimator, fallback_pose, in_crop
from gcl_cli.body.model import load_body
from gcl_cli.body.person_gate import FALLBACK, LOW_CONFIDENCE, OK, covered_cells, mask_overlap, person_status
from gcl_cli.body.pose import MEAN_SHAPE
from gcl_cli.body.rasterizer import interpolate, rasterize, vertex_normals

THRESHOLDS: dict[str, Any] = {
    "minimum_score": 0.8,
    "minimum_visibility": 0.62,
    "minimum_overlap": 0.45,
    "minimum_height": 0.4,
}


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator(**THRESHOLDS, device="cpu")


def standing_vertices(height: int, width: int) -> np.ndarray:
    """The fallback body [V, 3] in crop pixels and scaled depth."""
    body = load_body()
    pose, camera = fallback_pose(height, width)
    rotations = body.world_rotations(pose[None])
    vertices = body.skin(rotations, body.place(rotations, MEAN_SHAPE), MEAN_SHAPE)[0]
    return vertices * camera[0] + np.array([*camera[1:], 0])


def portrait(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A standing person in red top and blue trousers before grey: the picture and the true silhouette."""
    body, vertices = load_body(), standing_vertices(height, width)
    faces, barycentric, _ = rasterize(vertices, body.faces, height, width)
    trousers = ("pelvis", "thigh", "shin")
    of_bone = [(0.1, 0.2, 0.5) if name.startswith(trousers) else (0.7, 0.1, 0.1) for name in body.bone_names]
    colours = np.array(of_bone)[body.dense_weights.argmax(axis=1)]
    colours[body.segments != body.segment_names.index("body")] = (0.85, 0.65, 0.55)  # head, hands, feet
    shade = 0.6 + 0.4 * np.clip(-vertex_normals(vertices, body.faces)[:, 2:], 0, 1)
    person = interpolate((colours * shade).astype(np.float32), body.faces, faces, barycentric)
    silhouette = faces >= 0
    return (255 * np.where(silhouette[..., None], person, 0.5)).astype(np.uint8), silhouette


def person_free_pictures() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 128 * 64).reshape(128, 64, 1).repeat(3, axis=2)
    stripes = (np.indices((128, 64)).sum(axis=0) // 8 % 2 * 200)[..., None].repeat(3, axis=2)
    noise = [random.integers(0, 256, (128, 64, 3)) for _ in range(3)]
    flat = [np.full((128, 64, 3), level) for level in (0, 120, 255)]
    return [picture.astype(np.uint8) for picture in (ramp, stripes, *noise, *flat)]


@pytest.mark.parametrize("size", [(128, 48), (256, 128)])
def test_mesh_of_a_person_is_ok_and_lies_on_the_person(estimator: Estimator, size: tuple[int, int]) -> None:
    picture, silhouette = portrait(*size)
    found = estimator([picture])
    assert found.status[0] == OK
    body = load_body()
    rotations = body.world_rotations(found.pose)
    vertices = body.skin(rotations, body.place(rotations, MEAN_SHAPE), MEAN_SHAPE)
    points = np.concatenate([in_crop(vertices, found.camera)[0], vertices[0, :, 2:]], axis=1)
    estimate = rasterize(points, body.faces, *size)[0] >= 0
    assert (estimate & silhouette).sum() / (estimate | silhouette).sum() > 0.6
    facing = rotations[0, body.bone_names.index("pelvis")] @ np.array([0, 0, -1])
    assert facing[2] < -0.8  # towards the viewer, as the person does


def test_pictures_without_a_person_are_not_ok(estimator: Estimator) -> None:
    assert (estimator(person_free_pictures()).status != OK).all()


def test_batch_of_crops_equals_crops_one_by_one(estimator: Estimator) -> None:
    crops = [portrait(128, 48)[0], person_free_pictures()[2], portrait(160, 80)[0], person_free_pictures()[6]]
    together = estimator(crops)
    for row, crop in enumerate(crops):
        alone = estimator([crop])
        assert alone.status[0] == together.status[row]
        for name in ("pose", "camera", "landmarks", "score", "betas"):
            np.testing.assert_allclose(getattr(alone, name)[0], getattr(together, name)[row], rtol=1e-4, atol=1e-4)


def test_every_picture_gets_a_row_in_the_artifacts_types(estimator: Estimator) -> None:
    found = estimator([portrait(128, 48)[0], person_free_pictures()[6]])
    columns = {"pose": (2, 22, 3), "betas": (2, 10), "camera": (2, 3), "landmarks": (2, 33, 3), "score": (2,)}
    for name, shape in columns.items():
        column = getattr(found, name)
        assert column.shape == shape and column.dtype == np.float32 and np.isfinite(column).all()
    assert found.status.shape == (2,) and found.status.dtype == np.uint8
    visibility = found.landmarks[..., 2]
    assert visibility.min() >= 0 and visibility.max() <= 1


def test_no_pictures_give_no_rows(estimator: Estimator) -> None:
    found = estimator([])
    assert len(found) == 0 and found.pose.shape == (0, 22, 3) and found.status.dtype == np.uint8


def test_hopeless_picture_gets_the_standing_body_of_its_size(estimator: Estimator) -> None:
    black = np.zeros((100, 60, 3), np.uint8)
    found = estimator([black])
    assert found.status[0] == FALLBACK
    pose, camera = fallback_pose(100, 60)
    np.testing.assert_array_equal(found.pose[0], pose)
    np.testing.assert_array_equal(found.camera[0], camera)


@pytest.mark.parametrize("size", [(128, 64), (128, 48), (64, 64), (300, 40)])
def test_fallback_body_stands_in_the_middle_of_the_crop(size: tuple[int, int]) -> None:
    vertices = standing_vertices(*size)[:, :2]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    assert (low > 0).all() and (high < [size[1], size[0]]).all()
    np.testing.assert_allclose((low + high) / 2, [size[1] / 2, size[0] / 2], atol=0.01)
    assert (high[1] - low[1]) / size[0] > 0.9 or (high[0] - low[0]) / size[1] > 0.9


def test_fallback_body_has_lower_hands_and_closer_feet_than_the_rest_pose() -> None:
    body = load_body()
    rest = body.rest_keypoints(MEAN_SHAPE)[0]
    rotations = body.world_rotations(fallback_pose(128, 64)[0][None])
    standing = body.keypoints(rotations, body.place(rotations, MEAN_SHAPE), MEAN_SHAPE)[0]
    for side, sign in (("left", 1), ("right", -1)):
        wrist, ankle = (body.keypoint_names.index(f"{side}_{joint}") for joint in ("wrist", "ankle"))
        assert standing[wrist, 1] > rest[wrist, 1] + 0.1
        assert 0 < sign * standing[ankle, 0] < sign * rest[ankle, 0] - 0.05


def status_of(**changed: float) -> int:
    numbers = {"score": 0.9, "visibility": 0.9, "overlap": 0.7, "height": 0.9} | changed
    columns: dict[str, Any] = {name: np.array([value]) for name, value in numbers.items()}
    return int(person_status(**columns, **THRESHOLDS)[0])


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, OK),
        ({"score": 0.45}, LOW_CONFIDENCE),
        ({"visibility": 0.5}, LOW_CONFIDENCE),
        ({"overlap": 0.4}, LOW_CONFIDENCE),
        ({"height": 0.3}, LOW_CONFIDENCE),
        ({"score": 0.05}, FALLBACK),
        ({"overlap": 0.0}, FALLBACK),
        ({"height": np.nan}, FALLBACK),
    ],
)
def test_status_by_score_visibility_overlap_and_height(changed: dict[str, float], status: int) -> None:
    assert status_of(**changed) == status


def test_overlap_of_four_cells_by_hand() -> None:
    """On a 2x2 grid over a 2x2 crop: the body in the top row, the mask in the left column: 1 of 3 cells."""
    vertices = np.array([[[0.5, 0.5], [1.5, 0.5], [7.0, 7.0], [-3.0, 0.5]]])
    mask = np.array([[[0.9, 0.1], [0.8, 0.2]]])
    overlap = mask_overlap(vertices, mask, np.array([[0.0, 0.0, 2.0, 2.0]]), [(2, 2)])
    assert overlap[0] == pytest.approx(1 / 3)


def test_overlap_ignores_what_lies_outside_the_crop() -> None:
    """The right half of the region is outside the crop: neither body nor mask counts there."""
    vertices = np.array([[[0.5, 0.5], [1.5, 0.5]]])
    mask = np.array([[[0.9, 0.0], [0.0, 0.9]]])
    assert mask_overlap(vertices, mask, np.array([[0.0, 0.0, 2.0, 2.0]]), [(2, 1)])[0] == 1


def test_not_a_number_overlaps_nothing() -> None:
    vertices = np.full((1, 5, 2), np.nan)
    assert mask_overlap(vertices, np.ones((1, 4, 4)), np.array([[0.0, 0.0, 4.0, 4.0]]), [(4, 4)])[0] == 0


def test_vertices_fall_into_the_cells_that_the_triangles_cover() -> None:
    """Against the rasterised body: hardly a hole, and nothing further out than the cells its outline crosses."""
    vertices = standing_vertices(56, 24) + np.array([20, 4, 0])
    silhouette = rasterize(vertices, load_body().faces, 64, 64)[0] >= 0
    outline = [np.roll(silhouette, (down - 1, across - 1), axis=(0, 1)) for down, across in np.ndindex(3, 3)]
    covered = covered_cells(vertices[None, :, :2], np.array([[0.0, 0.0, 64.0, 64.0]]), 64)[0]
    assert (covered & silhouette).sum() > 0.95 * silhouette.sum()
    assert not (covered & ~np.any(outline, axis=0)).any()
