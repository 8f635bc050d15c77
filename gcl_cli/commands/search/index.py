"""The index of a folder of pictures: embedded once, then only what is new or has changed."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.embeddings import EmbeddingTable, read_embedding_table, write_embedding_table
from gcl_cli.artifacts.files import digest_of
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import MANIFEST, NewerVersionError, read_artifact, read_manifest
from gcl_cli.artifacts.run import RUN, SHARDS, Run
from gcl_cli.artifacts.seals import is_whole, read_sealed, seal_folder
from gcl_cli.datasets import plain_folder
from gcl_cli.datasets.listing import reachable
from gcl_cli.errors import GclError

CHUNK = 1024  # pictures embedded together, and what an interruption may cost
COPIED = 16384  # rows copied together
_MOST = 2**63 - 1

Embed = Callable[[Sequence[str]], np.ndarray]  # unit embeddings [M, D] float32 of pictures by their names


@dataclass(frozen=True)
class Listing:
    """The pictures below a folder as they are now."""

    root: Path
    names: tuple[str, ...]  # relative to the root, sorted
    stamps: np.ndarray  # [N, 2] int64: size in bytes, time of the last change in ns

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Index:
    """The embeddings of all pictures of a listing."""

    reference: str
    table: EmbeddingTable
    embedded: int  # pictures that were new or had changed
    removed: int  # pictures that are gone, or were replaced


def list_pictures(root: Path) -> Listing:
    """Every picture below a folder; GclError when there is none, or one is out of reach."""
    found = plain_folder.pictures_below(root)
    for remark in found.remarks:
        console.warn(remark)
    with reachable(root):
        states = [os.stat(f"{root}/{name}") for name in found.names]  # noqa: PTH116  # half the time of Path.stat
    times = (state.st_mtime_ns & _MOST for state in states)  # beyond the year 2262 they would not fit
    stamps = np.array([(state.st_size, time) for state, time in zip(states, times, strict=True)], np.int64)
    return Listing(root, found.names, stamps)


def index_run(work: WorkFolder, listing: Listing, encoder: str, inputs: dict[str, str], *, flip: bool = False) -> Run:
    """The run that makes the index of a folder by an encoder; each pair has an index of its own, and one mirrored."""
    root, mirrored = str(listing.root.resolve()), {"flip": True} if flip else {}
    plain = re.sub(r"[^\w-]+", "_", listing.root.resolve().name).strip("_") or "gallery"
    name = f"{plain[:40]}-{digest_of([root, encoder, *mirrored])[:8]}"
    return Run(work, "search", name, {"encoder": encoder, "gallery": root, **mirrored}, inputs)


def update_index(job: Run, listing: Listing, embed: Embed, *, restart: bool) -> Index:
    """The index of `listing`, of which only pictures that are new or changed are embedded.

    An interrupted run goes on where it was. Rows of another state of the encoder are never used.
    """
    known = None if restart else _finished(job)
    if known is not None and _is_of(known, listing):
        return Index(f"search/{job.name}", known, 0, 0)
    with job.begin(restart=restart or not _begun_alike(job)):
        tables = ([known] if known else []) + _shards(job)
        fresh = [name for name, place in zip(listing.names, _places(listing, tables), strict=True) if place is None]
        tables += _embed_new(job, listing, fresh, embed)
        places = _places(listing, tables)
        blocks = _gathered(tables, [place for place in places if place is not None])
        size = tables[0].embeddings.shape[1]
        write_embedding_table(job.folder, listing.names, listing.stamps, blocks, size=size)
        job.publish({"pictures": len(listing)})
    kept = 0 if known is None else sum(place is not None for place in _places(listing, [known]))
    removed = 0 if known is None else len(known) - kept
    return Index(f"search/{job.name}", read_embedding_table(job.final), len(fresh), removed)


def _finished(job: Run) -> EmbeddingTable | None:
    """What an earlier command left, when it was made by the very same encoder."""
    if not (job.final / MANIFEST).exists():
        return None
    try:
        if read_manifest(job.final).inputs != job.inputs:
            console.say("The encoder was made anew since this folder was indexed: it is indexed again.")
            return None
        read_artifact(job.work, f"{job.stage}/{job.name}")  # whole
        return read_embedding_table(job.final)
    except NewerVersionError:
        raise
    except GclError as error:
        console.warn(f"{error.problem} The folder is indexed again.")
        return None


def _begun_alike(job: Run) -> bool:
    """Whether an interrupted run was of the very same encoder."""
    path = job.folder / RUN
    try:
        return path.exists() and read_sealed(path, "").get("inputs") == job.inputs
    except GclError:
        return False


def _is_of(table: EmbeddingTable, listing: Listing) -> bool:
    return tuple(table.names) == listing.names and bool(np.array_equal(table.stamps, listing.stamps))


def _places(listing: Listing, tables: Sequence[EmbeddingTable]) -> list[tuple[int, int] | None]:
    """Where the row of each picture stands, as table and row; None where no table has the file as it is now."""
    rows: dict[tuple[str, int, int], tuple[int, int]] = {}
    for number, table in enumerate(tables):
        keys = zip(table.names, *table.stamps.T.tolist(), strict=True)
        rows |= {key: (number, row) for row, key in enumerate(keys)}
    return [rows.get(key) for key in zip(listing.names, *listing.stamps.T.tolist(), strict=True)]


def _shards(job: Run) -> list[EmbeddingTable]:
    """What an interrupted run had embedded."""
    return [read_embedding_table(folder) for folder in _shard_folders(job) if is_whole(folder)]


def _shard_folders(job: Run) -> list[Path]:
    return sorted((job.folder / SHARDS).glob("*[0-9]"))


def _embed_new(job: Run, listing: Listing, fresh: Sequence[str], embed: Embed) -> list[EmbeddingTable]:
    """Embed the pictures `fresh`, a chunk at a time, each on the disk as soon as it is done."""
    if not fresh:
        return []
    row_of = {name: row for row, name in enumerate(listing.names)}
    first, made = len(_shard_folders(job)), []
    with console.meter("index", len(fresh)) as meter:
        for number, start in enumerate(range(0, len(fresh), CHUNK), start=first):
            names = fresh[start : start + CHUNK]
            rows = embed(names)
            temporary = job.folder / SHARDS / f"{number:06d}.tmp"
            temporary.mkdir(parents=True, exist_ok=True)
            stamps = listing.stamps[[row_of[name] for name in names]]
            write_embedding_table(temporary, names, stamps, [rows], size=rows.shape[1])
            seal_folder(temporary)
            made.append(read_embedding_table(temporary.rename(temporary.with_suffix(""))))
            meter.advance(len(names))
    return made


def _gathered(tables: Sequence[EmbeddingTable], places: Sequence[tuple[int, int]]) -> Iterator[np.ndarray]:
    """The rows at `places`, in blocks [R, D]."""
    for start in range(0, len(places), COPIED):
        numbers, rows = np.array(places[start : start + COPIED]).T
        block = np.empty((len(rows), tables[0].embeddings.shape[1]), np.float32)
        for number in np.unique(numbers):
            mine = numbers == number
            block[mine] = tables[number].embeddings[rows[mine]]
        yield block
