import io
import json
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from gcl_cli.body.model import load_body
from gcl_cli.errors import GclError
from gcl_cli.synth.cameras import camera
from gcl_cli.synth.identities import TOPS
from gcl_cli.synth.population import (
    by_person,
    camera_of,
    described_cameras,
    described_people,
    draw,
    draw_all,
    plan,
)
from gcl_cli.synth.scenes import SCENES

MARKET_NAME = re.compile(r"(bounding_box_train|query|bounding_box_test)/(\d{4})_c(\d+)s(\d+)_(\d{6})_(\d{2})\.jpg")


@pytest.fixture(scope="module")
def shots():
    return plan(ids=20, cameras=4, images=3, shift=0.65, seed=5)


@pytest.fixture(scope="module")
def drawings(shots):
    return draw_all(shots[::9])


def test_names_follow_the_market_grammar_and_are_unique(shots):
    for shot in shots:
        folder, label, camera_number, sequence, frame, _ = MARKET_NAME.fullmatch(shot.name).groups()
        assert (int(label), int(camera_number), int(frame)) == (shot.label, shot.camera, shot.frame)
        assert sequence == "1" or shot.label == 0
        assert folder == {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}[shot.split]
    assert len({shot.name for shot in shots}) == len(shots)


def test_names_stay_unique_when_many_distractors_share_label_zero():
    names = [shot.name for shot in plan(ids=600, cameras=2, images=2, shift=0, seed=0)]
    assert len(set(names)) == len(names)
    assert all(MARKET_NAME.fullmatch(name) for name in names)


def test_no_person_is_in_both_training_and_test(shots):
    train = {shot.person for shot in shots if shot.split == "train"}
    test = {shot.person for shot in shots if shot.split != "train"}
    assert not train & test
    assert len(train) == 10
    assert {shot.label for shot in shots if shot.split == "query"} == set(range(2, 21, 2))


def test_every_test_person_has_one_query_for_each_camera(shots):
    queries = Counter((shot.person, shot.camera) for shot in shots if shot.split == "query")
    assert len(queries) == 10 * 4
    assert set(queries.values()) == {1}
    for person, number in queries:
        others = [s for s in shots if s.split == "gallery" and s.person == person and s.camera != number]
        assert others, "a query needs a match by another camera"


def test_distractors_are_other_people_seen_a_few_times_by_one_camera_in_the_gallery_alone(shots):
    distractors = [shot for shot in shots if shot.label == 0]
    assert {shot.split for shot in distractors} == {"gallery"}
    assert not {shot.person for shot in distractors} & {shot.person for shot in shots if shot.label}
    pictures = Counter(shot.person for shot in distractors)
    assert len(pictures) == 20
    assert set(pictures.values()) == {1, 2, 3}
    assert len({(shot.person, shot.camera) for shot in distractors}) == 20
    assert len({shot.camera for shot in distractors}) == 4


def test_as_many_distractors_as_asked_for_and_none_of_them_changes_anybody_else(shots):
    for count in (0, 7):
        some = plan(ids=20, cameras=4, images=3, shift=0.65, seed=5, distractors=count)
        assert len({shot.person for shot in some if shot.label == 0}) == count
        assert set(some) <= set(shots)
        assert {shot for shot in shots if shot.label} <= set(some)


def test_without_labels_the_same_pictures_have_names_that_say_nothing(shots):
    plain = plan(ids=20, cameras=4, images=3, shift=0.65, seed=5, labels=False)
    assert {shot.split for shot in plain} == {"train"}
    assert sorted(shot.name for shot in plain) == [f"images/{number:06d}.jpg" for number in range(len(shots))]
    pictures = [(shot.person, shot.camera, shot.number) for shot in plain]
    assert sorted(pictures) == sorted((shot.person, shot.camera, shot.number) for shot in shots)
    by_name = [shot.person for shot in sorted(plain, key=lambda shot: shot.name)]
    neighbours_alike = np.mean([first == second for first, second in pairwise(by_name)])
    assert neighbours_alike < 0.15, "pictures of one person do not lie side by side"
    assert next(draw(plain[:1]))[1] == next(draw(shots[:1]))[1]


def test_private_scenes_belong_to_one_camera_each_and_change_backgrounds_alone():
    shared, private = (
        plan(ids=2, cameras=4, images=2, shift=0.5, seed=1, private_scenes=private) for private in (False, True)
    )
    scenes = [camera_of(shot).scenes for shot in private[:8:2]]
    assert all(len(own) == 1 for own in scenes)
    assert len(set(scenes)) == 4
    assert not {number for own in scenes for number in own} & set(range(SCENES))
    (_, first, true), (_, second, also_true) = next(draw(shared)), next(draw(private))
    assert first != second
    assert np.array_equal(true.pose, also_true.pose)


def test_more_people_extend_a_set_without_changing_it(shots):
    larger = {shot for shot in plan(ids=30, cameras=4, images=3, shift=0.65, seed=5)}
    assert set(shots) < larger


@pytest.mark.parametrize("wrong", [{"ids": 1}, {"ids": 10_000}, {"cameras": 1}, {"images": 1}, {"shift": 1.5}])
def test_a_set_that_cannot_be_evaluated_is_refused_with_the_option_to_change(wrong):
    settings = {"ids": 4, "cameras": 2, "images": 2, "shift": 0.5, "seed": 0} | wrong
    with pytest.raises(GclError) as refusal:
        plan(**settings)
    assert f"--{next(iter(wrong))}" in refusal.value.fix


def test_the_same_shots_give_the_same_bytes_whatever_else_is_drawn(shots, drawings):
    backwards = draw_all(shots[::9][::-1][:5])
    for (shot, file, truth), (same, again, truth_again) in zip(drawings[::-1], backwards, strict=False):
        assert shot == same
        assert file == again
        assert np.array_equal(truth.pose, truth_again.pose)
        assert np.array_equal(truth.camera, truth_again.camera)


def test_another_seed_gives_other_pictures_of_the_same_plan():
    first, second = (next(draw(plan(ids=2, cameras=2, images=2, shift=0.5, seed=seed)))[1] for seed in (1, 2))
    assert first != second


def test_pictures_are_64_by_128_colour_jpegs_of_natural_contrast(drawings):
    for _, file, _ in drawings:
        picture = Image.open(io.BytesIO(file))
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (64, 128), "RGB")
        assert 8 < np.asarray(picture).std() < 110


def test_work_units_hold_one_person_each_and_lose_nothing(shots):
    units = by_person(shots[::-1])
    assert [len({shot.person for shot in unit}) for unit in units] == [1] * 40
    assert sorted((shot for unit in units for shot in unit), key=lambda s: s.name) == sorted(
        shots, key=lambda s: s.name
    )


def test_truth_projects_the_body_into_the_crop(drawings):
    body = load_body()
    for shot, _, truth in drawings:
        rotations = body.world_rotations(truth.pose[None])
        betas = truth.betas[None]
        vertices = body.skin(rotations, body.place(rotations, betas), betas)[0]
        scale, across, down = truth.camera
        x, y = scale * vertices[:, 0] + across, scale * vertices[:, 1] + down
        inside = (x > -2) & (x < 66) & (y > -8) & (y < 136)
        assert inside.mean() > 0.9, shot.name
        assert 75 < y.max() - y.min() < 135, shot.name


def test_yaw_of_the_truth_is_where_the_pelvis_faces(drawings):
    body = load_body()
    for _, _, truth in drawings:
        facing = body.world_rotations(truth.pose[None])[0, 0] @ np.array([0, 0, -1])
        degrees = np.degrees(np.arctan2(-facing[0], -facing[2])) % 360
        assert abs((degrees - truth.yaw + 180) % 360 - 180) < 12


def test_the_truth_says_how_much_of_a_person_is_seen(drawings):
    for column in ("occluded", "cut", "second_person"):
        shares = np.array([getattr(truth, column) for *_, truth in drawings])
        assert shares.min() >= 0
        assert shares.max() < 0.7
        assert np.count_nonzero(shares) < len(shares)
    assert any(truth.occluded > 0.02 for *_, truth in drawings)
    assert any(truth.second_person > 0.02 for *_, truth in drawings)


def test_people_and_cameras_are_described_in_plain_values(shots):
    people, cameras = described_people(shots), described_cameras(shots)
    assert set(people) == {str(shot.person) for shot in shots}
    assert set(cameras) == {"1", "2", "3", "4"}
    again = json.loads(json.dumps({"people": people, "cameras": cameras}))
    assert again["people"]["3"]["top"]["kind"] in TOPS
    assert len(again["people"]["3"]["top"]["colour"]) == 3
    assert again["cameras"]["2"]["quality"] == camera(5, 2, shift=0.65).quality


def test_cameras_see_people_from_all_sides(drawings):
    headings = [heading for number in range(1, 13) for heading in camera(3, number, shift=0.5).headings]
    assert len({int(np.degrees(heading) % 360 // 45) for heading in headings}) == 8
    assert len({int(truth.yaw // 90) for _, _, truth in drawings}) == 4
