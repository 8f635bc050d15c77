"""`gcl clean`: what goes, and above all what stays."""

import fcntl
import json
import shutil
from pathlib import Path

import made_work
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.seals import read_sealed, sealed
from gcl_cli.cli import app
from gcl_cli.commands import clean
from gcl_cli.inventory.survey import survey

REFERENCES = ("mesh/main", "render/main", "warmup/main", "gan-warmup/main", "joint/main")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    return made_work.whole_chain(folder / "work", made_work.market(folder / "crops"))


@pytest.fixture
def work(whole, tmp_path) -> Path:
    """A copy of the complete chain, to spoil."""
    shutil.copytree(whole, tmp_path / "work")
    return tmp_path / "work"


def removable(work: Path) -> dict[str, str]:
    return {
        Path(row["path"]).relative_to(work).as_posix(): row["because"]
        for row in clean.run(str(work), sure=False)["leftovers"]
    }


def test_in_a_complete_chain_there_is_nothing_to_remove(work):
    before = made_work.snapshot(work)
    assert clean.run(str(work), sure=True)["leftovers"] == []
    assert made_work.snapshot(work) == before


def test_stale_and_damaged_artifacts_go_and_what_they_were_made_of_stays(work):
    made_work.remade(work, "gan-warmup/main")
    (work / "evaluate/warmup-main/weights.safetensors").unlink()
    assert removable(work) == {
        "joint/main": "stale: gan-warmup/main was made anew since",
        "evaluate/joint-main": "stale: joint/main is stale",
        "gen-metrics/joint-main": "stale: joint/main is stale",
        "evaluate/warmup-main": "damaged: weights.safetensors is missing",
    }
    freed = clean.run(str(work), sure=True)
    assert freed["bytes_freed"] == freed["bytes"] > 0 and all(row["removed"] for row in freed["leftovers"])
    assert not (work / "joint/main").exists() and (work / "gan-warmup/main/manifest.json").exists()


def test_an_interrupted_run_stays_unless_its_artifact_is_complete_or_its_inputs_changed(work):
    made_work.interrupted(work, "joint/wanted")
    made_work.interrupted(work, "warmup/main", {"epochs": 9})
    assert removable(work) == {"warmup/main.partial": "an interrupted run beside warmup/main, which is complete"}
    made_work.remade(work, "gan-warmup/main")
    assert removable(work)["joint/wanted.partial"].startswith("stale: gan-warmup/main")


def test_scratch_of_a_finished_run_goes_and_a_begun_one_keeps_its_checkpoints(work):
    folder = made_work.interrupted(work, "joint/wanted")
    (folder / "half.tmp").write_text("half")
    for scratch in ("checkpoints/000000100", "shards/train-000000", "replaced"):
        (work / "warmup/main" / scratch).mkdir(parents=True)
    (work / "warmup/main/run.json").write_text("{}")
    (work / "mesh/main/export").mkdir()
    assert set(removable(work)) == {
        "joint/wanted.partial/half.tmp", "warmup/main/checkpoints", "warmup/main/shards", "warmup/main/replaced",
        "warmup/main/run.json",
    }  # fmt: skip
    clean.run(str(work), sure=True)
    assert (folder / "checkpoints/000000200").exists() and (work / "mesh/main/export").exists()
    assert sorted(path.name for path in (work / "warmup/main").iterdir()) == [
        "manifest.json", "metrics.jsonl", "weights.safetensors",
    ]  # fmt: skip


def test_a_run_at_work_keeps_its_folder_and_what_it_reads(work):
    folder = made_work.interrupted(work, "joint/main")
    made_work.remade(work, "render/main")
    assert {"joint/main.partial", "gan-warmup/main"} <= set(removable(work))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not {"joint/main.partial", "gan-warmup/main"} & set(removable(work))
        clean.run(str(work), sure=True)
    assert folder.exists() and (work / "gan-warmup/main").exists()


def test_links_are_neither_followed_nor_removed(work, tmp_path):
    made_work.remade(work, "warmup/main")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.tmp").write_text("mine")
    (work / "joint/main/inside").symlink_to(outside)
    shutil.move(work / "gan-warmup/main", outside / "main")
    (work / "gan-warmup/main").symlink_to(outside / "main")
    shutil.move(work / "gen-metrics", outside / "gen-metrics")
    (work / "gen-metrics").symlink_to(outside / "gen-metrics")
    (work / "warmup/main/other.tmp").symlink_to(outside / "precious.tmp")
    before = made_work.snapshot(outside)
    clean.run(str(work), sure=True)
    assert made_work.snapshot(outside) == before
    assert (work / "gan-warmup/main").is_symlink() and (work / "warmup/main/other.tmp").is_symlink()


def test_a_data_set_inside_the_work_folder_stays(work):
    made_work.remade(work, "gan-warmup/main")
    record = read_sealed(work / "dataset.json", "")
    (work / "dataset.json").write_text(json.dumps(sealed(record | {"root": str(work / "joint/main/crops")})))
    assert "joint/main" not in removable(work) and "evaluate/joint-main" in removable(work)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    remade=st.lists(st.sampled_from(REFERENCES), max_size=2), lost=st.lists(st.sampled_from(REFERENCES), max_size=1),
    begun=st.lists(st.sampled_from(["warmup/main", "warmup/other", "joint/main"]), max_size=2, unique=True),
)  # fmt: skip
def test_whatever_happened_what_is_fresh_stays_to_the_byte_and_the_rest_ends_fresh(
    whole, tmp_path_factory, remade, lost, begun
):
    work = tmp_path_factory.mktemp("spoiled") / "work"
    shutil.copytree(whole, work)
    for reference in begun:
        made_work.interrupted(work, reference, {"epochs": 9})
    for reference in remade:
        if survey(WorkFolder(work)).fresh(reference):
            made_work.remade(work, reference)
    for reference in lost:
        (work / reference / "weights.safetensors").unlink()
    kept = [e for e in survey(WorkFolder(work)).entries if e.state == "fresh"]
    before = {entry.reference: made_work.snapshot(entry.found.folder) for entry in kept}
    clean.run(str(work), sure=True)
    assert {entry.reference: made_work.snapshot(entry.found.folder) for entry in kept} == before
    assert {entry.state for entry in survey(WorkFolder(work)).entries} <= {"fresh", "interrupted"}
    assert clean.run(str(work), sure=False)["leftovers"] == []


def test_the_command_shows_and_removes_only_with_yes(work):
    made_work.remade(work, "gan-warmup/main")
    shown = CliRunner().invoke(app, ["clean", "--work", str(work)])
    assert shown.exit_code == 0 and len(json.loads(shown.stdout)["leftovers"]) == 3
    assert "gcl clean --yes" in shown.stderr and (work / "joint/main").exists()
    CliRunner().invoke(app, ["clean", "--work", str(work), "--yes"])
    assert not (work / "joint/main").exists()


@pytest.mark.parametrize(("answer", "gone"), [("y", True), ("n", False)])
def test_on_a_terminal_it_asks(work, monkeypatch, answer, gone):
    made_work.remade(work, "gan-warmup/main")
    monkeypatch.setattr("gcl_cli.cli.using.on_terminal", lambda: True)
    ran = CliRunner().invoke(app, ["clean", "--work", str(work)], input=answer)
    assert "Remove" in ran.output and (work / "joint/main").exists() is not gone
