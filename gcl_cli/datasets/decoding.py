"""Pictures on disk -> uint8 arrays and tensors."""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from gcl_cli.datasets.listing import readably
from gcl_cli.errors import GclError

if TYPE_CHECKING:  # imported where it is used: processes that share work on single crops do without
    from torch import Tensor

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF")
BEHIND = (255, 255, 255)  # what shows through where a picture is transparent: white, as most viewers show it
MOST_PIXELS = 1 << 24  # 4096 x 4096, 50 MB in memory: no crop of a person is so large, and a small file can claim more
MOST_BYTES = 1 << 27  # of a file: more than that many pixels need
ORIENTATION, TOLD_BY = 0x0112, (b"Exif\0\0", b"tiff:Orientation")  # in EXIF data, or in XMP
UPRIGHT = {  # EXIF orientation -> what makes the picture upright; ImageOps.exif_transpose would write the EXIF data too
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
LYING = (5, 6, 7, 8)  # orientations that change height for width
TOO_LARGE = f"it has more than {MOST_PIXELS:,} pixels: cut the person out first"
warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters of it is an error here, with the file's name


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
        pictures[row] = resized(read_crop(root, names[row]), height, width).transpose(2, 0, 1)  # [3, H, W]

    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(read_into, range(len(names))), start=1):
            if progress is not None:
                progress(done)
    return torch.from_numpy(pictures)


def read_crops(root: Path, names: Sequence[str]) -> Iterator[np.ndarray]:
    """The pictures `names` of the data set `root` one after another at their own size, [h, w, 3] uint8 RGB."""
    return (read_crop(root, name) for name in names)


def read_crop(root: Path, name: str) -> np.ndarray:
    """One picture at its own size, [h, w, 3] uint8 RGB, upright, transparency on white; GclError if it is unreadable.

    Upright means turned as its EXIF or XMP data ask for, which cameras and phones write instead of turning the pixels.
    What lies hidden below transparent pixels is never seen: two pictures that look alike are alike.
    """
    with _readable(root / name) as path:
        return _decoded(path.read_bytes())


def picture_sizes(root: Path, names: Sequence[str]) -> list[tuple[int, int]]:
    """Height and width of the pictures `names` of the data set `root`, from their headers; GclError as `read_crop`."""
    return [_size(root / name) for name in names]


def _size(path: Path) -> tuple[int, int]:
    with _readable(path), path.open("rb") as file, _opened(file) as picture:
        lying = picture.getexif().get(ORIENTATION) in LYING
        return (picture.width, picture.height) if lying else (picture.height, picture.width)


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """Whatever is wrong with a file, as a GclError; what is no plain file is never opened, since a pipe would wait."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is a folder" if path.is_dir() else "it is no file but a pipe, socket or device")
        if not 0 < status.st_size <= MOST_BYTES:
            raise ValueError("it is empty" if not status.st_size else f"{status.st_size:,} bytes are no picture")
        yield path
    except Exception as problem:  # on hostile bytes decoders raise anything
        why = (isinstance(problem, OSError) and problem.strerror) or str(problem) or type(problem).__name__
        raise GclError(
            f"The picture {readably(str(path))} cannot be read: {why.rstrip('.')}.",
            "Restore the file from its source, or remove it; gcl doctor FOLDER lists all such files.",
        ) from problem


def _decoded(content: bytes) -> np.ndarray:
    """RGB pixels, always those of Pillow; simplejpeg finds the same in a third of the time."""
    if not simplejpeg.is_jpeg(content) or any(mark in content for mark in TOLD_BY):
        return _decoded_by_pillow(content)
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        _refuse_giants(height, width)
        # four-colour pictures come out one level apart
        return simplejpeg.decode_jpeg(content) if colours in ("YCbCr", "Gray") else _decoded_by_pillow(content)
    except ValueError:  # damaged: Pillow mends it or says what is wrong
        return _decoded_by_pillow(content)


def _decoded_by_pillow(content: bytes) -> np.ndarray:
    with _opened(io.BytesIO(content)) as picture:
        turn = UPRIGHT.get(picture.getexif().get(ORIENTATION, 1))
        pixels = _as_seen(picture)
        return np.array(pixels if turn is None else pixels.transpose(turn))


def _as_seen(picture: Image.Image) -> Image.Image:
    """The colours of a picture of any mode, over `BEHIND` where it is transparent."""
    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
        return _from_16_bits(picture)
    if not picture.has_transparency_data or picture.format == "BMP":  # whose fourth channel viewers pass over
        return picture.convert("RGB")
    seen = Image.new("RGBA", picture.size, BEHIND)
    seen.alpha_composite(picture.convert("RGBA"))
    return seen.convert("RGB")


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[Image.Image]:
    """A picture whose header was read; ValueError where it is of another format, too large, or several pictures.

    Of all that Pillow can open, only what a file name promises is let in: its other readers meet no foreign file.
    """
    try:
        opened = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as problem:
        raise ValueError(f"its content is none of {', '.join(FORMATS)}") from problem
    except Image.DecompressionBombError as problem:
        raise ValueError(TOO_LARGE) from problem
    with opened as picture:
        _refuse_giants(picture.height, picture.width)
        frames = 1 if picture.format not in ("PNG", "WEBP", "GIF") else getattr(picture, "n_frames", 1)
        if frames > 1:
            raise ValueError(f"it is animated, {frames} pictures in one file: save each as a file of its own")
        yield picture


def _refuse_giants(height: int, width: int) -> None:
    if height * width > MOST_PIXELS:
        raise ValueError(TOO_LARGE)


def _from_16_bits(picture: Image.Image) -> Image.Image:
    grey = np.array(picture)
    shown = (grey >> 8).astype(np.uint8)
    shown[grey == picture.info.get("transparency", -1)] = BEHIND[0]
    return Image.fromarray(shown).convert("RGB")


def resized(crop: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture [h, w, 3] uint8 at another size, by Pillow's antialiased bicubic filter."""
    if crop.shape[:2] == (height, width):
        return crop
    return np.array(Image.fromarray(crop).resize((width, height), Image.Resampling.BICUBIC))
