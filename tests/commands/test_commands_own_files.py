"""The files that people have, as they type commands on them: each refusal names an option, and the option helps."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner
from using_artifacts import make_encoder, make_people

from gcl_cli.artifacts.sheets import Cell, write_sheet
from gcl_cli.cli import app
from gcl_cli.commands.doctor import machine


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """People, and a work folder with an untrained encoder."""
    root = tmp_path_factory.mktemp("files")
    make_encoder(root / "work", seed=1)
    make_people(root / "people")
    return root


@pytest.fixture
def place(prepared, tmp_path, monkeypatch) -> Path:
    """An empty folder to be in, with the work folder and the people above it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GCL_WORK", raising=False)
    monkeypatch.setattr(machine, "choose_backend", lambda name: (name, "asked for"))
    shutil.copytree(prepared / "work", tmp_path / "w")
    return tmp_path


def gcl(*words: str, code: int = 0) -> tuple[dict, str]:
    """The JSON that a command prints, and what it says beside."""
    ran = CliRunner().invoke(app, [*words, "--json"])
    assert ran.exit_code == code, ran.stderr
    return json.loads(ran.stdout) if ran.stdout.strip() else {}, ran.stderr.replace("\n", " ")


def laid_out(prepared: Path, root: Path, form: str) -> Path:
    """The people by other names: `form` of split, person, camera and number."""
    for number, path in enumerate(sorted((prepared / "people").rglob("*.jpg"))):
        person, camera = re.match(r"(\d+)_c(\d)", path.name).groups()
        target = root / form.format(split=path.parent.name, person=person, camera=camera, number=number)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return root


EVALUATE = ("evaluate", "--work", "w", "--device", "cpu", "--threads", "1", "--set", "bootstrap=0", "--dataset")


def test_people_of_one_camera_are_measured_when_told_to(prepared, place):
    laid_out(prepared, place / "one", "{split}/{person}_c1s1_{number:06d}_00.jpg")
    _, said = gcl(*EVALUATE, "one", code=2)
    assert "under another camera" in said and "--same-camera" in said
    found, _ = gcl(*EVALUATE, "one", "--same-camera")
    assert found["skipped_queries"] == 0 and 0 < found["mAP"] <= 100
    assert "junk (person -1)" in found["protocol"] and "own camera" not in found["protocol"]
    assert (place / "w/evaluate/warmup-main-one-same-camera").is_dir()


def test_labels_in_folders_measure_the_same_as_labels_in_names(prepared, place):
    laid_out(prepared, place / "named", "{split}/{person}_c{camera}s1_{number:06d}_00.jpg")
    laid_out(prepared, place / "folders", "{split}/{person}/cam{camera}/{number:06d}.jpg")
    expected, _ = gcl(*EVALUATE, "named")
    _, said = gcl(*EVALUATE, "folders", code=2)
    assert "--person-from" in said and "--camera-from" in said
    found, _ = gcl(*EVALUATE, "folders", "--person-from", "^([^/]+)/", "--camera-from", "folder")
    assert found["mAP"] == pytest.approx(expected["mAP"]) and found["queries"] == expected["queries"]


def test_the_doctor_says_what_it_found_and_what_options_would_find(prepared, place):
    laid_out(prepared, place / "crops", "cam{camera}/{number}.jpg")
    found = {row["about"]: row for row in gcl("doctor", "crops", "--work", "w")[0]["findings"]}
    assert "unknown for" in found["cameras"]["found"] and "--camera-from 'folder' finds" in found["cameras"]["fix"]
    assert "--person-from 'folder' finds" in found["people"]["fix"]
    again = {
        row["about"]: row for row in gcl("doctor", "crops", "--work", "w", "--camera-from", "folder")[0]["findings"]
    }
    assert again["cameras"]["level"] == "ok" and again["cameras"]["found"].endswith("in the training pictures")
    order = [row["about"] for row in gcl("doctor", "crops", "--work", "w")[0]["findings"]]
    assert order == [row["about"] for row in gcl("doctor", "crops", "--work", "w")[0]["findings"]]


def test_own_drawings_and_what_is_no_person_in_a_search(prepared, place):
    shutil.copytree(prepared / "people/bounding_box_test", place / "crops")
    write_sheet(place / "crops/views/sheet.png", [[Cell(np.zeros((64, 32, 3), np.uint8))]])
    Image.new("RGB", (300, 300), (10, 200, 10)).save(place / "green.png")
    search = ("search", "crops", "--work", "w", "--device", "cpu", "--top", "500")
    found, said = gcl(*search, "green.png")
    assert "sheet.png" not in {row["picture"] for row in found["matches"]}
    assert "no person was found" in found["notes"]["green.png"] and "green.png: no person was found" in said
    found, said = gcl(*search, str(next((place / "crops").glob("*.jpg"))))
    assert "notes" not in found and "no person" not in said
