"""The pictures below a folder, by name: what cannot be used is refused or remarked on, never passed over in silence."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

from gcl_cli.datasets.dataset import PICTURE_ENDINGS
from gcl_cli.datasets.file_kinds import is_drawing, kind_of_file
from gcl_cli.datasets.splits import split_of
from gcl_cli.errors import GclError

OTHER_FORMATS = frozenset({".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ppm", ".pgm"})
SET_ASIDE = ("~", ".bak", ".orig", ".tmp", ".part", ".partial", ".crdownload", ".download")  # not the file itself
SHOWN = 3  # names in a message
FEW = 0.01  # share of the pictures that may be left out with a remark; 3 may always
# What systems keep beside people's files, thumbnails among it. Hidden files and folders are passed over as well.
SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "lost+found", "System Volume Information", "$RECYCLE.BIN"})
STAGES = frozenset({"mesh", "render", "warmup", "gan-warmup", "joint", "cluster", "evaluate", "search"})
# Control characters break lines of lists and command terminals; a lone surrogate is a byte that is no UTF-8, and no
# file can be written with it. Letters of every script are welcome.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class FoundPictures:
    """What lies below a folder; all names are relative to it, and sorted."""

    root: Path
    names: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()  # all that were looked into, but the root
    unusable: tuple[str, ...] = ()  # called like pictures, and none
    foreign: tuple[str, ...] = ()  # pictures of formats that are not read
    aside: tuple[str, ...] = ()  # copies and halves that a program left: a.jpg.bak
    links: tuple[str, ...] = ()  # linked folders, which are not followed
    drawn: tuple[str, ...] = ()  # work folders, and pictures that gcl drew
    unnamed: tuple[str, ...] = ()  # those of `names` that are pictures by their content, not by their ending

    def inside(self, folder: str) -> "FoundPictures":
        """The part below `folder`, by names that are relative to it."""
        start = f"{folder}/"
        return self._part(self.root / folder, start, len(start)) if folder else self

    def below(self, folders: Sequence[str]) -> "FoundPictures":
        """The part below any of `folders`, by the names that it has here."""
        return self._part(self.root, tuple(f"{folder}/" for folder in folders), 0)

    def _part(self, root: Path, starts: str | tuple[str, ...], cut: int) -> "FoundPictures":
        kinds = [field.name for field in fields(self) if field.name != "root"]
        return FoundPictures(
            root, *(tuple(name[cut:] for name in getattr(self, kind) if name.startswith(starts)) for kind in kinds)
        )

    def usable(self) -> "FoundPictures":
        """This; a GclError names what is called like a picture and is none: a link to nothing, a pipe."""
        if self.unusable:
            raise GclError(
                f"{self.root} holds {some(self.unusable)} that cannot be used as pictures.",
                "Restore, rename or remove them.",
            )
        return self

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was passed over, and what was read although its name does not say that it is a picture."""
        told = (
            ("Linked folders are not followed", self.links, False),
            ("pictures in formats that are not read (convert them to jpg or png)", self.foreign, True),
            ("copies and unfinished files that were passed over", self.aside, True),
            ("work folders and drawings of gcl's own that were passed over", self.drawn, True),
            ("files without an ending of a picture that are pictures, and are read as such", self.unnamed, True),
        )
        return tuple(f"{f'{len(n):,} ' if counted else ''}{text}: {some(n)}." for text, n, counted in told if n)


@dataclass
class _Looking:
    """The lists of `FoundPictures` while they grow."""

    root: Path
    drawings: bool
    lists: dict[str, list[str]] = field(default_factory=dict)
    first: bool = True  # no picture of the folder was opened yet
    drawn_here: bool = False  # gcl drew a picture in the folder
    followed: set[Path] = field(default_factory=set)  # where links lead that were followed

    def add(self, kind: str, name: str) -> None:
        self.lists.setdefault(kind, []).append(name)

    def look_into(self, here: str) -> Iterator[str]:
        """Sort what lies in a folder; gives the folders in it."""
        entries = _entries(self.root / here)
        if here and _is_work_folder({entry.name for entry in entries}):
            self.add("drawn", readably(here))
            return
        if here:
            self.add("folders", here)
        self.first, self.drawn_here = True, False
        for entry in entries:
            name = f"{here}/{entry.name}" if here else entry.name
            if entry.is_dir(follow_symlinks=False):
                yield name
            elif _is_folder(entry):
                if self._to_follow(entry):
                    yield name
                else:
                    self.add("links", readably(name))
            else:
                self._sort(entry, name)

    def _to_follow(self, link: "os.DirEntry[str]") -> bool:
        """Whether a linked folder is a split by its name, or holds one; never one that leads back, and none twice."""
        top, target = self.root.resolve(), Path(link.path).resolve()
        if top.is_relative_to(target) or target in self.followed:
            return False
        inside = target.is_relative_to(top)
        follow = split_of(link.name) is not None or (
            not inside and any(split_of(entry.name) for entry in _entries(target) if entry.is_dir())
        )
        self.followed |= {target} if follow else set()
        return follow

    def _sort(self, entry: "os.DirEntry[str]", name: str) -> None:
        """Put a file where it belongs; what is no picture, by name and content, belongs nowhere."""
        ending = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122  # a tenth of the time
        if ending in PICTURE_ENDINGS:
            if why := _unusable(entry, name):
                self.add("unusable", f"{readably(name)} ({why})")
            elif self._is_own(entry, ending):
                self.add("drawn", readably(name))
            else:
                self.add("names", name)
        elif ending in OTHER_FORMATS:
            self.add("foreign", readably(name))
        elif os.path.isfile(entry.path) and (kind := kind_of_file(entry.path)):  # noqa: PTH113
            self._sort_by_content(entry.name, name, kind)

    def _is_own(self, entry: "os.DirEntry[str]", ending: str) -> bool:
        """Whether gcl drew a picture. Exported views are PNGs by the names of JPEGs, but all of a folder are."""
        if self.drawings or not (ending == ".png" or self.first or self.drawn_here):
            return False
        self.first, own = False, is_drawing(entry.path)
        self.drawn_here |= own
        return own

    def _sort_by_content(self, base: str, name: str, kind: str) -> None:
        if base.lower().endswith(SET_ASIDE):
            self.add("aside", readably(name))
        elif kind == "foreign":
            self.add("foreign", readably(name))
        elif _UNFIT.search(name):
            self.add("unusable", f"{readably(name)} (a name with control characters or bytes that are no UTF-8)")
        else:
            self.add("names", name)
            self.add("unnamed", name)


def find_pictures(root: Path, *, drawings: bool = False) -> FoundPictures:
    """The pictures of `root` and of all folders below it, by their names, and by their content where an ending is odd.

    Linked files are followed; linked folders only where they are a split of a data set, or hold one. Passed over are
    hidden files and what systems keep, work folders, and what gcl drew (unless `drawings`).
    A GclError names a folder that cannot be read.
    """
    require_fit(str(root.resolve()))
    looking = _Looking(root, drawings)
    waiting = [""]
    while waiting:
        waiting += looking.look_into(waiting.pop())
    return FoundPictures(root, **{kind: tuple(sorted(names)) for kind, names in looking.lists.items()})


def few(left_out: int, number: int) -> bool:
    """Whether so many of `number` pictures may be left out with a remark."""
    return left_out <= max(SHOWN, FEW * number)


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


def some(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    with reachable(folder), os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".") and entry.name not in SYSTEM_FOLDERS]


def _is_work_folder(names: set[str]) -> bool:
    """Whether these are the names in a work folder: its record, and the list of pictures or a stage beside it."""
    return "dataset.json" in names and not names.isdisjoint({"dataset.pictures.json", *STAGES})


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
