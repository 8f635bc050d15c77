"""Views of one body from several sides."""

import io
import itertools
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial.transform import Rotation

from gcl_cli.body import pyrender_backend
from gcl_cli.body.model import load_body
from gcl_cli.body.overlay import overlay, side_view
from gcl_cli.body.pyrender_backend import SAMPLES, PyrenderDraw, choose_backend, open_backend, probe
from gcl_cli.body.rendering import (
    MARGIN,
    PICTURE_UP,
    draw_with_numpy,
    long_axis,
    render_views,
    shade,
    to_picture,
    up_axis,
)
from gcl_cli.body.rotations import X_AXIS, Y_AXIS, about, to_rotation_vector
from gcl_cli.body.silhouette import Surface
from gcl_cli.errors import GclError
from gcl_cli.synth.population import draw_all, plan

BODY = load_body()
CAMERA, CROP = (65.0, 32.0, 58.0), (128, 64)
EIGHT = tuple(range(0, 360, 45))
PUBLISHED = {"up": PICTURE_UP, "recentre": False}
SURFACE = Surface.of(BODY.faces)
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

    def record(points, greys, surface, height, width):
        drawn.append(points)
        return draw_with_numpy(points, greys, surface, height, width)

    render_views(SURFACE, vertices, CAMERA, CROP, [angle], **SIZE, **PUBLISHED, draw=record)
    eyes = np.isin(BODY.segments, [BODY.segment_names.index(name) for name in ("left_eye", "right_eye")])
    head = BODY.segments == BODY.segment_names.index("head")
    direction = (drawn[0][eyes].mean(0) - drawn[0][head].mean(0))[[0, 2]]
    return direction / np.linalg.norm(direction)


def coverage_of(vertices, camera, crop, up, angle) -> np.ndarray:
    """The share of each pixel that is drawn: the picture of a black body."""

    def draw_black(points, greys, surface, height, width):
        return draw_with_numpy(points, np.zeros_like(greys), surface, height, width)

    (picture,), _ = render_views(
        SURFACE, vertices, camera, crop, [angle], up=up, recentre=False, draw=draw_black, **SIZE
    )
    return 1 - picture / 255


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

    def record(points, greys, surface, height, width):
        drawn.append(points)
        return np.full((height, width), 255, np.uint8)

    render_views(SURFACE, vertices, CAMERA, CROP, [45], **SIZE, **PUBLISHED, draw=record)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    centre = vertices.mean(0)
    expected = to_picture((vertices - centre) @ turn + centre, CAMERA, CROP, **SIZE)
    np.testing.assert_allclose(drawn[0], expected, atol=1e-3)


def test_an_upright_body_turns_alike_about_its_own_axis_and_the_camera_s():
    rest = BODY.shape(np.zeros((1, 10), np.float32))[0][0]
    own, _ = render_views(SURFACE, rest, CAMERA, CROP, EIGHT, **SIZE, up=up_axis(BODY, rest), recentre=False)
    published, _ = render_views(SURFACE, rest, CAMERA, CROP, EIGHT, **SIZE, **PUBLISHED)
    assert np.abs(own.astype(int) - published).mean() < 0.1


def test_the_up_axis_follows_the_lean():
    np.testing.assert_allclose(up_axis(BODY, walker(70, lean=0.2)), about(X_AXIS, 0.2) @ -Y_AXIS, atol=0.03)


def test_a_leaning_body_stays_upright_in_the_picture_when_turned_about_its_own_axis():
    vertices = walker(180, lean=0.25)
    head = BODY.segments == BODY.segment_names.index("head")
    tilt = {}
    for turn, up in (("body", up_axis(BODY, vertices)), ("camera", PICTURE_UP)):
        drawn = []

        def record(points, greys, surface, height, width, drawn=drawn):
            drawn.append(points)
            return np.full((height, width), 255, np.uint8)

        render_views(SURFACE, vertices, CAMERA, CROP, [90], **SIZE, up=up, recentre=False, draw=record)
        tilt[turn] = abs(drawn[0][head, 0].mean() - drawn[0][:, 0].mean())
    assert tilt["camera"] > 20 > 8 > tilt["body"]


def test_angle_0_lies_on_the_crop_whatever_the_turn():
    vertices = walker(180, lean=0.2)
    cut = (110.0, 20.0, 40.0)  # larger than the crop, off its middle
    one, _ = render_views(SURFACE, vertices, cut, CROP, [0, 90], **SIZE, up=up_axis(BODY, vertices), recentre=True)
    two, _ = render_views(SURFACE, vertices, cut, CROP, [0], **SIZE, **PUBLISHED)
    np.testing.assert_array_equal(one[0], two[0])


def test_a_square_crop_is_stretched_to_the_picture():
    points = to_picture(np.array([[1.0, 2.0, 3.0]]), (10, 5, 7), (100, 50), 200, 200)
    np.testing.assert_allclose(points, [[(10 + 5) * 4, (20 + 7) * 2, 30 * 2]])


def test_turned_views_are_recentred_and_not_clipped():
    vertices = walker(180)
    still, clipped_still = render_views(
        SURFACE, vertices, CAMERA, CROP, EIGHT, **SIZE, up=up_axis(BODY, vertices), recentre=False
    )
    moved, clipped = render_views(
        SURFACE, vertices, CAMERA, CROP, EIGHT, **SIZE, up=up_axis(BODY, vertices), recentre=True
    )
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
    pictures, clipped = render_views(
        SURFACE, rest, (100, 32, 70), CROP, [0, 180], **SIZE, up=up_axis(BODY, rest), recentre=True
    )
    assert clipped.all()
    assert abs(silhouette_width(pictures[0]) - silhouette_width(pictures[1])) <= 4


def test_pictures_are_grey_on_white_and_lit_from_the_camera():
    vertices = walker(0)
    pictures, _ = render_views(
        SURFACE, vertices, CAMERA, CROP, EIGHT, **SIZE, up=up_axis(BODY, vertices), recentre=True
    )
    assert pictures.shape == (8, 256, 128) and pictures.dtype == np.uint8
    share = (pictures != 255).mean(axis=(1, 2))
    assert ((share > 0.1) & (share < 0.6)).all()
    towards, away = shade(np.array([[0, 0, -1], [0, 0, 1]], np.float32))
    assert 120 < towards < 240 and away < 60
    body = pictures[pictures != 255]
    assert np.quantile(body, 0.9) < 210 and body.std() > 15


@pytest.mark.parametrize("height", [64, 128, 256])
def test_small_pictures_are_like_large_ones_shrunk(height):
    """No hard edge where an arm passes the trunk, no specks of its rim: within the body, far from the outline."""
    sides = {"camera": CAMERA, "crop_size": CROP, "angles": [0, 60, 90, 120], "up": PICTURE_UP, "recentre": True}
    small, _ = render_views(SURFACE, walker(90), height=height, width=height // 2, **sides)
    large, _ = render_views(SURFACE, walker(90), height=1024, width=512, **sides)
    cells = 1024 // height
    shrunk = large.reshape(len(large), height, cells, height // 2, cells).mean(axis=(2, 4))
    within = np.stack([ndimage.binary_erosion(picture < 254, iterations=2) for picture in shrunk])
    difference = np.abs(small - shrunk)[within]
    assert difference.mean() < 0.8
    assert difference.max() < 32


def test_a_body_of_unknown_parts_turns_about_its_long_axis():
    walking = walker(70, lean=0.2)
    np.testing.assert_allclose(long_axis(walking), about(X_AXIS, 0.2) @ -Y_AXIS, atol=0.15)
    np.testing.assert_array_equal(long_axis(walking[:, [1, 0, 2]]), PICTURE_UP)  # lying: no axis to go by


@pytest.mark.parametrize("angle", EIGHT)
def test_any_closed_mesh_can_be_drawn(angle):
    """A box of 12 faces, one metre wide and deep, two high: its silhouette is known."""
    ones = np.array([-0.5, 0.5], np.float32)
    corners = np.stack(np.meshgrid(ones, 2 * ones, ones, indexing="ij"), axis=-1).reshape(8, 3)
    faces = np.array(
        [[0, 2, 3], [0, 3, 1], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4],
         [2, 6, 7], [2, 7, 3], [0, 4, 6], [0, 6, 2], [1, 3, 7], [1, 7, 5]]
    )  # fmt: skip
    volume = np.einsum("fi,fi->f", corners[faces[:, 0]], np.cross(corners[faces[:, 1]], corners[faces[:, 2]])).sum()
    faces = faces if volume > 0 else faces[:, ::-1]
    (picture,), (clipped,) = render_views(
        Surface.of(faces), corners, (40.0, 32.0, 64.0), CROP, [angle], up=PICTURE_UP, recentre=False, **SIZE
    )
    wide = 40 * 2 * (1 if angle % 90 == 0 else np.sqrt(2))
    expected = np.zeros((256, 128), bool)
    expected[128 - 80 : 128 + 80, int(64 - wide / 2) : int(np.ceil(64 + wide / 2))] = True
    assert not clipped
    np.testing.assert_array_equal(picture != 255, expected)


def test_the_overlay_changes_only_the_body_and_the_side_view_is_on_white():
    crop, camera = np.full((384, 192, 3), 40, np.uint8), 3 * np.asarray(CAMERA)
    on_crop = overlay(crop, BODY, walker(0), camera)
    beside = side_view(crop, BODY, walker(0), camera)
    assert on_crop.shape == beside.shape == (384, 192, 3)
    mask = render_views(SURFACE, walker(0), CAMERA, CROP, [0], height=384, width=192, **PUBLISHED)[0][0] != 255
    assert (on_crop[~mask] == 40).all() and (on_crop[mask] != 40).any(axis=-1).mean() > 0.98
    assert (beside[0, 0] == 255).all() and (beside != 255).any()


# ---- against the truth of synthetic people


def filled(vertices: np.ndarray, camera: np.ndarray, crop: tuple[int, int], up: np.ndarray, angle: int) -> np.ndarray:
    """The share of each pixel [256, 128] that the turned body covers: every triangle filled by Pillow, 4 x 4 times."""
    centre = vertices.mean(axis=0)
    turned = Rotation.from_rotvec(np.deg2rad(angle) * up).apply(vertices - centre) + centre
    scale = np.array([128 / crop[1], 256 / crop[0]]) * 4
    points = (turned[:, :2] * camera[0] + camera[1:]) * scale - 0.5  # Pillow's pixels have their centres at integers
    canvas = Image.new("1", (512, 1024))
    pencil = ImageDraw.Draw(canvas)
    for triangle in points[BODY.faces]:
        pencil.polygon([tuple(corner) for corner in triangle], fill=1)
    return np.asarray(canvas).reshape(256, 4, 128, 4).mean(axis=(1, 3))


@pytest.fixture(scope="module")
def synthetic_people() -> list[tuple[np.ndarray, np.ndarray, tuple[int, int]]]:
    """True vertices, camera and crop size of some people."""
    people = []
    for _, content, truth in draw_all(plan(ids=2, cameras=2, images=2, shift=0.5, seed=3)[::3]):
        world, betas = BODY.world_rotations(truth.pose[None]), truth.betas[None]
        with Image.open(io.BytesIO(content)) as picture:
            size = (picture.height, picture.width)
        people.append((BODY.skin(world, BODY.place(world, betas), betas)[0], truth.camera, size))
    return people


@pytest.mark.parametrize("angle", EIGHT)
@pytest.mark.parametrize("own_axis", [False, True])
def test_silhouettes_of_true_people_are_those_of_their_filled_triangles(synthetic_people, angle, own_axis):
    for vertices, camera, size in synthetic_people if own_axis else synthetic_people[:1]:
        up = up_axis(BODY, vertices) if own_axis else PICTURE_UP
        (picture,), _ = render_views(SURFACE, vertices, camera, size, [angle], up=up, recentre=False, **SIZE)
        expected = filled(vertices, camera, size, up, angle)
        drawn = coverage_of(vertices, camera, size, up, angle)
        assert np.minimum(drawn, expected).sum() / np.maximum(drawn, expected).sum() >= 0.97
        grey_edge = (picture != 255) != (expected > 0)
        assert grey_edge.sum() <= 0.03 * (expected > 0).sum() + 12


# ---- backends


def agree(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Pictures [N, H, W] whose silhouettes overlap by .97 and whose greys inside differ by 6 levels at most."""
    ious, differences = [], []
    for one, other in zip(ours, theirs, strict=True):
        either, both = (one != 255) | (other != 255), (one != 255) & (other != 255)
        ious.append(both.sum() / either.sum())
        differences.append(np.abs(one[both].astype(int) - other[both]).mean())
    return min(ious) >= 0.97 and max(differences) <= 6


BACKEND_SCRIPT = """
import sys
import numpy as np
from gcl_cli.body.model import load_body
from gcl_cli.body.pyrender_backend import open_backend
from gcl_cli.body.silhouette import Surface
from gcl_cli.body.rendering import render_views, up_axis
folder, platform = sys.argv[1:]
body, draw, pictures = load_body(), open_backend(platform), {}
for name, vertices in np.load(folder + "/vertices.npz").items():
    for height in (128, 256):  # one context, two sizes
        pictures[f"{name}_{height}"], _ = render_views(
            Surface.of(body.faces), vertices, (65.0, 32.0, 58.0), (128, 64), range(0, 360, 45),
            up=up_axis(body, vertices), recentre=True, height=height, width=height // 2, draw=draw)
np.savez(f"{folder}/{platform}.npz", **pictures)
"""


@pytest.mark.slow
def test_all_backends_draw_the_same_pictures(tmp_path):
    """Each in a process of its own: one process can import OpenGL for one platform only."""
    random = np.random.default_rng(0)
    people = {}
    for name, facing in (("one", 200), ("two", 75), ("three", 330)):
        pose = random.normal(0, 0.12, (1, 22, 3)).astype(np.float32)
        pose[0, 0] = to_rotation_vector(about(-Y_AXIS, np.deg2rad(facing)))
        world, betas = BODY.world_rotations(pose), random.normal(0, 1, (1, 10)).astype(np.float32)
        people[name] = BODY.skin(world, BODY.place(world, betas), betas)[0]
    np.savez(tmp_path / "vertices.npz", **people)
    starting = ["numpy"] + [platform for platform in ("egl", "osmesa") if probe(platform) is None]
    if len(starting) == 1:
        pytest.skip("neither EGL nor OSMesa starts here")
    for platform in starting:
        subprocess.run([sys.executable, "-c", BACKEND_SCRIPT, str(tmp_path), platform], check=True)
    drawn = {platform: np.load(tmp_path / f"{platform}.npz") for platform in starting}
    assert len(drawn["numpy"]["one_256"]) == 8 and len(drawn["numpy"].files) == 6
    for one, other in itertools.combinations(starting, 2):
        for name in people:
            assert agree(drawn[one][f"{name}_256"], drawn[other][f"{name}_256"]), (one, other, name)
            small = drawn[other][f"{name}_128"]
            assert small.shape == (8, 128, 64)


def test_without_a_gpu_numpy_is_chosen_and_said_why(monkeypatch):
    monkeypatch.delenv("PYOPENGL_PLATFORM", raising=False)
    monkeypatch.setattr(pyrender_backend, "_has_gpu", lambda: False)
    name, reason = choose_backend("auto")
    assert name == "numpy" and "GPU" in reason
    assert open_backend(name) is draw_with_numpy


@pytest.mark.parametrize(
    ("starting", "expected"), [({"egl", "osmesa"}, "egl"), ({"osmesa"}, "osmesa"), (set(), "numpy")]
)
def test_with_a_gpu_the_first_platform_that_starts_is_chosen(monkeypatch, starting, expected):
    monkeypatch.delenv("PYOPENGL_PLATFORM", raising=False)
    monkeypatch.setattr(pyrender_backend, "_has_gpu", lambda: True)
    monkeypatch.setattr(pyrender_backend, "probe", lambda platform: None if platform in starting else "no display")
    name, reason = choose_backend("auto")
    assert name == expected
    assert expected != "numpy" or ("egl cannot start (no display" in reason and "apt-get install" in reason)


def test_the_platform_the_user_named_in_the_environment_is_respected(monkeypatch):
    monkeypatch.setenv("PYOPENGL_PLATFORM", "osmesa")
    monkeypatch.setattr(pyrender_backend, "probe", lambda platform: None)
    assert choose_backend("auto")[0] == "osmesa"


def test_a_backend_asked_for_by_name_that_cannot_start_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pyrender_backend, "probe", lambda platform: "libEGL.so.1: cannot open shared object file")
    monkeypatch.setattr(pyrender_backend, "find_library", lambda name: None if name == "EGL" else f"lib{name}.so.1")
    with pytest.raises(GclError, match="apt-get install libegl1 ") as caught:
        choose_backend("egl")
    assert "--backend numpy" in caught.value.fix
    with pytest.raises(GclError, match="apt-get install libgl1-mesa-dri "):  # all libraries are there: no driver
        choose_backend("osmesa")
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
            return np.full((self.viewport_height, self.viewport_width, 3), 255, np.uint8), None

        def delete(self):
            made.append("deleted")

    flags = types.SimpleNamespace(FLAT=1)
    fake = types.SimpleNamespace(OffscreenRenderer=Renderer, RenderFlags=flags)
    monkeypatch.setitem(sys.modules, "pyrender", fake)
    monkeypatch.setenv("PYOPENGL_PLATFORM", "egl")
    draw = PyrenderDraw("egl")
    monkeypatch.setattr(draw, "_scene", lambda *arguments: None)
    for size in ((256, 128), (256, 128), (64, 32)):
        assert draw(None, None, SURFACE, *size).shape == size
    draw.close()
    assert made == [(128 * SAMPLES["egl"], 256 * SAMPLES["egl"]), "deleted"]
