"""A data set that changes between commands and during one: refused with the names of the pictures that changed."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from made_work import begun, made, market, remade, whole_chain
from PIL import Image

from gcl_cli.api import status
from gcl_cli.artifacts import dataset_record, picture_lists
from gcl_cli.artifacts.files import digest_of
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.seals import sealed
from gcl_cli.config import Architecture
from gcl_cli.datasets.catalogue import open_dataset
from gcl_cli.errors import GclError
from gcl_cli.people.data import open_data, training_set
from gcl_cli.session import Session

TRAIN = "bounding_box_train"
FIRST, SECOND = "0002_c1s1_000451_03.jpg", "0002_c2s1_000001_01.jpg"


@pytest.fixture
def data(tmp_path):
    return market(tmp_path / "crops")


@pytest.fixture
def options(tmp_path, data):
    chosen = Session(work=str(tmp_path / "work"), device="cpu", threads=1)
    open_data(chosen, str(data))
    made(Path(chosen.work), "mesh/main")  # before anything is made, changes are taken in
    return chosen


def refusal(options: Session) -> str:
    with pytest.raises(GclError, match="changed since") as caught:
        open_data(options, None)
    assert caught.value.fix == f"Take them in: gcl update --work {options.work} (or put the pictures back)."
    return caught.value.problem


def same_size(path: Path, *, at: int = 0) -> None:
    """Other bytes from `at` on, as many as before, and the times of before."""
    content, times = bytearray(path.read_bytes()), path.stat()
    content[at] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_picture_that_is_gone_new_renamed_or_replaced_is_named(data, options):
    train, third = data / TRAIN, "0007_c1s1_000001_01.jpg"
    content = (train / FIRST).read_bytes()
    (train / FIRST).unlink()
    assert f": 1 gone ({TRAIN}/{FIRST})." in refusal(options)
    (train / FIRST).write_bytes(content)
    (train / third).write_bytes(b"third")
    assert f": 1 new ({TRAIN}/{third})." in refusal(options)
    (train / FIRST).unlink()
    assert f": 1 gone ({TRAIN}/{FIRST}), 1 new ({TRAIN}/{third})." in refusal(options)
    (train / third).write_bytes(content)
    assert f": 1 renamed ({TRAIN}/{FIRST} is {TRAIN}/{third} now)." in refusal(options)
    (train / third).rename(train / FIRST)
    same_size(train / FIRST)
    assert f": 1 replaced ({TRAIN}/{FIRST})." in refusal(options)
    (train / FIRST).write_bytes(content)
    open_data(options, None)


def test_many_changes_are_counted_and_three_of_them_named(data, options):
    for number in range(9):
        (data / TRAIN / f"0009_c1s1_00000{number}_01.jpg").write_bytes(b"new")
    said = refusal(options)
    assert ": 9 new (" in said and said.count("0009_c1") == 3 and said.endswith(", ...).")


def test_uncompressed_pictures_of_one_size_differ_by_what_stands_in_the_middle(tmp_path):
    """All .bmp files of one width and height have equal sizes, and pictures of people often equal first rows."""
    folder = tmp_path / "crops"
    folder.mkdir()
    picture = np.full((128, 64, 3), 200, np.uint8)
    Image.fromarray(picture).save(folder / "a.bmp")
    picture[60:70, 20:40] = 90
    Image.fromarray(picture).save(folder / "b.bmp")
    assert (folder / "a.bmp").stat().st_size == (folder / "b.bmp").stat().st_size
    options = Session(work=str(tmp_path / "work"))
    open_data(options, str(folder))
    made(Path(options.work), "mesh/main")
    (folder / "a.bmp").write_bytes((folder / "b.bmp").read_bytes())
    assert "1 replaced (a.bmp)" in refusal(options)


def test_copying_the_pictures_or_touching_them_changes_nothing(data, options):
    for file in data.rglob("*.jpg"):
        os.utime(file, (0, 0))
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)
    open_data(options, None)


def test_a_work_folder_that_knows_names_and_sizes_alone_is_read_as_before(data, options):
    """Work folders of before the contents were looked at, whose artifacts carry that digest."""
    dataset, work = open_dataset(data, allow_subset=False), WorkFolder(Path(options.work))
    sizes = {
        split: [[sample.name, (data / sample.name).stat().st_size] for sample in samples]
        for split, samples in dataset.splits.items()
    }
    record = json.loads(work.dataset_file.read_text())
    old = {key: record[key] for key in record if key not in ("form", "seal")} | {"digest": digest_of(sizes)}
    work.dataset_file.write_text(json.dumps(old))
    work.dataset_file.with_suffix(".pictures.json").unlink()
    assert open_data(options, None).digest == digest_of(sizes)
    made(work.root, "warmup/main")
    assert [row["state"] for row in status(work=str(work.root))["artifacts"]] == ["stale", "fresh"]
    same_size(data / TRAIN / FIRST)
    open_data(options, None)  # which such a folder cannot notice
    (data / TRAIN / FIRST).unlink()
    assert refusal(options).endswith("dataset.json was written.")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"train": 3}', '{"train": [["a", 1]]}'])
def test_a_list_of_pictures_that_is_damaged_costs_the_names_and_nothing_else(data, options, content):
    (Path(options.work) / "dataset.pictures.json").write_text(content)
    open_data(options, None)
    (data / TRAIN / FIRST).unlink()
    assert refusal(options).endswith("dataset.json was written.")


@pytest.mark.parametrize("content", ["", '{"root": ', "[]", "{}", '{"root": 3, "digest": null}'])
def test_a_record_that_is_damaged_is_refused_in_words(options, content):
    (Path(options.work) / "dataset.json").write_text(content)
    with pytest.raises(GclError, match=r"dataset\.json is damaged") as caught:
        open_data(options, None)
    assert "name the data set again" in caught.value.fix


def test_a_link_to_nowhere_and_a_picture_out_of_reach_are_named(tmp_path, options):
    with pytest.raises(GclError, match=r"crops/gone.jpg is out of reach: No such file"):
        picture_lists.fingerprint(tmp_path / "crops", {"train": ["gone.jpg"]})
    os.mkfifo(tmp_path / "crops" / "pipe.jpg")  # nothing waits for its other end
    with pytest.raises(GclError, match=r"pipe.jpg is out of reach"):
        picture_lists.fingerprint(tmp_path / "crops", {"train": ["pipe.jpg"]})


def test_a_picture_that_vanishes_while_it_is_read_is_named(tmp_path, data, options):
    for file in data.rglob("*.jpg"):
        Image.new("RGB", (32, 64)).save(file)
    fresh = Session(work=str(tmp_path / "fresh"), device="cpu", threads=1)
    opened = open_data(fresh, str(data))
    (data / TRAIN / FIRST).unlink()
    size = Architecture(trunk="resnet18", height=64, width=32)
    with pytest.raises(GclError, match=FIRST) as caught:
        training_set(opened, size, fresh)
    assert "Restore the file from its source" in caught.value.fix


def test_a_data_set_that_is_moved_is_named_with_its_folder_and_found_again_where_it_is_said_to_be(
    data, options, capsys
):
    digest, moved = open_data(options, None).digest, data.with_name("elsewhere")
    data.rename(moved)
    with pytest.raises(GclError, match=f"There is no folder {data} any more") as caught:
        open_data(options, None)
    assert f"gcl mesh NEW_PLACE --work {options.work}" in caught.value.fix
    assert open_data(options, str(moved)).digest == digest
    assert f"is in {moved} now" in capsys.readouterr().err.replace("\n", " ")
    again = open_data(options, None)
    assert (again.root, again.dataset.name, again.digest) == (moved, "crops", digest)
    (moved / TRAIN / FIRST).unlink()
    assert f"1 gone ({TRAIN}/{FIRST})" in refusal(options)


def test_a_project_that_is_moved_as_a_whole_goes_on(tmp_path, data, options):
    digest = open_data(options, None).digest
    project = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(project)
    moved = open_data(Session(work=str(project / "work")), None)
    assert (moved.root, moved.digest) == (project / "crops", digest)


def test_another_set_in_the_place_of_the_moved_one_is_refused(data, options):
    data.rename(data.with_name("elsewhere"))
    other = market(data.with_name("other"))
    (other / TRAIN / FIRST).write_bytes(b"somebody else")
    with pytest.raises(GclError, match=f"belongs to {data}, not to {other}"):
        open_data(options, str(other))


def test_how_a_set_is_read_is_remembered_and_its_cameras_never_change_under_what_was_trained(tmp_path):
    for name in ("a/1.jpg", "b/2.jpg"):
        path = tmp_path / "crops" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(name.encode())
    options = Session(work=str(tmp_path / "work"), camera_from="folder")
    open_data(options, str(tmp_path / "crops"))
    for data in (None, str(tmp_path / "crops")):
        opened = open_data(Session(work=options.work), data)
        assert [sample.camera for sample in opened.split("train")] == [1, 2]
    with pytest.raises(GclError, match="was begun with --camera-from folder") as caught:
        open_data(Session(work=options.work, camera_from="none"), None)
    assert "Leave --camera-from out" in caught.value.fix
    open_data(Session(work=options.work, person_from="^(.)"), None)  # people train nothing
    assert [sample.person for sample in open_data(Session(work=options.work), None).split("train")] == [1, 2]


def test_pictures_that_change_between_two_steps_stop_the_second_and_leave_the_first(data, options):
    work = WorkFolder(Path(options.work))
    artifact = made(work.root, "mesh/main")
    same_size(data / TRAIN / SECOND)
    with pytest.raises(GclError, match=f"1 replaced .{TRAIN}/{SECOND}"):
        begun(work.root, "render/main")
    assert read_artifact(work, "mesh/main") == artifact


def test_an_artifact_that_is_made_anew_makes_what_was_read_from_it_stale_whatever_the_clocks_say(tmp_path, data):
    work = whole_chain(tmp_path / "chain", data)
    remade(work, "render/main")
    states = {row["artifact"]: row["state"] for row in status(work=str(work))["artifacts"]}
    assert [name for name, state in states.items() if state == "fresh"] == [
        "mesh/main", "render/main", "warmup/main", "evaluate/warmup-main",
    ]  # fmt: skip
    with pytest.raises(GclError, match="stale: render/main was made anew"):
        read_artifact(WorkFolder(work), "gan-warmup/main")


def test_a_record_by_hand_is_refused_by_its_seal(options):
    path = Path(options.work) / "dataset.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "root": "/etc"}))
    with pytest.raises(GclError, match="damaged"):
        dataset_record.recall(WorkFolder(Path(options.work)))
    path.write_text(json.dumps(sealed({key: record[key] for key in record if key != "seal"})))
    open_data(options, None)


@pytest.mark.slow
def test_looking_into_every_picture_costs_less_than_asking_for_its_size_did(tmp_path):
    names = [f"{number:05d}.jpg" for number in range(32_000)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode() * 350)  # 3.1 kB, as a crop of Market-1501
    begin = time.process_time()
    picture_lists.fingerprint(tmp_path, {"train": names})
    looked = time.process_time() - begin
    begin = time.process_time()
    digest_of([[name, (tmp_path / name).stat().st_size] for name in names])
    asked = time.process_time() - begin
    sys.stdout.write(
        f"\n32,000 pictures: {looked:.2f} s of CPU with contents, {asked:.2f} s for names and sizes as before\n"
    )
    assert looked < 3 * asked


def test_names_of_earlier_lead_to_what_pictures_are_called_now(tmp_path):
    work, root = WorkFolder(tmp_path / "work"), tmp_path / "set"
    root.mkdir()
    record = {"root": str(root), "name": "set", "layout": "plain", "allow_subset": False, "pictures": {"train": 2}}

    def look() -> dict[str, str | None]:
        names = {"train": sorted(path.name for path in root.iterdir())}
        dataset_record.remember(work, record, picture_lists.stamps(root, names), grow=True)
        return dataset_record.names_before(work)

    for name in "abc":
        (root / name).write_text(name)
    assert look() == {}
    (root / "a").rename(root / "x")
    assert look() == {"a": "x"}
    (root / "x").rename(root / "y")
    (root / "b").unlink()
    assert look() == {"a": "y", "x": "y", "b": None}
    (root / "y").unlink()
    (root / "b").write_text("somebody else")
    assert look() == {"a": None, "x": None, "y": None}
    (work.root / "dataset.history.jsonl").write_text("[")
    with pytest.raises(GclError, match=r"history\.jsonl is damaged"):
        look()
