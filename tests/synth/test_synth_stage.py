import json
import subprocess
import sys

import pytest
from own_peak import PEAK
from safetensors.numpy import load_file

from gcl_cli.commands import synth
from gcl_cli.datasets.catalogue import open_dataset
from gcl_cli.errors import GclError

SMALL = {"ids": 4, "cameras": 2, "images": 2, "seed": 3}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth") / "people"
    return folder, synth.run(str(folder), SMALL, threads=1, restart=False)


def files(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_set_is_read_as_market_with_its_truth_beside_it(labelled):
    folder, result = labelled
    dataset = open_dataset(folder, allow_subset=False)
    assert dataset.layout == "market1501"
    counts = {split: len(samples) for split, samples in dataset.splits.items()}
    assert counts == {split: result[split] for split in ("train", "query", "gallery")}
    names = json.loads((folder / "truth.names.json").read_text())
    assert sorted(names) == sorted(sample.name for samples in dataset.splits.values() for sample in samples)
    truth = load_file(folder / "truth.safetensors")
    shapes = {name: column.shape[1:] for name, column in truth.items()}
    alone = dict.fromkeys(("yaw", "occluded", "cut", "second_person", "person", "label", "camera_number"), ())
    assert shapes == {"pose": (22, 3), "betas": (10,), "camera": (3,)} | alone
    assert [f"{label:04d}_c{number}" for label, number in zip(truth["label"], truth["camera_number"], strict=True)] == [
        name.rpartition("/")[2][:7] for name in names
    ]
    looks = json.loads((folder / "truth.json").read_text())
    assert set(looks["people"]) == set(map(str, truth["person"]))
    assert set(looks["cameras"]) == {"1", "2"}


def test_without_labels_the_set_is_a_plain_folder_of_the_same_pictures(labelled, tmp_path):
    folder = tmp_path / "crops"
    result = synth.run(str(folder), SMALL | {"labels": False}, threads=1, restart=False)
    dataset = open_dataset(folder, allow_subset=False)
    assert dataset.layout == "plain"
    assert len(dataset.splits["train"]) == result["train"]
    assert all(sample.person is None and sample.camera is None for sample in dataset.splits["train"])
    pictures, named = ({f for n, f in files(where).items() if n.endswith(".jpg")} for where in (folder, labelled[0]))
    assert pictures == named
    truth = load_file(folder / "truth.safetensors")
    assert len(truth["person"]) == result["train"]


def test_the_bytes_depend_neither_on_the_number_of_processes_nor_on_the_run(labelled, tmp_path):
    synth.run(str(tmp_path / "again"), SMALL, threads=2, restart=False)
    assert files(tmp_path / "again") == files(labelled[0])


def test_a_set_of_other_settings_is_refused_and_made_anew_when_told_to(tmp_path):
    folder = tmp_path / "people"
    few = {"ids": 2, "cameras": 2, "images": 2, "distractors": 0}
    first = synth.run(str(folder), few, threads=1, restart=False)
    assert synth.run(str(folder), few, threads=1, restart=False) == first
    with pytest.raises(GclError, match="other settings"):
        synth.run(str(folder), few | {"distractors": 1}, threads=1, restart=False)
    again = synth.run(str(folder), few | {"distractors": 1}, threads=1, restart=True)
    assert again["gallery"] > first["gallery"]


PEOPLE_DRAWN = """
import sys
from gcl_cli.synth.population import draw, plan
for _ in draw(plan(ids=int(sys.argv[1]), cameras=2, images=2, shift=0.65, seed=0)):
    pass
print(peak() / 1e6)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_people():
    few, many = (
        float(subprocess.check_output([sys.executable, "-c", PEAK + PEOPLE_DRAWN, count], text=True))
        for count in ("60", "300")
    )
    assert many < few + 25, f"{few:.0f} MB for 60 people, {many:.0f} MB for 300"
