"""`gcl doctor` on folders that are broken by hand."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from gcl_cli.cli import app
from gcl_cli.commands.doctor import command as doctor
from gcl_cli.commands.doctor import machine
from gcl_cli.commands.doctor.findings import Finding
from gcl_cli.commands.doctor.labels import look_at_names, open_for_looking
from gcl_cli.commands.doctor.pictures import look_at_pictures

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"


def picture(path: Path, shade: int, size: tuple[int, int] = (32, 64)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 0)).save(path)
    return path


@pytest.fixture
def people(tmp_path) -> Path:
    """Two people for training, two for testing, in two cameras each: nothing is wrong with them."""
    shade = 0
    for split, persons in ((TRAIN, (1, 2)), (QUERY, (3, 4)), (GALLERY, (3, 4))):
        for person in persons:
            for camera in (1, 2):
                shade += 10
                picture(tmp_path / "people" / split / f"{person:04d}_c{camera}s1_00000{camera}_01.png", shade)
    return tmp_path / "people"


def looked(root: Path) -> list[Finding]:
    dataset, findings = open_for_looking(root)
    return findings + ([*look_at_names(dataset), *look_at_pictures(dataset)] if dataset else [])


def wrong(root: Path) -> list[tuple[str, str, str]]:
    return [(one.level, one.about, one.found) for one in looked(root) if one.level != "ok"]


def test_a_sound_data_set_has_no_remark(people):
    assert wrong(people) == []
    assert looked(people)[0].found == "people, no published set: train 4, query 4, gallery 4 (market1501 style)"


def test_every_note_and_problem_has_a_fix(people, quick):
    (people / QUERY / "0003_c1s1_000001_01.png").write_bytes(b"no picture")
    (people / QUERY / "someone.png").write_bytes(b"no picture")
    assert all(one.fix for one in looked(people) if one.level != "ok")
    assert all(one.fix for one in machine.look_at_machine(people) if one.level != "ok")


def test_unreadable_pictures_are_named(people):
    (people / TRAIN / "0001_c1s1_000001_01.png").write_bytes(b"")
    broken = people / GALLERY / "0004_c2s1_000002_01.png"
    broken.write_bytes(broken.read_bytes()[:-40])
    assert wrong(people) == [
        ("problem", "pictures",
         f"cannot be read: 2 ({TRAIN}/0001_c1s1_000001_01.png: it is empty, "
         f"{GALLERY}/0004_c2s1_000002_01.png: image file is truncated)")
    ]  # fmt: skip


def test_tiny_wide_and_mixed_pictures(people):
    picture(people / TRAIN / "0001_c1s1_000001_01.png", 1, size=(10, 31))
    picture(people / TRAIN / "0001_c2s1_000002_01.png", 2, size=(50, 40))
    assert wrong(people) == [
        ("note", "sizes", f"lower than 32 pixels: 1 ({TRAIN}/0001_c1s1_000001_01.png)"),
        ("note", "sizes", f"wider than high: 1 ({TRAIN}/0001_c2s1_000002_01.png)"),
        ("note", "sizes", "3 different sizes, 31x10 to 64x32 (height x width)"),
    ]


@pytest.mark.parametrize(
    ("source", "target", "level", "text"),
    [
        (f"{TRAIN}/0001_c1s1_000001_01.png", f"{TRAIN}/0001_c1s1_000009_01.png", "note", "there twice"),
        (f"{QUERY}/0003_c1s1_000001_01.png", f"{GALLERY}/0003_c1s1_000009_01.png", "problem", "in query and gallery"),
        (f"{TRAIN}/0001_c1s1_000001_01.png", f"{QUERY}/0003_c1s1_000009_01.png", "problem", "in train and query"),
        (f"{TRAIN}/0001_c1s1_000001_01.png", f"{GALLERY}/0003_c1s1_000009_01.png", "problem", "in train and gallery"),
    ],
)
def test_copies_are_found_by_their_bytes(people, source, target, level, text):
    shutil.copy(people / source, people / target)
    ((found_level, about, found),) = wrong(people)
    assert (found_level, about) == (level, "copies") and text in found
    assert source in found and target in found


def test_one_picture_as_two_people_is_a_problem(people):
    shutil.copy(people / TRAIN / "0001_c1s1_000001_01.png", people / TRAIN / "0002_c1s1_000009_01.png")
    assert [level for level, _, found in wrong(people) if "as different people" in found] == ["problem"]


def test_queries_that_no_other_camera_can_answer(people):
    (people / GALLERY / "0003_c2s1_000002_01.png").unlink()
    ((level, about, found),) = wrong(people)
    assert (level, about) == ("note", "queries") and found.endswith(f"1 ({QUERY}/0003_c1s1_000001_01.png)")
    for name in ("0003_c1s1_000001_01.png", "0004_c1s1_000001_01.png", "0004_c2s1_000002_01.png"):
        (people / GALLERY / name).rename(people / GALLERY / name.replace("0003", "0007").replace("0004", "0008"))
    assert ("problem", "queries", "none has a match of another camera in the gallery") in wrong(people)


def test_a_single_camera_is_a_problem_for_testing_and_a_note_for_training(people):
    for path in list(people.rglob("*_c2s1_*")):
        path.unlink()
    assert [(level, about) for level, about, _ in wrong(people)] == [
        ("note", "cameras"), ("problem", "cameras"), ("problem", "queries"),
    ]  # fmt: skip


def test_cameras_that_training_never_saw_are_named(people):
    (people / TRAIN / "0001_c2s1_000002_01.png").rename(people / TRAIN / "0001_c1s1_000003_01.png")
    (people / TRAIN / "0002_c2s1_000002_01.png").rename(people / TRAIN / "0002_c3s1_000003_01.png")
    assert wrong(people) == [("note", "cameras", "only in query and gallery: 2")]


def test_names_that_do_not_match_are_named(people):
    picture(people / TRAIN / "someone.png", 200)
    ((level, about, found),) = wrong(people)
    assert (level, about) == ("note", "names")
    assert found.startswith("1 of 5 pictures") and found.endswith(f"were left out: {TRAIN}/someone.png.")


def test_a_plain_folder_trains_and_cannot_be_measured(tmp_path):
    picture(tmp_path / "plain" / "a.png", 1)
    assert [(level, about) for level, about, _ in wrong(tmp_path / "plain")] == [
        ("note", "cameras"),
        ("note", "labels"),
    ]


def test_a_known_set_with_other_counts_says_how_they_differ(people):
    market = people.with_name("Market-1501")
    people.rename(market)
    first = looked(market)[0]
    assert first.level == "problem" and "expected 12,936 pictures of 751 people" in first.found
    assert "found 4 pictures of 2 people" in first.found and "--allow-subset" in first.fix


def test_no_data_set_at_all_is_a_finding_not_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    ((level, about, found),) = wrong(tmp_path / "empty")
    assert (level, about) == ("problem", "data set") and "holds no pictures" in found
    result = doctor._look_at_data("nowhere", tmp_path)
    assert [(one.level, "no data set 'nowhere'" in one.found) for one in result] == [("problem", True)]


@pytest.fixture
def quick(monkeypatch):
    """No renderer is tried: each takes a process and seconds."""
    monkeypatch.setattr(machine, "choose_backend", lambda name: (name, "asked for"))


@pytest.mark.parametrize(("words", "code"), [([], 0), (["people"], 0), (["nowhere"], 1)])
def test_the_exit_code_says_whether_there_is_a_problem(people, quick, monkeypatch, words, code):
    monkeypatch.chdir(people.parent)
    ran = CliRunner().invoke(app, ["doctor", *words, "--json"])
    found = json.loads(ran.stdout)
    assert ran.exit_code == code and (found["problems"] > 0) == (code == 1)
    assert {"python", "torch", "memory", "cores", "weights", "disk"} <= {row["about"] for row in found["findings"]}


def test_weight_files_are_named_with_their_place_and_a_broken_one_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert [one.level for one in machine.weights()] == ["note"] * 3
    target = tmp_path / "checkpoints" / "resnet50-0676ba61.pth"
    assert str(target) in next(machine.weights()).fix
    target.parent.mkdir()
    target.write_bytes(b"half a download")
    broken = next(machine.weights())
    assert broken.level == "problem" and "Delete it" in broken.fix


def test_a_full_disk_and_a_folder_without_rights_are_problems(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage(1e12, 1e12, 1e8))

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", refuse)
    assert [(one.level, one.about) for one in machine.disk(tmp_path / "work")] == [
        ("problem", "disk"), ("problem", "work folder"),
    ]  # fmt: skip


def test_a_renderer_that_cannot_start_is_a_note_with_its_remedy(monkeypatch):
    monkeypatch.setattr("gcl_cli.body.pyrender_backend.probe", lambda platform: "No module named 'pyrender'")
    plain, *others = machine.renderers()
    assert plain.level == "ok" and [one.level for one in others] == ["note", "note"]
    assert all("pip install 'gcl-cli[render]'" in one.fix for one in others)
