"""The lock of a run's folder: one process at a time, which leaves its name there."""

import fcntl
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from gcl_cli.errors import GclError

LOCK = "lock"
TRIES, PAUSE = 10, 0.05  # seconds: whoever only looks whether a run is alive holds the lock for a moment


def take_lock(folder: Path) -> IO[str]:
    """Lock a folder, made where it does not exist; the lock lasts until the file is closed.

    The system gives a lock back when its process ends, however it ends: a file that nobody locks is stale, whatever
    stands in it. Raises GclError with the name of the process that holds it.
    """
    for _ in range(TRIES):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _lies_there(file, folder / LOCK):
                _sign(file)
                return file
        except BlockingIOError:
            time.sleep(PAUSE)
        except BaseException:
            file.close()
            raise
        file.close()
    raise GclError(
        f"{folder} is in use by another gcl process{_holder(folder)}.", "Wait for it, or give this one another name."
    )


def is_locked(folder: Path) -> bool:
    """Whether a process is at work in a folder."""
    try:
        with (folder / LOCK).open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


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
    """` (process 4711 on node3, since ...)`; empty where the file does not say."""
    try:
        text = (folder / LOCK).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    return f" ({text})" if text else ""
