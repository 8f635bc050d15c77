"""Turned views in the colours of the photograph."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from gcl_cli.body.estimator import fallback_pose
from gcl_cli.body.model import load_body
from gcl_cli.body.painting import body_places, mesh_places, seen_places, traced_views, view_flows
from gcl_cli.body.rasterizer import interpolate, rasterize, vertex_normals
from gcl_cli.body.rendering import PICTURE_UP, render_views, to_picture, turned_points
from gcl_cli.body.silhouette import Surface
from gcl_cli.records import SUBPIXELS

BODY = load_body()
SURFACE = Surface.of(BODY.faces)
CROP = (128, 64)
HEIGHT, WIDTH = 128, 64
TOP, BOTTOM, SKY = (200, 40, 40), (30, 60, 160), (90, 200, 90)


@pytest.fixture(scope="module")
def person():
    """A standing body, its camera, and its height at every vertex (0 head, 1 feet)."""
    pose, camera = fallback_pose(*CROP)
    world, betas = BODY.world_rotations(pose[None]), np.zeros((1, 10), np.float32)
    vertices = BODY.skin(world, BODY.place(world, betas), betas)[0]
    down = (vertices[:, 1] - vertices[:, 1].min()) / np.ptp(vertices[:, 1])
    return vertices, camera, down


def worn(down: np.ndarray) -> np.ndarray:
    """The colours [V, 3] of a person dressed in two pieces."""
    return np.where(down[:, None] < 0.5, TOP, BOTTOM).astype(np.float32)


def photograph(vertices, camera, colours) -> np.ndarray:
    """A picture of a body of such colours before a plain backdrop."""
    points = to_picture(vertices, camera, CROP, HEIGHT, WIDTH)
    faces, barycentric, _ = rasterize(points, BODY.faces, HEIGHT, WIDTH)
    picture = interpolate(colours, BODY.faces, faces, barycentric)
    return np.where(faces[..., None] >= 0, np.rint(picture), SKY).astype(np.uint8)


def painted(person, angles, picture=None, **changed):
    vertices, camera, down = person
    picture = photograph(vertices, camera, worn(down)) if picture is None else picture
    given = {"up": PICTURE_UP, "recentre": True, "places": body_places()} | changed
    return traced_views(picture, SURFACE, vertices, camera, CROP, angles, **given)


def test_at_its_own_side_a_person_is_the_photograph_and_opaque(person):
    vertices, camera, down = person
    picture = photograph(vertices, camera, worn(down))
    (view,) = painted(person, [0])
    cut_out = view[..., 3] > 0
    assert np.array_equal(view[cut_out][:, :3], picture[cut_out]) and not view[~cut_out].any()
    body = (picture != SKY).any(axis=-1)
    assert (view[body, 3] > 0).all()
    assert (view[..., 3] > 0).mean() < 1.8 * body.mean()  # a little wider than the naked body, no more


@pytest.mark.parametrize("angle", [45, 90, 135, 180, 225, 270, 315])
def test_a_turned_person_wears_the_same(person, angle):
    (view,) = painted(person, [angle])
    points = turned_points(
        person[0], person[1], CROP, [angle], up=PICTURE_UP, height=HEIGHT, width=WIDTH, recentre=True
    )[0][0]
    faces, barycentric, _ = rasterize(points, BODY.faces, HEIGHT, WIDTH)
    truth = interpolate(worn(person[2]), BODY.faces, faces, barycentric)
    inside = view[..., 3] == 255
    wrong = np.abs(view[inside, :3] - truth[inside]).max(axis=-1) > 40
    assert inside.sum() > 300
    assert wrong.mean() < 0.06  # the seam between the two pieces, and rims


def test_a_side_that_was_seen_keeps_its_own_colour(person):
    """The person's left half in one colour, the right in another: each view shows what belongs there."""
    vertices, camera, _ = person
    left = vertices[:, 0] > 0
    picture = photograph(vertices, camera, np.where(left[:, None], TOP, BOTTOM).astype(np.float32))
    right_side, left_side = painted(person, [45, 315], picture)
    reds = [((v[..., 0] > v[..., 2]) & (v[..., 3] > 0)).sum() / (v[..., 3] > 0).sum() for v in (right_side, left_side)]
    assert min(reds) < 0.45 and max(reds) > 0.55


def test_painted_views_have_the_outline_of_the_grey_ones(person):
    vertices, camera, _ = person
    angles = [45, 90, 180]
    greys, _ = render_views(
        SURFACE, vertices, camera, CROP, angles, up=PICTURE_UP, height=HEIGHT, width=WIDTH, recentre=True
    )
    views = painted(person, angles)
    assert np.array_equal(views[..., 3] > 2, greys < 253) or ((views[..., 3] > 2) != (greys < 253)).mean() < 0.002


def test_nothing_of_the_backdrop_is_painted(person):
    """Colours at the rim may come from behind the person: none of them is trusted."""
    for view in painted(person, [90, 180]):
        solid = view[..., 3] == 255
        green = (view[..., 1].astype(int) - view[..., 0] > 60) & (view[..., 1].astype(int) - view[..., 2] > 40)
        assert (green & solid).sum() < 0.03 * solid.sum()


def test_a_hidden_vertex_takes_the_colour_of_the_nearest_place_that_is_shown(person):
    """By hand: two vertices are shown, red and blue; every other one is nearer to one of them."""
    vertices, camera, _ = person
    points = to_picture(vertices, camera, CROP, HEIGHT, WIDTH)
    normals = vertex_normals(vertices, SURFACE.faces)
    picture = photograph(vertices, camera, worn(person[2]))
    columns, rows, shown = seen_places((HEIGHT, WIDTH), points, normals, SURFACE, body_places()).T
    colours = picture[rows.astype(int), columns.astype(int)]
    assert np.array_equal(np.column_stack([columns, rows])[shown == 1], points[shown == 1, :2])
    behind = normals[:, 2] > 0.5
    assert not shown[behind].any()
    torso = np.abs(body_places()[:, 0]) < 0.1
    for rows, colour in ((person[2] < 0.4, TOP), (person[2] > 0.6, BOTTOM)):
        assert np.abs(np.median(colours[behind & torso & rows], axis=0) - colour).max() < 5


def test_meshes_without_known_parts_are_painted_too(person):
    vertices, camera, down = person
    leaning = Rotation.from_rotvec([0, 0.5, 0]).apply(vertices).astype(np.float32)
    picture = photograph(leaning, camera, worn(down))
    (view,) = painted((leaning, camera, down), [180], picture, places=mesh_places(leaning))
    shown = view[..., 3] == 255
    assert shown.sum() > 300
    assert (np.abs(view[shown, :3].astype(int) - TOP).max(axis=-1) < 40).mean() > 0.3


def test_a_person_outside_the_picture_is_painted_with_what_there_is(person):
    vertices, _, _ = person
    picture = np.full((HEIGHT, WIDTH, 3), 77, np.uint8)
    views = traced_views(
        picture, SURFACE, vertices, (65.0, 500.0, 500.0), CROP, [0, 90],
        up=PICTURE_UP, recentre=True, places=body_places(),
    )  # fmt: skip
    assert views.shape == (2, HEIGHT, WIDTH, 5)
    assert (views[1][views[1][..., 3] == 255][:, :3] == 77).all()


@pytest.mark.parametrize("angle", [45, 90, 180, 300])
def test_sampling_by_a_flow_paints_what_vertices_with_colours_of_their_own_would(person, angle):
    """Colours are blended over each triangle, slowly; a photograph of soft stripes, so that blending is sampling."""
    vertices, camera, _ = person
    rows, columns = np.indices((HEIGHT, WIDTH))
    stripes = 127 + 100 * np.sin(np.stack([rows / 9, columns / 7, (rows + columns) / 11], axis=-1))
    picture = np.rint(stripes).astype(np.uint8)
    own = to_picture(vertices, camera, CROP, HEIGHT, WIDTH)
    sources = seen_places((HEIGHT, WIDTH), own, vertex_normals(vertices, SURFACE.faces), SURFACE, body_places())
    at = (np.clip(sources[:, 1] - 0.5, 0, HEIGHT - 1), np.clip(sources[:, 0] - 0.5, 0, WIDTH - 1))
    colours = np.stack([map_coordinates(stripes[..., c], at, order=1) for c in range(3)], axis=1).astype(np.float32)
    turned = {"up": PICTURE_UP, "height": HEIGHT, "width": WIDTH, "recentre": True}
    (points,), _ = turned_points(vertices, camera, CROP, [angle], **turned)
    faces, barycentric, _ = rasterize(points, BODY.faces, HEIGHT, WIDTH)
    expected = interpolate(colours, BODY.faces, faces, barycentric)
    (view,) = painted(person, [angle], picture)
    inside = (view[..., 3] == 255) & (faces >= 0)
    wrong = np.abs(view[..., :3] - expected).mean(axis=-1)[inside]
    assert wrong.mean() < 4 and (wrong < 12).mean() > 0.9


def test_a_flow_points_at_the_place_that_a_colour_is_guessed_from(person):
    """The back of a person who is seen from the front: its colours come from the front, at the same height."""
    vertices, camera, _ = person
    given = {"up": PICTURE_UP, "recentre": True, "places": body_places()}
    own, behind = view_flows((HEIGHT, WIDTH), SURFACE, vertices, camera, CROP, [0, 180], **given).astype(int)
    solid = behind[2] == 255
    columns, rows = behind[0][solid] / SUBPIXELS, behind[1][solid] / SUBPIXELS
    assert (own[2][rows.round().astype(int), columns.round().astype(int)] > 0).mean() > 0.98
    assert np.median(np.abs(rows - np.indices((HEIGHT, WIDTH))[0][solid])) < 4
    assert behind[3][solid].mean() < 0.1 * 255


def test_a_painted_view_tells_what_the_photograph_shows(person):
    vertices, camera, down = person
    picture = photograph(vertices, camera, worn(down))
    given = {"up": PICTURE_UP, "recentre": True, "places": body_places()}
    views = traced_views(picture, SURFACE, vertices, camera, CROP, [0, 45, 180], **given)
    own, beside, behind = (view[view[..., 3] == 255, 4] / 255 for view in views)
    assert own.min() == 1, "at its own side all that is there is the photograph"
    assert 0.4 < beside.mean() < 0.95
    assert behind.mean() < 0.1, "of a back the front shows next to nothing"
