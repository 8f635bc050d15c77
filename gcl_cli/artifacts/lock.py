"""The lock of a run's folder: one process at a time, which leaves its name there."""

import os
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from gcl_cli.errors import GclError
from gcl_cli.machine.system import locked, marked

LOCK = "lock"
MARK = ".lock"  # ends the name of what stands beside a folder where the file system offers no locks
TRIES, PAUSE = 10, 0.05  # seconds: whoever only looks whether a run is alive holds the lock for a moment
LOOKS, WINK = 3, 0.01  # seconds: others look too


def take_lock(folder: Path) -> ExitStack:
    """Lock a folder, made where it does not exist; the lock lasts until what is returned is closed.

    The system gives a lock back when its process ends, however it ends: a file that nobody locks is stale, whatever
    stands in it. Raises GclError with the name of the process that holds it.
    """
    for _ in range(TRIES):
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            file = held.enter_context((folder / LOCK).open("a+", encoding="utf-8"))
            if _is_ours(file, folder, held) and _lies_there(file, folder / LOCK):
                _sign(file)
                return held.pop_all()
        time.sleep(PAUSE)
    raise GclError(
        f"{folder} is in use by another gcl process{_holder(folder)}.", "Wait for it, or give this one another name."
    )


def is_locked(folder: Path) -> bool:
    """Whether a process is at work in a folder."""
    for _ in range(LOOKS):
        if not _seems_locked(folder):
            return False
        time.sleep(WINK)
    return True


def _is_ours(file: IO[str], folder: Path, held: ExitStack) -> bool:
    """Lock an open file, or put a mark beside its folder; what is to be given back joins `held`."""
    free = locked(file.fileno())
    if free is not None:
        return free
    mark = marked(_mark(folder))
    if mark is not None:
        held.callback(mark.release)
    return mark is not None


def _seems_locked(folder: Path) -> bool:
    try:
        file = _opened(folder / LOCK)
    except FileNotFoundError:
        return False
    with file:
        free = locked(file.fileno())
    if free is not None:
        return not free
    if not _mark(folder).exists():
        return False
    mark = marked(_mark(folder))
    if mark is not None:
        mark.release()
    return mark is None


def _opened(path: Path) -> IO[str]:
    """A lock file to look at: for writing, which some shared file systems want of who locks, where that is allowed."""
    try:
        return path.open("r+", encoding="utf-8")
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        return path.open(encoding="utf-8")


def _mark(folder: Path) -> Path:
    return folder.with_name(folder.name + MARK)


def _lies_there(file: IO[str], path: Path) -> bool:
    """Whether the open file is still the one at `path`: its folder may have been published or removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sign(file: IO[str]) -> None:
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
    file.flush()


def _holder(folder: Path) -> str:
    """` (process 4711 on node3, since ...)`; empty where the file does not say, or cannot be read."""
    try:
        text = (folder / LOCK).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, PermissionError):
        return ""
    where = f"; should it have ended, delete {_mark(folder)}" if _mark(folder).exists() else ""
    return f" ({text}{where})" if text else ""
