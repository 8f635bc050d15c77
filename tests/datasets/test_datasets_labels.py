"""Cameras and people: what names say, each for itself, and what --camera-from and --person-from find."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.datasets.catalogue import open_dataset
from gcl_cli.datasets.grammars import read_names
from gcl_cli.errors import GclError
from gcl_cli.records import Sample

FORMS = {
    "market1501": "{person:04d}_c{camera}s1_{number:06d}_00.jpg",
    "dukemtmc": "{person:04d}_c{camera}_f{number:07d}.jpg",
    "msmt17-v1": "{person:04d}_000_{camera:02d}_0303morning_{number:04d}_0.jpg",
    "msmt17-market": "{person:04d}_c{camera:03d}_{number:08d}.jpg",
}


def fill(root: Path, names) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def train(root: Path, **said) -> list[tuple[int | None, int | None]]:
    samples = open_dataset(root, allow_subset=False, **said).splits["train"]
    return [(sample.person, sample.camera) for sample in samples]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(FORMS)), st.integers(0, 9999), st.integers(0, 999), st.integers(0, 9999)),
        min_size=1, max_size=12, unique=True,
    )
)  # fmt: skip
def test_every_name_is_read_for_itself_whatever_stands_beside_it(rows):
    names = [FORMS[form].format(person=person, camera=camera, number=number) for form, person, camera, number in rows]
    layout, samples = read_names(names)
    assert [(s.name, s.person, s.camera) for s in samples] == [
        (name, person, camera) for name, (_, person, camera, _) in zip(names, rows, strict=True)
    ]
    assert samples == [read_names([name])[1][0] for name in names]
    forms = {form for form, *_ in rows}
    assert layout == (forms.pop() if len(forms) == 1 else "mixed")


@pytest.mark.parametrize(
    ("name", "person", "camera"),
    [
        ("0001_c012_00016450_0.jpg", 1, 12),  # VeRi
        ("0012C3T0001F001.jpg", 12, 3),  # MARS
        ("0001C6F0099X30823.jpg", 1, 6),  # DukeMTMC-VideoReID
        ("0002_c1s1_000451_03.jpg.jpg", 2, 1),
        ("0002_c1s1_000451_03", 2, 1),
        ("0002_c1s1_000451_03.jpg?w=200", 2, 1),
        ("7_cam12_a.png", 7, 12),
        ("7-camera_2.png", 7, 2),
        ("0002_C1S1_000451_03.JPG", 2, 1),
        ("12-c3-0001.png", 12, 3),
        ("person0002_cam1_90.jpg", 2, 1),
        ("id_7_c2.jpg", 7, 2),
        ("cam1_0001.jpg", None, 1),
        ("2023-05-01_CAM03.jpg", None, 3),
        ("shot-camera12-a.jpg", None, 12),
        ("c3_17.jpg", None, 3),
    ],
)
def test_names_of_other_sets_and_sites(name, person, camera):
    _, (sample, _) = read_names([name, f"again_{name}" if person is None else f"9{name}"])
    assert (sample.person, sample.camera) == (person, camera)


@pytest.mark.parametrize(
    "name",
    [
        "a1c4f9.jpg",
        "12c4f9a0.png",
        "IMG_2023.jpg",
        "scam1.jpg",
        "cam.jpg",
        "camp2_1.jpg",
        "20230101.jpg",
        "12345678-c1d2-4a3b-8c9d-0e1f2a3b4c5d.jpg",
        "1234c5f678ab.jpg",
    ],
)
def test_names_that_say_no_camera_are_not_taken_to(name):
    assert read_names([name]) == ("plain", [Sample(name)])


def test_cameras_alone_are_read_name_by_name():
    assert read_names(["cam1_a.jpg", "cam1_b.jpg", "cam2_a.jpg", "cam2_b.jpg"])[0] == "cameras"
    layout, samples = read_names(["cam1_a.jpg", "cam1_b.jpg", "b.jpg"])
    assert (layout, [sample.camera for sample in samples]) == ("cameras", [1, 1, None])


def test_serial_numbers_are_neither_cameras_nor_people(tmp_path):
    assert read_names([f"c{i}.jpg" for i in range(9)])[0] == "plain"
    root = fill(tmp_path / "crops", [f"{i:06d}_cam{i % 2}.jpg" for i in range(8)])
    assert train(root) == [(None, i % 2) for i in range(8)]


def test_a_flat_folder_has_the_cameras_and_people_of_its_names(tmp_path):
    names = ["0001_c1s1_000001_00.jpg", "0001_c1s1_000002_00.jpg", "0002_c12s1_000001_00.jpg", "-1_c2s1_000001_00.jpg"]
    root = fill(tmp_path / "crops", names)
    assert train(root) == [(None, 2), (1, 1), (1, 1), (2, 12)]
    assert "of 3 cameras (market1501 style)" in open_dataset(root, allow_subset=False).remarks[0]
    assert train(root, camera_from="none") == [(None, None), (1, None), (1, None), (2, None)]


def test_a_camera_beyond_nine_is_a_camera(tmp_path):
    names = [f"bounding_box_train/0001_c{camera}_f0000001.jpg" for camera in (3, 9, 12, 112)]
    dataset = open_dataset(fill(tmp_path / "site", names), allow_subset=False)
    assert sorted(sample.camera for sample in dataset.splits["train"]) == [3, 9, 12, 112]
    assert dataset.layout == "dukemtmc"


@pytest.mark.parametrize(
    ("folders", "numbers"),
    [
        (("cam2", "cam10"), (2, 10)), (("0003", "12"), (3, 12)), (("front", "yard"), (1, 2)),
        (("cam1a", "cam1b"), (1, 2)), (("cam1", "cam01"), (2, 1)), (("north-4", "south-7"), (4, 7)),
        (("99999", "3"), (2, 1)), (("\u5317\u95e8", "\u5357\u95e8"), (1, 2)),
    ],
)  # fmt: skip
def test_a_folder_for_each_camera(tmp_path, folders, numbers):
    root = fill(tmp_path / "crops", [f"{folder}/{i}.jpg" for folder in folders for i in range(2)])
    found = {
        sample.name.partition("/")[0]: sample.camera
        for sample in open_dataset(root, allow_subset=False, camera_from="folder").splits["train"]
    }
    assert found == dict(zip(folders, numbers, strict=True))


def test_expressions_find_cameras_and_people_within_a_split(tmp_path):
    names = [
        f"{split}/site{c}/p{p}/x{c}{p}.jpg" for split in ("train", "query", "gallery") for c in (1, 2) for p in (5, 6)
    ]
    root = fill(tmp_path / "crops", names)
    said = {"camera_from": "^site([0-9]+)/", "person_from": "folder"}
    dataset = open_dataset(root, allow_subset=False, **said)
    for samples in dataset.splits.values():
        assert [(s.camera, s.person) for s in samples] == [(1, 5), (1, 6), (2, 5), (2, 6)]


def test_person_minus_one_in_a_folder_is_junk_as_in_a_name(tmp_path):
    names = [f"{split}/{person}/{i}.jpg" for i, (split, person) in enumerate(
        [("query", "anna"), ("gallery", "anna"), ("gallery", "bert"), ("gallery", "-1")])]  # fmt: skip
    dataset = open_dataset(fill(tmp_path / "crops", names), allow_subset=False, person_from="folder")
    assert [sample.person for sample in dataset.splits["gallery"]] == [1, 2]
    assert any("1 junk pictures" in remark for remark in dataset.remarks)


def test_a_camera_from_elsewhere_has_no_clock(tmp_path):
    root = fill(tmp_path / "crops", ["a/0001_c1s1_000451_00.jpg"])
    (sample,) = open_dataset(root, allow_subset=False, camera_from="folder").splits["train"]
    assert (sample.person, sample.camera, sample.frame, sample.slot) == (1, 1, None, None)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"camera_from": "("}, "is neither 'folder' nor a regular expression"),
        ({"camera_from": "cam([0-9])"}, "2 of 2 pictures have no such part in their paths: a/1.jpg, b.jpg"),
        ({"camera_from": "folder"}, "1 of 2 pictures lie in no folder of their own: b.jpg"),
        ({"camera_from": "folder", "person_from": "folder"}, "both name the folder that a picture lies in"),
    ],
)  # fmt: skip
def test_what_finds_no_label_is_refused_with_the_pictures(tmp_path, said, problem):
    root = fill(tmp_path / "crops", ["a/1.jpg", "b.jpg"])
    with pytest.raises(GclError) as caught:
        open_dataset(root, allow_subset=False, **said)
    assert (
        problem in caught.value.problem and "--camera-from" in caught.value.problem + caught.value.fix + "--camera-from"
    )


@pytest.mark.parametrize(
    ("names", "option"),
    [
        (["a/1.jpg", "a/2.jpg", "b/3.jpg"], "--camera-from 'folder' finds 2 (a, b)"),
        (["n/x/1.jpg", "n/y/2.jpg", "s/x/3.jpg", "s/y/4.jpg"], "--camera-from '^([^/]+)/' finds 2 (n, s)"),
        (["a_camL.jpg", "b_camL.jpg", "c_camR.jpg"], "--camera-from 'cam(?:era)?[_-]?([A-Za-z0-9]+)' finds 2 (L, R)"),
    ],
)  # fmt: skip
def test_unknown_cameras_are_told_with_the_option_that_finds_them_and_it_does(tmp_path, names, option):
    root = fill(tmp_path / "crops", names)
    (note,) = [note for note in open_dataset(root, allow_subset=False).notes if note.about == "cameras"]
    assert option in note.fix and f"unknown for {len(names)} of {len(names)}" in note.found
    for source in (word.split("'")[1] for word in note.fix.split("--camera-from")[1:]):
        assert {camera for _, camera in train(root, camera_from=source)} == {1, 2}
        assert {person for person, _ in train(root, person_from=source)} == {1, 2}


def test_a_folder_that_is_the_camera_already_is_not_proposed_for_people(tmp_path):
    root = fill(tmp_path / "crops", [f"cam{c}/{i}.jpg" for c in (1, 2) for i in range(4)])
    abouts = {
        said: {note.about for note in open_dataset(root, allow_subset=False, camera_from=said).notes if note.fix}
        for said in (None, "folder", "^([^/]+)/")
    }
    assert abouts == {None: {"cameras", "people"}, "folder": set(), "^([^/]+)/": set()}
