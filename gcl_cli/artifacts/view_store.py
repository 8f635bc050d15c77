"""Rendered pictures on disk: PNG-compressed pictures end to end, memory-mapped: grey bodies, and flows."""

from __future__ import annotations

import io
import mmap
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from gcl_cli.artifacts.formats import read_names, unusable
from gcl_cli.errors import GclError

if TYPE_CHECKING:  # importing torch takes seconds: processes that only compress pictures do without
    from torch import Tensor

REMEMBERED = 1 << 28  # bytes of decoded views that a store keeps: those of some thousand small pictures
FLOW = ".flow"  # what follows the split in the names of the files of flows
FORMER = ".painted"  # and followed it in those of painted colours, which earlier versions stored
PLANES = 4  # of a flow: column, row, opacity, seen; stored below one another in one picture of 16 bits


def compress(picture: np.ndarray) -> bytes:
    """A grey picture [H, W] uint8, or a flow [4, H, W] uint16 as one of 4 H rows, as PNG bytes.

    Run lengths are all there is to find in smooth shading on white: as small as a full search, in half the time.
    """
    file = io.BytesIO()
    how = {"compress_type": zlib.Z_RLE} if picture.ndim == 2 else {"compress_level": 1}
    Image.fromarray(picture.reshape(-1, picture.shape[-1])).save(file, "PNG", **how)
    return file.getvalue()


class ViewWriter:
    """Writes `<stem>.pngs` row by row and, when it is left, its index."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.size = 0  # bytes written
        self._index, self._offsets = folder / f"{stem}.index.safetensors", list[list[int]]()
        self._file = (folder / f"{stem}.pngs").open("wb")

    def add(self, row: Sequence[bytes]) -> None:
        """Write the compressed pictures of all angles of the next picture."""
        places = [self.size]
        for picture in row:
            self.size += self._file.write(picture)
            places.append(self.size)
        self._offsets.append(places)

    def __enter__(self) -> ViewWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._file.close()
        if kind is None:
            save_file({"offsets": np.asarray(self._offsets, dtype=np.int64)}, self._index)


def has_views(folder: Path, split: str, kind: str) -> bool:
    """Whether a split has views of a `kind`, such as FLOW, beside the grey ones."""
    return (folder / f"{split}{kind}.pngs").exists()


class StoredPictures:
    """The pictures of one split and kind, as they are stored."""

    def __init__(self, folder: Path, split: str, angles: tuple[int, ...], kind: str = "") -> None:
        path = folder / f"{split}{kind}.pngs"
        if not path.exists():
            raise GclError(
                f"{folder} has no views of the {split} pictures.", "Render meshes of that split: gcl render --restart"
            )
        self.names = read_names(folder, split)
        self.angles = angles
        self._offsets = _read_offsets(folder / f"{split}{kind}.index.safetensors", len(self.names), len(angles))
        if path.stat().st_size != self._offsets.max(initial=0) or not self._offsets.size:
            raise unusable(path, "it is not as long as its index says")
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def png(self, row: int, angle_index: int) -> bytes:
        """One picture as it is stored: the bytes of a PNG file."""
        start, stop = self._offsets[row, angle_index : angle_index + 2]
        return self._bytes[start:stop]

    def opened(self, row: int, angle_index: int) -> Image.Image:
        """The same, to be decoded."""
        return Image.open(io.BytesIO(self.png(row, angle_index)))


class ViewStore(StoredPictures):
    """The bodies of one split; pictures are decoded when they are asked for.

    A callable of the form records.StructurePictures; `size` (height, width) resizes on the way.
    """

    def __init__(self, folder: Path, split: str, angles: tuple[int, ...], size: tuple[int, int]) -> None:
        super().__init__(folder, split, angles)
        self._size = size
        #: one view [H, W] uint8, by its row and the index of its angle
        self.picture = lru_cache(max(1, REMEMBERED // (size[0] * size[1])))(self._decoded)

    def _decoded(self, row: int, angle_index: int) -> np.ndarray:
        image, (height, width) = self.opened(row, angle_index), self._size
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(image)

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        """Views [B, 1, H, W] uint8 of `rows` [B], each at its own `angles[angle_index]` [B]."""
        return _stacked(self.picture, rows, angle_index)[:, None]


class FlowStore(StoredPictures):
    """The flows of one split, at the size that they are stored at; a callable of the form records.ViewFlows."""

    def __init__(self, folder: Path, split: str, angles: tuple[int, ...]) -> None:
        super().__init__(folder, split, angles, FLOW)
        width, height = self.opened(0, 0).size
        #: one flow [4, H, W] int16, by its row and the index of its angle
        self.flow = lru_cache(max(1, REMEMBERED // (width * height * 2)))(self._decoded)

    def _decoded(self, row: int, angle_index: int) -> np.ndarray:
        planes = np.asarray(self.opened(row, angle_index))
        return planes.astype(np.int16).reshape(PLANES, -1, planes.shape[1])

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        """Flows [B, 4, H, W] int16 of `rows` [B], each at its own `angles[angle_index]` [B]."""
        return _stacked(self.flow, rows, angle_index)


def _stacked(read: Callable[[int, int], np.ndarray], rows: Tensor, angle_index: Tensor) -> Tensor:
    import torch

    pairs = zip(rows.tolist(), angle_index.tolist(), strict=True)
    return torch.from_numpy(np.stack([read(row, angle) for row, angle in pairs]))


def _read_offsets(path: Path, rows: int, angles: int) -> np.ndarray:
    """Where each picture begins and ends, [rows, angles + 1]; GclError when they cannot be places in one file."""
    try:
        offsets = load_file(path)["offsets"]
    except (OSError, KeyError, SafetensorError) as error:
        raise unusable(path, str(error)) from error
    if offsets.shape != (rows, angles + 1) or (np.diff(offsets.ravel()) < 0).any() or (offsets < 0).any():
        raise unusable(path, f"it has not the places of {angles} views of {rows} pictures")
    return offsets
