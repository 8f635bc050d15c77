"""Every warm-up method on a few coloured people, from files to files, with and without a labelled source."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gcl_cli import console
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.cli import app
from gcl_cli.commands.warmup import command as warmup
from gcl_cli.config import presets
from gcl_cli.errors import GclError
from gcl_cli.people import data as data_in_memory
from gcl_cli.session import Session
from gcl_cli.weights.networks import read_encoder

CLUSTERING = {"radius": 0.5, "k1": 8, "k2": 3, "min_samples": 2}
EVERY = {"epochs": 2, "iterations": 2, "precision": "fp32", "init": "none"}
PEOPLE = {"people": 3, "pictures": 2, "batchnorm_groups": 1}
SMALL = {
    "architecture": {"trunk": "resnet18", "trunk_width": 16, "height": 64, "width": 32},
    "warmup": {**EVERY, **PEOPLE, **CLUSTERING},
    "warmup-mmcl": {**EVERY, "batch_size": 6, "multi_label_from": 1},
    "warmup-act": {**EVERY, **PEOPLE, **CLUSTERING, "cluster_every": 1},
    "warmup-supervised": {**EVERY, **PEOPLE},
}
SOURCE = "warmup/source-city-batchnorm"


@pytest.fixture(scope="module", autouse=True)
def small_preset():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "tiny", SMALL)
        yield


def paint(folder: Path, name: str, clothes: np.ndarray, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    picture = np.repeat(clothes, 32, axis=0)[:, None] + rng.integers(-20, 20, (64, 32, 3))
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / name)


def town(folder: Path, seed: int) -> Path:
    """Six people, in two pictures from each of two cameras, to train on, and two more to test on."""
    rng = np.random.default_rng(seed)
    for person in range(1, 9):
        clothes = rng.integers(20, 236, (2, 3))
        for camera in (1, 2):
            for picture in (1, 2):
                name = f"{person:04d}_c{camera}s1_{100 * picture:06d}_00.png"
                split = "bounding_box_train" if person < 7 else "query" if picture == 1 else "bounding_box_test"
                paint(folder / split, name, clothes, rng)
    return folder


@pytest.fixture(scope="module")
def towns(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("towns")
    (root / "plain").mkdir()
    found = {"target": town(root / "target", 0), "city": town(root / "city", 1), "plain": root / "plain"}
    for number, path in enumerate(sorted((found["city"] / "bounding_box_train").iterdir())):
        (root / "plain" / f"picture-{number}.png").write_bytes(path.read_bytes())
    return found


@pytest.fixture
def said(monkeypatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(console, "say", lines.append)
    monkeypatch.setattr(console, "warn", lines.append)
    return lines


def learn(work: Path, towns: dict[str, Path], method: str, *, source: str | None = None, **changed: Any) -> dict:
    """Run one method on the target; `name`, `restart` go to the run, anything else is a setting."""
    run = {key: changed.pop(key) for key in ("name", "restart") if key in changed}
    options = Session(**{"work": str(work), "device": "cpu", "threads": 1} | run)
    named = None if source is None else str(towns[source])
    return warmup.run(options, str(towns["target"]), warmup.Warmup(method, "tiny", named, chosen=changed))


def manifest(work: Path, reference: str) -> dict[str, Any]:
    return json.loads((work / reference / "manifest.json").read_text())


def encoder_of(work: Path, reference: str) -> str:
    return manifest(work, reference)["outputs"]["identity_encoder.safetensors"]


METHODS = {"mmcl": None, "supervised": None, "act": "city", "cluster-contrast": "city"}


@pytest.fixture(scope="module")
def learned(tmp_path_factory, towns) -> Path:
    """A work folder with an encoder of every method under the method's name, act and cluster-contrast from a source."""
    work = tmp_path_factory.mktemp("work")
    for method, source in METHODS.items():
        learn(work, towns, method, source=source, name=method)
    return work


@pytest.mark.parametrize(("method", "head"), [("mmcl", "batchnorm"), ("supervised", "bnneck"), ("act", "batchnorm")])
def test_each_method_publishes_its_encoder_alone_and_its_figures(learned, method, head):
    published = manifest(learned, f"warmup/{method}")
    assert list(published["outputs"]) == ["identity_encoder.safetensors"]
    assert published["config"]["method"] == method and published["config"]["head"] == head
    assert published["result"]["method"] == method and published["result"]["steps"] == 4
    assert published["result"]["epoch"] == 2 and published["result"]["loss"] > 0
    _, architecture = read_encoder(WorkFolder(learned), f"warmup/{method}")
    assert architecture.head == head


@pytest.mark.parametrize("method", ["mmcl", "supervised", "act"])
def test_an_interrupted_run_ends_with_the_weights_of_an_unbroken_one(method, learned, towns, tmp_path, monkeypatch):
    learn(tmp_path, towns, "supervised", source="city", name="source-city-batchnorm", head="batchnorm")
    calls, record = [], warmup.Run.record

    def interrupt(self, values):
        calls.append(values)
        if len(calls) > 1:
            raise KeyboardInterrupt
        record(self, values)

    with monkeypatch.context() as patch:
        patch.setattr(warmup.Run, "record", interrupt)
        with pytest.raises(KeyboardInterrupt):
            learn(tmp_path, towns, method, source=METHODS[method], checkpoint_every=1)
    assert not (tmp_path / "warmup" / "main").exists()
    learn(tmp_path, towns, method, source=METHODS[method], checkpoint_every=1)
    assert encoder_of(tmp_path, "warmup/main") == encoder_of(learned, f"warmup/{method}")


def test_the_source_is_learned_once_and_every_method_goes_on_from_it(towns, tmp_path, said):
    learn(tmp_path, towns, "act", source="city")
    first = manifest(tmp_path, SOURCE)
    assert first["config"]["method"] == "supervised" and first["result"]["people"] == 6
    assert any(SOURCE in line and "First the labels of city" in line for line in said)
    learn(tmp_path, towns, "mmcl", source="city", name="mmcl", seed=5)
    assert manifest(tmp_path, SOURCE) == first
    assert any(f"{SOURCE} is there already (seed 1)" in line for line in said)
    for reference in ("warmup/main", "warmup/mmcl"):
        made = manifest(tmp_path, reference)
        assert made["config"]["init"] == SOURCE and SOURCE in made["inputs"] and "source" in made["inputs"]


def test_networks_with_another_head_learn_the_source_for_themselves(learned):
    assert (learned / "warmup" / "source-city-batchnorm").exists() and (
        learned / "warmup" / "source-city-bnneck"
    ).exists()
    assert manifest(learned, "warmup/cluster-contrast")["config"]["init"] == "warmup/source-city-bnneck"


def test_after_a_source_the_clusters_come_from_features_at_once(towns, tmp_path, monkeypatch):
    seen = []
    true_loop = warmup.ClusterContrast
    monkeypatch.setattr(warmup, "ClusterContrast", lambda *a, **k: seen.append(k["colour_start"]) or true_loop(*a, **k))
    learn(tmp_path, towns, "cluster-contrast", source="city")
    learn(tmp_path, towns, "cluster-contrast", name="alone")
    assert seen == [False, True]


def test_imagenet_weights_know_no_people_so_colours_come_first(towns, tmp_path, monkeypatch):
    seen = []
    true_loop = warmup.ClusterContrast
    monkeypatch.setattr(
        warmup,
        "ClusterContrast",
        lambda *a, **k: seen.append((k["colour_start"], k["pretrained"])) or true_loop(*a, **k),
    )
    learn(tmp_path, towns, "cluster-contrast", init="imagenet", trunk="efficientnet-lite0", frozen_stages=2)
    learn(tmp_path, towns, "cluster-contrast", name="on", init="warmup/main", trunk="efficientnet-lite0")
    learn(tmp_path, towns, "cluster-contrast", name="chance")
    assert seen == [(True, True), (False, True), (True, False)]


def test_an_encoder_made_here_goes_on_without_learning_the_source_again(towns, tmp_path, said):
    learn(tmp_path, towns, "cluster-contrast", name="adapted", head="batchnorm")
    learn(tmp_path, towns, "act", source="city", init="warmup/adapted")
    assert not (tmp_path / SOURCE).exists()
    assert manifest(tmp_path, "warmup/main")["config"]["init"] == "warmup/adapted"
    assert any("warmup/adapted goes on as it is" in line for line in said)


def renumbered(monkeypatch: pytest.MonkeyPatch, folder: Path, permutation: dict[int, int]) -> None:
    """From here on, the people of the data set in `folder` have other numbers, while all files keep their names."""
    true_reader = data_in_memory.open_dataset

    def reader(root, **how):
        found = true_reader(root, **how)
        if Path(root).resolve() != folder.resolve():
            return found
        renamed = tuple(dataclasses.replace(s, person=permutation.get(s.person)) for s in found.splits["train"])
        return dataclasses.replace(found, splits={**found.splits, "train": renamed})

    monkeypatch.setattr(data_in_memory, "open_dataset", reader)


PERMUTED = {1: 40, 2: 7, 3: 900, 4: 1, 5: 2, 6: 3}


def test_the_numbers_of_the_source_people_are_nothing_but_names(learned, towns, tmp_path, monkeypatch):
    renumbered(monkeypatch, towns["city"], PERMUTED)
    for method in ("act", "cluster-contrast"):
        learn(tmp_path, towns, method, source="city", name=method)
        assert encoder_of(tmp_path, f"warmup/{method}") == encoder_of(learned, f"warmup/{method}")
    assert encoder_of(tmp_path, SOURCE) == encoder_of(learned, SOURCE)


@pytest.mark.parametrize("people", [dict.fromkeys(range(1, 7), 1), {n: None for n in range(1, 7)}])
def test_who_is_on_the_target_pictures_changes_nothing(people, learned, towns, tmp_path, monkeypatch):
    renumbered(monkeypatch, towns["target"], people)
    for method in ("mmcl", "act", "cluster-contrast"):
        learn(tmp_path, towns, method, source=METHODS[method], name=method)
        assert encoder_of(tmp_path, f"warmup/{method}") == encoder_of(learned, f"warmup/{method}")


def test_who_is_on_the_source_pictures_does_change_the_encoder(learned, towns, tmp_path, monkeypatch):
    renumbered(monkeypatch, towns["city"], {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2})
    learn(tmp_path, towns, "supervised", source="city", name="source-city-batchnorm", head="batchnorm")
    assert encoder_of(tmp_path, SOURCE) != encoder_of(learned, SOURCE)


def test_another_source_under_the_same_name_is_refused(learned, towns, tmp_path):
    other = {**towns, "city": town(tmp_path / "city", 2)}
    with pytest.raises(GclError, match="other pictures") as raised:
        learn(learned, other, "act", source="city", name="other")
    assert "Remove" in raised.value.fix and f"--init {SOURCE}" in raised.value.fix
    assert not (learned / "warmup" / "other.partial").exists()


def test_supervised_without_a_source_learns_the_target_and_says_what_that_is(towns, tmp_path, said):
    learn(tmp_path, towns, "supervised")
    assert any("a ceiling, not an unsupervised result" in line for line in said)
    assert "source" not in manifest(tmp_path, "warmup/main")["inputs"]
    said.clear()
    learn(tmp_path, towns, "supervised", source="city", name="from-city")
    assert not any("ceiling" in line for line in said)


def test_act_without_a_source_is_refused(towns, tmp_path):
    with pytest.raises(GclError, match="labelled source") as raised:
        learn(tmp_path, towns, "act")
    assert "--source" in raised.value.fix
    assert not (tmp_path / "warmup").exists()


def test_the_target_as_its_own_source_is_a_ceiling_too(towns, tmp_path, said):
    learn(tmp_path, towns, "act", source="target")
    assert any("act: learning the true labels of target itself" in line and "a ceiling" in line for line in said)
    learn(tmp_path, towns, "mmcl", source="target", name="mmcl")
    assert any("is there already" in line for line in said)


@pytest.mark.parametrize("method", ["act", "supervised", "mmcl"])
def test_a_source_of_unknown_people_is_refused_before_anything_is_written(method, towns, tmp_path):
    with pytest.raises(GclError, match="no person label") as raised:
        learn(tmp_path, towns, method, source="plain")
    assert "--person-from" in raised.value.fix
    assert not (tmp_path / "warmup").exists()


def test_supervised_on_a_plain_folder_is_refused(towns, tmp_path):
    with pytest.raises(GclError, match="no person label"):
        learn(tmp_path, {**towns, "target": towns["plain"]}, "supervised")
    assert not (tmp_path / "warmup").exists()


@pytest.mark.parametrize(
    ("method", "given", "complaint"),
    [
        ("supervised", ["--radius", "0.5"], "--radius means nothing"),
        ("mmcl", ["--camera-aware"], "--camera-aware means nothing"),
        ("mmcl", ["--set", "people=4"], "people is no setting"),
        ("supervised", ["--set", "k1=9"], "k1 is no setting"),
        ("act", ["--set", "temperature=0.1"], "temperature is no setting"),
        ("cluster-contrast", ["--set", "margin=0.3"], "margin is no setting"),
        ("act", ["--set", "people=5", "--set", "batchnorm_groups=2"], "does not divide the people of a batch"),
        ("supervised", ["--camstyle", "somewhere"], "--camstyle means nothing"),
    ],
)
def test_settings_that_mean_nothing_to_a_method_are_refused(method, given, complaint, towns, tmp_path):
    command = ["warmup", str(towns["target"]), "--method", method, "--preset", "tiny", "--work", str(tmp_path / "work")]
    answer = CliRunner().invoke(app, [*command, "--source", str(towns["city"]), *given])
    assert answer.exit_code == 2 and complaint in " ".join(answer.output.split()), answer.output
    assert not (tmp_path / "work" / "warmup").exists()
