"""What not every operating system or file system has, each with what stands in for it: the only place that asks."""

import errno
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # without fcntl it warns on import; doctor says it in words
    from filelock import SoftFileLock, Timeout, lock_descriptor

MEASURED = ("Linux", "Darwin")  # systems whose calls are all here; gcl is tested on the first
OPEN_FOLDERS_MOVE = os.name != "nt"  # whether a folder can be renamed or removed while a file in it is open
LOCKLESS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}  # what a file system without locks says
UNKNOWN_MEMORY = 8 << 30  # bytes, where the system does not say how much there is


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_memory() -> int:
    """Bytes of main memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # no sysconf at all, or not these names
        return UNKNOWN_MEMORY


@contextmanager
def interruptions_held_back() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal: those started inside leave it to this one, which sees it after."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def flush(path: Path) -> None:
    """Push a file or folder entry to the disk; where folders cannot be opened, the system does that by itself."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:  # some file systems keep no entries that could be pushed
        if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF} or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def locked(descriptor: int) -> bool | None:
    """Lock an open file for this process alone; False: another one has it, None: its file system offers no locks.

    The lock lasts until the file is closed, however that comes about.
    """
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        if error.errno in LOCKLESS:
            return None
        raise


def marked(path: Path) -> SoftFileLock | None:
    """A lock for file systems without any: a file that is there while the lock is held. None: another process has it.

    One whose process has ended on this machine is taken over; one of another machine must be deleted by hand.
    """
    marker = SoftFileLock(path, thread_local=False)
    try:
        marker.acquire(timeout=0)
    except Timeout:
        return None
    return marker
