"""`gcl warmup --method jvtc` and `gcl evaluate --temporal`, from files to files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gcl_cli import console
from gcl_cli.commands.evaluate import command as evaluate
from gcl_cli.commands.warmup import command as warmup
from gcl_cli.commands.warmup.styles import styled_name
from gcl_cli.config import presets
from gcl_cli.errors import GclError
from gcl_cli.people.data import open_other
from gcl_cli.session import Session

CLUSTERING = {"k1": 8, "k2": 3, "rho": 0.05, "precision": "fp32"}
SMALL = {
    "architecture": {"trunk": "resnet18", "trunk_width": 16, "height": 64, "width": 32},
    "warmup-jvtc": {
        "epochs": 4, "iterations": 2, "batch_size": 4, "versions": 2, "init": "none", "cluster_from": 1,
        "cluster_every": 1, "temporal_from": 2, **CLUSTERING,
    },
}  # fmt: skip
FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
WALK = 3000  # frames from camera 1 to camera 2


def write(path: Path, person: int, camera: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    clothes = np.random.default_rng(person).integers(30, 226, (2, 1, 3)).repeat(32, 0).repeat(32, 1)
    noise = np.random.default_rng([person, camera]).integers(-20, 20, (64, 32, 3))
    Image.fromarray((clothes + noise).astype(np.uint8)).save(path, quality=95)


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    """Sixteen people in the names of Market-1501, each seen by camera 2 three thousand frames after camera 1."""
    root = tmp_path_factory.mktemp("people") / "walkers"
    for person in range(1, 17):
        for camera in (1, 2):
            frame = 1000 * person + (camera - 1) * WALK
            for box in range(2):
                name = f"{person:04d}_c{camera}s1_{frame + 10 * box:06d}_{box:02d}.jpg"
                split = "train" if person % 2 else ("query" if camera == 1 and box == 0 else "gallery")
                write(root / FOLDERS[split] / name, person, camera)
    return root


@pytest.fixture(scope="module", autouse=True)
def small_preset():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "tiny", SMALL)
        yield


def options(work: Path, **changed) -> Session:
    return Session(**{"work": str(work), "device": "cpu", "threads": 1} | changed)


def jvtc(work: Path, data: Path, **changed):
    job = warmup.Warmup(method="jvtc", preset="tiny", **changed)
    return warmup.run(options(work), str(data), job)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, people) -> Path:
    work = tmp_path_factory.mktemp("work")
    jvtc(work, people)
    return work


def manifest(work: Path, reference: str) -> dict:
    return json.loads((work / reference / "manifest.json").read_text())


def test_jvtc_clusters_by_looks_and_times(trained):
    result = manifest(trained, "warmup/main")["result"]
    assert result["method"] == "jvtc" and result["steps"] == 8 and result["distance"] == "visual-temporal"
    assert result["clusters"] >= 2


def test_jvtc_saves_no_classifier_of_the_source(people, tmp_path):
    chosen = {"epochs": 2, "iterations": 1}
    presets.PRESETS["tiny"]["warmup-supervised"] = {
        "epochs": 1, "iterations": 1, "people": 4, "pictures": 2, "init": "none"
    }  # fmt: skip
    jvtc(tmp_path, people, source=str(people), chosen=chosen)
    assert [path.name for path in (tmp_path / "warmup/main").glob("*.safetensors")] == ["identity_encoder.safetensors"]
    assert manifest(tmp_path, "warmup/main")["result"]["source"] > 0


def test_without_camera_styled_pictures_it_says_what_stands_for_them(people, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(console, "warn", said.append)
    jvtc(tmp_path, people, chosen={"epochs": 1, "iterations": 1})
    assert any("--camstyle" in line and "augmented copies" in line for line in said)


def test_camera_styled_pictures_are_read_and_stand_in_the_manifest(people, tmp_path, monkeypatch):
    folder, said = tmp_path / "camstyle", []
    for sample in open_other(people, allow_subset=False).split("train"):
        assert sample.person is not None and sample.camera is not None
        write(folder / styled_name(sample, 3 - sample.camera, "market1501"), sample.person, sample.camera + 2)
    monkeypatch.setattr(console, "warn", said.append)
    jvtc(tmp_path / "work", people, camstyle=str(folder), chosen={"epochs": 1, "iterations": 1})
    assert "camstyle" in manifest(tmp_path / "work", "warmup/main")["inputs"]
    assert not any("--camstyle" in line for line in said)


def test_methods_that_need_no_styles_refuse_them(people, tmp_path):
    with pytest.raises(GclError, match="--camstyle means nothing"):
        warmup.run(options(tmp_path), str(people), warmup.Warmup("supervised", "tiny", camstyle=str(people)))


def test_temporal_evaluation_stands_beside_the_plain_one(trained):
    plain = evaluate.run(options(trained), None, None, {})
    joint = evaluate.run(options(trained), None, None, {"temporal": True, "temporal_rho": 0.05})
    assert joint["temporal"] is True and joint["temporal_rho"] == 0.05 and "temporal" not in plain
    assert (trained / "evaluate/warmup-main/result.json").exists()
    found = json.loads((trained / "evaluate/warmup-main-temporal/result.json").read_text())
    assert found | {"sheet": joint["sheet"]} == joint
    assert joint["queries"] == plain["queries"] == 8


def test_where_looks_say_nothing_times_find_the_person(trained, people, monkeypatch):
    """Features that are nearly the same for all: what remains is who was seen when."""

    def features(folder, data, split, *_, **__):
        samples = data.split(split)
        own = torch.eye(20)[[sample.person for sample in samples]]
        return torch.nn.functional.normalize(own + (0.0 if split == "train" else 1e6), dim=1)

    monkeypatch.setattr(evaluate, "embed_split", features)
    monkeypatch.setattr(evaluate, "drop_embeddings", lambda folder, split: None)
    found = evaluate.run(options(trained, name="blind"), None, None, {"temporal": True, "temporal_rho": 0.05})
    plain = evaluate.run(options(trained, name="blind-plain"), None, None, {})
    assert found["rank_1"] == 100 and plain["rank_1"] < 50


def test_without_frame_numbers_it_says_what_is_missing(trained, people, tmp_path):
    root = tmp_path / "repacked"
    for path in people.rglob("*.jpg"):
        write(root / path.parent.name / f"{path.name[:7]}_{path.stem[-9:]}.jpg", int(path.name[:4]), int(path.name[6]))
    with pytest.raises(GclError, match="frame number"):
        evaluate.run(options(trained), str(root), None, {"temporal": True})
