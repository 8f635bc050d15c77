"""The pictures below a folder, by name: what cannot be used is refused or remarked on, never passed over in silence."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gcl_cli.datasets.dataset import is_picture
from gcl_cli.errors import GclError

OTHER_FORMATS = frozenset({".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".jfif", ".ppm", ".pgm"})
SHOWN = 3  # names in a message
# Control characters break lines of lists and command terminals; a lone surrogate is a byte that is no UTF-8, and no
# file can be written with it. Letters of every script are welcome.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class FoundPictures:
    """What a folder holds; names are relative to the data set, sorted."""

    names: tuple[str, ...]
    remarks: tuple[str, ...]  # what was passed over


def find_pictures(root: Path, folder: str = "", *, deep: bool) -> FoundPictures:
    """The pictures of `root`/`folder`, with all folders below it where `deep`; hidden files and folders are skipped.

    Linked files are followed, linked folders are not. A GclError names folders that cannot be read, and what is called
    like a picture and is none: a link to nothing, a pipe, a name that no text file can hold.
    """
    require_fit(str(root.resolve()))
    names, unusable, foreign, passed = list[str](), list[str](), list[str](), list[str]()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        for entry in _entries(root / here):
            name = f"{here}/{entry.name}" if here else entry.name
            if entry.is_dir(follow_symlinks=False) and deep:
                waiting.append(name)
            elif is_picture(entry.name) and not _is_folder(entry):
                why = _unusable(entry, name)
                (unusable if why else names).append(f"{readably(name)} ({why})" if why else name)
            elif _is_folder(entry):
                passed.append(readably(name))
            elif os.path.splitext(entry.name)[1].lower() in OTHER_FORMATS:  # noqa: PTH122  # a tenth of the time
                foreign.append(readably(name))
    if unusable:
        raise GclError(
            f"{root} holds {_some(sorted(unusable))} that cannot be used as pictures.",
            "Restore, rename or remove them.",
        )
    return FoundPictures(tuple(sorted(names)), tuple(_remarks(sorted(passed), sorted(foreign), deep=deep)))


def readably(text: str) -> str:
    """A name as it can be shown: control characters and bytes that are no UTF-8 as escapes such as \\n, \\udcff."""
    return _UNFIT.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def require_fit(text: str) -> None:
    """GclError where a name holds control characters, or bytes that are no UTF-8."""
    if _UNFIT.search(text):
        raise GclError(
            f"The name {readably(text)} holds a control character or a byte that is no UTF-8.",
            "Rename it: no list or result could hold this name.",
        )


def expanded(typed: str) -> Path:
    """The path that a user typed, `~` being the home folder; GclError where no file can be called so."""
    if "\0" in typed:
        raise GclError(f"{readably(typed)} is no path: it holds a zero character.", "Type the path without it.")
    return Path(os.path.expanduser(typed))  # noqa: PTH111  # leaves ~unknown as it is, where Path raises RuntimeError


@contextmanager
def reachable(folder: Path) -> Iterator[None]:
    """What the operating system says of a path that cannot be read, as a GclError."""
    try:
        yield
    except OSError as error:
        raise GclError(
            f"{readably(str(error.filename or folder))} cannot be read: {error.strerror or error}.",
            "Give yourself the right to read it, or move it out of the data set.",
        ) from error


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    with reachable(folder), os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a folder, or a link to one; a link that leads nowhere is none."""
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path))  # noqa: PTH112


def _unusable(entry: "os.DirEntry[str]", name: str) -> str:
    """Why a file cannot be used as a picture; empty where it can."""
    if _UNFIT.search(name):
        return "a name with control characters or bytes that are no UTF-8"
    if entry.is_symlink():
        return "" if os.path.isfile(entry.path) else "a link that leads to no file"  # noqa: PTH113
    return "" if entry.is_file() else "no file but a pipe, socket or device"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _remarks(passed: list[str], foreign: list[str], *, deep: bool) -> Iterator[str]:
    if passed:
        why = "Linked folders are not followed" if deep else "Folders within a split are not looked into"
        yield f"{why}: {_some(passed)}."
    if foreign:
        yield f"{len(foreign):,} pictures in formats that are not read (convert them to jpg or png): {_some(foreign)}."
