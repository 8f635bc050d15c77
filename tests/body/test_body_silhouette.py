"""The share of each pixel that a surface covers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.body.model import load_body
from gcl_cli.body.silhouette import SUBROWS, Surface, coverage


def front_faces(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    first, second, third = (points[faces[:, corner], :2] for corner in range(3))
    one, two = second - first, third - first
    return one[:, 0] * two[:, 1] < one[:, 1] * two[:, 0]


def covered(points: np.ndarray, faces: np.ndarray, height: int, width: int) -> np.ndarray:
    return coverage(points, Surface.of(faces), front_faces(points, faces), height, width)


def sampled(points: np.ndarray, faces: np.ndarray, height: int, width: int, across: int) -> np.ndarray:
    """The definition: the share of `across` x SUBROWS points of each pixel that lie in a front face."""
    x = (np.arange(width * across) + 0.5) / across
    y = (np.arange(height * SUBROWS) + 0.5) / SUBROWS
    inside = np.zeros((len(y), len(x)), bool)
    for face in faces[front_faces(points, faces)]:
        a, b, c = points[face, :2].astype(np.float64)
        signs = [
            (q[0] - p[0]) * (y[:, None] - p[1]) - (q[1] - p[1]) * (x - p[0]) <= 0 for p, q in ((a, b), (b, c), (c, a))
        ]
        inside |= signs[0] & signs[1] & signs[2]
    return inside.reshape(height, SUBROWS, width, across).mean(axis=(1, 3))


def test_a_rectangle_covers_the_shares_worked_out_by_hand():
    points = np.array([[0.25, 0.5, 1], [2.75, 0.5, 1], [2.75, 2, 1], [0.25, 2, 1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 3, 2]])
    assert front_faces(points, faces).all()
    expected = np.outer([0.5, 1, 0], [0.75, 1, 0.75, 0])
    np.testing.assert_allclose(covered(points, faces, 3, 4), expected, atol=1e-3)


def test_the_diagonal_of_a_rectangle_is_no_edge():
    surface = Surface.of(np.array([[0, 2, 1], [0, 3, 2]]))
    np.testing.assert_array_equal(surface.across, [[1, 2], [2, 2], [2, 0]])


def test_an_edge_of_three_faces_joins_none_of_them():
    assert (Surface.of(np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]])).across == 3).all()


def test_the_body_is_closed_but_for_a_few_holes():
    surface = Surface.of(load_body().faces)
    assert (surface.across == len(surface.faces)).mean() < 0.005
    face, corner = 17, 1
    other = surface.across[corner, face]
    edge = {surface.faces[face][corner], surface.faces[face][(corner + 1) % 3]}
    assert edge < set(surface.faces[other])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_random_triangles_that_overlap_equal_the_sampled_union(seed):
    random = np.random.default_rng(seed)
    points = random.uniform([-3, -3, 0], [12, 9, 1], (15, 3)).astype(np.float32)
    faces = random.integers(0, 15, (8, 3))  # some share corners or edges, some have no area
    difference = np.abs(covered(points, faces, 7, 9) - sampled(points, faces, 7, 9, 64))
    assert difference.max() < 0.04  # 1 / 64 for each of the sides that cross a pixel


@pytest.mark.parametrize("shift", [0.0, 0.37])
def test_a_body_outside_the_picture_covers_nothing_and_one_that_fills_it_all(shift):
    square = np.array([[-50, -50, 1], [90, -50, 1], [90, 90, 1], [-50, 90, 1]], np.float32) + np.float32(shift)
    faces = np.array([[0, 2, 1], [0, 3, 2]])
    np.testing.assert_array_equal(covered(square, faces, 5, 6), 1)
    np.testing.assert_array_equal(covered(square + np.float32(200), faces, 5, 6), 0)
    np.testing.assert_array_equal(covered(square - np.array([0, 200, 0], np.float32), faces, 5, 6), 0)


def test_no_faces_cover_nothing():
    surface = Surface.of(np.zeros((0, 3), np.int32))
    assert (coverage(np.zeros((1, 3), np.float32), surface, np.zeros(0, bool), 4, 3) == 0).all()
