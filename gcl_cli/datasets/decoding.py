"""Pictures on disk -> uint8 arrays and tensors."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from PIL import Image

from gcl_cli.errors import GclError

if TYPE_CHECKING:  # imported where it is used: processes that share work on single crops do without
    from torch import Tensor


def read_pictures(
    root: Path,
    names: Sequence[str],
    *,
    height: int,
    width: int,
    threads: int,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """The pictures `names` of the data set `root` at one size, [N, 3, height, width] uint8 RGB, in their order.

    Resized by Pillow's antialiased bicubic filter, as the reference's transforms do (another library's cubic
    filter differs by up to 13 levels). `progress` is called with the number of pictures done so far.
    A picture that cannot be read is a GclError that names the file.
    """
    import torch

    pictures = np.empty((len(names), 3, height, width), dtype=np.uint8)

    def read_into(row: int) -> None:
        pictures[row] = _resized(read_crop(root, names[row]), height, width).transpose(2, 0, 1)  # [3, H, W]

    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(read_into, range(len(names))), start=1):
            if progress is not None:
                progress(done)
    return torch.from_numpy(pictures)


def read_crops(root: Path, names: Sequence[str]) -> Iterator[np.ndarray]:
    """The pictures `names` of the data set `root` one after another at their own size, [h, w, 3] uint8 RGB."""
    return (read_crop(root, name) for name in names)


def read_crop(root: Path, name: str) -> np.ndarray:
    """One picture at its own size, [h, w, 3] uint8 RGB, transparency dropped; GclError if it cannot be read."""
    with _readable(root / name) as path:
        return _decoded(path.read_bytes())


def picture_sizes(root: Path, names: Sequence[str]) -> list[tuple[int, int]]:
    """Height and width of the pictures `names` of the data set `root`, from their headers; GclError as `read_crop`."""
    return [_size(root / name) for name in names]


def _size(path: Path) -> tuple[int, int]:
    with _readable(path), Image.open(path) as picture:
        return picture.height, picture.width


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """Whatever the decoders say of a broken file, as a GclError."""
    try:
        yield path
    # Pillow raises SyntaxError for some broken PNG files
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise GclError(
            f"The picture {path} cannot be read: {problem}.",
            "Restore the file from its source, or remove it from the data set.",
        ) from problem


def _decoded(content: bytes) -> np.ndarray:
    """RGB pixels, always those of Pillow; simplejpeg finds the same in a third of the time."""
    if not simplejpeg.is_jpeg(content):
        return _decoded_by_pillow(content)
    try:
        _, _, colours, _ = simplejpeg.decode_jpeg_header(content)
        # four-colour pictures come out one level apart
        return simplejpeg.decode_jpeg(content) if colours in ("YCbCr", "Gray") else _decoded_by_pillow(content)
    except ValueError:  # damaged: Pillow mends it or says what is wrong
        return _decoded_by_pillow(content)


def _decoded_by_pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        return np.array(picture.convert("RGB"))


def _resized(crop: np.ndarray, height: int, width: int) -> np.ndarray:
    if crop.shape[:2] == (height, width):
        return crop
    return np.array(Image.fromarray(crop).resize((width, height), Image.Resampling.BICUBIC))
