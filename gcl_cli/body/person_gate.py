"""Is it a person, and does the body lie on it? The landmark network's own score does not tell."""

from collections.abc import Sequence

import numpy as np

from gcl_cli.body.crops import inside_crop, to_region

OK, LOW_CONFIDENCE, FALLBACK = np.uint8(0), np.uint8(1), np.uint8(2)
# An estimate is beyond use where the network sees nothing at all or the body misses what it sees.
USELESS_SCORE, USELESS_OVERLAP = 0.2, 0.1


def mask_overlap(
    vertices: np.ndarray, mask: np.ndarray, regions: np.ndarray, sizes: Sequence[tuple[int, int]]
) -> np.ndarray:
    """Intersection over union [N] of bodies and person masks, on the grid of the mask and within the crop.

    vertices: [N, V, 2] crop pixels; mask: [N, m, m] share of person; regions: [N, 4]; sizes: (height, width) of each
    crop.
    """
    side = mask.shape[-1]
    inside = inside_crop(sizes, regions, side)
    body = covered_cells(vertices, regions, side) & inside
    person = (mask > 0.5) & inside
    return (body & person).sum(axis=(1, 2)) / np.maximum((body | person).sum(axis=(1, 2)), 1)


def covered_cells(vertices: np.ndarray, regions: np.ndarray, side: int) -> np.ndarray:
    """Which cells of a `side` x `side` grid over each region a vertex falls into: [N, side, side] bool.

    vertices: [N, V, 2] crop pixels; regions: [N, 4]. The body's vertices lie close enough to stand for its silhouette
    at the 64 cells of the landmark network's mask, and cost a tenth of rasterising its triangles.
    """
    cell = np.floor(to_region(vertices, regions) * side)  # [N, V, 2] column, row
    held = (np.abs(2 * cell + 1 - side) < side).all(axis=-1)  # false for NaN as well
    flat = np.where(held, cell[..., 1] * side + cell[..., 0], side * side).astype(np.int64)
    covered = np.zeros((len(vertices), side * side + 1), bool)  # the last one takes what lies outside
    np.put_along_axis(covered, flat, True, axis=1)
    return covered[:, :-1].reshape(-1, side, side)


def person_status(
    *,
    score: np.ndarray,
    visibility: np.ndarray,
    overlap: np.ndarray,
    height: np.ndarray,
    minimum_score: float,
    minimum_visibility: float,
    minimum_overlap: float,
    minimum_height: float,
) -> np.ndarray:
    """0 ok, 1 low confidence, 2 fallback, for N pictures: [N] uint8.

    score: the landmark network's; visibility: mean over its landmarks; overlap: see `mask_overlap`; height: of the
    body, in shares of the crop's (all [N]). Not a number anywhere: fallback.
    """
    numbers = np.stack([score, visibility, overlap, height])  # [4, N]
    minimum = np.array([minimum_score, minimum_visibility, minimum_overlap, minimum_height])
    sound = (numbers > minimum[:, None]).all(axis=0)
    useful = np.isfinite(numbers).all(axis=0) & (score > USELESS_SCORE) & (overlap > USELESS_OVERLAP)
    return np.where(useful, np.where(sound, OK, LOW_CONFIDENCE), FALLBACK)
