import io

import numpy as np
import pytest
from PIL import Image

from gcl_cli.body.estimator import in_crop
from gcl_cli.body.model import load_body
from gcl_cli.body.rendering import turned_points
from gcl_cli.body.rotations import from_rotation_vector
from gcl_cli.commands import synth
from gcl_cli.datasets.catalogue import open_dataset
from gcl_cli.errors import GclError
from gcl_cli.synth.cameras import HEIGHT, OVERSAMPLING, WIDTH, camera
from gcl_cli.synth.figures import dress
from gcl_cli.synth.identities import identity
from gcl_cli.synth.photograph import photograph
from gcl_cli.synth.posing import frame_onto, strike
from gcl_cli.synth.streams import stream
from gcl_cli.synth.turned import empty_scene, framed_like, heading, shares_of, strike_estimated, turned_views, view

YAW = 0.4


@pytest.fixture(scope="module")
def taken():
    look = next(look for person in range(99) if (look := identity(0, person)).bag.kind == "backpack")
    return photograph(stream(0, "test"), dress(look), camera(0, 2, shift=0.5), yaw=YAW, seed=0, passer_by=None)


def apart(first, second, where):
    return np.abs(first.astype(float) - second)[where].mean()


def test_at_nought_degrees_it_is_the_photograph_without_grain_and_without_what_is_in_front(taken):
    own = turned_views(taken.sitting, (0,))[0]
    person = own[..., 3] > 250
    assert person.mean() > 0.1
    assert np.array_equal(own[..., 3], shares_of(taken.sitting))
    assert apart(own[..., :3], np.asarray(taken.picture), person) < 8, "grain is all that differs"
    assert np.array_equal(own[own[..., 3] == 0][:, :3][0], empty_scene(taken.sitting)[own[..., 3] == 0][0])


def test_a_full_turn_ends_where_it_began_and_a_half_turn_shows_the_backpack(taken):
    front, back, again = turned_views(taken.sitting, (45, 225, 405))
    assert np.abs(front.astype(float) - again).mean() < 0.1
    assert apart(front[..., :3], back[..., :3], front[..., 3] > 250) > 5


def test_turning_goes_the_way_gcl_render_turns_bodies(taken):
    """The true body of the turned person lies where the product's turned body does."""
    sitting = taken.sitting
    own = strike(sitting.figure, sitting.pose, yaw=sitting.yaw, pitch=sitting.pitch)
    body = own.vertices[: len(load_body().segments)]
    goals, _ = turned_points(
        body, taken.camera, (HEIGHT, WIDTH), (90, 225), up=own.up, height=HEIGHT, width=WIDTH, recentre=True
    )
    for angle, goal in zip((90, 225), goals, strict=True):
        posed = strike(sitting.figure, sitting.pose, yaw=YAW - np.deg2rad(angle), pitch=sitting.pitch)
        there = framed_like(sitting, posed, goal).project(posed.vertices[: len(goal)])[:, :2] / OVERSAMPLING
        assert np.sqrt(((there - goal[:, :2]) ** 2).sum(1).mean()) < 2.5, "perspective is all that differs"
        assert shares_of(sitting).shape == view(sitting, posed, framed_like(sitting, posed, goal))[..., 3].shape


def test_who_is_struck_in_their_true_pose_stands_as_in_the_photograph(taken):
    sitting = taken.sitting
    own = strike(sitting.figure, sitting.pose, yaw=sitting.yaw, pitch=sitting.pitch)
    rotations = load_body().world_rotations(taken.pose[None])
    bare = load_body().skin(rotations, load_body().place(rotations, sitting.figure.betas), sitting.figure.betas)[0]
    again = strike_estimated(sitting, taken.pose, bare, 0)
    assert np.abs(again.vertices - own.vertices).max() < 0.12, "the up axis of the torso leans a little"
    assert heading(from_rotation_vector(taken.pose[0])) == pytest.approx(YAW, abs=0.1)
    quarter = strike_estimated(sitting, taken.pose, bare, 90)
    assert heading(from_rotation_vector(quarter.pose[0])) == pytest.approx(YAW - np.pi / 2, abs=0.1)


def test_framing_onto_goals_undoes_a_framing(taken):
    sitting = taken.sitting
    posed = strike(sitting.figure, sitting.pose, yaw=1.0, pitch=0.2)
    first = frame_onto(posed, in_crop(posed.vertices[None], np.array([[50.0, 40, 60]]))[0], distance=6.0)
    there = first.project(posed.vertices)[:, :2]
    second = frame_onto(posed, there[: len(load_body().segments)], distance=6.0)
    assert np.allclose(second.origin, first.origin, atol=1e-4)
    assert np.allclose(second.scale, first.scale, rtol=1e-4)


def test_the_command_draws_them_beside_a_set_that_is_otherwise_the_same(tmp_path):
    small = {"ids": 2, "cameras": 2, "images": 2, "distractors": 0}
    synth.run(str(tmp_path / "plain"), small, threads=1, restart=False)
    synth.run(str(tmp_path / "turned"), small | {"turned": (90, 180)}, threads=1, restart=False)
    plain, turned = (open_dataset(tmp_path / name, allow_subset=True) for name in ("plain", "turned"))
    assert plain.splits == turned.splits
    for samples in turned.splits.values():
        for sample in samples:
            assert (tmp_path / "plain" / sample.name).read_bytes() == (tmp_path / "turned" / sample.name).read_bytes()
            stem = sample.name.rpartition("/")[2].removesuffix(".jpg")
            for angle in (90, 180):
                file = io.BytesIO((tmp_path / "turned" / "turned" / stem / f"{angle:03d}.png").read_bytes())
                picture = Image.open(file)
                assert (picture.mode, picture.size) == ("RGBA", (WIDTH, HEIGHT))
                assert 0.1 < (np.asarray(picture)[..., 3] > 128).mean() < 0.9
    assert "turned" not in (tmp_path / "plain" / "synth.json").read_text(), "older sets are still the same sets"
    with pytest.raises(GclError, match="other settings"):
        synth.run(str(tmp_path / "turned"), small | {"turned": (90,)}, threads=1, restart=False)


@pytest.mark.parametrize("wrong", [{"turned": (360,)}, {"turned": (90,), "labels": False}])
def test_what_cannot_be_drawn_is_said_before_anything_is(tmp_path, wrong):
    with pytest.raises(GclError, match=r"an angle is from|without labels"):
        synth.run(str(tmp_path / "people"), wrong, threads=1, restart=False)
