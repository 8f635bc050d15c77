"""Camera-styled pictures on disk and the times of a data set's pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

from gcl_cli.commands.warmup.styles import camera_styles, styled_name, styled_names, styles_digest
from gcl_cli.config import Architecture
from gcl_cli.config.presets import PRESETS
from gcl_cli.errors import GclError
from gcl_cli.people.data import open_other, times_of, training_set
from gcl_cli.records import Sample
from gcl_cli.session import Session

TINY = Architecture(**PRESETS["tiny"]["architecture"])
NAMES = ("0002_c1s1_000451_03.jpg", "0007_c2s1_000001_01.jpg", "0007_c2s2_000005_01.jpg", "0009_c4s1_000001_01.jpg")
OPTIONS = Session(threads=1)


def paint(path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((64, 32, 3), level, dtype=np.uint8)).save(path)


@pytest.fixture
def data(tmp_path):
    """Four training pictures of cameras 1, 2 and 4, each as grey as its number."""
    for number, name in enumerate(NAMES):
        paint(tmp_path / "crops" / "bounding_box_train" / name, 10 * number)
        paint(tmp_path / "crops" / "query" / name.replace("000", "001", 1), 200)
        paint(tmp_path / "crops" / "bounding_box_test" / name, 200)
    return open_other(tmp_path / "crops", allow_subset=False)


@pytest.fixture
def styles(data, tmp_path):
    """A complete folder: picture n in the style of camera c has the grey 100 + 10 n + c."""
    folder = tmp_path / "camstyle"
    for number, sample in enumerate(data.split("train")):
        for camera in {1, 2, 4} - {sample.camera}:
            paint(folder / styled_name(sample, camera, "market1501"), 100 + 10 * number + camera)
    return folder


def test_names_say_from_which_camera_to_which_and_msmt_only_to_which():
    sample = Sample("bounding_box_train/0002_c1s1_000451_03.jpg", 2, 1)
    assert styled_name(sample, 3, "market1501") == "0002_c1s1_000451_03_fake_1to3.jpg"
    assert styled_name(sample, 3, "dukemtmc") == "0002_c1s1_000451_03_fake_1to3.jpg"
    deep = Sample("train/0000/0000_000_01_0303morning_0008_0.jpg", 0, 1)
    assert styled_name(deep, 14, "msmt17-v2") == "0000_000_01_0303morning_0008_0_fake_14.jpg"


def test_every_picture_is_wanted_in_the_style_of_every_camera_but_its_own(data):
    cameras = torch.tensor([1, 2, 2, 4])
    assert len(styled_names(data.split("train"), cameras, "market1501")) == 8


def test_versions_are_read_and_the_own_camera_gives_the_picture_itself(data, styles):
    training = training_set(data, TINY, OPTIONS)
    versions = camera_styles(str(styles), data, training, OPTIONS)
    found = versions(torch.tensor([3, 0, 1, 1, 3]), torch.tensor([4, 2, 2, 1, 2]))
    assert found.shape == (5, 3, TINY.height, TINY.width) and found.dtype == torch.uint8
    levels = found.float().mean((1, 2, 3))
    assert torch.allclose(levels, torch.tensor([30.0, 102.0, 10.0, 111.0, 132.0]), atol=2)


def test_originals_stay_as_they_are_when_versions_are_made(data, styles):
    training = training_set(data, TINY, OPTIONS)
    before = training.pictures.clone()
    camera_styles(str(styles), data, training, OPTIONS)(torch.tensor([0, 0]), torch.tensor([1, 2]))
    assert torch.equal(training.pictures, before)


def test_missing_files_are_counted_and_the_first_ones_named(data, styles):
    names = sorted(path.name for path in styles.iterdir())
    for name in names[:5]:
        (styles / name).unlink()
    with pytest.raises(GclError, match="lacks 5 of 8") as raised:
        camera_styles(str(styles), data, training_set(data, TINY, OPTIONS), OPTIONS)
    assert names[0] in raised.value.problem and raised.value.problem.endswith("...")
    assert "--camstyle" in raised.value.fix


def test_a_folder_that_is_not_there_is_refused(data, tmp_path):
    with pytest.raises(GclError, match="no such folder"):
        camera_styles(str(tmp_path / "nowhere"), data, training_set(data, TINY, OPTIONS), OPTIONS)
    with pytest.raises(GclError, match="no such folder"):
        styles_digest(str(tmp_path / "nowhere"))


def test_pictures_of_unknown_cameras_have_no_styles(tmp_path, styles):
    paint(tmp_path / "plain" / "somebody.jpg", 5)
    plain = open_other(tmp_path / "plain", allow_subset=False)
    with pytest.raises(GclError, match=r"cameras .* unknown"):
        camera_styles(str(styles), plain, training_set(plain, TINY, OPTIONS), OPTIONS)


def test_the_digest_of_a_folder_changes_with_its_files(styles):
    before = styles_digest(str(styles))
    assert styles_digest(str(styles)) == before
    next(styles.iterdir()).unlink()
    assert styles_digest(str(styles)) != before


def test_training_pictures_have_times_where_names_say_so(data, tmp_path):
    training = training_set(data, TINY, OPTIONS)
    assert training.times is not None and training.times.tolist() == [451, 1, 1 + 5, 1] and training.slots is None
    paint(tmp_path / "plain" / "somebody.jpg", 5)
    plain = open_other(tmp_path / "plain", allow_subset=False)
    assert training_set(plain, TINY, OPTIONS).times is None


def test_times_of_test_pictures_begin_where_training_sequences_end(data):
    times = times_of(data)
    assert times.gallery.times.tolist() == [451, 1, 6, 1] and times.train.cameras.tolist() == [1, 2, 2, 4]


def test_times_that_no_name_tells_are_missed_by_name(tmp_path):
    for split in ("bounding_box_train", "query", "bounding_box_test"):
        paint(tmp_path / "repacked" / split / "0000_c14_0030.jpg", 5)
    with pytest.raises(GclError, match="frame number") as raised:
        times_of(open_other(tmp_path / "repacked", allow_subset=False))
    assert "0000_c14_0030.jpg" in raised.value.problem and "--temporal" in raised.value.fix


def test_pictures_of_one_name_in_two_folders_have_styled_ones_of_their_own():
    samples = [Sample("a/0001.jpg", 1, 1), Sample("b/0001.jpg", 2, 1), Sample("b/0002.jpg", 2, 1)]
    names = styled_names(samples, torch.tensor([1, 2]), "folder")
    assert names == ["a/0001_fake_1to2.jpg", "b/0001_fake_1to2.jpg", "0002_fake_1to2.jpg"]
    twins = [Sample("0001.jpg", 1, 1), Sample("0001.png", 2, 1)]
    assert len(set(styled_names(twins, torch.tensor([1, 2]), "folder"))) == 2
