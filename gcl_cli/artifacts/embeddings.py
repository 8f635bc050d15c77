"""Embeddings on disk: one file, or tables of many."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from gcl_cli.artifacts.formats import read_names, unusable, write_names
from gcl_cli.artifacts.tensor_head import tensor_head


def embeddings_file(folder: Path, split: str) -> Path:
    """Where an artifact keeps the embeddings of a split."""
    return folder / f"{split}.embeddings.safetensors"


def new_embeddings(folder: Path, split: str, names: Sequence[str], width: int) -> np.memmap:
    """`<split>.embeddings.safetensors` and the names; the rows [N, width] float32 are to be filled in.

    The array is the file: what is written into it lies on the disk.
    """
    write_names(folder, split, names)
    shape, path = (len(names), width), embeddings_file(folder, split)
    head = embeddings_head(*shape)
    path.write_bytes(head)
    if hasattr(os, "posix_fallocate"):  # room for all rows now: a full disk would kill a process that fills a hole
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, len(head) + 4 * len(names) * width)
    return np.memmap(path, dtype="<f4", mode="r+", offset=len(head), shape=shape)


def embeddings_head(rows: int, width: int) -> bytes:
    """What a safetensors file of `embeddings` [rows, width] float32 begins with, before its numbers."""
    return tensor_head({"embeddings": (np.float32, (rows, width))})[0]


def drop_embeddings(folder: Path, split: str) -> None:
    """Delete the embeddings of a split; arrays that are open stay whole."""
    for path in (embeddings_file(folder, split), folder / f"{split}.names.json"):
        path.unlink()


TABLE = "gallery"


@dataclass(frozen=True)
class EmbeddingTable:
    """Embeddings of N pictures and what each file was when it was read."""

    names: list[str]
    stamps: np.ndarray  # [N, 2] int64: size in bytes, time of the last change in ns
    embeddings: np.ndarray  # [N, D] float32, rows of unit length

    def __len__(self) -> int:
        return len(self.names)


def write_embedding_table(
    folder: Path, names: Sequence[str], stamps: np.ndarray, blocks: Iterable[np.ndarray], *, size: int
) -> None:
    """Write a table whose embeddings [N, size] come as `blocks` of rows, one at a time in memory."""
    save_file({"stamps": np.ascontiguousarray(stamps, np.int64)}, folder / f"{TABLE}.stamps.safetensors")
    write_names(folder, TABLE, names)
    with embeddings_file(folder, TABLE).open("wb") as file:
        file.write(embeddings_head(len(names), size))
        for block in blocks:
            file.write(np.ascontiguousarray(block, np.float32).tobytes())


def read_embedding_table(folder: Path) -> EmbeddingTable:
    """The table in a folder; its embeddings stay on the disk until they are used. GclError when it is none."""
    path = embeddings_file(folder, TABLE)
    names = read_names(folder, TABLE)
    try:
        with safe_open(path, framework="numpy") as file:
            shape = tuple(file.get_slice("embeddings").get_shape())
        numbers = int(np.prod(shape))  # they end the file
        embeddings = np.memmap(path, "<f4", "r", offset=path.stat().st_size - 4 * numbers, shape=shape)
        stamps = load_file(folder / f"{TABLE}.stamps.safetensors")["stamps"]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, SafetensorError) as error:
        raise unusable(path, str(error)) from error
    if embeddings.shape[:1] != (len(names),) or embeddings.ndim != 2 or stamps.shape != (len(names), 2):
        raise unusable(path, f"it has not one row for each of {len(names)} pictures")
    return EmbeddingTable(names, stamps, embeddings)
