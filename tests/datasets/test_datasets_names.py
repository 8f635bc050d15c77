import pytest

from gcl_cli.datasets import dukemtmc, market1501, msmt17
from gcl_cli.datasets.dataset import is_picture
from gcl_cli.records import Sample


def test_market1501_name_carries_person_camera_sequence_and_frame():
    name = "bounding_box_train/0002_c1s3_000451_03.jpg"
    assert market1501.parse(name) == Sample(name, person=2, camera=1, frame=451, slot="s3")


@pytest.mark.parametrize(("name", "person"), [("-1_c2s1_000301_01.jpg", -1), ("0000_c6s1_000301_01.jpg", 0)])
def test_market1501_junk_and_distractors_keep_their_numbers(name, person):
    assert market1501.parse(name).person == person


def test_dukemtmc_name_carries_person_camera_and_frame():
    assert dukemtmc.parse("0001_c2_f0046182.jpg") == Sample("0001_c2_f0046182.jpg", 1, 2, 46182)


@pytest.mark.parametrize("ending", [".jpg", "_ex.jpg"])
def test_msmt17_name_carries_person_camera_slot_and_time(ending):
    name = f"train/0007/0007_000_01_0303morning_0008_0{ending}"
    assert msmt17.parse(name) == Sample(name, person=7, camera=1, frame=8, slot="0303morning")


def test_repacked_msmt17_name_carries_person_and_camera_alone():
    assert msmt17.parse_market("query/0000_c14_0030.jpg") == Sample("query/0000_c14_0030.jpg", 0, 14)


@pytest.mark.parametrize("parse", [market1501.parse, dukemtmc.parse, msmt17.parse, msmt17.parse_market])
@pytest.mark.parametrize("name", ["0002_c1s1_000451_03/portrait.jpg", "portrait.jpg", "c1_0002.jpg"])
def test_only_the_base_name_is_matched(parse, name):
    assert parse(name) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.jpg", True), ("b/A.JPEG", True), ("a.webp", True), ("Thumbs.db", False), ("._a.jpg", False), ("jpg", False)],
)
def test_pictures_are_known_by_their_ending(name, expected):
    assert is_picture(name) is expected
