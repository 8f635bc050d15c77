"""What file systems say, in words: a full disk, a read-only folder, a file that is gone."""

import errno
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gcl_cli.errors import GclError

_GO_ON = "the same command then goes on from what is there."
_ELSEWHERE = "Choose a folder that can be written to, such as --work DIR"
_TOLD = {  # what the system says -> what it means for a folder or file, and what to do
    errno.ENOSPC: ("No space left on device: {free} MB are free for {place}.", f"Make room there; {_GO_ON}"),
    errno.EDQUOT: ("No space left in your quota for {place}.", f"Delete something, or ask for more; {_GO_ON}"),
    errno.EFBIG: ("{place} would become larger than this file system or its limits allow.", "Choose another --work."),
    errno.EROFS: ("{place} is on a read-only file system.", f"{_ELSEWHERE}."),
    errno.EACCES: ("Permission to use {place} is denied.", f"{_ELSEWHERE}, or mend its permissions."),
    errno.EPERM: ("Permission to use {place} is denied.", f"{_ELSEWHERE}, or mend its permissions."),
    errno.EIO: ("The disk reports an error in reading or writing {place}.", f"Look after the disk; {_GO_ON}"),
    errno.ESTALE: ("The shared file system lost {place}.", f"See that it is mounted; {_GO_ON}"),
    errno.ENOSYS: ("The file system of {place} lacks something gcl needs.", "Choose a --work DIR on another one."),
    errno.EBUSY: ("{place} is in use by another program.", f"Close it there; {_GO_ON}"),
    errno.ENOLCK: ("The file system of {place} offers no locks.", "Choose a --work DIR on another one."),
    errno.ENOTSUP: ("The file system of {place} lacks something gcl needs.", "Choose a --work DIR on another one."),
    errno.ENOENT: ("{place} is gone: something moved or removed it.", f"Put it back, or leave it alone; {_GO_ON}"),
    errno.ENOTDIR: ("{place} was expected to be a folder.", "Move what is in its place, or choose another --work DIR."),
    errno.EISDIR: ("{place} was expected to be a file.", "Move what is in its place, or choose another --work DIR."),
    errno.EEXIST: ("{place} is in the way.", "Move it, or choose another --work DIR."),
    errno.ENAMETOOLONG: ("The name {place} is too long for its file system.", "Choose shorter ones: --name, --work."),
    errno.ELOOP: ("{place} is a link that leads to itself.", "Mend the link, or name another folder."),
    errno.EMFILE: ("Too many files are open for {place}.", "Allow more: ulimit -n 4096"),
}


@contextmanager
def storage_in_words(folders: Sequence[str]) -> Iterator[None]:
    """Whatever a disk refuses inside is raised as a GclError that names the place; other errors stay as they are.

    folders: where the command writes, for errors that do not say where they happened; without any, those pass.
    """
    try:
        yield
    except Exception as error:
        told = _in_words(error, folders)
        if told is None:
            raise
        raise told from error


def _in_words(error: Exception, folders: Sequence[str]) -> GclError | None:
    number, named = _number(error), getattr(error, "filename", None)
    if number not in _TOLD or not (named or folders):
        return None
    problem, fix = _TOLD[number]
    place = Path(str(named)) if named else min(map(Path, [*folders, tempfile.gettempdir()]), key=_free)
    return GclError(problem.format(place=place, free=round(_free(place) / 1e6, 1)), fix)


def _number(error: Exception) -> int | None:
    """The system's number of an error; safetensors writes it into its message."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error)) if type(error).__name__ == "SafetensorError" else None
    return int(found[1]) if found else None


def _free(place: Path) -> int:
    """Bytes that are left where a file or folder lies, or would lie."""
    there = (path for path in (place.absolute(), *place.absolute().parents) if path.exists())
    return shutil.disk_usage(next(there)).free
