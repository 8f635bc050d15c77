"""Disks that are full, read-only or broken, and work folders that cannot be: told in words, and nothing is lost."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from forked_commands import Forked
from made_work import begun, interrupted, made, market, whole_chain
from safetensors.torch import save_file
from small_chain import COMMANDS, Command, artifact, make_chain, writing

from gcl_cli.api import clean, mesh, status, synth
from gcl_cli.artifacts.checkpoints import load_checkpoint, save_checkpoint
from gcl_cli.artifacts.files import write_text
from gcl_cli.artifacts.folders import found_folders
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.run import CHECKPOINTS
from gcl_cli.artifacts.storage import storage_in_words
from gcl_cli.errors import GclError
from gcl_cli.machine.processes import map_shared
from gcl_cli.people.data import open_data
from gcl_cli.session import Session

MEGABYTE = 1 << 20
PAGE = 4096


class SmallDisk:
    """A file system of its own in memory, that can be filled up and made read-only."""

    def __init__(self, place: Path, megabytes: int) -> None:
        self.place, self._ballast = place, place / "ballast"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root may mount a small file system here")

    def leave(self, free: int) -> None:
        """Fill the disk up to `free` bytes."""
        self._ballast.unlink(missing_ok=True)
        taken = shutil.disk_usage(self.place).free - free
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, taken)

    def make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(self.place)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.place)], check=True)


@pytest.fixture
def disk(tmp_path) -> Iterator[SmallDisk]:
    small = SmallDisk(tmp_path / "disk", megabytes=1)
    yield small
    small.unmount()


@pytest.fixture
def data(tmp_path):
    return market(tmp_path / "crops")


def remembered(work: Path, data: Path) -> Path:
    open_data(Session(work=str(work)), str(data))
    return work


# --- full -------------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_named_with_the_room_that_it_has(disk, data):
    work = remembered(disk.place / "work", data)
    disk.leave(0)
    with pytest.raises(GclError) as caught:
        synth(str(disk.place / "people"), ids=4, cameras=2, images=2)
    assert caught.value.problem == f"No space left on device: 0.0 MB are free for {disk.place / 'people'}."
    with pytest.raises(GclError) as caught, storage_in_words([str(work)]):
        save_file({"weights": torch.zeros(MEGABYTE)}, work / "a.safetensors")
    assert caught.value.problem == f"No space left on device: 0.0 MB are free for {work}."
    assert "Make room there; the same command then goes on" in caught.value.fix


def test_a_disk_that_fills_up_at_any_moment_of_a_run_costs_no_checkpoint_and_no_artifact(disk, data):
    work = remembered(disk.place / "work", data)
    kept = made(work, "mesh/main")
    survived = 0
    for free in range(0, 100 * PAGE, 4 * PAGE):
        disk.make_room()
        run = begun(work, "warmup/main")
        with run.begin(restart=True):
            save_checkpoint(run.folder / CHECKPOINTS, 1, {"weights": torch.ones(4)})
            disk.leave(free)
            try:
                with storage_in_words([str(work)]):
                    run.record({"epoch": 1, "text": "x" * 3 * PAGE})
                    save_checkpoint(run.folder / CHECKPOINTS, 2, {"weights": torch.ones(8 * PAGE)})
                    write_text(run.folder / "weights.json", "x" * 3 * PAGE)
                    run.publish({})
            except GclError as error:
                assert str(disk.place) in error.problem and "No space left" in error.problem
                survived += 1
                assert load_checkpoint(run.folder / CHECKPOINTS) is not None
                assert not run.final.exists() and not list(run.folder.glob("*.tmp"))
        assert read_artifact(WorkFolder(work), "mesh/main").manifest == kept.manifest
        disk.make_room()
        if not run.final.exists():
            with begun(work, "warmup/main").begin(restart=False) as again:
                assert all("epoch" in line for line in again.recorded())
                again.publish({})
        assert read_artifact(WorkFolder(work), "warmup/main").reference == "warmup/main"
        shutil.rmtree(run.final)
    assert 10 < survived < 25


EMBED = """
import sys
from pathlib import Path
from gcl_cli.artifacts.embeddings import new_embeddings
try:
    new_embeddings(Path(sys.argv[1]), "query", ["a.jpg"] * 100, 8192)[:] = 1
except OSError as error:
    print(error.strerror)
"""


def test_a_table_that_is_mapped_into_memory_takes_its_room_before_it_is_filled(disk):
    ended = subprocess.run([sys.executable, "-c", EMBED, str(disk.place)], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "No space left on device\n")


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ENOENT, errno.ENOTDIR])
def test_what_a_disk_says_names_the_file_and_what_to_do(tmp_path, number):
    error = OSError(number, os.strerror(number), str(tmp_path / "work" / "weights"))
    with pytest.raises(GclError, match="work/weights") as caught, storage_in_words([str(tmp_path)]):
        raise error
    assert caught.value.__cause__ is error and len(caught.value.fix) > 10


@pytest.mark.parametrize("error", [ValueError("os error 28"), BrokenPipeError(errno.EPIPE, "gone"), KeyError("x")])
def test_errors_that_are_no_disk_s_stay_as_they_are(tmp_path, error):
    with pytest.raises(type(error)), storage_in_words([str(tmp_path)]):
        raise error


# --- read-only, and no folder -----------------------------------------------------------------------------------------


def test_a_read_only_work_folder_can_be_looked_at_and_finished_commands_answer(disk, data):
    work = whole_chain(disk.place / "work", data)
    disk.read_only()
    assert {row["state"] for row in status(work=str(work))["artifacts"]} == {"fresh"}
    assert clean(work=str(work), yes=True)["leftovers"] == []
    assert begun(work, "warmup/main").finished(restart=False) is not None


def test_a_read_only_work_folder_is_refused_in_words_by_whatever_writes(disk, data):
    work = remembered(disk.place / "work", data)
    interrupted(work, "mesh/main")
    disk.read_only()
    for command in (lambda: mesh(work=str(work), restart=True), lambda: mesh(work=str(work), name="new")):
        with pytest.raises(GclError, match="read-only file system") as caught:
            command()
        assert str(work) in caught.value.problem and "--work DIR" in caught.value.fix
    for work in (disk.place / "other", disk.place / "deep" / "work"):
        with pytest.raises(GclError, match="read-only file system"):
            mesh(str(data), work=str(work))


def test_a_work_folder_that_is_a_file_or_lies_below_one_is_refused_in_words(tmp_path, data):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for work in (tmp_path / "file", tmp_path / "nowhere"):
        for command in (lambda w=work: mesh(str(data), work=str(w)), lambda w=work: status(work=str(w))):
            with pytest.raises(GclError, match="is no folder") as caught:
                command()
            assert str(work) in caught.value.problem
    for work in (tmp_path / "file" / "work", Path("/proc/work")):
        with pytest.raises(GclError) as caught:
            mesh(str(data), work=str(work))
        assert str(work.parent) in caught.value.problem, caught.value.problem


# --- processes that share the work ------------------------------------------------------------------------------------


def test_a_process_that_is_killed_while_it_shares_the_work_is_told_in_words():
    with pytest.raises(GclError, match="was killed; most often memory had run out") as caught:
        list(map_shared(os._exit, [1, 1], processes=2))
    assert "--threads 1" in caught.value.fix


# --- every command ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Iterator[tuple[SmallDisk, Path]]:
    """A disk with a work folder on it, and the folder of the pictures beside it."""
    folder = tmp_path_factory.mktemp("full")
    disk = SmallDisk(folder / "disk", megabytes=64)
    work = make_chain(disk.place)
    yield disk, work
    disk.unmount()


def size_of(folder: Path) -> int:
    files = [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]
    return sum(-(-path.stat().st_size // PAGE) * PAGE for path in files)


def fill_up_again_and_again(command: Command, disk: SmallDisk, work: Path, said: Path, *, title: str) -> None:
    """Run a command with less room than it needs, then with enough."""
    first = Forked(command.words, said)
    assert first.wait() == 0, first.talk()
    expected, need = [command.contents(path) for path in command.made], sum(size_of(path) for path in command.made)
    told = 0
    for free in (0, PAGE, 4 * PAGE, need // 4, need // 2, 3 * need // 4, need - PAGE):
        for path in command.made:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        disk.leave(free)
        process = Forked(command.words, said)
        code = process.wait()
        if code:
            assert code == 2 and "Traceback" not in process.talk(), (free, code, process.talk())
            assert "No space left on device" in process.talk() and str(disk.place) in process.talk(), process.talk()
            told += 1
        for found in found_folders(WorkFolder(work)):
            assert found.partial or read_artifact(WorkFolder(work), found.reference)
        disk.make_room()
        again = Forked(command.words, said)
        assert again.wait() == 0, again.talk()
        assert [command.contents(path) for path in command.made] == expected
    sys.stdout.write(f"\n7 disks too small for gcl {title}: {told} errors in words, 0 differences afterwards\n")
    for path in command.made:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert told


@pytest.mark.slow
@pytest.mark.parametrize("stage", COMMANDS)
def test_on_a_full_disk_a_command_says_so_and_goes_on_when_there_is_room(chain, tmp_path, stage):
    disk, work = chain
    fill_up_again_and_again(artifact(work, stage, "full"), disk, work, tmp_path / "said.txt", title=stage)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["synth", "views", "search", "export", "export --format onnx", "report"])
def test_on_a_full_disk_a_command_that_writes_elsewhere_says_so_too(chain, tmp_path, name):
    disk, work = chain
    command = writing(work, name, disk.place / name.replace(" ", "_"))
    fill_up_again_and_again(command, disk, work, tmp_path / "said.txt", title=name)
