import numpy as np
import pytest

from gcl_cli.body.model import load_body
from gcl_cli.body.rasterizer import rasterize
from gcl_cli.synth import obstacles
from gcl_cli.synth import photograph as photographs
from gcl_cli.synth.cameras import HEIGHT, OVERSAMPLING, WIDTH, camera, develop, expose
from gcl_cli.synth.figures import dress
from gcl_cli.synth.identities import identity
from gcl_cli.synth.obstacles import _KINDS, put_obstacle
from gcl_cli.synth.photograph import photograph
from gcl_cli.synth.posing import CANVAS, Framing, frame_person, strike, view_rotation, weak_perspective
from gcl_cli.synth.scenes import SCENES, background, scene
from gcl_cli.synth.shading import shade
from gcl_cli.synth.streams import stream
from gcl_cli.synth.template import load_template
from gcl_cli.synth.walking import bone, pose


@pytest.fixture(scope="module")
def figure():
    return next(dress(look) for person in range(99) if (look := identity(0, person)).bag.kind == "none")


def test_the_weak_perspective_of_an_orthographic_view_is_exact():
    points = stream(0, "test").normal(size=(40, 3))
    pixels = (points[:, :2] * 50 + [30, 60]) * OVERSAMPLING
    assert np.allclose(weak_perspective(points, pixels), [50, 30, 60])


def test_perspective_divides_by_the_distance_from_the_camera():
    framing = Framing(np.zeros(3), 4.0, np.array([-1.0, -2.0]), np.array([10.0, 20.0]))
    projected = framing.project(np.array([[2.0, 4.0, 0.0], [2.0, 4.0, 4.0]]))
    assert np.allclose(projected, [[15, 60, 4], [12.5, 50, 8]])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_true_camera_lays_the_body_onto_the_silhouette(figure, number):
    taken_by = camera(0, number, shift=0.5)
    random = stream(0, "test", number)
    posed = strike(figure, pose(random, figure.look), yaw=2.0 * number, pitch=taken_by.pitch)
    framing = frame_person(random, posed, taken_by)
    seen, _ = shade(posed, framing, taken_by)
    outer = posed.vertices[: len(load_template().places)]
    scale, across, down = weak_perspective(outer, framing.project(outer))
    body, betas = load_body(), figure.betas[:, :10]
    rotations = body.world_rotations(posed.pose[None])
    naked = body.skin(rotations, body.place(rotations, betas), betas)[0]
    points = np.stack([scale * naked[:, 0] + across, scale * naked[:, 1] + down, naked[:, 2] / OVERSAMPLING], 1)
    bare = rasterize(OVERSAMPLING * points, body.faces, *CANVAS)[0] >= 0
    assert (seen & bare).sum() / (seen | bare).sum() > 0.7
    assert (seen & bare).sum() / bare.sum() > 0.85


def test_every_pixel_of_a_person_is_lit(figure):
    taken_by = camera(0, 1, shift=0.5)
    posed = strike(figure, pose(stream(0, "test"), figure.look), yaw=0.3, pitch=0.2)
    seen, light = shade(posed, frame_person(stream(0, "test"), posed, taken_by), taken_by)
    assert light.shape == (seen.sum(), 3)
    assert np.isfinite(light).all()
    assert light.min() > 0
    assert 0.1 < seen.mean() < 0.6


@pytest.mark.parametrize(("yaw", "direction"), [(0, (0, 0, -1)), (90, (-1, 0, 0)), (180, (0, 0, 1)), (270, (1, 0, 0))])
def test_yaw_turns_from_the_camera_over_the_left_edge_to_the_back(yaw, direction):
    assert np.allclose(view_rotation(np.radians(yaw), 0.0) @ [0, 0, -1], direction, atol=1e-6)


def test_a_camera_above_sees_heads_nearer_than_feet(figure):
    posed = strike(figure, np.zeros((22, 3), np.float32), yaw=0, pitch=0.3)
    body = posed.vertices[: len(load_template().places)]
    assert body[body[:, 1].argmin(), 2] < body[body[:, 1].argmax(), 2]


def test_hands_hang_below_the_hips_with_the_palms_inward():
    body = load_body()
    look = next(identity(0, n) for n in range(99) if identity(0, n).bag.kind == "none")
    hanging = []  # the palm is the flat side of the hand: its thinnest direction at rest
    for number in range(60):
        posed = pose(stream(0, "walk", number), look)
        rotations = body.world_rotations(posed[None])
        rest = body.mean_points[: len(body.segments)][body.segments == body.segment_names.index("left_hand")]
        thinnest = np.linalg.svd(rest - rest.mean(0), full_matrices=False)[2][2]
        palm = rotations[0, bone("handL")] @ (thinnest * -np.sign(thinnest[0]))  # towards the other hand at rest
        hanging.append(palm[0] < -0.6)
    assert np.mean(hanging) > 0.7


def test_legs_swing_in_opposite_phase():
    look = identity(0, 1)
    poses = np.stack([pose(stream(0, "legs", number), look) for number in range(200)])
    left, right = poses[:, bone("thighL"), 0], poses[:, bone("thighR"), 0]
    assert np.corrcoef(left, right)[0, 1] < -0.9
    assert poses.shape == (200, 22, 3)
    assert poses[:, [bone("shinL"), bone("shinR")], 0].min() > 0, "knees bend one way"


def test_skirts_and_coats_hang_around_both_legs():
    look = next(look for n in range(999) if (look := identity(0, n)).bottom.kind == "long skirt")
    skirted = dress(look)
    posed = strike(skirted, pose(stream(0, "test"), look), yaw=0, pitch=0)
    hanging = posed.vertices[len(skirted.vertices) :]
    legs = posed.vertices[: len(load_template().places)][
        (load_template().places.height > 0.6)
        & (load_template().places.height < 0.75)
        & (load_template().places.arm < 0.1)
    ]
    assert hanging[:, 0].min() < legs[:, 0].min() + 0.02
    assert hanging[:, 0].max() > legs[:, 0].max() - 0.02
    assert len(posed.places) == len(posed.vertices)
    assert posed.faces.max() < len(posed.vertices)


def test_a_passer_by_changes_the_picture_but_not_the_truth(figure):
    other = dress(identity(0, 77))
    alone, passed = (
        photograph(stream(0, "test"), figure, camera(0, 2, shift=0.5), yaw=1.0, seed=0, passer_by=passer_by)
        for passer_by in (None, other)
    )
    assert np.array_equal(alone.pose, passed.pose)
    assert np.array_equal(alone.camera, passed.camera)
    assert np.abs(np.asarray(alone.picture, int) - np.asarray(passed.picture, int)).max() > 30
    assert alone.second_person == 0
    assert passed.second_person > 0.01


@pytest.mark.parametrize("kind", range(len(_KINDS)))
def test_an_obstacle_hides_what_it_says_and_nothing_else(kind, monkeypatch):
    monkeypatch.setattr(obstacles, "_KINDS", (_KINDS[kind],))
    for number in range(6):
        light = np.full((*CANVAS, 3), -1.0, np.float32)
        hidden = put_obstacle(stream(0, "obstacle", number), light, 0.8)
        assert np.array_equal(hidden, light[..., 0] >= 0)
        assert 0.005 < hidden.mean() < 0.55
        assert light.max() <= 0.81


def test_the_share_that_is_hidden_or_cut_is_what_the_picture_hides(figure, monkeypatch):
    taken_by = camera(0, 2, shift=0.5)

    def cover_the_left_half(random, light, strength):
        hidden = np.zeros(CANVAS, bool)
        hidden[:, : CANVAS[1] // 2] = True
        return hidden

    monkeypatch.setattr(photographs, "put_obstacle", cover_the_left_half)
    monkeypatch.setattr(photographs, "_OBSTRUCTED", 1.0)
    half = photograph(stream(0, "test"), figure, taken_by, yaw=0.0, seed=0, passer_by=None)
    assert 0.25 < half.occluded < 0.75
    monkeypatch.setattr(photographs, "_OBSTRUCTED", 0.0)
    free = photograph(stream(0, "test"), figure, taken_by, yaw=0.0, seed=0, passer_by=None)
    assert free.occluded == 0
    assert free.cut == half.cut < 0.2


def test_cameras_without_shift_agree_on_colour_and_with_it_differ():
    neutral = [camera(0, number, shift=0) for number in range(1, 6)]
    assert {(c.white_balance, c.gamma, c.haze) for c in neutral} == {((1.0, 1.0, 1.0), 1.0, 0.0)}
    shifted = [camera(0, number, shift=1) for number in range(1, 6)]
    assert np.std([c.white_balance for c in shifted], axis=0).min() > 0.05
    assert [c.headings for c in neutral] == [c.headings for c in shifted], "only colours depend on the shift"


def test_a_brighter_scene_gives_a_brighter_crop():
    taken_by, random = camera(0, 1, shift=0.5), stream(0, "test")
    exposure = expose(random, taken_by)
    means = [
        np.asarray(develop(random, np.full((*CANVAS, 3), light, np.float32), taken_by, exposure)).mean()
        for light in (0.0, 0.1, 0.3, 0.6)
    ]
    assert means == sorted(means)
    assert means[-1] > means[0] + 100
    assert develop(random, np.zeros((*CANVAS, 3), np.float32), taken_by, exposure).size == (WIDTH, HEIGHT)


def test_scenes_differ_and_their_cut_outs_are_light():
    first, second = scene(0, 0), scene(0, 1)
    assert np.abs(np.asarray(first.picture, int) - np.asarray(second.picture, int)).mean() > 10
    cut = background(stream(0, "test"), first, (32, 16))
    assert cut.shape == (32, 16, 3)
    assert 0 <= cut.min() < cut.max() <= 1
    assert all(0 <= number < SCENES for n in range(1, 9) for number in camera(0, n, shift=0).scenes)
