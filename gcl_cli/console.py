"""What a person reads: progress and remarks on stderr, the result on stdout."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from gcl_cli.machine import ranks
from gcl_cli.machine.json_text import json_text

if TYPE_CHECKING:  # rich is imported where it is used: `gcl --help` must answer at once
    from rich.console import Console, Group
    from rich.progress import Progress
    from rich.table import Table

QUIET_SECONDS = 15.0
SHORT = 14  # letters of a value beside a name and its text


@cache
def _talk() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False, quiet=not ranks.leads())


def say(text: str) -> None:
    """A remark on stderr."""
    _talk().print(text, markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """Something the user must know, on stderr."""
    _talk().print(f"Note: {text}", markup=False, soft_wrap=True, style="yellow")


def complain(problem: str, fix: str) -> None:
    """The two lines of a GclError, on stderr; what a library reported in several lines is joined."""
    from rich.console import Console

    problem, fix = (" ".join(map(str.strip, text.splitlines())) for text in (problem, fix))
    speaker = "" if ranks.leads() else f" (process {ranks.place().rank})"
    screen = _talk() if not speaker else Console(stderr=True, highlight=False, emoji=False)
    screen.print(f"Error{speaker}: {problem}", markup=False, soft_wrap=True, style="red")
    screen.print(fix, markup=False, soft_wrap=True)


class Meter:
    """Progress of one job: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, title: str, total: int, done: int, bar: "Progress | None") -> None:
        self.title, self.total, self.done = title, total, done
        self._bar = bar
        self._task = bar.add_task(title, total=total, completed=done, note="", rate="") if bar else None
        self._begun = self._spoke = time.monotonic()
        self._first = done

    @property
    def share(self) -> float:
        """How much of what this run has to do is done, from 0 to 1."""
        return (self.done - self._first) / max(self.total - self._first, 1)

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
            say(f"{self.title}: {self.done}/{self.total}  {rate:.1f}/s  {duration_text(left)} left  {note}".rstrip())

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
    from rich.table import Column

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
    )  # fmt: skip
    if (board := Board.shown) is not None:  # one live display at a time: the bar becomes a part of it
        board.bar = Progress(*columns, console=_talk(), expand=True)
        try:
            board.meter = Meter(title, total, done, board.bar)
            yield board.meter
        finally:
            board.bar = None
        return
    with Progress(*columns, console=_talk(), expand=True) as bar:
        yield Meter(title, total, done, bar)


Forecast = Callable[["Board"], float | None]  # the seconds until all steps are done; None: nobody knows


class Board:
    """The steps of a long job: a live list on a terminal, a line at each change elsewhere."""

    shown: "Board | None" = None  # the one on the terminal
    _STYLES: Mapping[str, str] = {"running": "bold", "made": "green", "kept": "green", "left": "dim", "stopped": "red"}

    def __init__(self, titles: Sequence[str], forecast: Forecast) -> None:
        self.states = dict.fromkeys(titles, "left")
        self.seconds: dict[str, float] = {}
        self.bar: Progress | None = None
        self.meter: Meter | None = None  # of the step at work
        self._forecast = forecast
        self._begun = self._step_begun = time.monotonic()

    @property
    def at_step(self) -> float:
        """Seconds since the step at work began."""
        return time.monotonic() - self._step_begun

    def begin(self, title: str) -> None:
        """A step is at work now."""
        self._step_begun, self.meter = time.monotonic(), None
        self._turn(title, "running")

    def end(self, title: str, state: str) -> None:
        """A step is over: `made` now, `kept` as it was, or `stopped`."""
        self.seconds[title] = self.at_step
        self._turn(title, state)

    def _turn(self, title: str, state: str) -> None:
        self.states[title] = state
        if Board.shown is None:
            number, took = list(self.states).index(title) + 1, self.seconds.get(title)
            told = f" in {duration_text(took)}" if took is not None and state != "running" else ""
            rest = self._forecast(self) if state == "running" else None
            told += f" (about {duration_text(rest)} left in all)" if rest else ""
            say(f"[{number}/{len(self.states)}] {title}: {state}{told}")

    def __rich__(self) -> "Group":
        from rich.console import Group
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for title, state in self.states.items():
            seconds = self.at_step if state == "running" else self.seconds.get(title)
            took = "" if seconds is None or state == "kept" else duration_text(seconds)
            table.add_row(title, state, took, style=self._STYLES.get(state))
        waiting = sum(state == "left" for state in self.states.values())
        table.add_row("", f"{waiting} left", f"{duration_text(time.monotonic() - self._begun)} so far{self._end()}")
        return Group(table, *([self.bar.get_renderable()] if self.bar else []))

    def _end(self) -> str:
        """`, about 7 min left, until 16:42`; empty where nobody knows."""
        rest = self._forecast(self)
        if not rest:
            return ""
        moment = datetime.now() + timedelta(seconds=rest)
        return f", about {duration_text(rest)} left, until {moment:%H:%M}"


@contextmanager
def board(titles: Sequence[str], forecast: Forecast = lambda _: None) -> Iterator[Board]:
    """Show how a job of several steps goes, and when it ends; meters used inside appear below the list."""
    made = Board(titles, forecast)
    if not _talk().is_terminal:
        yield made
        return
    from rich.live import Live

    Board.shown = made
    try:
        with Live(made, console=_talk(), refresh_per_second=4):
            yield made
    finally:
        Board.shown = None


def duration_text(seconds: float) -> str:
    """`12 s`, `3 min 05 s`, `2 h 10 min`, `5 days`."""
    whole = max(int(seconds), 0)  # a clock may be set back
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min" if whole < 172_800 else f"{whole // 86_400} days"


def size_text(size: int) -> str:
    """`512 B`, `1.2 MB`: bytes in powers of 1,000."""
    number, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 999.5:
            break
        number, unit = number / 1000, larger
    return f"{number:.0f} {unit}" if unit == "B" or number >= 99.5 else f"{number:.1f} {unit}"


def show_tree(title: str, branches: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """A tree of one level of branches on stdout; a leaf is a line and the style it is written in."""
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(title))
    for branch, leaves in branches.items():
        below = tree.add(Text(branch))
        for line, style in leaves:
            below.add(Text(line, style=style))
    Console(highlight=False, markup=False, emoji=False).print(tree)


def wants_json(as_json: bool | None) -> bool:
    """Whether a result is printed as JSON: as the user chose, else where no terminal is."""
    return not sys.stdout.isatty() if as_json is None else as_json


def show(result: dict[str, Any], *, as_json: bool | None) -> None:
    """The result on stdout: as JSON or as tables; not chosen: tables on a terminal, JSON elsewhere."""
    if not ranks.leads():
        return
    if wants_json(as_json):
        sys.stdout.write(json_text(result, indent=2, alphabet=sys.stdout.encoding or "ascii") + "\n")
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


def show_sections(sections: Mapping[str, Sequence[tuple[str, str, str]]]) -> None:
    """Headed lists on stdout, each of rows: a name, which is never broken, a short value, and a text that wraps."""
    from rich.console import Console
    from rich.table import Table

    screen = Console(highlight=False, markup=False, emoji=False)
    rows = [row for section in sections.values() for row in section]
    longest, widest = (max((len(row[at]) for row in rows), default=0) for at in (0, 1))
    for title, section in sections.items():
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, min_width=longest, style="cyan")
        table.add_column(width=min(widest, SHORT), overflow="fold")
        table.add_column()
        for row in section:
            table.add_row(*row)
        screen.print(title, style="bold")
        screen.print(*([table] if section else []), end="\n")


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
