"""Several commands on one work folder at once: each works, or says who is in its way; clocks may say what they like."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from made_work import begun, interrupted, made, market, remade, snapshot, whole_chain

from gcl_cli import console
from gcl_cli.api import clean, status
from gcl_cli.artifacts import lock as lock_module
from gcl_cli.artifacts import run as run_module
from gcl_cli.artifacts.checkpoints import newest_checkpoint, save_checkpoint
from gcl_cli.artifacts.dataset_record import recall
from gcl_cli.artifacts.folders import drop_partial, found_folders
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.lock import LOCK, is_locked, take_lock
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.run import CHECKPOINTS, METRICS, REPLACED, RUN, Run
from gcl_cli.artifacts.storage import storage_in_words
from gcl_cli.errors import GclError
from gcl_cli.machine.system import locked
from gcl_cli.people.data import open_data
from gcl_cli.session import Session

HOLD = """
import sys, time
from pathlib import Path
from typing import ClassVar
from gcl_cli.artifacts.lock import take_lock
with take_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def data(tmp_path):
    return market(tmp_path / "crops")


@pytest.fixture
def work(tmp_path, data):
    open_data(Session(work=str(tmp_path / "work")), str(data))
    return tmp_path / "work"


def hold(folder: Path) -> subprocess.Popen:
    """Another process that holds the lock of a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


# --- the lock ---------------------------------------------------------------------------------------------------------


def test_the_refusal_names_the_process_that_holds_the_lock_and_its_machine_and_a_killed_one_holds_nothing(work):
    run = begun(work, "mesh/main")
    holder = hold(run.folder)
    try:
        with pytest.raises(GclError, match="in use by another gcl process") as caught:
            run.begin(restart=False)
        assert f"process {holder.pid} on {os.uname().nodename}, since " in caught.value.problem
        assert "Wait for it" in caught.value.fix
        assert is_locked(run.folder)
    finally:
        holder.kill()
        holder.wait()
    assert not is_locked(run.folder)
    with run.begin(restart=False):  # although the file of the killed process is still there
        assert (run.folder / LOCK).read_text().startswith(f"process {os.getpid()} on ")


@pytest.mark.parametrize("text", ["", "process 1 on another-host, since 2001-01-01 00:00:00 UTC\n", "\0\xff" * 99])
def test_a_lock_file_that_nobody_locks_is_taken_whatever_stands_in_it(work, text):
    folder = work / "mesh" / "main.partial"
    folder.mkdir(parents=True)
    (folder / LOCK).write_text(text)
    with take_lock(folder):
        assert (folder / LOCK).read_text().startswith(f"process {os.getpid()} on ")


def test_a_look_at_a_run_that_begins_does_not_stop_it(work):
    run, stop = begun(work, "mesh/main"), threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_locked(run.folder)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            with run.begin(restart=False):
                pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_lock_whose_folder_was_published_meanwhile_is_not_mistaken_for_that_of_the_folder(work, monkeypatch):
    """Between opening the file and locking it the holder may publish, which takes the file away."""
    first, second = begun(work, "mesh/main"), begun(work, "mesh/main")
    first.begin(restart=False)
    opened = []

    def publish_first(descriptor):
        if not opened:
            opened.append(descriptor)
            first.publish({})
            first.__exit__(None, None, None)
        return locked(descriptor)

    monkeypatch.setattr(lock_module, "locked", publish_first)
    with second.begin(restart=False):
        assert is_locked(second.folder), "the lock lies in the published folder"
        with pytest.raises(GclError, match="in use"):
            begun(work, "mesh/main").begin(restart=False)


def test_what_a_run_left_without_its_settings_is_nobodys_and_never_gone_on_with(work):
    """A `--restart` that is killed while it clears the folder may leave checkpoints of other settings."""
    partial = interrupted(work, "mesh/main", steps=7)
    (partial / RUN).unlink()
    (partial / METRICS).write_text("{}\n")
    with begun(work, "mesh/main").begin(restart=False) as run:
        assert sorted(path.name for path in run.folder.iterdir()) == [LOCK, RUN]


def test_restart_keeps_the_artifact_that_waits_to_be_replaced_until_the_new_one_is_whole(work):
    partial = interrupted(work, "mesh/main")
    (partial / REPLACED).mkdir()
    with begun(work, "mesh/main").begin(restart=True) as run:
        assert not (run.folder / CHECKPOINTS).exists() and (run.folder / REPLACED).exists()
        run.publish({})
    assert not (run.final / REPLACED).exists()


def test_an_interrupted_restart_leaves_the_artifact_where_it_is_and_the_same_command_goes_on(work):
    old = made(work, "warmup/main")
    with begun(work, "warmup/main").begin(restart=True) as run:
        save_checkpoint(run.folder / CHECKPOINTS, 5, {})
    assert read_artifact(WorkFolder(work), "warmup/main").manifest == old.manifest  # as search and evaluate read it
    again = begun(work, "warmup/main")
    assert again.finished(restart=False) is None  # although there is a finished one
    with again.begin(restart=False):
        assert newest_checkpoint(again.folder / CHECKPOINTS) == 5
        again.publish({"again": True})
    assert begun(work, "warmup/main").finished(restart=False).manifest.result == {"again": True}
    assert sorted(path.name for path in (work / "warmup").iterdir()) == ["main"]


def test_an_interrupted_restart_with_other_settings_leaves_the_finished_run_complete(work):
    old = made(work, "warmup/main")
    with begun(work, "warmup/main", {"epochs": 99}).begin(restart=True):
        pass
    assert begun(work, "warmup/main").finished(restart=False).manifest == old.manifest
    assert begun(work, "warmup/main", {"epochs": 99}).finished(restart=False) is None


def test_a_partial_folder_is_not_removed_while_a_run_is_at_work_in_it(work):
    partial = interrupted(work, "mesh/main")
    with take_lock(partial), pytest.raises(GclError, match="in use"):
        drop_partial(partial)
    drop_partial(partial)
    assert not partial.exists()


def test_metrics_lose_the_result_of_an_interrupted_publishing_and_half_a_line(work):
    with begun(work, "warmup/main").begin(restart=False) as run:
        run.record({"epoch": 1})
        run.record({"result": {}})
        with (run.folder / METRICS).open("a") as file:
            file.write('{"resu')
    with begun(work, "warmup/main").begin(restart=False) as run:
        assert [line["epoch"] for line in run.recorded()] == [1]
        run.publish({"steps": 3})
    lines = [json.loads(line) for line in (run.final / METRICS).read_text().splitlines()]
    assert [line.get("result") for line in lines] == [None, {"steps": 3}]


# --- several commands -------------------------------------------------------------------------------------------------


def at_once(*jobs) -> list[Exception]:
    """Run functions in threads that start together; returns what they raised."""
    raised, gate = [], threading.Barrier(len(jobs))

    def go(job) -> None:
        gate.wait()
        try:
            job()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=go, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_commands_that_begin_a_work_folder_together_remember_one_data_set(tmp_path, data):
    for attempt in range(10):
        options = Session(work=str(tmp_path / f"work{attempt}"))
        assert at_once(*[lambda o=options: open_data(o, str(data))] * 6) == []
        assert recall(WorkFolder(Path(options.work)))["root"] == str(data.resolve())
        assert sorted(path.name for path in Path(options.work).iterdir()) == ["dataset.json", "dataset.pictures.json"]


def test_of_two_data_sets_given_together_to_one_work_folder_one_is_refused(tmp_path, data):
    other = market(tmp_path / "others")
    (other / "query" / "0002_c1s1_000451_03.jpg").unlink()  # the same pictures elsewhere would be the same set
    for attempt in range(10):
        options = Session(work=str(tmp_path / f"work{attempt}"))
        raised = at_once(*[lambda o=options, d=d: open_data(o, str(d)) for d in (data, other) * 3])
        assert len(raised) == 3 and {type(error) for error in raised} == {GclError}
        assert all("belongs to" in str(error) for error in raised)


def test_two_artifacts_are_made_at_once_in_one_folder(work):
    jobs = [lambda stage=stage, n=n: made(work, f"{stage}/name{n}") for stage in ("mesh", "warmup") for n in range(4)]
    assert at_once(*jobs) == []
    assert len([read_artifact(WorkFolder(work), found.reference) for found in found_folders(WorkFolder(work))]) == 8


def test_status_clean_and_readers_live_with_an_artifact_that_is_made_anew_again_and_again(work, data):
    shutil.rmtree(work)
    whole_chain(work, data)
    stop, looks = threading.Event(), []

    def publish() -> None:
        try:
            for _ in range(15):
                remade(work, "render/main")
        finally:
            stop.set()

    def look(command):
        def going() -> None:
            while not stop.is_set():
                command()
                looks.append(command)

        return going

    def read() -> None:
        with suppress(GclError), storage_in_words([str(work)]):  # between two renamings it is not there
            assert read_artifact(WorkFolder(work), "render/main").reference == "render/main"

    def sweep() -> None:
        clean(work=str(work))  # without --yes: what it would remove

    raised = at_once(publish, look(lambda: status(work=str(work))), look(sweep), look(read))
    assert raised == []
    assert len(looks) > 20
    read_artifact(WorkFolder(work), "render/main")


def test_clean_leaves_alone_what_a_run_at_work_reads_and_is_making(work, data):
    shutil.rmtree(work)
    whole_chain(work, data)
    remade(work, "mesh/main")  # render and all after it are stale
    with (
        begun(work, "render/new").begin(restart=False),
        begun(work, "evaluate/new", encoder="warmup/main").begin(restart=False),
    ):
        removed = {row["path"] for row in clean(work=str(work), yes=True)["leftovers"] if row["removed"]}
    assert str(work / "render" / "main") in removed
    assert not removed & {str(work / name) for name in ("render/new.partial", "mesh/main", "warmup/main")}
    assert (work / "render" / "new.partial" / RUN).exists()


# --- clocks -----------------------------------------------------------------------------------------------------------


class Clock(datetime):
    """A clock that is set back and forward by years."""

    jumps: ClassVar = [timedelta(days=days) for days in (0, 4000, -9000, 1, -20_000)]

    @classmethod
    def now(cls, zone=None):
        cls.jumps.append(jump := cls.jumps.pop(0))
        return datetime.now(zone) + jump


def test_a_clock_that_jumps_changes_nothing_but_the_times_that_are_written_down(work, monkeypatch):
    monkeypatch.setattr(run_module, "datetime", Clock)
    for _ in range(5):
        for stage in ("mesh", "render", "warmup"):
            remade(work, f"{stage}/main") if (work / stage).exists() else made(work, f"{stage}/main")
    for found in status(work=str(work))["artifacts"]:
        assert found["age_seconds"] >= 0
        if found["artifact"] != "render/main" and found["stage"] != "render":
            assert found["state"] == "fresh"
    assert begun(work, "mesh/main").finished(restart=False) is not None


def test_files_from_the_future_or_from_1970_are_as_fresh_as_any(work, data):
    shutil.rmtree(work)
    whole_chain(work, data)
    for seconds in (0, 2**32):
        for file in [*work.rglob("*"), *data.rglob("*")]:
            os.utime(file, (seconds, seconds))
        assert {row["state"] for row in status(work=str(work))["artifacts"]} == {"fresh"}
        read_artifact(WorkFolder(work), "gen-metrics/joint-main")


def test_no_duration_that_is_shown_is_negative_or_without_end(monkeypatch, capsys):
    """A machine that slept, or a first step that took no time at all."""
    seconds = iter([0.0, 0.0, 0.0, 1e6, 1e6, 1e6])
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds, 1e6))
    monkeypatch.setattr(console, "say", print)
    with console.meter("mesh", 4) as meter:
        for _ in range(4):
            meter.advance()
    said = capsys.readouterr().out
    assert re.search(r"mesh: 4/4 .* 0 s left", said)
    assert "-" not in said and "inf" not in said and "nan" not in said
    assert console.duration_text(-5) == "0 s" and console.duration_text(0) == "0 s"


def test_the_moment_a_lock_was_taken_is_written_with_its_zone(work):
    with take_lock(work / "mesh" / "main.partial"):
        text = (work / "mesh" / "main.partial" / LOCK).read_text()
    moment = re.search(r"since (.*) UTC", text)
    assert moment and abs(datetime.fromisoformat(moment[1]).replace(tzinfo=UTC) - datetime.now(UTC)) < timedelta(
        hours=1
    )


def test_nothing_is_left_in_a_work_folder_but_artifacts_and_records(work):
    before = snapshot(work)
    with pytest.raises(GclError), Run(WorkFolder(work), "mesh", "x", {}, {}).begin(restart=False):
        raise GclError("the picture is broken", "mend it")
    left = set(snapshot(work)) - set(before)
    assert left == {"mesh/x.partial/lock", "mesh/x.partial/run.json"}
