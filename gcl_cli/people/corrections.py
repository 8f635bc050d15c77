"""The file in which a person says which pictures belong together and which do not."""

import csv
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.files import sha256
from gcl_cli.artifacts.tables import as_written
from gcl_cli.datasets.listing import expanded, reachable, readably
from gcl_cli.errors import GclError
from gcl_cli.records import Corrections

COLUMNS = ("kind", "first", "second")
HEADER = ",".join(COLUMNS)
MUST, CANNOT, NOBODY = "must-link", "cannot-link", "not-a-person"  # the last is about `first` alone
KINDS = (MUST, CANNOT, NOBODY)
GONE = "/"  # which no picture is called: instead of the name of one that is gone
SHOWN = 10  # names in a message


@dataclass(frozen=True)
class _Row:
    line: int  # in the file, the header being line 1
    kind: str
    first: str
    second: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.first,) if self.kind == NOBODY else (self.first, self.second)


def corrections_digest(path: str | None) -> dict[str, str]:
    """The corrections as an input of a run: none, or their file's digest; GclError where there is no such file."""
    if path is None:
        return {}
    with reachable(file := expanded(path)):
        if not file.is_file():
            raise GclError(f"There is no file {file} with corrections.", f"Write one, with the columns {HEADER}")
        return {"corrections": sha256(file)}


def read_corrections(
    path: str | None, names: Sequence[str], before: Mapping[str, str | None] | None = None
) -> Corrections | None:
    """The corrections of a CSV file with the columns kind, first, second; None without a file.

    kind: must-link, cannot-link, or not-a-person, which has no second; first, second: names of training pictures, as
    in `names` and labels.csv; before: what names of earlier are now, None where the picture is gone, which leaves its
    rows without effect. Raises GclError for other columns or kinds, for names that are not among the pictures, for a
    picture linked with itself, and where rows contradict each other; it names the rows.
    """
    if path is None:
        return None
    place = {name: row for row, name in enumerate(names)}
    rows = [_known(row, place, before or {}) for row in _rows(path)]
    gone = [row for row in rows if GONE in (row.first, row.second)]
    if gone:
        console.say(f"{len(gone)} of {len(rows)} corrections in {path} are about pictures that are gone.")
    rows = [row for row in rows if row not in gone]
    unknown = [f"{name} (line {row.line})" for row in rows for name in row.names if name not in place]
    if unknown:
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise GclError(
            f"{path} names pictures that are not in the training set: {', '.join(unknown[:SHOWN])}{more}.",
            f"Write names as labels.csv has them, such as {names[0]}",
        )
    _refuse_contradictions(path, rows)
    pairs = {
        kind: np.array([(place[r.first], place[r.second]) for r in rows if r.kind == kind], dtype=np.int64)
        for kind in (MUST, CANNOT)
    }
    nobody = np.unique(np.array([place[row.first] for row in rows if row.kind == NOBODY], dtype=np.int64))
    return Corrections(pairs[MUST].reshape(-1, 2), pairs[CANNOT].reshape(-1, 2), nobody)


def correction_rows(path: str) -> list[tuple[str, str, str]]:
    """The rows of a file of corrections as they are written: kind, first, second; GclError where it is none."""
    return [(row.kind, row.first, row.second) for row in _rows(path)]


def _known(row: _Row, place: Mapping[str, int], before: Mapping[str, str | None]) -> _Row:
    """The row with names as the pictures have them now: labels.csv keeps some from being formulas."""

    def now(name: str) -> str:
        name = name if name in place or name in before else as_written(name)
        return name if name in place else (before.get(name, name) or GONE)

    return replace(row, first=now(row.first), second=now(row.second) if row.second else "")


def _rows(path: str) -> list[_Row]:
    """The rows of the file, their form checked."""
    rows = []
    try:
        with reachable(file := expanded(path)), file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines, strict=True)
            header = next(reader, ["nothing"])
            if tuple(header) != COLUMNS:
                raise GclError(f"The first line of {path} is {readably(','.join(header))}.", f"Make it {HEADER}")
            for fields in filter(None, reader):
                if len(fields) != len(COLUMNS):
                    raise GclError(f"Line {reader.line_num} of {path} has {len(fields)} columns.", f"Write {HEADER}")
                rows.append(_Row(reader.line_num, *map(str.strip, fields)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise GclError(f"{path} is no CSV file in UTF-8: {error}.", f"Save it as one, with {HEADER}") from error
    for row in rows:
        if row.kind not in KINDS:
            raise GclError(f"Line {row.line} of {path} is of the kind {row.kind!r}.", f"Write {', '.join(KINDS)}")
        if row.kind == NOBODY and row.second:
            raise GclError(f"Line {row.line} of {path}: {NOBODY} is about one picture.", f"Write {NOBODY},PICTURE,")
        if row.first == row.second:
            raise GclError(f"Line {row.line} of {path} links {row.first} with itself.", "Name two pictures.")
    return rows


def _refuse_contradictions(path: str, rows: Sequence[_Row]) -> None:
    """Raise GclError where must-links join two pictures that a cannot-link keeps apart."""
    links: dict[str, list[tuple[str, int]]] = {}
    for row in rows:
        if row.kind == MUST:
            links.setdefault(row.first, []).append((row.second, row.line))
            links.setdefault(row.second, []).append((row.first, row.line))
    nobody = {row.first: row.line for row in rows if row.kind == NOBODY}
    for row in rows:
        for name in nobody.keys() & set(row.names) if row.kind == MUST else ():
            raise GclError(
                f"{path} contradicts itself: line {nobody[name]} says that {name} shows no person, and line {row.line} "
                "whom it shows.",
                f"Remove line {nobody[name]} or {row.line}",
            )
        if row.kind == CANNOT and (chain := _chain(links, row.first, row.second)):
            lines = ", ".join(map(str, sorted(chain)))
            raise GclError(
                f"{path} contradicts itself: line {row.line} keeps {row.first} and {row.second} apart, and the "
                f"must-links of line {lines} join them.",
                f"Remove line {row.line}, or one of: {lines}",
            )


def _chain(links: dict[str, list[tuple[str, int]]], start: str, goal: str) -> list[int]:
    """The lines of the shortest chain of must-links from start to goal; empty where there is none."""
    chains: dict[str, list[int]] = {start: []}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        if here == goal:
            return chains[here]
        for there, line in links.get(here, ()):
            if there not in chains:
                chains[there] = [*chains[here], line]
                waiting.append(there)
    return []
