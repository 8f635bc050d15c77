"""What a look at a machine or a data set finds."""

from dataclasses import dataclass
from typing import Literal

from gcl_cli.errors import first_few


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `note`: it works, but could be better; `problem`: it will not, or it misleads."""

    level: Literal["ok", "note", "problem"]
    about: str
    found: str
    fix: str = ""  # what to do; empty where nothing needs doing


def ok(about: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding("ok", about, found)


def note(about: str, found: str, fix: str) -> Finding:
    """It works; this is what could be better."""
    return Finding("note", about, found, fix)


def problem(about: str, found: str, fix: str) -> Finding:
    """It will not work, or give a wrong result."""
    return Finding("problem", about, found, fix)


def shown(names: list[str], number: int = 3) -> str:
    """How many there are, and the first few."""
    return f"{len(names):,} ({first_few(names, number)})"
