"""Pictures as the page holds them: inside the page, small, each with a text that says what it shows."""

import base64
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from gcl_cli.commands.report.heads import Box, Heads, blurred
from gcl_cli.datasets.decoding import read_crop

QUALITY, FULL_QUALITY = 80, 95  # of the JPEGs


@dataclass(frozen=True)
class Picture:
    """A picture for an <img>."""

    uri: str
    alt: str
    width: int  # as it is shown
    height: int


@dataclass
class Album:
    """Makes the pictures of one page."""

    root: Path  # of the data set
    height: int  # of a thumbnail in pixels
    full: bool  # keep pictures at their own size
    heads: Heads | None  # whose faces are blurred; None: nobody's
    _made: dict[tuple[str, int], tuple[str, int, int]] = field(default_factory=dict)

    def photograph(self, name: str, alt: str, *, height: int | None = None) -> Picture:
        """A picture of the data set; GclError where it cannot be read. height: of a thumbnail that is even smaller."""
        key = (name, height or self.height)
        if key not in self._made:
            picture = read_crop(self.root, name)
            head = None if self.heads is None else self.heads.on(name, *picture.shape[:2])
            self._made[key] = self._encoded(picture, head, key[1])
        return Picture(self._made[key][0], alt, *self._made[key][1:])

    def drawn(self, picture: np.ndarray, alt: str, *, head: Box | None = None) -> Picture:
        """A picture that was made, [h, w] or [h, w, 3] uint8. head: where its face is, if it has one."""
        uri, width, height = self._encoded(picture, None if self.heads is None else head, self.height)
        return Picture(uri, alt, width, height)

    def _encoded(self, picture: np.ndarray, head: Box | None, height: int) -> tuple[str, int, int]:
        """The data URI, and width and height to show it at."""
        image = Image.fromarray(picture if head is None else blurred(picture, head))
        size = (max(1, round(image.width * height / image.height)), height)
        if not self.full and image.height > height:
            image = image.resize(size, Image.Resampling.BICUBIC)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=FULL_QUALITY if self.full else QUALITY, optimize=True)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}", *size
