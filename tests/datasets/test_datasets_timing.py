"""Times of pictures from their names."""

import pytest

from gcl_cli.datasets import dukemtmc, market1501, msmt17
from gcl_cli.datasets.timing import sequence_starts, timing
from gcl_cli.records import Sample

# The largest training frame of every sequence of Market-1501's camera 1; its offsets are their running sums.
CAMERA_1 = {1: 72_506, 2: 74_546, 3: 74_881, 4: 74_361, 5: 74_766, 6: 56_361}
OFFSETS_1 = (0, 72_506, 147_052, 221_933, 296_294, 371_060)


def market(*names: str) -> list[Sample]:
    return [sample for name in names if (sample := market1501.parse(name)) is not None]


def camera_1() -> list[Sample]:
    largest = market(*(f"0002_c1s{sequence}_{frame:06d}_01.jpg" for sequence, frame in CAMERA_1.items()))
    return [*market("0002_c1s2_000010_01.jpg", "0004_c2s1_099999_01.jpg"), *largest]


def test_sequences_of_market_follow_one_another():
    found = timing(market(*(f"0007_c1s{s}_000000_00.jpg" for s in range(1, 7))), camera_1(), layout="market1501")
    assert found is not None and tuple(found.times) == OFFSETS_1 and found.slots is None


def test_frames_are_added_to_the_start_of_their_sequence():
    found = timing(market("0007_c1s3_000451_03.jpg", "0007_c2s1_000012_00.jpg"), camera_1(), layout="market1501")
    assert found is not None and found.times.tolist() == [147_052 + 451, 12]


def test_a_sequence_that_training_does_not_have_follows_the_ones_it_has():
    asked = market("0000_c1s9_000005_00.jpg", "0000_c5s2_000005_00.jpg")
    found = timing(asked, camera_1(), layout="market1501")
    assert found is not None and found.times.tolist() == [sum(CAMERA_1.values()) + 5, 5]


def test_sequences_are_ordered_by_number():
    samples = market("0002_c1s10_000007_01.jpg", "0002_c1s9_000005_01.jpg", "0002_c1s9_000003_01.jpg")
    assert sequence_starts(samples) == {1: [(9, 5), (10, 7)]}


def test_duke_frames_are_times_as_they_are():
    sample = dukemtmc.parse("0001_c2_f0046182.jpg")
    assert sample is not None
    found = timing([sample], [sample], layout="dukemtmc")
    assert found is not None and found.times.tolist() == [46_182] and found.slots is None


@pytest.mark.parametrize("layout", ["msmt17-v1", "msmt17-v2"])
def test_msmt_times_count_within_slots_that_keep_their_number_between_splits(layout):
    names = ("0000_000_01_0303morning_0008_0.jpg", "0000_001_05_0303noon_0031_0_ex.jpg")
    first, second = (msmt17.parse(name) for name in names)
    other = msmt17.parse("0000_001_05_0113noon_1946_0.jpg")
    assert first is not None and second is not None and other is not None
    train, test = timing([first, second], [], layout=layout), timing([other, second], [], layout=layout)
    assert train is not None and train.slots is not None and train.times.tolist() == [8, 31]
    assert test is not None and test.slots is not None and test.times.tolist() == [1946, 31]
    assert train.slots[1] == test.slots[1] and len({*train.slots, *test.slots}) == 3


@pytest.mark.parametrize("layout", ["msmt17-market", "plain", "market1501", "dukemtmc", "msmt17-v1"])
def test_names_without_frames_have_no_times(layout):
    assert timing([Sample("0000_c14_0030.jpg", 0, 14)], [], layout=layout) is None


def test_one_picture_without_a_frame_leaves_all_without_times():
    samples = [*camera_1(), Sample("0002_c1_x.jpg", 2, 1)]
    assert timing(samples, camera_1(), layout="market1501") is None
