"""`gcl update`: a set that grows, as its user meets it."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from typer.testing import CliRunner
from using_artifacts import SMALL

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.artifacts.view_store import FLOW, StoredPictures
from gcl_cli.cli import app
from gcl_cli.commands import synth
from gcl_cli.commands.mesh import command as mesh
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.people.data import open_data
from gcl_cli.session import Session
from gcl_cli.weights.networks import save_networks

ANGLES = (0, 90, 180)
LOOSE = ["--set", "k1=6", "--set", "k2=2", "--set", "min_samples=2", "--radius", "0.6"]


@pytest.fixture(scope="module")
def everybody(tmp_path_factory) -> list[Path]:
    """Pictures of eight synthetic people, by two cameras."""
    folder = tmp_path_factory.mktemp("city")
    synth.run(str(folder / "set"), {"ids": 8, "cameras": 2, "images": 3, "distractors": 0}, threads=2, restart=False)
    return sorted(folder.rglob("bounding_box_*/*.jpg"))


def typed(*words: str) -> dict:
    ran = CliRunner().invoke(app, [*words, "--json"])
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


def refused(*words: str) -> str:
    ran = CliRunner().invoke(app, [*words])
    assert ran.exit_code == 2, ran.output
    return " ".join(ran.stderr.replace("|", " ").split())


def trained(session: Session) -> None:
    """`warmup/main`, as if it had learned from the pictures of now."""
    torch.manual_seed(0)
    encoder = IdentityEncoder(SMALL)
    initialise(encoder, torch.Generator().manual_seed(0))
    job = Run(session.folder, "warmup", "main", {"preset": "tiny"}, {"dataset": open_data(session, None).digest})
    with job.begin(restart=True):
        save_networks(job.folder, {"identity_encoder": encoder}, SMALL)
        job.publish({})


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory, everybody) -> Path:
    """A folder with `crops` and everything that was made of them."""
    root = tmp_path_factory.mktemp("yesterday")
    (root / "crops").mkdir()
    for path in everybody[:-10]:
        shutil.copy(path, root / "crops")
    work = ["--work", str(root / "work"), "--threads", "2"]
    typed("mesh", str(root / "crops"), *work, "--device", "cpu", "--set", "sheet=0")
    typed("render", *work, "--set", "height=64", "--set", "width=32", "--set", "backend=numpy", "--angles", "0,90,180")
    trained(Session(work=str(root / "work")))
    typed("cluster", *work, "--device", "cpu", *LOOSE)
    typed("search", str(root / "crops"), str(everybody[0]), "--to", str(root / "found"), *work, "--device", "cpu")
    return root


@pytest.fixture
def today(yesterday, everybody, tmp_path, monkeypatch) -> Path:
    """Yesterday's folder after ten new crops, two that are gone, one replaced and one renamed."""
    monkeypatch.delenv("GCL_WORK", raising=False)
    shutil.copytree(yesterday, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    search = next(Path("work/search").glob("crops*"))  # of the folder as it was called
    shutil.rmtree(search)
    typed("mesh", "crops", "--set", "sheet=0", "--device", "cpu", "--threads", "2")  # the set is here now
    typed("search", "crops", str(everybody[0]), "--to", "found", "--threads", "2", "--device", "cpu")
    for path in everybody[-10:]:
        shutil.copy(path, "crops")
    names = sorted(path.name for path in everybody[:-10])
    for gone in names[3:5]:
        Path("crops", gone).unlink()
    shutil.copy(everybody[-1], Path("crops", names[8]))
    Path("crops", names[0]).rename(Path("crops", "0999_c1s1_000001_00.jpg"))
    return tmp_path


def table(work: str = "work") -> dict[str, dict[str, np.ndarray]]:
    """By picture, all that was made of it."""
    read: dict[str, dict[str, np.ndarray]] = {}
    names = json.loads(Path(work, "mesh/main/train.names.json").read_text())
    columns = load_file(Path(work, "mesh/main/train.safetensors"))
    stores = [StoredPictures(Path(work, "render/main"), "train", ANGLES, kind) for kind in ("", FLOW)]
    embedded = load_file(Path(work, "cluster/main/train.embeddings.safetensors"))["embeddings"]
    clustered = json.loads(Path(work, "cluster/main/train.names.json").read_text())
    assert names == clustered == [*stores[0].names] == [*stores[1].names]
    for row, name in enumerate(names):
        read[name] = {key: column[row].tobytes() for key, column in columns.items()}
        read[name] |= {f"view {a} {i}": s.png(row, a) for i, s in enumerate(stores) for a in range(len(ANGLES))}
        read[name]["embedding"] = embedded[row].tobytes()
    return read


def people(work: str = "work") -> dict[str, int]:
    with Path(work, "cluster/main/labels.csv").open() as file:
        return {row["name"]: int(row["label"]) for row in csv.DictReader(file)}


def states() -> dict[str, str]:
    """Of what is finished, and of what was begun where nothing is."""
    rows = reversed(typed("status")["artifacts"])
    return {row["artifact"].partition("-")[0]: row["state"] for row in rows}


def test_status_and_commands_agree_that_the_set_has_changed(today):
    found = typed("status")
    assert found["changes"].startswith("2 gone (") and "10 new (" in found["changes"]
    assert "1 renamed (" in found["changes"] and "1 replaced (" in found["changes"]
    assert states() == {
        **dict.fromkeys(("mesh/main", "render/main", "cluster/main"), "behind"),
        "warmup/main": "fresh", "search/crops": "fresh",
    }  # fmt: skip
    assert [step["type"] for step in found["next"]] == ["gcl update"]
    for words in (["mesh"], ["render"], ["cluster"], ["run"], ["report"]):
        if words != ["report"]:
            assert "Take them in: gcl update" in refused(*words)
    assert typed("clean")["leftovers"] == []


def test_an_update_computes_what_is_new_and_leaves_the_rest_as_it_is_bit_for_bit(today, everybody):
    before, were = table(), people()
    names = sorted(before)
    renamed, replaced, gone = names[0], names[8], names[3:5]
    made = typed("update", "--threads", "2", "--device", "cpu")
    assert {key: made[key] for key in ("added", "removed", "replaced", "renamed")} == {
        "added": 10, "removed": 2, "replaced": 1, "renamed": 1,
    }  # fmt: skip
    assert {row["artifact"].partition("-")[0]: (row["state"], row["new_pictures"]) for row in made["artifacts"]} == {
        **dict.fromkeys(("mesh/main", "render/main", "cluster/main"), ("brought up to date", 11)),
        "search/crops": ("brought up to date", 12),  # which looks at names and times
    }
    after, are = table(), people()
    assert after.keys() == {path.name for path in Path("crops").iterdir()}
    for name in after.keys() & before.keys() - {replaced}:
        assert after[name] == before[name]
    assert after["0999_c1s1_000001_00.jpg"] == before[renamed]
    assert after[replaced] != before[replaced] and not after.keys() & {*gone, renamed}
    ((again,),) = [made["next"]]
    assert again["type"] == "gcl run --from warmup" and "never saw 11 of 38 pictures (29%)" in again["because"]
    assert set(states().values()) == {"fresh"} and typed("status")["changes"] is None
    history = json.loads(Path("work/dataset.history.jsonl").read_text().splitlines()[-1])
    assert history["removed"] == gone and history["renamed"] == {renamed: "0999_c1s1_000001_00.jpg"}
    for command in (["mesh", "--set", "sheet=0"], ["cluster", *LOOSE]):
        typed(*command, "--device", "cpu", "--threads", "2")  # complete already: the settings of before
    kept = typed("update", "--threads", "2", "--device", "cpu")
    assert {row["state"] for row in kept["artifacts"]} == {"kept"} and table() == after and people() == are
    assert were.keys() - are.keys() == {*gone, renamed}


def test_people_keep_their_numbers_and_a_number_given_up_is_never_used_again(today):
    were, result = people(), read_artifact(WorkFolder(Path("work")), "cluster/main").manifest.result
    typed("update", "--threads", "2", "--device", "cpu")
    are, now = people(), read_artifact(WorkFolder(Path("work")), "cluster/main").manifest.result
    old, new = set(were.values()) - {-1}, set(are.values()) - {-1}
    assert result["next_number"] == len(old) and now["next_number"] >= result["next_number"]
    assert (now["people_kept"], now["people_new"], now["people_gone"]) == (
        len(new & old),
        len(new - old),
        len(old - new),
    )
    assert all(number >= result["next_number"] for number in new - old)
    assert new & old <= {number for name, number in were.items() if are.get(name) == number}
    entries = json.loads(Path("work/cluster/main/clusters.json").read_text())
    assert {entry["label"] for entry in entries} == new


def test_a_crash_in_the_middle_loses_nothing_and_the_same_command_goes_on(today, monkeypatch):
    monkeypatch.setattr("gcl_cli.people.shards.SIZE", 4)
    real, written = mesh.write_meshes, []

    def crash(folder, split, names, meshes):
        written.append(names)
        if len(written) == 3:
            raise KeyboardInterrupt
        real(folder, split, names, meshes)

    monkeypatch.setattr(mesh, "write_meshes", crash)
    before = table()
    ran = CliRunner().invoke(app, ["update", "--threads", "1", "--device", "cpu"])
    assert ran.exit_code == 130 and table() == before
    assert states()["mesh/main"] == "behind" and typed("status")["changes"] is None
    assert "gcl update" in [step["type"] for step in typed("status")["next"]]
    assert "gcl update" in refused("render")
    monkeypatch.setattr(mesh, "write_meshes", lambda *rows: written.append(rows[2]) or real(*rows))
    done = typed("update", "--threads", "1", "--device", "cpu")
    assert (done["added"], done["removed"]) == (0, 0)  # which was recorded before
    assert [len(rows) for rows in written] == [4, 4, 3, 3, 38]  # the third shard once more, and the whole table
    after = table()
    assert all(after[name] == before[name] for name in after.keys() & before.keys() - {sorted(before)[8]})
    assert set(states().values()) == {"fresh"}


def test_pictures_that_change_again_before_the_update_is_done_are_taken_in_with_it(today, monkeypatch):
    monkeypatch.setattr(mesh, "write_meshes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert CliRunner().invoke(app, ["update", "--threads", "1", "--device", "cpu"]).exit_code == 130
    monkeypatch.undo()
    monkeypatch.chdir(today)
    last = sorted(Path("crops").iterdir())[-2]
    last.unlink()
    before = table()
    done = typed("update", "--threads", "2", "--device", "cpu")
    after = table()
    assert done["removed"] == 1 and last.name not in after and set(states().values()) == {"fresh"}
    assert all(after[name] == before[name] for name in after.keys() & before.keys() - {sorted(before)[8]})


def test_a_copy_of_the_folder_with_more_in_it_is_the_same_set_grown(today):
    shutil.move("crops", "crops_of_today")
    done = typed("update", "crops_of_today", "--threads", "2", "--device", "cpu")
    assert (done["added"], done["removed"], done["renamed"]) == (10, 2, 1)
    shutil.copytree("crops_of_today", "other")
    for path in sorted(Path("other").iterdir())[:30]:
        path.unlink()
    assert "belongs to" in refused("update", "other")


def test_other_crops_are_clustered_without_training_and_grow_too(today, everybody):
    Path("new").mkdir()
    for path in everybody[:20]:
        shutil.copy(path, Path("new") / path.name)
    made = typed("cluster", "new", *LOOSE, "--device", "cpu", "--threads", "2")
    assert made["pictures"] == 20 and Path("work/cluster/new/labels.csv").exists()
    assert made["judged_by"] == "encoder"  # nobody is cut out of other crops
    assert "gcl cluster" in {row["artifact"]: row["command"] for row in typed("status")["artifacts"]}["cluster/new"]
    shutil.copy(everybody[20], Path("new") / everybody[20].name)
    grown = typed("cluster", "new", *LOOSE, "--device", "cpu", "--threads", "2")
    assert (grown["pictures"], grown["new_pictures"]) == (21, 1)
    Path("new", everybody[0].name).unlink()
    rows = {row["artifact"]: row for row in typed("update", "--threads", "2", "--device", "cpu")["artifacts"]}
    assert rows["cluster/new"]["state"] == "brought up to date" and rows["cluster/new"]["new_pictures"] == 0


def test_an_update_without_a_data_set_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "has no data set yet" in refused("update")
