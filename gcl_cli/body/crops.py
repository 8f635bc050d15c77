"""Upright regions of a crop and their resampling, in pixel-edge coordinates (the first pixel spans 0 to 1)."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

PERSON_ASPECT = 0.375  # width / height at which the landmark network sees a crop: 128x64 crops are stretched people


def centred_region(height: int, width: int, enlargement: float) -> np.ndarray:
    """The region around a whole crop that becomes the square input of the landmark network.

    The crop is seen at `PERSON_ASPECT`, and the square's side is `enlargement` times its height, so the region
    of a wider or narrower crop is a rectangle. Returns [4] float64: left, top, width, height in crop pixels.
    """
    across, down = enlargement * width / PERSON_ASPECT, enlargement * height
    return np.array([(width - across) / 2, (height - down) / 2, across, down])


def cut(picture: np.ndarray, region: np.ndarray, size: int, kept: slice = slice(None)) -> np.ndarray:
    """Resample a region of a picture to `size` x `size`, the columns `kept` of that; outside the picture is black.

    picture: [h, w, 3] uint8; region: [4] (left, top, width, height). Returns [size, kept, 3] float32 in [0, 1].
    Bicubic, widened when it shrinks; an upright region makes it separable: two small matrix products.
    """
    height, width = picture.shape[:2]
    left, top, across, down = (float(value) for value in region)
    rows = sampling_weights(height, top, down, size)
    columns = sampling_weights(width, left, across, size)[kept]
    wide = columns @ picture.swapaxes(0, 1).reshape(width, -1).astype(np.float32)  # [kept, h * 3]
    wide = wide.reshape(-1, height, 3).swapaxes(0, 1).reshape(height, -1)
    resampled = (rows / 255) @ wide
    return np.clip(resampled, 0, 1, out=resampled).reshape(size, -1, 3)


@lru_cache(maxsize=64)
def sampling_weights(pixels: int, start: float, length: float, size: int) -> np.ndarray:
    """Weights [size, pixels] float32 that resample the stretch `start` to `start + length` of a line of pixels.

    Keys' cubic kernel with a = -1/2, normalised as if the line went on: what lies outside counts as zero.
    """
    step = length / size
    reach = max(step, 1.0)  # shrinking: the kernel grows, so that every pixel is counted
    centres = start + (np.arange(size) + 0.5) * step
    distance = np.abs(np.arange(pixels) + 0.5 - centres[:, None]) / reach  # [size, pixels]
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0)) / reach
    return weights.astype(np.float32)


def to_crop(points: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Points [N, K, 2] in shares of their region ([0, 1] from edge to edge) -> crop pixels, `regions` [N, 4]."""
    return regions[:, None, :2] + points * regions[:, None, 2:]


def to_region(points: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Points [N, K, 2] in crop pixels -> shares of their region ([0, 1] from edge to edge), `regions` [N, 4]."""
    return (points - regions[:, None, :2]) / regions[:, None, 2:]


def inside_crop(sizes: Sequence[tuple[int, int]], regions: np.ndarray, size: int) -> np.ndarray:
    """Which cells of a `size` x `size` grid over each region lie on the picture.

    sizes: (height, width) of each crop; regions: [N, 4]. Returns [N, size, size] bool.
    """
    middles = (np.arange(size) + 0.5) / size
    across = regions[:, None, 0] + middles * regions[:, None, 2]  # [N, size]
    down = regions[:, None, 1] + middles * regions[:, None, 3]
    heights, widths = np.array(sizes, np.float64).reshape(-1, 2).T[:, :, None]
    return ((down > 0) & (down < heights))[:, :, None] & ((across > 0) & (across < widths))[:, None, :]
