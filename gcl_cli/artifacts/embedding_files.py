"""Embeddings that are written some rows at a time, for sets that need not fit in memory."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gcl_cli.artifacts.formats import write_names
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
