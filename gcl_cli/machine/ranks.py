"""Which of several processes this one is, as whoever started it says in the environment."""

import os
from typing import NamedTuple

NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what processes need to find each other
TORCHRUN = "TORCHELASTIC_RUN_ID"


class Place(NamedTuple):
    """This process among those that were started together; 0 of 1 when alone."""

    rank: int
    size: int
    local: int  # its number on this machine


ALONE = Place(0, 1, 0)


def place() -> Place:
    """Where this process stands. Schedulers and MPI leave some of these variables too: only all of them, fitting
    together, make a team.
    """
    if not all(os.environ.get(name) for name in NAMES):
        return ALONE
    rank, size, local = (_number(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if rank is None or size is None or size == 1 or rank >= size:
        return ALONE
    return Place(rank, size, local or 0)


def leads() -> bool:
    """Whether this process is the one that speaks and writes."""
    return place().rank == 0


def by_torchrun() -> bool:
    """Whether torchrun started this process beside others."""
    return TORCHRUN in os.environ and place().size > 1


def foreign() -> list[str]:
    """Variables like those of a team that say nothing here: `RANK=1`."""
    if place() != ALONE:
        return []
    return [f"{name}={os.environ[name]}" for name in ("RANK", "WORLD_SIZE") if os.environ.get(name, "0") not in "01"]


def stay_alone() -> None:
    """Let this process, and those that it starts, belong to no team: what it does is never shared."""
    for name in NAMES:
        os.environ.pop(name, None)


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None
