"""Turned views in the colours of the photograph."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gcl_cli.body.estimator import fallback_pose
from gcl_cli.body.model import load_body
from gcl_cli.body.painting import body_places, mesh_places, paint_views, seen_colours, traced_views
from gcl_cli.body.rasterizer import interpolate, rasterize, vertex_normals
from gcl_cli.body.rendering import PICTURE_UP, render_views, to_picture, turned_points
from gcl_cli.body.silhouette import Surface

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
    return paint_views(picture, SURFACE, vertices, camera, CROP, angles, **given)


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
    colours, _ = seen_colours(picture, points, normals, SURFACE, body_places())
    behind = normals[:, 2] > 0.5
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
    views = paint_views(
        picture, SURFACE, vertices, (65.0, 500.0, 500.0), CROP, [0, 90],
        up=PICTURE_UP, recentre=True, places=body_places(),
    )  # fmt: skip
    assert views.shape == (2, HEIGHT, WIDTH, 4)
    assert (views[1][views[1][..., 3] == 255][:, :3] == 77).all()


def test_a_painted_view_tells_what_the_photograph_shows(person):
    vertices, camera, down = person
    picture = photograph(vertices, camera, worn(down))
    given = {"up": PICTURE_UP, "recentre": True, "places": body_places()}
    views = traced_views(picture, SURFACE, vertices, camera, CROP, [0, 45, 180], **given)
    assert np.array_equal(views[..., :4], paint_views(picture, SURFACE, vertices, camera, CROP, [0, 45, 180], **given))
    own, beside, behind = (view[view[..., 3] == 255, 4] / 255 for view in views)
    assert own.min() == 1, "at its own side all that is there is the photograph"
    assert 0.4 < beside.mean() < 0.95
    assert behind.mean() < 0.1, "of a back the front shows next to nothing"
