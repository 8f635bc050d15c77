"""The sections of the page: each is there, or says what to type."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gcl_cli.errors import GclError


@dataclass(frozen=True)
class Section:
    """One section: its content, or why there is none and what mends that."""

    key: str  # of its template, and of its place on the page
    title: str
    content: Any = None
    problem: str = ""
    fix: str = ""


def section(key: str, title: str, make: Callable[[], Any]) -> Section:
    """A section with what `make` returns; with the problem and its fix where something is missing for it."""
    try:
        return Section(key, title, make())
    except GclError as error:
        return Section(key, title, problem=error.problem, fix=error.fix)
