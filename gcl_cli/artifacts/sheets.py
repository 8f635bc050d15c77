"""Contact sheets: pictures of any sizes at one height, in rows on white, with words around them."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features
from PIL.PngImagePlugin import PngInfo

from gcl_cli.artifacts.files import whole
from gcl_cli.records import DRAWN_BY

GAP, FRAME, LINE, DASH = 12, 3, 17, 6  # pixels between pictures, of a frame, of a line of text, of a dash
LETTERS = 13  # pixels
OWNER = "gcl owner"
WIDEST = 2  # heights that a picture may be wide
HEADER = 33  # bytes of a PNG's signature and header


@dataclass(frozen=True)
class Frame:
    """A frame that is told from others by its colour, and without it."""

    colour: tuple[int, int, int]
    dashed: bool = False


ASKED, RIGHT, WRONG = Frame((40, 40, 40)), Frame((0, 114, 178)), Frame((213, 94, 0), dashed=True)  # blue and vermilion


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet."""

    picture: np.ndarray  # [h, w] or [h, w, 3] uint8
    caption: str = ""  # below it
    frame: Frame | None = None


def write_sheet(
    path: Path,
    rows: Sequence[Sequence[Cell]],
    *,
    headings: Sequence[str] = (),
    titles: Sequence[str] = (),
    legend: Sequence[tuple[Frame, str]] = (),
    height: int | None = None,
    owner: str = "",
) -> None:
    """Write a PNG of rows of pictures, all scaled to one `height`: without one, that of the tallest.

    headings: one above each column; titles: a line above each row; legend: what frames mean, below all; owner: see
    `save_drawing`.
    """
    tall = height or max(cell.picture.shape[0] for row in rows for cell in row)
    pictures = [[Image.fromarray(scaled(cell.picture, tall)).convert("RGB") for cell in row] for row in rows]
    lefts = _lefts(rows, pictures, headings, GAP)
    above, below = (LINE + FRAME) * bool(titles), LINE * any(cell.caption for row in rows for cell in row)
    first, step = GAP + LINE * bool(headings), above + tall + below + GAP
    keys = [2 * GAP + LINE + _length(words) for _, words in legend]
    width = max([lefts[-1], sum(keys) + GAP, *(2 * GAP + _length(title) for title in titles)])
    sheet = Image.new("RGB", (width, first + len(rows) * step + (LINE + GAP) * bool(legend)), "white")
    draw = ImageDraw.Draw(sheet)
    for left, heading in zip(lefts, headings, strict=False):
        _write(draw, (left, GAP // 2), heading)
    for number, title in enumerate(titles):
        _write(draw, (GAP, first + number * step), title)
    for number, (frame, words) in enumerate(legend):
        left = GAP + sum(keys[:number])
        sheet.paste(_frame(frame, LINE - 2, LINE - 2), (left, sheet.height - GAP - LINE + 1))
        _write(draw, (left + LINE + GAP // 2, sheet.height - GAP - LINE), words)
    for number, (row, images) in enumerate(zip(rows, pictures, strict=True)):
        for left, cell, picture in zip(lefts, row, images, strict=False):
            _place(sheet, draw, cell, picture, (left, first + number * step + above), tall)
    save_drawing(path, sheet, owner=owner)


def save_drawing(path: Path, picture: Image.Image, *, owner: str = "") -> None:
    """Write a PNG with gcl's mark in it, by which no command takes it for a picture of a data set.

    owner: whose it is, so that nobody else overwrites it.
    """
    about = PngInfo()
    about.add_text("Software", DRAWN_BY)
    if owner:
        about.add_text(OWNER, owner)
    with whole(path) as temporary:
        picture.save(temporary, "PNG", pnginfo=about)


def owner_of_png(path: Path) -> str | None:
    """Whose a PNG is; None where there is none, empty where it does not say."""
    try:
        with Image.open(path) as picture:
            return str(picture.info.get(OWNER, ""))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, SyntaxError):  # no picture: whatever it is, it is not ours
        return ""


def marked(png: bytes) -> bytes:
    """The same PNG with gcl's mark right behind its header, where `save_drawing` has it."""
    chunk = b"tEXtSoftware\0" + DRAWN_BY.encode()
    return b"".join((png[:HEADER], (len(chunk) - 4).to_bytes(4), chunk, zlib.crc32(chunk).to_bytes(4), png[HEADER:]))


def scaled(picture: np.ndarray, tall: int) -> np.ndarray:
    """A picture [h, w] or [h, w, 3] uint8 at one height, or less high where it would be wider than twice that."""
    height, width = picture.shape[:2]
    factor = min(tall / height, WIDEST * tall / width)
    size = max(1, round(factor * width)), max(1, round(factor * height))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _place(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, cell: Cell, picture: Image.Image, corner: tuple[int, int], tall: int
) -> None:
    left, top = corner
    if cell.frame is not None:
        wide, high = picture.width + 2 * FRAME, picture.height + 2 * FRAME
        sheet.paste(_frame(cell.frame, wide, high), (left - FRAME, top - FRAME))
    sheet.paste(picture, corner)
    _write(draw, (left, top + tall + FRAME), cell.caption, cell.frame.colour if cell.frame else "black")


def _frame(frame: Frame, width: int, height: int) -> Image.Image:
    """A frame of this outer size with white in it."""
    rows, columns = np.indices((height, width))
    middle = (rows >= FRAME) & (rows < height - FRAME) & (columns >= FRAME) & (columns < width - FRAME)
    white = middle | (frame.dashed & ((rows // DASH + columns // DASH) % 2 == 1))
    return Image.fromarray(np.where(white[..., None], 255, np.array(frame.colour)).astype(np.uint8))


def _lefts(
    rows: Sequence[Sequence[Cell]], pictures: Sequence[Sequence[Image.Image]], headings: Sequence[str], start: int
) -> list[int]:
    """Where each column begins, and where the last ends: as wide as what is widest in it."""
    lefts = [start]
    for column in range(max(len(row) for row in rows)):
        widths = [row[column].width for row in pictures if column < len(row)]
        words = [*headings[column : column + 1], *(row[column].caption for row in rows if column < len(row))]
        lefts.append(lefts[-1] + max([*widths, *map(_length, words)]) + GAP)
    return lefts


def _length(text: str) -> int:
    """Pixels that a line of text is wide."""
    return round(ImageDraw.Draw(Image.new("1", (1, 1))).textlength(text, font=_font()))


def _write(draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, fill: Any = "black") -> None:
    draw.text(corner, text, fill=fill, font=_font())


@cache
def _font() -> Any:
    """Pillow's own letters, as large as it can draw them."""
    return ImageFont.load_default(LETTERS if features.check("freetype2") else None)
