"""Views of one body from several sides."""

import subprocess
import sys
import types

import numpy as np
import pytest

from gcl_cli.body import pyrender_backend
from gcl_cli.body.model import load_body
from gcl_cli.body.overlay import overlay, side_view
from gcl_cli.body.pyrender_backend import PyrenderDraw, choose_backend, open_backend, probe
from gcl_cli.body.rotations import X_AXIS, Y_AXIS, about, to_rotation_vector
from gcl_cli.body.views import MARGIN, draw_with_numpy, render_views, shade, to_picture, up_axis
from gcl_cli.errors import GclError

BODY = load_body()
CAMERA, CROP = (65.0, 32.0, 58.0), (128, 64)
EIGHT = tuple(range(0, 360, 45))
PUBLISHED = {"turn": "camera", "recentre": False}
SIZE = {"height": 256, "width": 128}


def walker(facing: float, lean: float = 0.0) -> np.ndarray:
    """A standing person with one arm stretched forward; `facing` degrees: 0 the viewer, 90 image-right, 180 away."""
    pose = np.zeros((1, 22, 3), np.float32)
    pose[0, 0] = to_rotation_vector(about(X_AXIS, lean) @ about(-Y_AXIS, np.deg2rad(facing)))
    pose[0, BODY.bone_names.index("uarmL")] = [-0.9, 0.6, 0]
    world, betas = BODY.world_rotations(pose), np.zeros((1, 10), np.float32)
    return BODY.skin(world, BODY.place(world, betas), betas)[0]


def facing_after(vertices: np.ndarray, angle: float) -> np.ndarray:
    """Where the nose points in the view at `angle`, [x, z] in camera axes: read from the drawn points."""
    drawn = []

    def record(points, greys, faces, height, width):
        drawn.append(points)
        return draw_with_numpy(points, greys, faces, height, width)

    render_views(BODY, vertices, CAMERA, CROP, [angle], **SIZE, **PUBLISHED, draw=record)
    eyes = np.isin(BODY.segments, [BODY.segment_names.index(name) for name in ("left_eye", "right_eye")])
    head = BODY.segments == BODY.segment_names.index("head")
    direction = (drawn[0][eyes].mean(0) - drawn[0][head].mean(0))[[0, 2]]
    return direction / np.linalg.norm(direction)


def silhouette_width(picture: np.ndarray) -> int:
    columns = np.flatnonzero((picture != 255).any(0))
    return int(columns[-1] - columns[0] + 1)


@pytest.mark.parametrize(
    ("angle", "expected"), [(0, (0, 1)), (90, (-1, 0)), (180, (0, -1)), (270, (1, 0))]
)  # x right, z away
def test_a_person_seen_from_behind_faces_left_then_the_viewer_then_right(angle, expected):
    np.testing.assert_allclose(facing_after(walker(180), angle), expected, atol=0.2)


def test_a_person_facing_image_left_faces_the_viewer_at_90():
    np.testing.assert_allclose(facing_after(walker(-90), 0), (-1, 0), atol=0.2)
    np.testing.assert_allclose(facing_after(walker(-90), 90), (0, -1), atol=0.2)


def test_the_published_rotation_is_the_row_vector_formula():
    vertices, angle = walker(30), np.deg2rad(45)
    drawn = []

    def record(points, greys, faces, height, width):
        drawn.append(points)
        return np.full((height, width), 255, np.uint8)

    render_views(BODY, vertices, CAMERA, CROP, [45], **SIZE, **PUBLISHED, draw=record)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    centre = vertices.mean(0)
    expected = to_picture((vertices - centre) @ turn + centre, CAMERA, CROP, **SIZE)
    np.testing.assert_allclose(drawn[0], expected, atol=1e-3)


def test_an_upright_body_turns_alike_about_its_own_axis_and_the_camera_s():
    rest = BODY.shape(np.zeros((1, 10), np.float32))[0][0]
    own, _ = render_views(BODY, rest, CAMERA, CROP, EIGHT, **SIZE, turn="body", recentre=False)
    published, _ = render_views(BODY, rest, CAMERA, CROP, EIGHT, **SIZE, **PUBLISHED)
    assert (own != published).mean() < 1e-3


def test_the_up_axis_follows_the_lean():
    np.testing.assert_allclose(up_axis(BODY, walker(70, lean=0.2)), about(X_AXIS, 0.2) @ -Y_AXIS, atol=0.03)


def test_a_leaning_body_stays_upright_in_the_picture_when_turned_about_its_own_axis():
    vertices = walker(180, lean=0.25)
    head = BODY.segments == BODY.segment_names.index("head")
    tilt = {}
    for turn in ("body", "camera"):
        drawn = []

        def record(points, greys, faces, height, width, drawn=drawn):
            drawn.append(points)
            return np.full((height, width), 255, np.uint8)

        render_views(BODY, vertices, CAMERA, CROP, [90], **SIZE, turn=turn, recentre=False, draw=record)
        tilt[turn] = abs(drawn[0][head, 0].mean() - drawn[0][:, 0].mean())
    assert tilt["camera"] > 20 > 8 > tilt["body"]


def test_angle_0_lies_on_the_crop_whatever_the_turn():
    vertices = walker(180, lean=0.2)
    cut = (110.0, 20.0, 40.0)  # larger than the crop, off its middle
    one, _ = render_views(BODY, vertices, cut, CROP, [0, 90], **SIZE, turn="body", recentre=True)
    two, _ = render_views(BODY, vertices, cut, CROP, [0], **SIZE, **PUBLISHED)
    np.testing.assert_array_equal(one[0], two[0])


def test_a_square_crop_is_stretched_to_the_picture():
    points = to_picture(np.array([[1.0, 2.0, 3.0]]), (10, 5, 7), (100, 50), 200, 200)
    np.testing.assert_allclose(points, [[(10 + 5) * 4, (20 + 7) * 2, 30 * 2]])


def test_turned_views_are_recentred_and_not_clipped():
    vertices = walker(180)
    still, clipped_still = render_views(BODY, vertices, CAMERA, CROP, EIGHT, **SIZE, turn="body", recentre=False)
    moved, clipped = render_views(BODY, vertices, CAMERA, CROP, EIGHT, **SIZE, turn="body", recentre=True)
    assert clipped_still[1:].any() and not clipped[1:].any()
    for picture in moved[1:]:
        columns = np.flatnonzero((picture != 255).any(0))
        assert abs((columns[0] + columns[-1] + 1) / 2 - 64) < 2
        assert columns[0] >= MARGIN - 1 and columns[-1] <= 128 - MARGIN
    fitting = [i for i in range(1, 8) if not clipped_still[i] and silhouette_width(still[i]) < 110]
    for i in fitting:  # what fits keeps its size
        assert abs(silhouette_width(still[i]) - silhouette_width(moved[i])) <= 1


def test_a_body_cut_by_its_crop_keeps_its_size_when_turned():
    rest = BODY.shape(np.zeros((1, 10), np.float32))[0][0] * np.array([0.6, 1, 0.6], np.float32)
    pictures, clipped = render_views(BODY, rest, (100, 32, 70), CROP, [0, 180], **SIZE, turn="body", recentre=True)
    assert clipped.all()
    assert abs(silhouette_width(pictures[0]) - silhouette_width(pictures[1])) <= 4


def test_pictures_are_grey_on_white_and_lit_from_the_camera():
    pictures, _ = render_views(BODY, walker(0), CAMERA, CROP, EIGHT, **SIZE, turn="body", recentre=True)
    assert pictures.shape == (8, 256, 128) and pictures.dtype == np.uint8
    share = (pictures != 255).mean(axis=(1, 2))
    assert ((share > 0.1) & (share < 0.6)).all()
    towards, away = shade(np.array([[0, 0, -1], [0, 0, 1]], np.float32))
    assert 120 < towards < 240 and away < 60
    body = pictures[pictures != 255]
    assert body.max() < 250 and body.std() > 15


def test_the_overlay_changes_only_the_body_and_the_side_view_is_on_white():
    crop = np.full((128, 64, 3), 40, np.uint8)
    on_crop = overlay(crop, BODY, walker(0), CAMERA, 3)
    beside = side_view(crop, BODY, walker(0), CAMERA, 3)
    assert on_crop.shape == beside.shape == (384, 192, 3)
    mask = render_views(BODY, walker(0), CAMERA, CROP, [0], height=384, width=192, **PUBLISHED)[0][0] != 255
    assert (on_crop[~mask] == 40).all() and (on_crop[mask] != 40).any(axis=-1).mean() > 0.99
    assert (beside[0, 0] == 255).all() and (beside != 255).any()


# ---- backends


@pytest.fixture(scope="module", params=["egl", "osmesa"])
def platform(request) -> str:
    if (reason := probe(request.param)) is not None:
        pytest.skip(f"{request.param}: {reason}")
    return request.param


@pytest.mark.slow
def test_pyrender_draws_the_same_pictures_as_numpy(platform, tmp_path):
    """In a process of its own: one process can import OpenGL for one platform only."""
    vertices = walker(200)
    np.save(tmp_path / "vertices.npy", vertices)
    script = f"""
import numpy as np
from gcl_cli.body.model import load_body
from gcl_cli.body.pyrender_backend import open_backend
from gcl_cli.body.views import render_views
vertices, draw = np.load({str(tmp_path / "vertices.npy")!r}), open_backend({platform!r})
options = dict(turn="body", recentre=True, draw=draw)
small, _ = render_views(load_body(), vertices, {CAMERA}, {CROP}, [0], height=128, width=64, **options)
pictures, _ = render_views(load_body(), vertices, {CAMERA}, {CROP}, {EIGHT}, height=256, width=128, **options)
draw.close()
np.savez({str(tmp_path / "pictures.npz")!r}, small=small, pictures=pictures)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    made = np.load(tmp_path / "pictures.npz")
    expected, _ = render_views(BODY, vertices, CAMERA, CROP, EIGHT, **SIZE, turn="body", recentre=True)
    assert made["small"].shape == (1, 128, 64)
    for ours, theirs in zip(expected, made["pictures"], strict=True):
        either, both = (ours != 255) | (theirs != 255), (ours != 255) & (theirs != 255)
        assert both.sum() / either.sum() >= 0.97
        assert np.abs(ours[both].astype(int) - theirs[both]).mean() <= 6


def test_without_a_gpu_numpy_is_chosen_and_said_why(monkeypatch):
    monkeypatch.delenv("PYOPENGL_PLATFORM", raising=False)
    monkeypatch.setattr(pyrender_backend.torch.cuda, "is_available", lambda: False)
    name, reason = choose_backend("auto")
    assert name == "numpy" and "GPU" in reason
    assert open_backend(name) is draw_with_numpy


@pytest.mark.parametrize(
    ("starting", "expected"), [({"egl", "osmesa"}, "egl"), ({"osmesa"}, "osmesa"), (set(), "numpy")]
)
def test_with_a_gpu_the_first_platform_that_starts_is_chosen(monkeypatch, starting, expected):
    monkeypatch.delenv("PYOPENGL_PLATFORM", raising=False)
    monkeypatch.setattr(pyrender_backend.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(pyrender_backend, "probe", lambda platform: None if platform in starting else "no display")
    name, reason = choose_backend("auto")
    assert name == expected
    assert expected != "numpy" or "egl cannot start: no display" in reason


def test_the_platform_the_user_named_in_the_environment_is_respected(monkeypatch):
    monkeypatch.setenv("PYOPENGL_PLATFORM", "osmesa")
    monkeypatch.setattr(pyrender_backend, "probe", lambda platform: None)
    assert choose_backend("auto")[0] == "osmesa"


def test_a_backend_asked_for_by_name_that_cannot_start_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pyrender_backend, "probe", lambda platform: "libEGL.so.1: cannot open shared object file")
    with pytest.raises(GclError, match="libegl1"):
        choose_backend("egl")
    monkeypatch.setattr(pyrender_backend, "probe", lambda platform: "ModuleNotFoundError: No module named 'pyrender'")
    with pytest.raises(GclError, match=r"pip install 'gcl-cli\[render\]'"):
        choose_backend("osmesa")


def test_a_probe_that_fails_or_hangs_says_so(monkeypatch):
    monkeypatch.setattr(pyrender_backend, "PROBE", "raise SystemError('no driver')")
    assert probe("egl") == "SystemError: no driver"
    monkeypatch.setattr(pyrender_backend, "PROBE", "import time; time.sleep(30)")
    monkeypatch.setattr(pyrender_backend, "PROBE_SECONDS", 0.2)
    assert "seconds" in probe("egl")


def test_pyrender_keeps_one_context_for_all_pictures(monkeypatch):
    made = []

    class Renderer:
        def __init__(self, width, height):
            made.append((width, height))

        def render(self, scene, flags):
            return np.full((self.viewport_height, self.viewport_width, 4), 255, np.uint8), None

        def delete(self):
            made.append("deleted")

    flags = types.SimpleNamespace(FLAT=1, RGBA=2)
    fake = types.SimpleNamespace(OffscreenRenderer=Renderer, RenderFlags=flags)
    monkeypatch.setitem(sys.modules, "pyrender", fake)
    monkeypatch.setenv("PYOPENGL_PLATFORM", "egl")
    draw = PyrenderDraw("egl")
    monkeypatch.setattr(draw, "_scene", lambda *arguments: None)
    for size in ((256, 128), (256, 128), (64, 32)):
        assert draw(None, None, None, *size).shape == size
    draw.close()
    assert made == [(128, 256), "deleted"]
