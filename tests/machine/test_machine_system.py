"""Other systems, by taking away from this one what they lack."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made_work import begun, interrupted, market

from gcl_cli.artifacts import folders, lock
from gcl_cli.artifacts.lock import is_locked, take_lock
from gcl_cli.artifacts.run import LOCK
from gcl_cli.errors import GclError
from gcl_cli.machine import system
from gcl_cli.people.data import open_data
from gcl_cli.session import Session

WORDS = {errno.ENOSYS: "ENOSYS", errno.ENOLCK: "ENOLCK", errno.ENOTSUP: "ENOTSUP"}


@pytest.fixture(params=WORDS, ids=WORDS.values())
def lockless(request, monkeypatch):
    """A file system that offers no locks: Lustre without -o flock, some FUSE and 9p mounts."""

    def refuse(*_, **__):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(system, "lock_descriptor", refuse)


def test_without_locks_a_mark_beside_the_folder_is_one(tmp_path, lockless):
    folder = tmp_path / "main.partial"
    assert not is_locked(folder)
    with take_lock(folder):
        assert is_locked(folder)
        with pytest.raises(GclError, match=rf"process {os.getpid()} on .*should it have ended, delete .*partial\.lock"):
            take_lock(folder)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["main.partial", "main.partial.lock"]
    assert not is_locked(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["main.partial"]
    with take_lock(folder):
        pass


HOLD = """
import os, sys
from pathlib import Path
from gcl_cli.machine import system
def refuse(*_, **__):
    raise OSError(38, "no locks")
system.lock_descriptor = refuse
from gcl_cli.artifacts.lock import take_lock
held = take_lock(Path(sys.argv[1]))
os._exit(0)
"""


def test_the_mark_of_a_process_that_was_killed_is_taken_over(tmp_path, monkeypatch):
    folder = tmp_path / "main.partial"
    subprocess.run([sys.executable, "-c", HOLD, str(folder)], check=True)
    monkeypatch.setattr(system, "lock_descriptor", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.ENOSYS, "")))
    assert (tmp_path / "main.partial.lock").exists()
    with take_lock(folder):
        assert is_locked(folder)


@pytest.fixture
def work(tmp_path):
    open_data(Session(work=str(tmp_path / "work")), str(market(tmp_path / "crops")))
    return tmp_path / "work"


def test_a_run_is_published_without_locks_and_leaves_no_mark(work, lockless):
    with begun(work, "mesh/main").begin(restart=False) as run:
        assert is_locked(run.folder)
        run.publish({})
    assert sorted(path.name for path in (work / "mesh").iterdir()) == ["main"]
    assert LOCK not in {path.name for path in run.final.iterdir()}


def test_other_errors_of_a_lock_are_no_missing_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "lock_descriptor", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"):
        take_lock(tmp_path / "main.partial")


def test_where_open_folders_stay_where_they_are_the_lock_is_given_back_before_they_move(work, monkeypatch):
    monkeypatch.setattr(system, "OPEN_FOLDERS_MOVE", False)
    monkeypatch.setattr(folders, "OPEN_FOLDERS_MOVE", False)
    open_at_rename = []
    rename, removed = Path.rename, folders.shutil.rmtree
    with begun(work, "mesh/main").begin(restart=False) as run:

        def watch(self, target):
            open_at_rename.append(self == run.folder and is_locked(self))
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", watch)
        run.publish({})
    assert open_at_rename and not any(open_at_rename)
    partial, at_removal = interrupted(work, "render/main"), []
    monkeypatch.setattr(folders.shutil, "rmtree", lambda path: (at_removal.append(is_locked(path)), removed(path)))
    folders.drop_partial(partial)
    assert at_removal == [False] and not partial.exists()


WITHOUT_FCNTL = """
import sys
sys.modules["fcntl"] = None
from pathlib import Path
from gcl_cli.artifacts.lock import is_locked, take_lock
with take_lock(Path(sys.argv[1])):
    print(is_locked(Path(sys.argv[1])))
print(is_locked(Path(sys.argv[1])))
"""


def test_without_fcntl_nothing_is_said_and_folders_are_locked_all_the_same(tmp_path):
    command = [sys.executable, "-c", WITHOUT_FCNTL, str(tmp_path / "main.partial")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.stdout.split(), ended.stderr) == (["True", "False"], "")


def test_cores_memory_and_interruptions_do_without_the_calls_of_linux(monkeypatch):
    for module, name in ((os, "sched_getaffinity"), (os, "sysconf"), (signal, "pthread_sigmask")):
        monkeypatch.delattr(module, name)
    assert system.cores() == os.cpu_count()
    assert system.machine_memory() == system.UNKNOWN_MEMORY
    with system.interruptions_held_back():
        pass


def test_a_folder_that_cannot_be_opened_or_pushed_is_flushed_by_the_system_a_file_never(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    system.flush(tmp_path / "file")
    refused = {
        "open": PermissionError(errno.EACCES, "as on Windows"),
        "fsync": OSError(errno.EINVAL, "as on some FUSE"),
    }
    for name, error in refused.items():
        with monkeypatch.context() as patched:
            patched.setattr(os, name, lambda *_, error=error: (_ for _ in ()).throw(error))
            system.flush(tmp_path)
            with pytest.raises(OSError, match="as on"):
                system.flush(tmp_path / "file")


def test_platform_calls_stand_in_one_place():
    """A second use would be a second thing to mend for the next system."""
    root, found = Path(lock.__file__).parents[1], {}
    calls = ("fcntl", "msvcrt", "sched_getaffinity", "pthread_sigmask", "sysconf", "os.fsync", "os.uname", "os.fork(")
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if used := [call for call in calls if call in text]:
            found[path.relative_to(root).as_posix()] = used
    assert list(found) == ["machine/system.py"]
