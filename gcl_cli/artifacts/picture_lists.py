"""Which pictures a data set has, or had when something was made of it, and what changed between the two.

`dataset.pictures.json` lists those of now. Where artifacts are of earlier ones, these stay beside it under their
digests: rows of pictures that are still the same can then be taken over.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gcl_cli.artifacts.files import digest_of, read_json, write_text
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.errors import GclError, first_few

Stamps = dict[str, list[list[Any]]]  # split -> name, size in bytes and digest of some contents of every picture

FORM = 2  # of the digest: 1 knew names and sizes alone
PROBED = 4096  # bytes read from the head and from the middle: header and first rows, and the person


def stamps(root: Path, names: Mapping[str, Sequence[str]]) -> Stamps:
    """What tells the pictures of every split from others: their names, sizes and some of their contents.

    Not the times of their changes, which copying changes. 10 microseconds a picture, when the system has seen it
    lately. GclError where one is out of reach.
    """
    return {split: [[name, *_stamp(f"{root}/{name}")] for name in listed] for split, listed in names.items()}


def _stamp(path: str) -> tuple[int, str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # never waits for the other end of a pipe
        try:
            size = os.fstat(descriptor).st_size
            probe = os.read(descriptor, PROBED) + os.pread(descriptor, PROBED, size // 2)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise GclError(
            f"The picture {path} is out of reach: {error.strerror}.", "Put it back, or remove the link to it."
        ) from error
    return size, hashlib.sha256(probe).hexdigest()[:16]


def fingerprint_of(found: Stamps, form: int = FORM) -> str:
    """Identity of a data set, in the form that a work folder began with."""
    if form == 1:
        return digest_of({split: [[name, size] for name, size, _ in listed] for split, listed in found.items()})
    return digest_of(found)


def fingerprint(root: Path, names: Mapping[str, Sequence[str]]) -> str:
    """Identity of some files below a folder, by split; GclError where one is out of reach."""
    return fingerprint_of(stamps(root, names))


def write_list(work: WorkFolder, found: Stamps, *, before: str | None = None) -> None:
    """Write the pictures of now; those that were there stay under their digest `before`."""
    if before is not None and (old := read_list(work, before)) is not None:
        write_text(_list_of(work, before), json.dumps(old))
    write_text(_list_of_now(work), json.dumps(found))


def keep_list(work: WorkFolder, found: Stamps) -> None:
    """Keep the pictures of another folder, of which something is made here."""
    write_text(_list_of(work, fingerprint_of(found)), json.dumps(found))


def read_list(work: WorkFolder, digest: str) -> Stamps | None:
    """The pictures that a data set of this digest has or had; None where their list is lost."""
    read = (_read(path) for path in (_list_of_now(work), _list_of(work, digest)))
    return next((found for found in read if found is not None and digest in _digests(found)), None)


def _digests(found: Stamps) -> tuple[str, ...]:
    return tuple(fingerprint_of(found, form) for form in range(1, FORM + 1))


def drop_lists(work: WorkFolder, needed: set[str]) -> None:
    """Remove the lists of earlier pictures of which nothing is made any more."""
    kept = {_list_of(work, digest) for digest in needed} | {_list_of_now(work)}
    for path in work.root.glob("dataset.pictures.*json"):
        if path not in kept:
            path.unlink()


def _list_of_now(work: WorkFolder) -> Path:
    return work.dataset_file.with_suffix(".pictures.json")


def _list_of(work: WorkFolder, digest: str) -> Path:
    return work.dataset_file.with_suffix(f".pictures.{digest[:16]}.json")


def _read(path: Path) -> Stamps | None:
    """The list in a file; None where there is none, or something else."""
    try:
        found = read_json(path)
        whole = all(len(row) == 3 and isinstance(row[0], str) for listed in found.values() for row in listed)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    return found if whole else None


@dataclass(frozen=True)
class Changes:
    """What became of the pictures of a data set, by name."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)  # its name before -> its name now
    moved: list[str] = field(default_factory=list)  # into another split

    def __bool__(self) -> bool:
        return any((self.added, self.removed, self.replaced, self.renamed, self.moved))

    def __str__(self) -> str:
        """`1 gone (a.jpg), 2 replaced (b.jpg, c.jpg)`."""
        kinds = {
            "gone": self.removed, "new": self.added,
            "renamed": [f"{name} is {other} now" for name, other in self.renamed.items()],
            "replaced": self.replaced, "in another split": self.moved,
        }  # fmt: skip
        return ", ".join(f"{len(names):,} {kind} ({first_few(names)})" for kind, names in kinds.items() if names)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many pictures of each kind."""
        kinds = ("added", "removed", "replaced", "renamed", "moved")
        return {kind: len(getattr(self, kind)) for kind in kinds if kind != "moved" or self.moved}


def changes(before: Stamps, now: Stamps) -> Changes:
    """What changed from one list of pictures to another; a picture whose content has another name now is renamed."""
    old, new = (_by_name(found) for found in (before, now))
    contents = Counter(content for name, (_, content) in new.items() if name not in old)
    coming = {content: name for name, (_, content) in new.items() if name not in old and contents[content] == 1}
    going = [name for name in old if name not in new]
    lost = Counter(old[name][1] for name in going)
    renamed = {name: coming[content] for name in going if lost[content := old[name][1]] == 1 and content in coming}
    return Changes(
        [name for name in new if name not in old and name not in set(renamed.values())],
        [name for name in going if name not in renamed],
        [name for name in old if name in new and new[name][1] != old[name][1]],
        renamed,
        [name for name in old if name in new and new[name][0] != old[name][0] and new[name][1] == old[name][1]],
    )


def same_pictures(before: Sequence[Sequence[Any]], now: Sequence[Sequence[Any]]) -> dict[str, str]:
    """The pictures of a split that are what they were: name now -> name before, which may be another one.

    before, now: rows of a list of pictures.
    """
    different = changes({"": list(map(list, before))}, {"": list(map(list, now))})
    names, spoiled = {row[0] for row in before}, set(different.replaced)
    kept = {row[0]: row[0] for row in now if row[0] in names and row[0] not in spoiled}
    return kept | {new: old for old, new in different.renamed.items()}


def _by_name(found: Stamps) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Name -> split and content of every picture."""
    return {name: (split, tuple(content)) for split, rows in found.items() for name, *content in rows}
