"""Contact sheets: small pictures in rows, on white."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gcl_cli.artifacts.files import whole

GAP = 4
CAPTION = 14


def write_sheet(path: Path, rows: Sequence[Sequence[np.ndarray]], captions: Sequence[str] = ()) -> None:
    """Write a PNG of rows of pictures ([h, w] or [h, w, 3] uint8); captions head the columns."""
    height = max(picture.shape[0] for row in rows for picture in row)
    width = max(picture.shape[1] for row in rows for picture in row)
    columns = max(len(row) for row in rows)
    top = CAPTION if captions else 0
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, len(rows) * (height + GAP) + GAP + top), "white")
    draw = ImageDraw.Draw(sheet)
    for column, caption in enumerate(captions):
        draw.text((GAP + column * (width + GAP), 2), caption, fill="black")
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            sheet.paste(
                Image.fromarray(picture).convert("RGB"), (GAP + j * (width + GAP), top + GAP + i * (height + GAP))
            )
    with whole(path) as temporary:
        sheet.save(temporary, "PNG")
