"""What a data set is, by its folders: no spelling and no depth makes a test picture train."""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.datasets.catalogue import open_dataset
from gcl_cli.datasets.dataset import Dataset
from gcl_cli.datasets.splits import VALIDATION, placed, sounds_like_a_test, split_of
from gcl_cli.errors import GclError

SAID = {
    "train": "bounding_box_train bbox_train image_train images-train train Train TRAIN training trainset train_all "
             "trainval mask_train_v2 Market1501_train train2017 imgs.train",
    "query": "query Query queries image_query probe probes TestQuery test_query query_images",
    "gallery": "bounding_box_test bbox_test image_test test tests testing testset gallery Gallery test_gallery",
    VALIDATION: "val valid validation val_query",
    None: "0001 cam1 images Market-1501-v15.09.15 train_station testament contest gt_bbox multi-query latest traintest "
          "ingallery \u0442\u0435\u0441\u0442 test\u00e9",
}  # fmt: skip
SPELLINGS = {split: names.split() for split, names in SAID.items()}


@pytest.mark.parametrize(("split", "folder"), [(split, name) for split in SPELLINGS for name in SPELLINGS[split]])
def test_a_folder_is_known_by_any_usual_spelling_and_by_no_other(split, folder):
    assert split_of(folder) == split


@pytest.mark.parametrize("folder", ["partial_query_v3", "multi-query", "TestCam", "my test 3", "old.gallery"])
def test_other_names_with_a_word_for_tests_sound_like_them(folder):
    assert split_of(folder) is None and sounds_like_a_test(folder)


@pytest.mark.parametrize("folder", ["contest", "latest", "greatest hits", "bounding_box_train", "cam1"])
def test_words_that_hold_such_a_word_do_not(folder):
    assert not sounds_like_a_test(folder)


def fill(root: Path, names) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def accounted(dataset: Dataset) -> int:
    """The pictures in its splits, and those that its notes count as left out."""
    return sum(map(len, dataset.splits.values())) + sum(note.left_out for note in dataset.notes)


MARKET, GENERIC = "{person:04d}_c{camera}s1_{number:06d}_00.jpg", "{person:04d}_c{camera:03d}_{number:08d}_0.jpg"
DUKE, CAMERA, NAMELESS = "{person:04d}_c{camera}_f{number:07d}.jpg", "cam{camera}_{number}.png", "IMG_{number}.JPG"
NAMES = st.sampled_from([MARKET, GENERIC, DUKE, CAMERA, NAMELESS])
INSIDE = st.sampled_from(["", "{person:04d}/", "cam{camera}/", "cam{camera}/{person}/"])
WORDS = {split: st.sampled_from(SPELLINGS[split]) for split in ("train", "query", "gallery")}


@st.composite
def trees(draw) -> list[str]:
    """Pictures of a data set with splits of any spelling, somewhere below its folder, some with odd names beside."""
    deep = draw(st.sampled_from(["", "set/", "reid-data/market1501/", "a/b/c/"]))
    inside, name, odd = draw(INSIDE), draw(NAMES), draw(NAMES)
    pictures, number = [], 0
    for split in draw(st.sets(st.sampled_from(["train", "query", "gallery"]), min_size=1)):
        folder = draw(WORDS[split])
        for person in (1, 2, 3):
            for camera in (2, 11):
                number += 1
                form = inside + (odd if draw(st.integers(0, 9)) == 0 else name)
                pictures.append(deep + f"{folder}/" + form.format(person=person, camera=camera, number=number))
    for extra in draw(st.sets(st.sampled_from(["gt_bbox/a.jpg", "multi-query/b.jpg", "val/c.jpg", "readme.jpg"]))):
        pictures.append(deep + extra)
    return pictures


def true_split(name: str) -> str | None:
    return next((split for part in name.split("/")[:-1] if (split := split_of(part))), None)


def check_tree(pictures: list[str], allow_subset: bool) -> None:
    """Every picture is used as what it is or counted as left out, or the folder is refused in words."""
    with tempfile.TemporaryDirectory() as folder:
        root = fill(Path(folder) / "data", pictures)
        try:
            dataset = open_dataset(root, allow_subset=allow_subset)
        except GclError as error:
            assert error.problem and error.fix
            return
        base = dataset.root.relative_to(root).as_posix().removeprefix(".")
        for split, samples in dataset.splits.items():
            names = [f"{base}/{sample.name}".lstrip("/") for sample in samples]
            assert {true_split(name) for name in names} == {split} and set(names) <= set(pictures)
        assert accounted(dataset) == len(pictures)
        assert all(s.person is not None for split in ("query", "gallery") for s in dataset.splits.get(split, ()))


@settings(max_examples=40, deadline=None)
@given(trees(), st.booleans())
def test_pictures_are_used_as_what_they_are(pictures, allow_subset):
    check_tree(pictures, allow_subset)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(trees(), st.booleans())
def test_pictures_are_used_as_what_they_are_in_very_many_trees(pictures, allow_subset):
    check_tree(pictures, allow_subset)


def test_layumis_folders_train_on_all_training_pictures_and_on_nothing_else(tmp_path):
    splits = {"train_all": (1, 2), "train": (1,), "val": (2,), "query": (3,), "gallery": (3,), "multi-query": (3,)}
    names = [
        f"pytorch/{split}/{p:04d}/{p:04d}_c{c}s1_000001_00.jpg"
        for split in splits
        for p in splits[split]
        for c in (1, 2)
    ]
    dataset = open_dataset(fill(tmp_path / "crops", names), allow_subset=False)
    assert dataset.root == tmp_path / "crops/pytorch"
    assert [sample.name.split("/")[0] for sample in dataset.splits["train"]] == ["train_all"] * 4
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 4, "query": 2, "gallery": 2}
    assert accounted(dataset) == len(names)


def test_veris_folders_and_names_are_known(tmp_path):
    names = [
        f"{folder}/0001_c{c:03d}_00016450_0.jpg"
        for folder in ("image_train", "image_query", "image_test")
        for c in (1, 12)
    ]
    dataset = open_dataset(fill(tmp_path / "VeRi", names), allow_subset=False)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 2, "query": 2, "gallery": 2}
    assert [sample.camera for sample in dataset.splits["train"]] == [1, 12]


def test_test_pictures_in_two_folders_of_one_are_query_and_gallery(tmp_path):
    names = [f"{place}/0001_c{c}s1_000001_00.jpg" for place in ("train", "test/query", "test/gallery") for c in (1, 2)]
    dataset = open_dataset(fill(tmp_path / "crops", names), allow_subset=False)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 2, "query": 2, "gallery": 2}


def test_two_folders_for_one_split_ask_which_is_meant(tmp_path):
    root = fill(tmp_path / "crops", ["train/0001_c1_1.jpg", "test/0001_c1_2.jpg", "gallery/0001_c1_3.jpg"])
    with pytest.raises(GclError, match="gallery and test are both the gallery pictures"):
        open_dataset(root, allow_subset=False)


def test_a_folder_of_crops_with_a_set_in_it_names_both(tmp_path):
    root = fill(tmp_path / "crops", [f"{i}.jpg" for i in range(9)] + ["market/query/0001_c1_1.jpg"])
    with pytest.raises(GclError, match="holds a data set in market, and 9 pictures beside it") as caught:
        open_dataset(root, allow_subset=False)
    assert str(root / "market") in caught.value.fix


def test_many_pictures_beside_the_splits_stop_the_command_and_few_are_counted(tmp_path):
    root = fill(tmp_path / "crops", ["train/0001_c1_1.jpg", "a.jpg", "b.jpg", "new/c.jpg"])
    dataset = open_dataset(root, allow_subset=False)
    assert any(str(note).startswith("3 pictures are in no folder that trains or is searched") for note in dataset.notes)
    fill(root, ["new/d.jpg"])
    with pytest.raises(GclError, match=r"has 4 pictures beside .*: a\.jpg, b\.jpg, new/c\.jpg and 1"):
        open_dataset(root, allow_subset=False)
    assert accounted(open_dataset(root, allow_subset=True)) == 5


def test_a_folder_that_sounds_like_a_test_never_trains_in_silence(tmp_path):
    root = fill(tmp_path / "crops", ["site/a.jpg", "partial_query_v3/b.jpg"])
    with pytest.raises(GclError, match="partial_query_v3 sounds like pictures to test with") as caught:
        open_dataset(root, allow_subset=False)
    assert "--allow-subset to train on all 2 pictures" in caught.value.fix
    assert len(open_dataset(root, allow_subset=True).splits["train"]) == 2


def test_names_of_no_style_are_left_out_where_they_are_few_and_else_stop_the_command(tmp_path):
    sound = [f"{folder}/0001_c{c}s1_00000{c}_00.jpg" for folder in ("train", "query", "gallery") for c in range(1, 9)]
    root = fill(tmp_path / "crops", [*sound, "query/x1.jpg", "query/x2.jpg", "query/x3.jpg"])
    dataset = open_dataset(root, allow_subset=False)
    assert len(dataset.splits["query"]) == 8 and accounted(dataset) == 27
    fill(root, ["query/x4.jpg"])
    with pytest.raises(GclError, match=r"4 of 12 pictures in .*query have names of no known style") as caught:
        open_dataset(root, allow_subset=False)
    assert "--person-from" in caught.value.fix and "--allow-subset" in caught.value.fix
    assert accounted(open_dataset(root, allow_subset=True)) == 28


def test_training_pictures_need_no_name_and_a_searched_one_does(tmp_path):
    root = fill(tmp_path / "crops", [f"train/{i}.jpg" for i in range(9)])
    assert len(open_dataset(root, allow_subset=False).splits["train"]) == 9
    fill(root, [f"query/{i}.jpg" for i in range(9)])
    with pytest.raises(GclError, match="query holds no usable picture") as caught:
        open_dataset(root, allow_subset=False)
    assert "--person-from" in caught.value.fix


def test_cameras_without_people_train_and_nothing_is_evaluated(tmp_path):
    names = [
        f"{folder}/-1_c{c}s1_000001_00.jpg"
        for folder in ("bounding_box_train", "query", "bounding_box_test")
        for c in (1, 2)
    ]
    dataset = open_dataset(fill(tmp_path / "crops", names), allow_subset=False)
    assert [(s.person, s.camera) for s in dataset.splits["train"]] == [(None, 1), (None, 2)]
    assert list(dataset.splits) == ["train"] and accounted(dataset) == 6
    assert any("nothing to evaluate on" in note.found for note in dataset.notes)


def test_a_linked_split_is_followed_and_a_link_that_leads_back_is_not(tmp_path):
    names = ["bounding_box_train/0001_c1s1_000001_00.jpg", "bounding_box_test/0001_c2s1_000001_00.jpg"]
    root, elsewhere = fill(tmp_path / "crops", names), fill(tmp_path / "disk", ["0001_c1s1_000009_00.jpg"])
    (root / "query").symlink_to(elsewhere)
    (root / "test").symlink_to(root)
    dataset = open_dataset(root, allow_subset=False)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 1, "query": 1, "gallery": 1}
    wrapper = tmp_path / "wrapper"
    wrapper.mkdir()
    (wrapper / "market").symlink_to(root)
    assert open_dataset(wrapper, allow_subset=False).splits == dataset.splits


def test_the_expressions_that_a_refusal_prints_read_the_names_that_are_likeliest(tmp_path):
    names = [
        f"{split}/{p:04d}_{c}_{p}{c}.png" for split in ("train", "query", "gallery") for p in (1, 2) for c in (1, 2)
    ]
    root = fill(tmp_path / "cuhk", names)
    with pytest.raises(GclError, match="query holds no usable picture") as caught:
        open_dataset(root, allow_subset=False)
    person, camera = re.findall("-from '([^']+)'", caught.value.fix)
    dataset = open_dataset(root, allow_subset=False, person_from=person, camera_from=camera)
    assert [(s.person, s.camera) for s in dataset.splits["query"]] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_the_page_about_pictures_names_folders_as_they_are_read():
    page = (Path(__file__).parents[2] / "docs/pictures.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (training|query|gallery|left out) \| (.*) \|$", page, re.MULTILINE))
    for title, split in (("training", "train"), ("query", "query"), ("gallery", "gallery")):
        for folder in re.findall("`([^`]+)`", rows[title]):
            assert placed(folder)[1:] == (split, folder)
    for folder in re.findall("`([^`]+)`", rows["left out"]):
        assert split_of(folder) in (None, VALIDATION)
