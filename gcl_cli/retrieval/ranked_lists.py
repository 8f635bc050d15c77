"""Which queries went wrong, and what was found for them, as a picture."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gcl_cli.artifacts.sheets import ASKED, RIGHT, WRONG, Cell, write_sheet
from gcl_cli.datasets.decoding import read_crop
from gcl_cli.metrics.ranking import Ranking
from gcl_cli.people.data import WorkData
from gcl_cli.retrieval.distances import Distances

SHOWN = 10  # ranks
HEIGHT = 128  # of a picture on the sheet
LEGEND = ((ASKED, "the query"), (RIGHT, "the same person"), (WRONG, "somebody else"))


@dataclass(frozen=True)
class Labels:
    """Person and camera of every query and gallery picture, -1 = junk or unknown."""

    query_persons: np.ndarray  # [Q]
    query_cameras: np.ndarray  # [Q]
    gallery_persons: np.ndarray  # [G]
    gallery_cameras: np.ndarray  # [G]

    @property
    def sizes(self) -> tuple[int, int]:
        """The number of queries and of gallery pictures."""
        return len(self.query_persons), len(self.gallery_persons)

    @property
    def cameras(self) -> torch.Tensor:
        """The camera of every query and then of every gallery picture, [Q + G] int64."""
        return torch.from_numpy(np.concatenate((self.query_cameras, self.gallery_cameras)))

    def removed(self, query: int) -> np.ndarray:
        """Which gallery pictures are no test for a query: junk, and its person under its own camera; [G] bool."""
        camera, person = self.query_cameras[query], self.query_persons[query]
        own = (self.gallery_persons == person) & (self.gallery_cameras == camera) & (camera != -1)
        return own | (self.gallery_persons == -1)


def best_median_and_worst(average_precision: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `count` queries of highest average precision, as many around the median, and the `count` of lowest.

    No query is among two of them: where there are too few, the worst are kept, and then the best. average_precision:
    [Q], NaN = skipped. Equals are ordered by row.
    """
    order = np.argsort(average_precision, kind="stable")[: np.count_nonzero(~np.isnan(average_precision))]
    worst, others = order[:count], order[count:]
    best = others[max(len(others) - count, 0) :][::-1]
    between = others[: len(others) - len(best)]
    start = max(0, (len(between) - count) // 2)
    return best, between[start : start + count], worst


def draw_ranked_lists(
    path: Path, data: WorkData, labels: Labels, ranking: Ranking, distances: Distances, count: int
) -> None:
    """ranked.png: the best, median and worst queries with the first ten of their galleries, junk left out.

    The query is framed dark, pictures of its person blue, those of others dashed in vermilion.
    """
    rows, titles = [], []
    chosen = best_median_and_worst(ranking.average_precision, count)
    for word, queries in zip(("best", "median", "worst"), chosen, strict=True):
        for place, query in enumerate(queries.tolist(), start=1):
            rows.append(_row(data, labels, query, first_found(labels, distances, query, SHOWN)))
            titles.append(
                f"{word} {place}: average precision {100 * ranking.average_precision[query]:.1f} %, "
                f"first right at rank {ranking.first_rank[query]}, {data.split('query')[query].name}"
            )
    write_sheet(
        path, rows, titles=titles, headings=("query", *map(str, range(1, SHOWN + 1))), legend=LEGEND, height=HEIGHT
    )


def first_found(labels: Labels, distances: Distances, query: int, count: int) -> np.ndarray:
    """The first `count` gallery pictures in a query's list, what is no test for it left out: rows, nearest first."""
    near = distances.of(torch.tensor([query]))[0]
    kept = np.flatnonzero(~labels.removed(query))
    return kept[np.argsort(near[kept], kind="stable")[:count]]


def _row(data: WorkData, labels: Labels, query: int, found: np.ndarray) -> list[Cell]:
    """The picture of a query, and those found for it, nearest first, with their cameras."""
    gallery = data.split("gallery")
    names = [data.split("query")[query].name, *(gallery[column].name for column in found)]
    cameras = [labels.query_cameras[query], *labels.gallery_cameras[found]]
    right = labels.gallery_persons[found] == labels.query_persons[query]
    frames = [ASKED, *(RIGHT if one else WRONG for one in right)]
    return [
        Cell(read_crop(data.root, name), "camera ?" if camera == -1 else f"camera {camera}", frame)
        for name, camera, frame in zip(names, cameras, frames, strict=True)
    ]
