"""A table made in shards: shared among processes, each shard on the disk as soon as it is done."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gcl_cli import console
from gcl_cli.artifacts.run import SHARDS, Run
from gcl_cli.artifacts.seals import is_whole, seal_folder
from gcl_cli.machine.processes import map_shared

SIZE = 64  # pictures; what an interruption may cost each process


@dataclass(frozen=True)
class Shard:
    """Some pictures of a split, in order."""

    split: str
    number: int
    names: tuple[str, ...]


AnyShard = TypeVar("AnyShard", bound=Shard)
Table = TypeVar("Table")


def in_shards(split: str, names: Sequence[str]) -> list[Shard]:
    """The pictures of a split in shards of `SIZE`."""
    return [
        Shard(split, number, tuple(names[start : start + SIZE]))
        for number, start in enumerate(range(0, len(names), SIZE))
    ]


def shard_folder(job: Run, shard: Shard) -> Path:
    """Where a finished shard lies until the table is whole."""
    return job.folder / SHARDS / f"{shard.split}-{shard.number:06d}"


def work_through(
    job: Run,
    shards: Sequence[AnyShard],
    make: Callable[[AnyShard], Table],
    write: Callable[[Path, AnyShard, Table], None],
    *,
    processes: int,
) -> None:
    """Make and write the shards that an earlier run of the job has not left whole; `make` must pickle."""
    waiting = [shard for shard in shards if not is_whole(shard_folder(job, shard))]
    total, left = (sum(len(shard.names) for shard in some) for some in (shards, waiting))
    with console.meter(job.stage, total, total - left) as meter:
        tables = map_shared(make, waiting, processes=min(processes, max(len(waiting), 1)))
        for shard, table in zip(waiting, tables, strict=True):
            temporary = shard_folder(job, shard).with_suffix(".tmp")
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            write(temporary, shard, table)
            seal_folder(temporary)
            shutil.rmtree(shard_folder(job, shard), ignore_errors=True)  # of one that is damaged
            temporary.rename(shard_folder(job, shard))
            meter.advance(len(shard.names))


def split_shards(shards: Sequence[AnyShard]) -> Iterator[tuple[str, list[AnyShard]]]:
    """Each split and its shards, in order."""
    for split in dict.fromkeys(shard.split for shard in shards):
        yield split, [shard for shard in shards if shard.split == split]
