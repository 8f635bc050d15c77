from pathlib import Path

import numpy as np
import pytest

from gcl_cli.datasets import known_sets
from gcl_cli.datasets.catalogue import open_dataset, resolve
from gcl_cli.datasets.dataset import camera_numbers, person_numbers, require_split
from gcl_cli.datasets.known_sets import KNOWN_SETS, Count, KnownSet, count
from gcl_cli.errors import GclError

MARKET = (
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/0007_c2s1_000001_01.jpg",
    "query/0001_c1s1_000001_00.jpg",
    "bounding_box_test/0001_c2s1_000002_00.jpg",
    "bounding_box_test/0000_c2s1_000002_00.jpg",
    "bounding_box_test/-1_c3s1_000003_00.jpg",
    "bounding_box_test/Thumbs.db",
)


def fill(root: Path, names) -> Path:
    """Empty files: reading a data set's names must not open a picture."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def msmt17(root: Path, folders=("train", "test"), lists=("train", "val", "query", "gallery")) -> Path:
    pictures = {
        "train": "0000/0000_000_01_0303morning_0008_0.jpg",
        "val": "0001/0001_000_02_0114noon_0009_0_ex.jpg",
        "query": "0000/0000_000_03_0113afternoon_0001_0.jpg",
        "gallery": "0000/0000_001_15_0302morning_0002_1.jpg",
    }
    folder_of = {"train": folders[0], "val": folders[0], "query": folders[1], "gallery": folders[1]}
    for split, name in pictures.items():
        fill(root / folder_of[split], [name])
        if split in lists:
            (root / f"list_{split}.txt").write_text(f"{name} {int(name[:4])}\n")
    return root


def set_counts(monkeypatch, name, counts):
    known = KNOWN_SETS[name]
    changed = KnownSet(known.title, known.spellings, known.layouts, counts)
    monkeypatch.setitem(known_sets.KNOWN_SETS, name, changed)


TINY_MARKET = {"train": Count(2, 2, 2, (1, 1)), "query": Count(1, 1, 1, (1,)), "gallery": Count(2, 2, 1, (2,))}


def test_market_style_gives_sorted_splits_without_junk_and_with_distractors(tmp_path):
    dataset = open_dataset(fill(tmp_path / "crops", MARKET), allow_subset=False)
    assert (dataset.name, dataset.layout) == ("crops", "market1501")
    assert [sample.name for sample in dataset.splits["train"]] == list(MARKET[:2])
    assert [sample.person for sample in dataset.splits["gallery"]] == [0, 1]
    assert any("1 junk" in remark for remark in dataset.remarks)
    assert any("taken as it is" in remark for remark in dataset.remarks)


def test_names_that_do_not_match_are_left_out_and_named(tmp_path):
    dataset = open_dataset(fill(tmp_path / "crops", [*MARKET, "query/me.jpg"]), allow_subset=False)
    assert len(dataset.splits["query"]) == 1
    assert any("query/me.jpg" in remark for remark in dataset.remarks)


def test_a_split_with_no_matching_name_is_an_error(tmp_path):
    with pytest.raises(
        GclError, match=r"query holds no usable picture: names like 0002_c1s1_000451_03\.jpg.*such as me\.jpg"
    ):
        open_dataset(fill(tmp_path / "crops", [*MARKET[:2], "query/me.jpg"]), allow_subset=False)


def test_an_empty_split_folder_is_an_error(tmp_path):
    root = fill(tmp_path / "crops", MARKET[:2])
    (root / "query").mkdir()
    with pytest.raises(GclError, match="query holds no pictures"):
        open_dataset(root, allow_subset=False)


def test_dukemtmc_style_is_known_by_its_names(tmp_path):
    names = ["bounding_box_train/0001_c2_f0046182.jpg", "query/0005_c8_f0000001.jpg"]
    dataset = open_dataset(fill(tmp_path / "crops", names), allow_subset=False)
    assert dataset.layout == "dukemtmc"
    assert dataset.splits["query"][0].frame == 1
    assert any("withdrawn" in remark for remark in dataset.remarks)


def test_repacked_msmt17_is_known_by_its_names(tmp_path):
    names = ["bounding_box_train/0000_c1_0000.jpg", "bounding_box_test/0000_c14_0030.jpg"]
    dataset = open_dataset(fill(tmp_path / "crops", names), allow_subset=False)
    assert dataset.layout == "msmt17-market"
    assert any("JVTC+" in remark for remark in dataset.remarks)


@pytest.mark.parametrize(
    ("folders", "layout"), [(("train", "test"), "msmt17-v1"), (("mask_train_v2", "mask_test_v2"), "msmt17-v2")]
)
def test_msmt17_lists_give_the_splits_with_validation_merged_into_training(tmp_path, folders, layout):
    dataset = open_dataset(msmt17(tmp_path / "crops", folders), allow_subset=False)
    assert dataset.layout == layout
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 2, "query": 1, "gallery": 1}
    first = dataset.splits["train"][0]
    assert first.name == f"{folders[0]}/0000/0000_000_01_0303morning_0008_0.jpg"
    assert (first.person, first.camera, first.frame, first.slot) == (0, 1, 8, "0303morning")
    assert [sample.camera for sample in dataset.splits["gallery"]] == [15]


def test_msmt17_pictures_that_are_listed_but_missing_need_a_subset(tmp_path):
    root = msmt17(tmp_path / "crops")
    (root / "train/0001/0001_000_02_0114noon_0009_0_ex.jpg").unlink()
    with pytest.raises(GclError, match=r"0001_000_02.*\n.*allow-subset") as caught:
        open_dataset(root, allow_subset=False)
    assert "1 pictures of list_train.txt and list_val.txt" in caught.value.problem
    dataset = open_dataset(root, allow_subset=True)
    assert len(dataset.splits["train"]) == 1
    assert any("left out" in remark for remark in dataset.remarks)


def test_msmt17_picture_listed_twice_is_an_error(tmp_path):
    root = msmt17(tmp_path / "crops")
    (root / "list_val.txt").write_text((root / "list_train.txt").read_text())
    with pytest.raises(GclError, match=r"listed twice in list_train\.txt and list_val\.txt"):
        open_dataset(root, allow_subset=False)


@pytest.mark.parametrize("line", ["portrait.jpg 0", "0000/0000_000_01_0303morning_0008_0.jpg"])
def test_msmt17_list_line_in_another_form_is_an_error(tmp_path, line):
    root = msmt17(tmp_path / "crops")
    (root / "list_query.txt").write_text(f"\n{line}\n")
    with pytest.raises(GclError, match=r"Line 2 of .*list_query\.txt"):
        open_dataset(root, allow_subset=False)


def test_msmt17_of_both_versions_in_one_folder_is_an_error(tmp_path):
    root = msmt17(msmt17(tmp_path / "crops"), ("mask_train_v2", "mask_test_v2"))
    with pytest.raises(GclError, match="both versions' folders"):
        open_dataset(root, allow_subset=False)


def test_masked_pictures_without_lists_are_an_error_and_not_a_plain_folder(tmp_path):
    root = msmt17(tmp_path / "crops", ("mask_train_v2", "mask_test_v2"), lists=())
    with pytest.raises(GclError, match="none of its list files"):
        open_dataset(root, allow_subset=False)


def test_two_styles_in_one_folder_are_an_error(tmp_path):
    with pytest.raises(GclError, match="holds two data sets"):
        open_dataset(fill(msmt17(tmp_path / "crops"), MARKET), allow_subset=False)


def test_a_plain_folder_trains_without_labels(tmp_path):
    names = ["b.jpg", "deep/er/a.PNG", "deep/c.webp", "notes.txt", ".hidden/x.jpg", "._b.jpg"]
    dataset = open_dataset(fill(tmp_path / "crops", names), allow_subset=False)
    assert dataset.layout == "plain"
    assert list(dataset.splits) == ["train"]
    assert [sample.name for sample in dataset.splits["train"]] == ["b.jpg", "deep/c.webp", "deep/er/a.PNG"]
    assert {(sample.person, sample.camera) for sample in dataset.splits["train"]} == {(None, None)}
    assert "without labels" in dataset.remarks[0]
    with pytest.raises(GclError, match="no query pictures"):
        require_split(dataset, "query")


def test_a_folder_without_pictures_is_an_error(tmp_path):
    with pytest.raises(GclError, match="holds no pictures"):
        open_dataset(tmp_path, allow_subset=False)


def test_a_data_set_within_a_folder_is_unwrapped_so_that_test_pictures_never_train(tmp_path):
    fill(tmp_path / "wrapped/inner", MARKET)
    dataset = open_dataset(tmp_path / "wrapped", allow_subset=False)
    assert dataset.root == tmp_path / "wrapped/inner"
    assert len(dataset.splits["train"]) == 2
    assert "inner" in dataset.remarks[0]
    fill(tmp_path / "wrapped/other", MARKET)
    with pytest.raises(GclError, match="several data sets: inner, other"):
        open_dataset(tmp_path / "wrapped", allow_subset=False)


@pytest.mark.parametrize("name", ["market", "Market-1501-v15.09.15", "Market1501", "market/Market-1501"])
def test_a_known_name_with_the_right_counts_is_that_set(tmp_path, monkeypatch, name):
    set_counts(monkeypatch, "market1501", TINY_MARKET)
    dataset = open_dataset(fill(tmp_path / name, MARKET), allow_subset=False)
    assert dataset.name == "market1501"
    assert not any("taken as it is" in remark for remark in dataset.remarks)


def test_a_known_name_with_other_counts_names_expected_and_found_and_how_to_go_on(tmp_path):
    root = fill(tmp_path / "Market-1501", MARKET)
    with pytest.raises(GclError) as caught:
        open_dataset(root, allow_subset=False)
    problem = caught.value.problem
    assert "train: expected 12,936 pictures of 751 people from 6 cameras (2017, 1709, 2707, 920, 2338, 3245)" in problem
    assert "found 2 pictures of 2 people from 2 cameras (1, 1)" in problem
    assert "query: expected 3,368" in problem
    assert "gallery: expected 15,913" in problem
    assert "--allow-subset" in caught.value.fix
    dataset = open_dataset(root, allow_subset=True)
    assert dataset.name == "market1501"
    assert any(problem.partition("differs: ")[2] in remark for remark in dataset.remarks)


def test_a_difference_in_one_camera_alone_is_found(tmp_path, monkeypatch):
    set_counts(monkeypatch, "market1501", TINY_MARKET | {"train": Count(2, 2, 2, (0, 2))})
    with pytest.raises(GclError, match=r"differs: train: expected .*\(0, 2\), found .*\(1, 1\)\.\n"):
        open_dataset(fill(tmp_path / "market", MARKET), allow_subset=False)


def test_a_known_name_on_another_style_is_an_error(tmp_path):
    with pytest.raises(GclError, match="layout: expected msmt17-v1 or msmt17-v2 or msmt17-market, found plain"):
        open_dataset(fill(tmp_path / "MSMT17_V1", ["a.jpg"]), allow_subset=False)


@pytest.mark.parametrize("known", KNOWN_SETS.values(), ids=list(KNOWN_SETS))
def test_published_counts_agree_with_themselves(known):
    for expected in known.counts.values():
        if expected.per_camera is not None:
            assert sum(expected.per_camera) == expected.images
            assert len(expected.per_camera) == expected.cameras


@pytest.mark.slow
def test_market1501_of_the_published_size_is_accepted(tmp_path):
    root = tmp_path / "market1501"
    folders = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
    for split, folder in folders.items():
        expected = KNOWN_SETS["market1501"].counts[split]
        cameras = np.repeat(np.arange(1, 7), expected.per_camera)
        people = np.arange(expected.images) % expected.people
        pairs = enumerate(zip(people, cameras, strict=True))
        fill(root, [f"{folder}/{person:04d}_c{camera}s1_{i:06d}_00.jpg" for i, (person, camera) in pairs])
    fill(root, [f"bounding_box_test/-1_c1s1_{i:06d}_00.jpg" for i in range(3819)])
    dataset = open_dataset(root, allow_subset=False)
    assert dataset.name == "market1501"
    assert count(dataset.splits["gallery"]) == KNOWN_SETS["market1501"].counts["gallery"]


def test_a_path_always_resolves(tmp_path):
    assert resolve(str(tmp_path), tmp_path / "nowhere") == tmp_path


@pytest.mark.parametrize(
    ("typed", "folder"),
    [
        ("market", "Market-1501-v15.09.15"),
        ("market1501", "market"),
        ("Market-1501", "market1501"),
        ("duke", "DukeMTMC-reID"),
        ("msmt17", "MSMT17_V2"),
        ("msmt17_v1", "MSMT17_V1"),
        ("my-crops", "My_Crops"),
        ("crops", "crops"),
    ],
)
def test_a_name_resolves_by_any_usual_spelling(tmp_path, typed, folder):
    for name in (folder, "unrelated"):
        (tmp_path / name).mkdir()
    assert resolve(typed, tmp_path) == tmp_path / folder


def test_an_edition_never_resolves_to_the_other_one(tmp_path):
    (tmp_path / "MSMT17_V2").mkdir()
    with pytest.raises(GclError, match=r"no data set 'msmt17_v1'.*found there: MSMT17_V2"):
        resolve("msmt17_v1", tmp_path)


def test_a_name_with_several_folders_asks_which(tmp_path):
    for name in ("MSMT17_V1", "MSMT17_V2"):
        (tmp_path / name).mkdir()
    with pytest.raises(GclError, match=r"may mean any of .*MSMT17_V1, .*MSMT17_V2"):
        resolve("msmt", tmp_path)


def test_an_unknown_name_says_what_was_looked_for_and_what_exists(tmp_path):
    (tmp_path / "duke").mkdir()
    with pytest.raises(GclError) as caught:
        resolve("market", tmp_path)
    assert "market1501v150915" in caught.value.problem
    assert "found there: duke" in caught.value.problem
    assert "--data-root" in caught.value.fix


def test_a_file_is_no_data_set(tmp_path):
    (tmp_path / "a.zip").touch()
    with pytest.raises(GclError, match="is a file"):
        resolve(str(tmp_path / "a.zip"), tmp_path)


def test_labels_as_arrays_with_unknown_cameras_as_minus_one(tmp_path):
    labelled = open_dataset(fill(tmp_path / "crops", MARKET), allow_subset=False).splits["train"]
    assert person_numbers(labelled).tolist() == [2, 7]
    assert camera_numbers(labelled).tolist() == [1, 2]
    plain = open_dataset(fill(tmp_path / "plain", ["a.jpg"]), allow_subset=False).splits["train"]
    assert camera_numbers(plain).tolist() == [-1]
    with pytest.raises(GclError, match=r"a\.jpg has no person"):
        person_numbers(plain)
