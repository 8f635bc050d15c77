"""Contact sheets: pictures of any sizes at one height, in rows on white, with words around them."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from gcl_cli.artifacts.files import whole
from gcl_cli.records import DRAWN_BY

GAP, FRAME, LINE = 6, 3, 14  # pixels between pictures, of a frame, of a line of text
OWNER = "gcl owner"
WIDEST = 2  # heights that a picture may be wide
HEADER = 33  # bytes of a PNG's signature and header
BLACK, GREEN, RED = (40, 40, 40), (0, 150, 60), (220, 30, 30)


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet."""

    picture: np.ndarray  # [h, w] or [h, w, 3] uint8
    caption: str = ""  # below it
    frame: tuple[int, int, int] | None = None  # the colour of a frame around it


def write_sheet(
    path: Path,
    rows: Sequence[Sequence[Cell]],
    *,
    headings: Sequence[str] = (),
    titles: Sequence[str] = (),
    height: int | None = None,
    owner: str = "",
) -> None:
    """Write a PNG of rows of pictures, all scaled to one `height`: without one, that of the tallest.

    headings: one above each column; titles: a line above each row; owner: see `save_drawing`.
    """
    tall = height or max(cell.picture.shape[0] for row in rows for cell in row)
    pictures = [[Image.fromarray(scaled(cell.picture, tall)).convert("RGB") for cell in row] for row in rows]
    lefts = _lefts(rows, pictures, headings, GAP)
    above, below = LINE * bool(titles), LINE * any(cell.caption for row in rows for cell in row)
    first, step = GAP + LINE * bool(headings), above + tall + below + GAP
    width = max([lefts[-1], *(2 * GAP + _length(title) for title in titles)])
    sheet = Image.new("RGB", (width, first + len(rows) * step), "white")
    draw = ImageDraw.Draw(sheet)
    for left, heading in zip(lefts, headings, strict=False):
        draw.text((left, GAP // 2), heading, fill="black")
    for number, title in enumerate(titles):
        draw.text((GAP, first + number * step), title, fill="black")
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
        draw.rectangle(
            (left - FRAME, top - FRAME, left + picture.width + FRAME - 1, top + picture.height + FRAME - 1),
            fill=cell.frame,
        )
    sheet.paste(picture, corner)
    draw.text((left, top + tall + FRAME), cell.caption, fill=cell.frame or "black")


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
    return round(ImageDraw.Draw(Image.new("1", (1, 1))).textlength(text))
