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
from forked_commands import Forked
from small_chain import COMMANDS, Command, artifact, contents, files_in, make_chain, run_to_its_end, writing

from gcl_cli.artifacts.checkpoints import KEPT, load_checkpoint, newest_checkpoint
from gcl_cli.artifacts.folders import found_folders
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import MANIFEST, read_artifact
from gcl_cli.artifacts.run import CHECKPOINTS

pytestmark = pytest.mark.slow
SEED = int(os.environ.get("GCL_KILL_SEED", time.time_ns() % 2**32))  # another one every time, printed with each test
KILLS = 20


def refuse_half_artifacts(work: Path) -> None:
    """Whatever has the name of a finished artifact is one, to the bit; what is unfinished has another name."""
    folders = [folder for stage in work.iterdir() if stage.is_dir() for folder in stage.iterdir()]
    for folder in folders:
        assert folder.name.endswith(".partial") or (folder / MANIFEST).is_file(), f"{folder} is no artifact"
    for found in found_folders(WorkFolder(work)):
        assert not found.damage, found
        if not found.partial:
            read_artifact(WorkFolder(work), found.reference)


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


def remove(command: Command) -> None:
    for path in command.made:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def kill_again_and_again(title: str, command: Command, expected: list[object], work: Path, *, span: float) -> None:
    """Kill a command at random moments of its first `span` seconds, and let it come to its end now and then."""
    rng = random.Random(f"{SEED} {title}")
    left, newest, finished, said = KILLS, 0, 0, work.with_name("said.txt")
    partial = command.made[0].with_name(command.made[0].name + ".partial")
    while left:
        process = Forked(command.words, said)
        if process.wait(rng.uniform(0, span)) is None:
            process.kill()
            left -= 1
            refuse_half_artifacts(work)
            newest = whole_checkpoints(partial, newest) if partial.exists() else 0
            if not any(path.exists() for path in command.made):
                continue
            for path, wanted in zip(command.made, expected, strict=True):
                if isinstance(wanted, dict) and path.exists():
                    assert files_in(path).items() <= wanted.items(), "a file is cut short"
            continue
        assert process.poll() == 0, process.talk()
        assert [command.contents(path) for path in command.made] == expected
        remove(command)
        newest, finished = 0, finished + 1
    run_to_its_end(command, said)
    assert [command.contents(path) for path in command.made] == expected
    ended = f"{finished + 1} runs came to their end"
    sys.stdout.write(f"\n{KILLS} kills of gcl {title}, {ended}: 0 differences (GCL_KILL_SEED={SEED})\n")


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return make_chain(tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize("stage", COMMANDS)
def test_killed_at_random_moments_a_command_ends_with_the_artifact_of_an_unbroken_one(work, stage):
    unbroken, killed = (artifact(work, stage, name) for name in ("unbroken", "killed"))
    span = run_to_its_end(unbroken, work.with_name("said.txt"))
    expected = [contents(path) for path in unbroken.made]
    trained = "--checkpoint-every" in unbroken.words
    kill_again_and_again(stage, killed, expected, work, span=span * (0.6 if trained else 0.95))


@pytest.mark.parametrize("name", ["synth", "views", "search", "export", "export --format onnx", "report"])
def test_killed_at_random_moments_a_command_leaves_whole_files_and_ends_with_those_of_an_unbroken_one(work, name):
    command = writing(work, name, work.with_name(name.replace(" ", "_")))
    span = run_to_its_end(command, work.with_name("said.txt"))
    expected = [command.contents(path) for path in command.made]
    remove(command)
    kill_again_and_again(name, command, expected, work, span=0.95 * span)


# --- several processes ------------------------------------------------------------------------------------------------

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


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
