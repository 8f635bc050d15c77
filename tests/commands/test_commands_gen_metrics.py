"""What generated pictures are measured against: bodies that were asked for, real sides, other folders."""

from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import pytorch_fid.inception as published
import torch
import torchvision
from PIL import Image
from torch import nn

from gcl_cli.artifacts.formats import write_truth
from gcl_cli.body.estimator import fallback_pose
from gcl_cli.body.model import load_body
from gcl_cli.body.rendering import PICTURE_UP, render_views, to_picture
from gcl_cli.body.rotations import Y_AXIS, about, to_rotation_vector
from gcl_cli.body.silhouette import Surface
from gcl_cli.commands.gen_metrics.backdrops import Backdrops, open_backdrops
from gcl_cli.commands.gen_metrics.folders import compare_folders, open_folder, paired
from gcl_cli.commands.gen_metrics.inception import pool_features
from gcl_cli.commands.gen_metrics.measures import PROTOCOLS, diversity, halves_apart, protocol_of
from gcl_cli.commands.gen_metrics.poses import AskedBodies, Bodies, degrees_apart, placed_error, yaw_of
from gcl_cli.commands.gen_metrics.real_sides import Sides, known_yaws
from gcl_cli.config import GenMetricsSettings
from gcl_cli.errors import GclError
from gcl_cli.records import MeshEstimates, Sample

SETTINGS = GenMetricsSettings(measures=("encoder", "kid", "dssim", "identity"), kid_subsets=4, pairs=1, repeats=1)


def standing(yaw: float, height: int = 128, width: int = 64) -> MeshEstimates:
    """One standing body that looks `yaw` degrees away from the camera."""
    pose, camera = fallback_pose(height, width)
    pose[0] = to_rotation_vector(about(Y_AXIS, np.radians(yaw))[None])[0]
    return MeshEstimates(
        pose[None], np.zeros((1, 10), np.float32), camera[None], np.zeros((1, 33, 3), np.float32),
        np.ones(1, np.float32), np.zeros(1, np.uint8),
    )  # fmt: skip


def asked(yaw: float, estimator=None) -> AskedBodies:
    return AskedBodies(Bodies.of(standing(yaw)), PICTURE_UP[None], [(128, 64)], estimator)


@pytest.mark.parametrize(("people", "measured"), [([-1] * 4, False), ([1, 2, 3, 4], False), ([1, 1, 2, 3], True)])
def test_diversity_within_a_person_is_none_where_nobody_has_two_pictures(people, measured):
    photographs = torch.randint(0, 256, (4, 3, 32, 16), dtype=torch.uint8)
    found = diversity(photographs, torch.tensor(people), GenMetricsSettings())
    assert (found is not None) == measured


@pytest.mark.parametrize("angle", [45, 90, 180, 270])
def test_a_turn_takes_from_the_yaw_what_it_adds_in_degrees(angle):
    """Who is seen from behind (180) looks to the left (90) after a turn by 90."""
    yaw, _ = asked(180.0).turned(np.array([angle]))
    assert degrees_apart(yaw, np.array([180.0 - angle])).max() < 1e-3
    assert degrees_apart(yaw_of(asked(30.0).bodies.pelvis), np.array([30.0])).max() < 1e-3


@pytest.mark.parametrize("angle", [90, 225])
def test_asked_keypoints_lie_on_the_view_that_was_drawn(angle):
    meshes, body = standing(160.0), load_body()
    rotations = body.world_rotations(meshes.pose)
    vertices = body.skin(rotations, body.place(rotations, meshes.betas), meshes.betas)[0]
    (view,), _ = render_views(
        Surface.of(body.faces), vertices, meshes.camera[0], (128, 64), [angle],
        up=PICTURE_UP, height=128, width=64, recentre=False,
    )  # fmt: skip
    points = asked(160.0).turned(np.array([angle]))[1][0]
    placed = to_picture(np.pad(points, ((0, 0), (0, 1))), meshes.camera[0], (128, 64), 128, 64)[:, :2]
    # turned about the origin, not about the middle of the body: moved sideways by a pixel or two
    rows, columns = np.nonzero(view < 255)
    placed[:, 0] += (columns.min() + columns.max()) / 2 - (placed[:, 0].min() + placed[:, 0].max()) / 2
    near = [np.hypot(columns - x, rows - y).min() for x, y in placed]
    assert np.mean(near) < 1 and max(near) < 4


def test_keypoint_error_forgives_place_and_size_and_nothing_else():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3, 10, 2))
    assert placed_error(points, 40 * points + [30, 7]) == pytest.approx(0, abs=1e-12)
    seen = points.copy()
    seen[:, 0, 0] += 0.5
    assert (placed_error(points, seen) > 0.01).all()
    assert np.isfinite(placed_error(points, -points)).all()


class Told:
    """An estimator that sees what it was told, whatever the picture."""

    def __init__(self, meshes: MeshEstimates) -> None:
        self.meshes = meshes

    def __call__(self, crops):
        assert [crop.shape for crop in crops] == [(128, 64, 3)]
        return self.meshes


@pytest.mark.parametrize(
    ("seen", "in_bin", "near", "within"),
    [(90, 100, 100, 100), (70, 100, 100, 100), (50, 0, 100, 100), (30, 0, 0, 100), (0, 0, 0, 0)],
)
def test_agreement_counts_yaws_in_the_asked_bin_and_within_one(seen, in_bin, near, within):
    found = asked(180.0, Told(standing(seen))).agreement(torch.zeros(1, 3, 64, 32, dtype=torch.uint8), np.array([90]))
    assert [found[f"yaw_{name}"] for name in ("in_bin", "within_45", "within_one_bin")] == [in_bin, near, within]
    assert found["person_found"] == 100
    if seen == 90:
        assert found["keypoint_error"] < 1e-3


def test_a_picture_in_which_nobody_is_found_is_missed():
    nobody = standing(90.0)
    nobody.status[:] = 2
    found = asked(180.0, Told(nobody)).agreement(torch.zeros(1, 3, 64, 32, dtype=torch.uint8), np.array([90]))
    assert (found["yaw_in_bin"], found["person_found"], found["keypoint_error"]) == (0, 0, None)


def test_orientations_come_from_frames_or_from_the_truth_of_synthetic_people(tmp_path):
    samples = [Sample(f"{frame}.jpg", frame=frame) for frame in (7, 3, 5, 1)]
    np.testing.assert_array_equal(known_yaws(tmp_path, samples, 7), [0, 180, 90, 270])
    with pytest.raises(GclError, match="not known") as caught:
        known_yaws(tmp_path, samples, None)
    assert "--set front_frame=7" in caught.value.fix
    write_truth(tmp_path, ["1.jpg", "3.jpg", "5.jpg", "7.jpg"], {"yaw": np.array([1.0, 2.0, 3.0, 4.0], np.float32)})
    np.testing.assert_array_equal(known_yaws(tmp_path, samples, None), [4, 2, 3, 1])


def sides() -> Sides:
    """Two people, two cameras, eight orientations each; a feature for every person."""
    people = torch.arange(2).repeat_interleave(16)
    cameras = torch.arange(2).repeat_interleave(8).repeat(2)
    yaws = np.tile(np.arange(8) * 45.0, 4)
    rng = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (32, 3, 16, 8), generator=rng, dtype=torch.uint8)
    features = torch.eye(2)[people] + 0.1 * torch.rand(32, 2, generator=rng)
    return Sides(pictures, features, people, cameras, yaws, seed=0)


def test_targets_are_the_person_and_the_others_from_the_asked_side_under_another_camera():
    own, others = sides().from_that_side(4, 90)  # person 0, camera 0, seen from behind: asked to look left
    assert own.tolist() == [8 + 2] and others.tolist() == [16 + 8 + 2]
    assert sides().stand_ins(np.full(32, 90))[4] == 2


def test_pictures_of_the_person_are_closer_and_those_of_another_are_not():
    here = sides()
    angles = np.full(32, 90)
    right = here.figures(here.pictures, here.features, angles)
    wrong = here.figures(here.pictures, here.features.flip(1), angles)
    assert (right["side_closer"], right["side_rank_1"], right["side_judged"]) == (100, 100, 32)
    assert (wrong["side_closer"], wrong["side_rank_1"]) == (0, 0)
    assert right["side_cosine"] > right["side_cosine_others"]
    perfect = np.array([here.from_that_side(row, 90)[0][0] for row in range(32)])
    copied = here.figures(here.pictures[perfect], here.features[perfect], angles)
    assert copied["side_ssim"] == pytest.approx(1, abs=1e-5) and abs(copied["side_ssim_others"]) < 0.3


def test_nobody_from_that_side_gives_none():
    alone = Sides(torch.zeros(1, 3, 16, 8), torch.ones(1, 2), torch.tensor([3]), None, np.zeros(1), seed=0)
    assert set(alone.figures(torch.zeros(1, 3, 16, 8), torch.ones(1, 2), np.array([90])).values()) == {None}


def test_halves_of_one_distribution_are_near_and_use_every_measure_asked_for():
    real = {"encoder": torch.randn(400, 4, generator=torch.Generator().manual_seed(0))}
    found = halves_apart(real, SETTINGS)
    assert found["pictures"] == 200 and found["encoder_frechet"] < 0.2 and abs(found["encoder_kid"]) < 0.1
    assert "fid" not in found and "kid" not in found


def folder(root: Path, names, seed=0, size=(32, 16)) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        colours = np.random.default_rng(seed + number).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(colours).save(root / name)
    return root


NAMES = [f"000{person}_c{camera}s1_000001_00.png" for person in (1, 2, 3) for camera in (1, 2)]


def compared(real: Path, generated: Path):
    spaces = {"encoder": lambda pictures: pictures.float().mean(dim=(2, 3))}
    opened = [open_folder(path, "--real", settings=SETTINGS, threads=1) for path in (real, generated)]
    return compare_folders(*opened, spaces, SimpleNamespace(height=32, width=16), SETTINGS)


def test_a_folder_and_its_copy_are_equal_in_every_measure(tmp_path):
    real = folder(tmp_path / "real", NAMES)
    copy = folder(tmp_path / "copy", [f"sub/{name}" for name in NAMES])
    found = compared(real, copy)
    assert found["pairs"] == 6 and found["encoder_frechet"] == pytest.approx(0, abs=1e-3)
    assert found["ssim_pairs_native"] == pytest.approx(1, abs=1e-5) == found["ssim_pairs_at_256x128"]
    assert found["cosine_to_source"] == pytest.approx(1) and found["identity_kept"] is not None
    assert found["dssim_at_256x128"] == found["dssim_real_at_256x128"] > 0.1


def test_folders_of_other_names_and_sizes_are_compared_as_sets_alone(tmp_path):
    real = folder(tmp_path / "real", NAMES)
    other = folder(tmp_path / "other", [f"made-{n}.png" for n in range(5)], seed=50, size=(20, 20))
    found = compared(real, other)
    assert found["pairs"] == 0 and found["ssim_pairs_native"] is None and found["encoder_frechet"] > 0
    assert "identity_kept" not in found and "dssim_at_256x128" not in found


def test_names_pair_without_ending_and_without_folders_where_these_are_unique():
    assert paired(("a/x.jpg", "b/y.jpg"), ("y.png", "a/x.png", "z.png")) == [(1, 0), (0, 1)]
    assert paired(("a/x.jpg", "b/x.jpg"), ("x.png", "b/x.png")) == [(1, 1)]


def test_a_folder_that_is_missing_or_almost_empty_is_refused(tmp_path):
    with pytest.raises(GclError, match="no such folder"):
        open_folder(tmp_path / "none", "--real", settings=SETTINGS, threads=1)
    with pytest.raises(GclError, match="found 2 pictures"):
        open_folder(folder(tmp_path / "two", NAMES[:2]), "--real", settings=SETTINGS, threads=1)


def test_every_measure_has_its_protocol():
    measures = GenMetricsSettings().measures
    assert set(measures) < set(PROTOCOLS)
    assert [row["figure"] for row in protocol_of(measures)] == [name for name in PROTOCOLS if name in measures]


@pytest.mark.slow
def test_folded_inception_equals_the_network_of_pytorch_fid():
    unread = mock.patch.object(torchvision.models.Inception3, "load_state_dict")
    with mock.patch.object(published, "load_state_dict_from_url", return_value={}), unread:
        network = published.InceptionV3([3]).eval()
    rng = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=rng)
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 1.5, generator=rng)
            module.running_mean.uniform_(-0.2, 0.2, generator=rng)
    pictures = torch.randint(0, 256, (2, 3, 256, 128), generator=rng, dtype=torch.uint8)
    with torch.no_grad():
        expected = network(pictures.float() / 255)[0].flatten(1).double()
    found = pool_features(network, torch.device("cpu"))(pictures)
    assert found.shape == (2, 2048) and found.dtype == torch.float64
    np.testing.assert_allclose(found, expected, atol=5e-6 * float(expected.abs().max()))


# --- other backdrops --------------------------------------------------------------------------------------------------


def cut_apart(people: list[int]) -> Backdrops:
    """Photographs of white people, each before a grey of their own."""
    count = len(people)
    photographs = torch.arange(count, dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 32, 16) * 10
    opacity = torch.zeros(count, 1, 32, 16, dtype=torch.uint8)
    opacity[:, :, 8:24, 4:12] = 255
    photographs[:, :, 8:24, 4:12] = 255

    def painted(rows, sides):
        assert not sides.any(), "as photographed"
        return torch.cat([photographs[rows], opacity[rows]], dim=1)

    return open_backdrops(photographs, painted, torch.arange(count), torch.tensor(people), seed=3)


def test_people_are_cut_out_and_put_before_the_backdrop_of_somebody_else():
    people = [5, 5, 6, 6, 7, -1, -1]
    backdrops = cut_apart(people)
    assert all(people[a] != people[b] or people[a] < 0 for a, b in enumerate(backdrops.whose.tolist()))
    assert (backdrops.whose != torch.arange(7)).all()
    greys = 10 * torch.arange(7)
    assert torch.equal(backdrops.empty[:, 0, 16, 8].long(), greys), "nobody is left in them"
    moved = backdrops.before(backdrops.people)
    assert (moved[:, :, 8:24, 4:12] == 255).all()
    assert torch.equal(moved[:, 0, 0, 0].long(), greys[backdrops.whose])
    assert torch.equal(backdrops.alone(), backdrops.empty[backdrops.whose])


def test_where_everybody_is_one_person_another_picture_of_them_serves():
    assert (cut_apart([4, 4, 4]).whose != torch.arange(3)).all()
