"""What a person reads: progress and remarks on stderr, the result on stdout."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # rich is imported where it is used: `gcl --help` must answer at once
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

QUIET_SECONDS = 15.0


@cache
def _talk() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def say(text: str) -> None:
    """A remark on stderr."""
    _talk().print(text, markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """Something the user must know, on stderr."""
    _talk().print(f"Note: {text}", markup=False, soft_wrap=True, style="yellow")


def complain(problem: str, fix: str) -> None:
    """The two lines of a GclError, on stderr; what a library reported in several lines is joined."""
    problem, fix = (" ".join(map(str.strip, text.splitlines())) for text in (problem, fix))
    _talk().print(f"Error: {problem}", markup=False, soft_wrap=True, style="red")
    _talk().print(fix, markup=False, soft_wrap=True)


class Meter:
    """Progress of one job: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, title: str, total: int, done: int, bar: "Progress | None") -> None:
        self.title, self.total, self.done = title, total, done
        self._bar = bar
        self._task = bar.add_task(title, total=total, completed=done, note="", rate="") if bar else None
        self._begun = self._spoke = time.monotonic()
        self._first = done

    def advance(self, count: int = 1, note: str = "") -> None:
        """`count` more units are done; `note`: a few words on how it goes."""
        self.done += count
        clock = time.monotonic()
        rate = (self.done - self._first) / max(clock - self._begun, 1e-9)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done, total=self.total, note=note, rate=f"{rate:.1f}/s")
        elif clock - self._spoke >= QUIET_SECONDS or self.done >= self.total:
            self._spoke = clock
            left = (self.total - self.done) / max(rate, 1e-9)
            say(f"{self.title}: {self.done}/{self.total}  {rate:.1f}/s  {left:.0f} s left  {note}".rstrip())

    def tell(self, text: str) -> None:
        """A line that stays."""
        say(text)


@contextmanager
def meter(title: str, total: int, done: int = 0) -> Iterator[Meter]:
    """Show the progress of `total` units of work of which `done` are done."""
    if not _talk().is_terminal:
        yield Meter(title, total, done, None)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=_talk()) as bar:
        yield Meter(title, total, done, bar)


def show(result: dict[str, Any], *, as_json: bool) -> None:
    """The result on stdout: a table on a terminal, JSON when piped or asked for."""
    if as_json or not sys.stdout.isatty():
        sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    else:
        show_tables(result)


def show_tables(result: dict[str, Any]) -> None:
    """The result on stdout as tables: plain values in one, every list of rows in one of its own."""
    from rich.console import Console
    from rich.table import Table

    screen = Console(highlight=False, markup=False, emoji=False)
    plain = Table(show_header=False)
    for key, value in result.items():
        if not _is_table(value):
            plain.add_row(key.replace("_", " "), _text(value))
    if plain.row_count:
        screen.print(plain)
    for key, value in result.items():
        if _is_table(value):
            screen.print(_table(key, value))


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _table(title: str, rows: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    table = Table(title=title.replace("_", " "))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_text(row.get(column)) for column in columns))
    return table


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "  ".join(f"{key.replace('_', ' ')} {_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return str(value)
