"""Ranked lists as a picture: each row a query and what was found for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

GAP, FRAME, CAPTION = 6, 3, 13
QUERY, RIGHT, WRONG = (40, 40, 40), (0, 150, 60), (210, 40, 30)


@dataclass(frozen=True)
class RankedList:
    """One row: the query, then the gallery from rank 1 on."""

    title: str
    pictures: Sequence[np.ndarray]  # [h, w, 3] uint8 of one size, the query first
    captions: Sequence[str]  # one a picture
    right: Sequence[bool]  # one a gallery picture: whether it shows the query's person


def write_ranked_sheet(path: Path, lists: Sequence[RankedList]) -> None:
    """Write a PNG: the query framed dark, right pictures green, wrong ones red, a caption below each."""
    height, width = lists[0].pictures[0].shape[:2]
    columns = max(len(row.pictures) for row in lists)
    across, down = width + 2 * FRAME + GAP, height + 2 * FRAME + 2 * CAPTION + GAP
    sheet = Image.new("RGB", (columns * across + GAP + GAP, len(lists) * down + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(lists):
        top = GAP + number * down
        draw.text((GAP, top), row.title, fill="black")
        frames = [QUERY, *(RIGHT if right else WRONG for right in row.right)]
        for column, (picture, caption, frame) in enumerate(zip(row.pictures, row.captions, frames, strict=True)):
            left = GAP + column * across + (GAP if column else 0)  # the query stands apart
            corner = (left, top + CAPTION)
            size = (width + 2 * FRAME, height + 2 * FRAME)
            sheet.paste(frame, (*corner, corner[0] + size[0], corner[1] + size[1]))
            sheet.paste(Image.fromarray(picture), (corner[0] + FRAME, corner[1] + FRAME))
            draw.text((left + FRAME, corner[1] + size[1]), caption, fill="black")
    sheet.save(path)
