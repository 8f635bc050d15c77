"""The numpy z-buffer."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.body.model import load_body
from gcl_cli.body.rasterizer import EDGE_TOLERANCE, interpolate, rasterize, vertex_normals


def rasterize_with_loops(points, faces, height, width):
    """The definition: at each pixel centre, the nearest of the triangles that contain it; and whether one has an edge
    so near that rounding decides."""
    index, depth = np.full((height, width), -1), np.full((height, width), np.inf)
    weights, doubtful = np.zeros((height, width, 3)), np.zeros((height, width), bool)
    for number, face in enumerate(faces):
        corners = points[face].astype(np.float64)
        system = np.vstack([corners[:, :2].T, np.ones(3)])
        if abs(np.linalg.det(system)) < 1e-9:
            continue
        for row in range(height):
            for column in range(width):
                b = np.linalg.solve(system, [column + 0.5, row + 0.5, 1])
                slopes = np.abs(np.linalg.inv(system)[:, 0])  # of the barycentrics along x
                doubtful[row, column] |= (np.abs(b) < 2 * EDGE_TOLERANCE * slopes + 1e-6).any()
                if b.min() >= 0 and b @ corners[:, 2] < depth[row, column]:
                    index[row, column], depth[row, column], weights[row, column] = number, b @ corners[:, 2], b
    return index, weights, depth, doubtful


def test_a_triangle_covers_the_pixels_whose_centres_lie_inside():
    points = np.array([[0.2, 0.2, 5], [3.2, 0.2, 5], [0.2, 3.2, 5]], np.float32)  # centres with x + y < 3.4
    index, _, depth = rasterize(points, np.array([[0, 1, 2]]), 4, 4)
    expected = np.array([[0, 0, 0, -1], [0, 0, -1, -1], [0, -1, -1, -1], [-1, -1, -1, -1]])
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_array_equal(depth[expected == 0], 5)
    assert np.isinf(depth[expected < 0]).all()


def test_a_sliver_between_pixel_centres_covers_nothing():
    points = np.array([[0, 0.6, 1], [4, 0.7, 1], [4, 1.4, 1]], np.float32)
    index, _, _ = rasterize(points, np.array([[0, 1, 2]]), 4, 4)
    assert (index == -1).all()


def test_a_triangle_without_area_covers_nothing():
    points = np.array([[0.5, 0.5, 1], [1.5, 1.5, 1], [3.5, 3.5, 1]], np.float32)  # a line through pixel centres
    index, _, _ = rasterize(points, np.array([[0, 1, 2], [1, 1, 2]]), 4, 4)
    assert (index == -1).all()


def test_barycentrics_at_a_pixel_centre_are_those_worked_by_hand():
    points = np.array([[0, 0, 1], [4, 0, 2], [0, 4, 3]], np.float32)
    _, barycentric, depth = rasterize(points, np.array([[0, 1, 2]]), 4, 4)
    np.testing.assert_allclose(barycentric[1, 0], [1 - 0.125 - 0.375, 0.125, 0.375], atol=1e-6)
    assert depth[1, 0] == pytest.approx(0.5 * 1 + 0.125 * 2 + 0.375 * 3)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_nearest_triangle_wins_in_either_order(order):
    points = np.array([[0, 0, 2], [8, 0, 2], [0, 8, 2], [0, 0, 1], [4, 0, 1], [0, 4, 1]], np.float32)
    faces = np.array([[0, 1, 2], [3, 4, 5]])[order]
    index, _, depth = rasterize(points, faces, 8, 8)
    assert faces[index[0, 0]][0] == 3 and depth[0, 0] == 1
    assert faces[index[0, 6]][0] == 0 and depth[0, 6] == 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_random_triangles_equal_the_plain_loops(seed):
    random = np.random.default_rng(seed)
    points = random.uniform([-4, -4, 1], [14, 12, 9], (18, 3)).astype(np.float32)
    faces = random.permutation(18).reshape(6, 3)
    index, barycentric, depth = rasterize(points, faces, 8, 10)
    expected, weights, nearest, doubtful = rasterize_with_loops(points, faces, 8, 10)
    assert doubtful.mean() < 0.2
    np.testing.assert_array_equal(index[~doubtful], expected[~doubtful])
    np.testing.assert_allclose(barycentric[~doubtful], weights[~doubtful], atol=1e-3)
    np.testing.assert_allclose(depth[~doubtful], nearest[~doubtful], rtol=1e-3)


def test_neighbouring_triangles_leave_no_gap():
    random = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(np.linspace(-1, 41, 30), np.linspace(-1, 41, 30)), axis=-1).reshape(-1, 2)
    interior = (np.abs(grid - 20) < 20.5).all(axis=1)
    grid[interior] += random.uniform(-0.3, 0.3, (interior.sum(), 2))
    corner = (np.arange(29)[:, None] * 30 + np.arange(29)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + 30], 1), np.stack([corner + 1, corner + 31, corner + 30], 1)]
    )
    index, barycentric, _ = rasterize(np.column_stack([grid, np.ones(900)]).astype(np.float32), faces, 40, 40)
    assert (index >= 0).all()
    assert barycentric.min() > -1e-3


def test_what_lies_outside_the_picture_is_left_out():
    far = np.array([[1e4, 1e4, 1], [2e4, 1e4, 1], [1e4, 2e4, 1], [-50, -50, 1], [-40, -50, 1], [-50, 2, 1]], np.float32)
    index, _, _ = rasterize(far, np.array([[0, 1, 2], [3, 4, 5]]), 6, 6)
    assert (index == -1).all()


def test_no_faces_give_an_empty_picture():
    index, barycentric, depth = rasterize(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), 3, 2)
    assert (index == -1).all() and (barycentric == 0).all() and np.isinf(depth).all()
    assert interpolate(np.zeros((0, 1), np.float32), np.zeros((0, 3), np.int32), index, barycentric).max() == 0


@given(st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_a_linear_attribute_is_reproduced_exactly(seed):
    random = np.random.default_rng(seed)
    points = random.uniform(0, 12, (9, 3)).astype(np.float32)
    faces = random.permutation(9).reshape(3, 3)
    index, barycentric, _ = rasterize(points, faces, 12, 12)
    position = interpolate(points[:, :2], faces, index, barycentric)
    row, column = np.nonzero(index >= 0)
    np.testing.assert_allclose(position[row, column], np.stack([column, row], 1) + 0.5, atol=2e-3)


def test_normals_of_a_box_point_away_from_its_middle():
    vertices = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    tetra = np.array([[0, 3, 5], [0, 5, 6], [0, 6, 3], [3, 6, 5]])  # a regular tetrahedron among the corners
    normals = vertex_normals(vertices, tetra)
    used = [0, 3, 5, 6]
    sign = np.sign((normals[used] * vertices[used]).sum(1))
    assert (sign == sign[0]).all()
    np.testing.assert_allclose(np.abs(normals[used]), 3**-0.5, atol=1e-6)


def test_normals_of_the_body_point_outwards():
    body = load_body()
    vertices = body.shape(np.zeros((1, 1), np.float32))[0][0]
    normals = vertex_normals(vertices, body.faces)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert normals[vertices[:, 1].argmin(), 1] < -0.9  # the top of the head looks up
    chest = (np.abs(vertices[:, 1] + 0.35) < 0.05) & (np.abs(vertices[:, 0]) < 0.1)
    assert normals[chest & (vertices[:, 2] < -0.05), 2].mean() < -0.7
    assert normals[chest & (vertices[:, 2] > 0.05), 2].mean() > 0.7


def test_a_body_takes_a_few_milliseconds():
    body = load_body()
    points = body.shape(np.zeros((1, 1), np.float32))[0][0] * 135 + np.array([64, 125, 0], np.float32)
    rasterize(points, body.faces, 256, 128)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        rasterize(points, body.faces, 256, 128)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05  # about 0.006 on a free core
