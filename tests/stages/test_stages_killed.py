"""`kill -9` at random moments: the same command goes on and ends with the files of an unbroken run, bit for bit."""

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gcl_cli.artifacts.checkpoints import KEPT, load_checkpoint, newest_checkpoint
from gcl_cli.artifacts.run import CHECKPOINTS
from gcl_cli.records import RunOptions
from gcl_cli.stages import mesh, render, synth

pytestmark = pytest.mark.slow
SEED = int(os.environ.get("GCL_KILL_SEED", time.time_ns() % 2**32))  # another one every time, printed with each test
ALL_STEPS = ["--device", "cpu", "--threads", "1", "--json", "--checkpoint-every", "2", "--precision", "fp32"]
CLUSTERING = ["--radius", "0.5", "--set", "k1=8", "--set", "k2=3", "--set", "min_samples=2"]
NETWORKS = [
    "trunk_width=16", "height=64", "width=32", "generator_width=4", "modulation_width=16", "discriminator_width=4",
    "people=4", "pictures=2",
]  # fmt: skip
COMMANDS = {
    "warmup": [
        "warmup", "--preset", "tiny", "--epochs", "3", *CLUSTERING, *ALL_STEPS, "--set", "iterations=4",
        *(word for pair in NETWORKS for word in ("--set", pair)),
    ],
    "gan-warmup": [
        "gan-warmup", "--epochs", "2", "--reconstruction-epochs", "1", "--iterations", "5", "--batch-size", "4",
        *ALL_STEPS,
    ],
    "joint": [
        "joint", "--epochs", "3", "--iterations", "3", "--batch-size", "4", "--set", "contrast_steps=1", *CLUSTERING,
        *ALL_STEPS,
    ],
}  # fmt: skip


def start(work: Path, stage: str, name: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "gcl_cli", *COMMANDS[stage], "--work", str(work), "--name", name]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_until_it_trains(process: subprocess.Popen, partial: Path) -> None:
    """Until the process holds the lock of its folder, or has ended."""
    while process.poll() is None:
        time.sleep(0.01)
        if not (partial / "lock").exists():
            continue
        with (partial / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return


def to_the_end(work: Path, stage: str, name: str) -> float:
    """Run a command to its end; returns the seconds from taking the lock on."""
    process = start(work, stage, name)
    wait_until_it_trains(process, work / stage / f"{name}.partial")
    begun = time.monotonic()
    _, said = process.communicate()
    assert process.returncode == 0, said
    return time.monotonic() - begun


def contents(folder: Path) -> tuple[dict[str, str], list[dict]]:
    """Digests of all files, and the lines of the metrics without what depends on the clock and the name."""
    manifest = json.loads((folder / "manifest.json").read_text())
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {*manifest["outputs"], "manifest.json", "metrics.jsonl"}
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    lines = [line.get("result", line) for line in lines]
    timed = ("time", "pictures_per_second", "sheet")
    kept = [{k: v for k, v in line.items() if k not in timed and not k.startswith("seconds_")} for line in lines]
    return manifest["outputs"], kept


def whole_checkpoints(partial: Path, newest: int) -> int:
    """The number of the newest checkpoint, after looking at those that a kill left."""
    folder = partial / CHECKPOINTS
    if not folder.exists():
        return 0
    finished = [path for path in folder.iterdir() if path.suffix != ".tmp"]
    assert len(finished) <= KEPT + 1  # the oldest may wait for its removal
    load_checkpoint(folder)  # raises where the newest is damaged
    found = newest_checkpoint(folder) or 0
    assert found >= newest, "a checkpoint was lost"
    return found


def kill_again_and_again(work: Path, stage: str, kills: int) -> None:
    chance = random.Random(f"{SEED} {stage}")
    sys.stdout.write(f"\n{stage}: GCL_KILL_SEED={SEED}" + "\n")
    partial, final = work / stage / "killed.partial", work / stage / "killed"
    span = to_the_end(work, stage, "unbroken")
    expected = contents(work / stage / "unbroken")
    left, newest, finished = kills, 0, 0
    while left:
        process = start(work, stage, "killed")
        wait_until_it_trains(process, partial)
        time.sleep(chance.uniform(0, 0.6 * span))
        if process.poll() is None:
            process.kill()
            process.communicate()
            left -= 1
            newest = whole_checkpoints(partial, newest) if partial.exists() else newest
            sys.stdout.write(f"  killed, {left} to go; newest checkpoint: {newest}" + "\n")
            continue
        assert process.returncode == 0, process.communicate()[1]
        assert contents(final) == expected
        shutil.rmtree(final)
        newest, finished = 0, finished + 1
    to_the_end(work, stage, "killed")
    assert contents(final) == expected
    sys.stdout.write(f"  {kills} kills, {finished + 1} runs came to their end, no difference" + "\n")


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A work folder with bodies and views of twelve people, and one unbroken run of each training."""
    folder = tmp_path_factory.mktemp("killed")
    people, work = folder / "people", folder / "work"
    synth.run(str(people), {"ids": 12, "cameras": 2, "images": 2}, threads=1, restart=False)
    options = RunOptions(work=str(work), device="cpu", threads=1)
    mesh.run(options, str(people), {"sheet": 2})
    render.run(options, "main", {"height": 64, "width": 32, "backend": "numpy"})
    for stage in ("warmup", "gan-warmup"):
        to_the_end(work, stage, "main")
    return work


@pytest.mark.parametrize(("stage", "kills"), [("warmup", 4), ("gan-warmup", 6), ("joint", 20)])
def test_killed_at_random_moments_a_training_ends_with_the_files_of_an_unbroken_one(work, stage, kills):
    kill_again_and_again(work, stage, kills)


# --- several processes ------------------------------------------------------------------------------------------------

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def start_team(work: Path, name: str, *, processes: int) -> subprocess.Popen:
    words = [*COMMANDS["joint"], "--set", "batchnorm_groups=2", "--work", str(work), "--name", name]
    command = [sys.executable, *(TORCHRUN if processes > 1 else []), "-m", "gcl_cli", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def losses(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    names = ("discriminator", "image", "feature", "adversarial", "vi", "vi_syn", "vi_mem")
    return [{name: line[name] for name in names} for line in lines if "result" not in line]


def test_two_processes_of_torchrun_lose_what_one_loses(work):
    for name, processes in (("alone", 1), ("together", 2)):
        said, talk = (team := start_team(work, name, processes=processes)).communicate()
        assert team.returncode == 0, talk
        assert said.count('"steps"') == 1  # one process speaks
    alone, together = (losses(work / "joint" / name) for name in ("alone", "together"))
    assert len(alone) == len(together) == 3
    assert together[0] == pytest.approx(alone[0], rel=1e-3)  # later epochs blow rounding up; float64: tests/training


def test_a_team_whose_member_is_killed_says_so_and_goes_on_when_started_again(work):
    team = start_team(work, "bereft", processes=2)
    wait_until_it_trains(team, work / "joint" / "bereft.partial")
    while team.poll() is None and not (newest_checkpoint(work / "joint" / "bereft.partial" / CHECKPOINTS) or 0):
        time.sleep(0.05)
    children = Path(f"/proc/{team.pid}/task/{team.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    _, talk = team.communicate()
    assert team.returncode != 0
    assert "goes on from the last checkpoint" in talk or "SIGKILL" in talk
    assert not (work / "joint" / "bereft").exists()
    _, talk = (again := start_team(work, "bereft", processes=2)).communicate()
    assert again.returncode == 0, talk
    assert "Resuming joint/bereft" in talk
    assert losses(work / "joint" / "bereft") == losses(work / "joint" / "together")


def test_torchrun_is_refused_where_nothing_is_shared(work):
    command = [sys.executable, *TORCHRUN, "-m", "gcl_cli", "evaluate", "--work", str(work)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode != 0
    assert "gcl evaluate is not shared among processes by torchrun" in finished.stderr
