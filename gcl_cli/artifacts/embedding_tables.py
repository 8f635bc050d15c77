"""An index of pictures on disk: embeddings that are memory-mapped, and which files they are of.

`gallery.embeddings.safetensors` (`embeddings` [N, D], unit rows), `gallery.stamps.safetensors` (`stamps` [N, 2]) and
`gallery.names.json`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from gcl_cli.artifacts.embedding_files import embeddings_file, embeddings_head
from gcl_cli.artifacts.formats import read_names, unusable, write_names

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
