"""`gcl status` on work folders made by hand."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import made_work
import pytest
from typer.testing import CliRunner

from gcl_cli import console
from gcl_cli.cli import app
from gcl_cli.commands import status
from gcl_cli.people.data import open_data
from gcl_cli.session import Session

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    """A complete chain, in the folder that commands take by themselves."""
    monkeypatch.delenv("GCL_WORK", raising=False)
    monkeypatch.chdir(tmp_path)
    made_work.whole_chain(tmp_path / "work", made_work.market(tmp_path / "crops"))
    return Path("work")


def states(work: Path) -> dict[str, str]:
    return {row["artifact"]: row["state"] for row in status.run(str(work))["artifacts"]}


def commands(work: Path) -> list[str]:
    return [step["type"] for step in status.run(str(work))["next"]]


def test_a_complete_chain_is_fresh_and_nothing_is_left_to_type(work):
    found = status.run(str(work))
    assert set(states(work).values()) == {"fresh"} and len(found["artifacts"]) == 8
    assert found["next"] == []
    assert found["dataset"]["pictures"] == {"train": 2, "query": 2, "gallery": 2}


def test_artifacts_come_in_the_order_of_the_pipeline(work):
    assert [row["stage"] for row in status.run(str(work))["artifacts"]] == [
        "mesh", "render", "warmup", "gan-warmup", "joint", "evaluate", "evaluate", "gen-metrics",
    ]  # fmt: skip


def test_what_was_made_of_an_encoder_made_anew_is_stale_at_any_remove(work):
    made_work.remade(work, "warmup/main")
    assert states(work) == {
        "mesh/main": "fresh", "render/main": "fresh", "warmup/main": "fresh", "gan-warmup/main": "stale",
        "joint/main": "stale", "evaluate/joint-main": "stale", "evaluate/warmup-main": "stale",
        "gen-metrics/joint-main": "stale",
    }  # fmt: skip
    reasons = {row["artifact"]: row["reason"] for row in status.run(str(work))["artifacts"]}
    assert reasons["gan-warmup/main"] == "warmup/main was made anew since"
    assert reasons["joint/main"] == "gan-warmup/main is stale"
    assert commands(work) == ["gcl run", "gcl clean"]


def test_a_missing_file_is_damage(work):
    (work / "warmup/main/weights.safetensors").unlink()
    (work / "mesh/main/manifest.json").write_text("{")
    found = {row["artifact"]: (row["state"], row["reason"]) for row in status.run(str(work))["artifacts"]}
    assert found["warmup/main"] == ("damaged", "weights.safetensors is missing")
    assert found["mesh/main"] == ("damaged", "manifest.json cannot be read")


def test_an_interrupted_run_names_its_steps_and_the_command_that_goes_on(work):
    made_work.interrupted(work, "warmup/other", {"epochs": 7, "decay_at": (0.5, 0.75)}, steps=150)
    found = status.run(str(work))
    (row,) = (row for row in found["artifacts"] if row["name"] == "other")
    assert (row["state"], row["done"]) == ("interrupted", {"steps": 150, "epochs": 1})
    assert row["settings"] == {"preset": "tiny", "epochs": 7, "decay_at": [0.5, 0.75]}
    typed = "gcl warmup --preset tiny --set epochs=7 --set decay_at=0.5,0.75 --name other"
    assert [step["type"] for step in found["next"]] == [typed]


def test_the_command_of_an_artifact_asks_for_its_own_settings(work, monkeypatch):
    """Typed again, it must be found complete: read by the command line, it leads to the recorded settings."""
    made_work.made(work, "joint/other", {"epochs": 3, "losses": ("gan", "vi"), "radius": None, "exclude_self": False})
    (row,) = (row for row in status.run(str(work))["artifacts"] if row["artifact"] == "joint/other")
    seen = []
    monkeypatch.setattr("gcl_cli.commands.joint.command.run", lambda *given, **named: seen.append(given) or {})
    ran = CliRunner().invoke(app, row["command"].split()[1:])
    assert ran.exit_code == 0, ran.output
    options, generator, chosen = seen[0]
    assert (options.name, generator) == ("other", "main")
    assert made_work.begun(work, "joint/other", chosen).finished(restart=False) is not None


def test_a_run_that_is_at_work_is_running(work):
    folder = made_work.interrupted(work, "warmup/other")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert states(work)["warmup/other"] == "running"
        assert commands(work) == []
    assert states(work)["warmup/other"] == "interrupted"


def test_a_real_run_at_work_is_seen(work):
    with made_work.begun(work, "warmup/other").begin(restart=False):
        assert states(work)["warmup/other"] == "running"


def test_a_partial_folder_whose_inputs_changed_is_stale(work):
    made_work.interrupted(work, "joint/other")
    made_work.remade(work, "render/main")
    assert states(work)["joint/other"] == "stale"


def test_an_empty_folder_says_how_to_begin(tmp_path, monkeypatch):
    monkeypatch.delenv("GCL_WORK", raising=False)
    found = status.run(str(tmp_path / "nowhere"))
    assert found["artifacts"] == [] and found["dataset"] is None
    assert found["next"][0]["type"] == f"gcl run DATA --work {tmp_path}/nowhere"


def test_another_data_set_makes_what_was_learned_stale_but_not_what_evaluate_measured_elsewhere(work):
    other = made_work.market(work.resolve().parent / "other")
    (other / "query" / "0002_c1s1_000451_03.jpg").write_bytes(b"somebody else")
    (work / "dataset.json").unlink()
    open_data(Session(work=str(work)), str(other))
    found = states(work)
    assert found["mesh/main"] == found["warmup/main"] == found["evaluate/joint-main"] == "stale"
    assert {row["reason"] for row in status.run(str(work))["artifacts"] if row["stage"] == "evaluate"} == {
        "warmup/main is stale", "joint/main is stale",
    }  # fmt: skip


def test_looking_changes_nothing(work):
    made_work.interrupted(work, "warmup/other")
    before = made_work.snapshot(work)
    status.run(str(work))
    assert made_work.snapshot(work) == before


def test_links_are_passed_over(work, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (work / "warmup" / "main").rename(tmp_path / "elsewhere" / "main")
    (work / "warmup" / "main").symlink_to(tmp_path / "elsewhere" / "main")
    assert "warmup/main" not in states(work)


def test_sizes_and_ages_are_those_of_the_files(work):
    for row in status.run(str(work))["artifacts"]:
        files = [path for path in Path(row["folder"]).rglob("*") if path.is_file()]
        assert row["bytes"] == sum(path.stat().st_size for path in files)
        assert 0 <= row["age_seconds"] < 600


def test_on_a_terminal_it_is_a_tree(work, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    made_work.interrupted(work, "warmup/other", {"epochs": 7})
    status.show(status.run(str(work)))
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "work: crops (market1501), train 2  query 2  gallery 2"
    line = next(line for line in shown.splitlines() if "other" in line and "interrupted" in line)
    assert "interrupted (200 steps, 1 epochs done)" in line and "epochs 7" in line and " ago" in line
    assert "type next" in shown and "gcl warmup --preset tiny --set epochs=7 --name other" in shown


def test_the_command_prints_json_when_piped(work):
    ran = CliRunner().invoke(app, ["status"])
    assert ran.exit_code == 0 and json.loads(ran.stdout)["next"] == []


@pytest.mark.parametrize("command", [["status"], ["clean"], ["clean", "--yes"], ["config"], ["config", "joint"]])
def test_looking_imports_no_torch(work, command):
    code = (
        "import sys\nfrom gcl_cli.cli import app\n"
        f"try:\n    app({command})\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "print([name for name in ('torch', 'torchvision', 'sklearn', 'scipy') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=work.absolute().parent, env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.stdout.splitlines()[-1] == "[]", ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (250_000, "250 kB"), (5e13, "50.0 TB")],
)
def test_sizes_are_shown_short(size, text):
    assert console.size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (65, "1 min 05 s"), (7_800, "2 h 10 min"), (172_799, "47 h 59 min"), (4e5, "4 days")],
)
def test_durations_are_shown_short(seconds, text):
    assert console.duration_text(seconds) == text


@pytest.mark.parametrize(("stage", "typed"), [("gen-metrics", []), ("evaluate", []), ("render", ["gcl update"])])
def test_figures_of_earlier_pictures_are_no_reason_to_update(stage, typed, monkeypatch):
    for other in ("steps_left", "leftovers"):
        monkeypatch.setattr(status, other, lambda found: ())
    of = SimpleNamespace(stage=stage, moment=None)
    found = SimpleNamespace(dataset={}, entries=[SimpleNamespace(state="behind", reference=f"{stage}/main", found=of)])
    assert [row["type"] for row in status._next(found, "")] == typed
