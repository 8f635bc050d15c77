"""Machines that sleep, processes that die beside others, and readers of what is made anew: nothing is lost.

`kill -9` of every command is in tests/commands/test_commands_killed.py.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked_commands import Forked
from small_chain import ALONE, COMMANDS, artifact, contents, make_chain, run_to_its_end

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.run import SHARDS
from gcl_cli.errors import GclError

pytestmark = pytest.mark.slow
SEED = int(os.environ.get("GCL_KILL_SEED", time.time_ns() % 2**32))
NAPS, SECONDS = 3, 2.0
SHARED = ["mesh", "--set", "splits=train,query,gallery", "--set", "sheet=0", "--device", "cpu", "--json"]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return make_chain(tmp_path_factory.mktemp("crash"))


def refuse_silly_times(said: str) -> None:
    """No duration or rate is negative, endless or no number."""
    assert not re.search(r"-\d+(\.\d+)? ?(s|min|h)\b|-\d+(\.\d+)?/s|\binf\b|\bnan\b", said), said


@pytest.mark.parametrize("stage", ["warmup", "gan-warmup", "joint"])
def test_a_training_on_a_machine_that_sleeps_ends_with_the_files_of_one_that_does_not(work, stage):
    rng = random.Random(f"{SEED} {stage}")
    said = work.with_name("said.txt")
    awake, asleep = artifact(work, stage, "awake"), artifact(work, stage, "asleep")
    span = run_to_its_end(awake, said)
    process = Forked(asleep.words, said)
    for _ in range(NAPS):
        process.wait(rng.uniform(0, span / NAPS))
        if process.poll() is None:
            os.kill(process.process.pid, signal.SIGSTOP)
            time.sleep(SECONDS)
            os.kill(process.process.pid, signal.SIGCONT)
    assert process.wait() == 0, process.talk()
    assert contents(work / stage / "asleep")[0] == contents(work / stage / "awake")[0]
    refuse_silly_times(process.talk())
    sys.stdout.write(f"\n{NAPS} naps in gcl {stage}: 0 differences (GCL_KILL_SEED={SEED})\n")


# --- work that processes share ----------------------------------------------------------------------------------------


def share(work: Path, name: str) -> subprocess.Popen:
    """Estimate bodies in two processes beside the one that writes, in a session of their own."""
    command = [sys.executable, "-m", "gcl_cli", *SHARED, "--threads", "2", "--work", str(work), "--name", name]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def until_a_shard_lies_there(process: subprocess.Popen, partial: Path) -> None:
    while process.poll() is None and not list((partial / SHARDS).glob("*[0-9]")):
        time.sleep(0.02)


@pytest.fixture(scope="module")
def alone(work) -> dict[str, str]:
    """The digests of what one process makes."""
    process = Forked([*SHARED, *ALONE[:2], "--work", str(work), "--name", "alone"], work.with_name("said.txt"))
    assert process.wait() == 0, process.talk()
    return contents(work / "mesh" / "alone")[0]


def test_shared_work_goes_on_after_a_sleep_of_the_whole_machine(work, alone):
    process = share(work, "asleep")
    until_a_shard_lies_there(process, work / "mesh" / "asleep.partial")
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(SECONDS)
    os.killpg(process.pid, signal.SIGCONT)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert contents(work / "mesh" / "asleep")[0] == alone
    refuse_silly_times(said)
    sys.stdout.write("\n1 nap of three processes that share gcl mesh: 0 differences\n")


def test_shared_work_of_which_a_process_is_killed_says_so_and_goes_on_when_typed_again(work, alone):
    process = share(work, "bereft")
    until_a_shard_lies_there(process, work / "mesh" / "bereft.partial")
    for child in children_that_work(process.pid):
        os.kill(child, signal.SIGKILL)
    said, _ = process.communicate()
    if process.returncode:
        assert process.returncode == 2 and "was killed; most often memory had run out" in said, said
        assert "Traceback" not in said and "--threads 1" in said
        assert not (work / "mesh" / "bereft").exists()
    (again := share(work, "bereft")).communicate()
    assert again.returncode == 0
    assert contents(work / "mesh" / "bereft")[0] == alone
    outcome = "told in words" if process.returncode else "after the work was done"
    sys.stdout.write(f"\n2 processes killed that share gcl mesh: {outcome}, 0 differences afterwards\n")


def children_that_work(parent: int) -> list[int]:
    """The processes below another, but for the one that only counts resources."""
    children = map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    return [child for child in children if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_shared_work_whose_leader_is_killed_leaves_no_process_and_no_half_shard(work, alone):
    process = share(work, "leaderless")
    until_a_shard_lies_there(process, work / "mesh" / "leaderless.partial")
    left = children_that_work(process.pid)
    process.kill()
    process.communicate()
    until = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in left) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [child for child in left if Path(f"/proc/{child}").exists()]
    (again := share(work, "leaderless")).communicate()
    assert again.returncode == 0
    assert contents(work / "mesh" / "leaderless")[0] == alone
    sys.stdout.write("\n1 leader of shared gcl mesh killed: its processes ended, 0 differences afterwards\n")


# --- readers ----------------------------------------------------------------------------------------------------------


def test_a_reader_of_what_is_made_anew_meanwhile_reads_one_of_the_two_or_says_why_not(work):
    rng, tries = random.Random(f"{SEED} reader"), 10
    refused = stale = 0
    at = ["--work", str(work)]
    span = run_to_its_end(artifact(work, "warmup", "source"), work.with_name("said.txt"))
    evaluate = ["evaluate", "--encoder", "warmup/source", "--device", "cpu", *ALONE, *at, "--name", "reader"]
    for number in range(tries):
        settings = ["--set", f"seed={number}"]  # another one every time
        anew = [*COMMANDS["warmup"], *at, "--name", "source", "--restart", *settings]
        writer = Forked(anew, work.with_name("writer.txt"))
        writer.wait(rng.uniform(0.5, 1.0) * span)
        reader = Forked(evaluate, work.with_name("reader.txt"))
        assert (reader.wait(), writer.wait())[1] == 0, writer.talk()
        assert reader.poll() in (0, 2) and "Traceback" not in reader.talk(), reader.talk()
        refused += reader.poll() == 2
        try:
            if reader.poll() == 0:
                read_artifact(WorkFolder(work), "evaluate/reader")
        except GclError as error:
            assert "stale" in error.problem
            stale += 1
        shutil.rmtree(work / "evaluate", ignore_errors=True)
    told = f"{refused} refused in words, {stale} told to be stale, {tries - refused - stale} fresh"
    sys.stdout.write(f"\n{tries} evaluations of an encoder that is made anew meanwhile: {told}\n")
