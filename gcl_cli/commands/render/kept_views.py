"""Views that an earlier artifact has of pictures that are still the same: taken over as they are stored."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gcl_cli.artifacts.view_store import StoredPictures, ViewStore
from gcl_cli.body.rendering import touches_border
from gcl_cli.commands.render.drawing import DrawnViews
from gcl_cli.config import RenderSettings


@dataclass(frozen=True)
class KeptViews:
    """Some rows of an earlier artifact."""

    folder: Path
    split: str
    settings: RenderSettings
    kinds: tuple[str, ...]  # of views: grey ones first, and flows where they are
    rows: dict[str, int]  # by the name of the picture now

    @cached_property
    def _bodies(self) -> ViewStore:
        size = (self.settings.height, self.settings.width)
        return ViewStore(self.folder, self.split, self.settings.angles, size)

    @cached_property
    def _stores(self) -> list[StoredPictures]:
        return [StoredPictures(self.folder, self.split, self.settings.angles, kind) for kind in self.kinds]

    def of(self, name: str) -> DrawnViews:
        """The views of a picture, bit for bit."""
        row, angles = self.rows[name], range(len(self.settings.angles))
        grey, *flows = ([store.png(row, angle) for angle in angles] for store in self._stores)
        clipped = touches_border(np.stack([self._bodies.picture(row, angle) for angle in angles]))
        return DrawnViews(grey, clipped, *flows)
