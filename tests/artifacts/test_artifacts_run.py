import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from artifacts_making import make, start

from gcl_cli.artifacts import files as files_module
from gcl_cli.artifacts import run as run_module
from gcl_cli.artifacts.checkpoints import load_checkpoint, save_checkpoint
from gcl_cli.artifacts.files import read_json, sha256, write_json, write_text
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.run import CHECKPOINTS, METRICS
from gcl_cli.errors import GclError


@pytest.fixture
def work(tmp_path):
    return WorkFolder(tmp_path / "work")


class Crash(Exception):  # noqa: N818 (no error of the program)
    """The machine stops here."""


def crash_at(patch: pytest.MonkeyPatch, number: int) -> list[str]:
    """Make call `number` (from 0) to the disk raise instead of acting; returns the calls as they come."""
    calls: list[str] = []

    def guarded(name, function):
        def call(*arguments, **keywords):
            calls.append(name)
            if len(calls) == number + 1:
                raise Crash(name)
            return function(*arguments, **keywords)

        return call

    places = [(run_module, "sha256"), (run_module, "flush"), (files_module, "flush"), (shutil, "rmtree")]
    places += [(Path, name) for name in ("rename", "replace", "unlink", "write_text")]
    for owner, name in places:
        patch.setattr(owner, name, guarded(name, getattr(owner, name)))
    return calls


def train(run, *, restart=False):
    """A stage with everything a training stage leaves in its folder."""
    with run.begin(restart=restart):
        save_checkpoint(run.folder / CHECKPOINTS, 7, {"weights": torch.ones(2)})
        run.record({"epoch": 1})
        write_json(run.folder / "weights.json", run.config)
        return run


def publish_with_crash(run, number: int, *, restart=False) -> bool:
    """Train, and publish with a crash at the given call; True when publishing got through."""
    train(run, restart=restart)
    with pytest.MonkeyPatch.context() as patch, run.begin(restart=False):
        crash_at(patch, number)
        try:
            run.publish({})
        except Crash:
            return False
    return True


def test_a_crash_at_any_step_of_publishing_loses_no_work_and_leaves_no_half_artifact(tmp_path):
    through = False
    number = 0
    while not through:
        work = WorkFolder(tmp_path / str(number))
        run = start(work)
        through = publish_with_crash(run, number)
        if run.final.exists():
            assert read_artifact(work, "mesh/main").manifest.outputs.keys() == {"weights.json"}
        else:
            assert load_checkpoint(run.folder / CHECKPOINTS) is not None, f"crash {number} lost the checkpoint"
            with pytest.raises(GclError, match="not finished"):
                read_artifact(work, "mesh/main")
            again = start(work)
            assert again.finished(restart=False) is None
            with again.begin(restart=False):
                assert again.recorded()[0]["epoch"] == 1
                again.publish({})
            assert read_artifact(work, "mesh/main").manifest.outputs.keys() == {"weights.json"}
        number += 1
    assert number > 8, "the crashes were not simulated"


def test_a_crash_while_an_artifact_is_replaced_leaves_the_old_one_or_the_new_one_whole(tmp_path):
    through = False
    number = 0
    while not through:
        work = WorkFolder(tmp_path / str(number))
        train(start(work, config={"v": 1})).publish({})
        new = start(work, config={"v": 2})
        through = publish_with_crash(new, number, restart=True)
        if new.final.exists():
            assert read_json(new.final / "weights.json") == read_artifact(work, "mesh/main").config
        else:
            assert load_checkpoint(new.folder / CHECKPOINTS) is not None
        if not through:  # the same command, typed again (its `.partial` is of the same settings)
            again = start(work, config={"v": 2})
            with again.begin(restart=False):
                write_json(again.folder / "weights.json", again.config)
                again.publish({})
        assert read_artifact(work, "mesh/main").config == {"v": 2}
        number += 1
    assert number > 8


def test_a_finished_folder_holds_its_outputs_metrics_and_manifest_and_nothing_else(work):
    train(start(work)).publish({})
    train(start(work), restart=True).publish({})
    assert {path.name for path in work.root.rglob("*")} == {
        "mesh", "main", "manifest.json", "metrics.jsonl", "weights.json",
    }  # fmt: skip


def test_an_exception_inside_the_run_leaves_a_partial_that_the_same_command_resumes(work):
    with pytest.raises(Crash), start(work).begin(restart=False) as run:
        write_json(run.folder / "shard.json", 1)
        raise Crash
    assert not run.final.exists()
    with start(work).begin(restart=False) as again:
        assert read_json(again.folder / "shard.json") == 1


def test_the_same_run_again_returns_the_earlier_result_although_tuples_became_lists(work):
    assert start(work).finished(restart=False) is None
    with start(work).begin(restart=False) as run:
        run.publish({"counts": (1, 2)}, seed=3)
    earlier = start(work).finished(restart=False)
    assert earlier.manifest.result == {"counts": [1, 2]}
    assert (earlier.manifest.seed, earlier.reference) == (3, "mesh/main")
    assert start(work).finished(restart=True) is None


@pytest.mark.parametrize(
    ("config", "inputs", "shown"),
    [
        ({"k1": 20, "rho": 0.1}, {"dataset": "d0"}, ["k1: 30 -> 20", "rho: absent -> 0.1"]),
        ({"k1": 30}, {"dataset": "d1"}, ["dataset: d0 -> d1"]),
        ({}, {}, ["k1: 30 -> absent", "dataset: d0 -> absent"]),
    ],
)
@pytest.mark.parametrize("finish", [True, False])
def test_another_run_under_the_same_name_is_refused_with_the_difference(work, config, inputs, shown, finish):
    with start(work, config={"k1": 30}).begin(restart=False) as first:
        if finish:
            first.publish({})
    other = start(work, config=config)
    other.inputs = inputs
    with pytest.raises(GclError) as caught:
        other.finished(restart=False)
        other.begin(restart=False)
    assert all(text in caught.value.problem for text in shown)
    assert ("was made" if finish else "was begun") in caught.value.problem
    assert "--restart" in caught.value.fix and "--name" in caught.value.fix


def test_restart_drops_a_partial_of_other_settings(work):
    with start(work, config={"k1": 30}).begin(restart=False) as first:
        write_json(first.folder / "old.json", 1)
    with start(work, config={"k1": 20}).begin(restart=True) as second:
        assert not (second.folder / "old.json").exists()
        assert second.publish({}).config == {"k1": 20}


def test_a_refused_run_does_not_keep_the_folder_locked(work):
    with start(work, config={"k1": 30}).begin(restart=False):
        pass
    refused = start(work, config={"k1": 20})
    with pytest.raises(GclError):
        refused.begin(restart=False)
    with start(work, config={"k1": 20}).begin(restart=True):
        pass


@pytest.mark.parametrize("restart", [False, True])
def test_a_second_run_at_the_same_time_is_refused_and_harms_nothing(work, restart):
    with start(work).begin(restart=False) as first:
        write_json(first.folder / "shard.json", 1)
        with pytest.raises(GclError, match="in use"):
            start(work).begin(restart=restart)
        assert (first.folder / "shard.json").exists()
    with start(work).begin(restart=restart):
        pass


def test_another_process_is_refused_while_the_folder_is_in_use(work):
    code = (
        "import sys; from pathlib import Path; from gcl_cli.artifacts.run import Run\n"
        "from gcl_cli.artifacts.layout import WorkFolder\n"
        "Run(WorkFolder(Path(sys.argv[1])), 'mesh', 'main', {'angles': (0, 45)}, {'dataset': 'd0'}).begin(restart=True)"
    )
    command = [sys.executable, "-c", code, str(work.root)]
    with start(work).begin(restart=False):
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "in use by another gcl process" in refused.stderr
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def test_names_lie_side_by_side(work):
    make(work, name="main", content=1)
    make(work, name="other", content=2)
    assert read_artifact(work, "mesh").manifest.result == {"content": 1}
    assert read_artifact(work, "mesh/other").manifest.result == {"content": 2}


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "main.partial"])
def test_a_name_that_cannot_be_a_folder_beside_main_is_refused(work, name):
    with pytest.raises(GclError, match="--name"):
        start(work, name=name)


def test_metrics_are_those_of_the_checkpoint_even_when_a_bit_changed_and_the_last_line_is_torn(work):
    with start(work).begin(restart=False) as run:
        assert run.recorded() == []
        for epoch in range(3):
            run.record({"epoch": epoch, "loss": 0.1})
        whole, known = (run.folder / METRICS).read_bytes(), run.recorded()[:2]
        (run.folder / METRICS).write_bytes(whole.replace(b"0.1", b"0.3", 1) + b'{"epoch": 3, "lo\xff')
        run.put_back(known)
        assert run.recorded() == known
        assert whole.startswith((run.folder / METRICS).read_bytes())
        run.put_back([])
        assert run.recorded() == []


def test_the_manifest_says_what_was_read_made_and_with_what(work):
    source = make(work, "mesh", content=5)
    made = make(work, "render", content=6, reads=["mesh"], height=64)
    manifest = json.loads((made.folder / "manifest.json").read_text())
    assert manifest["inputs"] == {"dataset": "d0", "mesh/main": source.manifest.digest}
    assert manifest["outputs"] == {"content.json": sha256(made.folder / "content.json")}
    assert manifest["config"] == {"height": 64} and manifest["result"] == {"content": 6}
    assert {"gcl-cli", "python", "torch", "numpy"} <= manifest["versions"].keys()
    assert manifest["started"] <= manifest["finished"]


def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    write_text(path, "old")
    monkeypatch.setattr(files_module, "flush", lambda path: (_ for _ in ()).throw(Crash()))
    with pytest.raises(Crash):
        write_text(path, "new")
    assert path.read_text() == "old"
