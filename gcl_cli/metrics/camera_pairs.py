"""How well people are found from one camera to another."""

from collections.abc import Iterable, Iterator

import numpy as np

from gcl_cli.metrics.counting import People, by_rank, count_before
from gcl_cli.metrics.kernels import compiled_loops
from gcl_cli.metrics.ranking import AveragePrecision, average_precisions


class CameraPairs:
    """mAP and rank-1 of every query camera in every other camera's part of the gallery, gathered block by block.

    Rules and ties are those of `ranking`; a pair ranks the gallery pictures of its own camera alone. Pictures of
    unknown cameras (-1) and junk (person -1) belong to no pair.
    """

    def __init__(
        self,
        query_persons: np.ndarray,
        query_cameras: np.ndarray,
        gallery_persons: np.ndarray,
        gallery_cameras: np.ndarray,
    ) -> None:
        self._persons, self._cameras = np.where(query_cameras == -1, -1, query_persons), query_cameras
        known = np.flatnonzero((gallery_persons != -1) & (gallery_cameras != -1))
        self._columns = known[np.argsort(gallery_cameras[known], kind="stable")]  # by camera, within one ascending
        self._gallery_cameras = gallery_cameras[self._columns]
        self._people = People.of(gallery_persons[self._columns])
        self._loops = compiled_loops(len(query_persons) * len(gallery_persons))
        self._found: list[np.ndarray] = [np.zeros((4, 0), dtype=np.int64)]

    def watch(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Hand on the blocks [R, G] of a distance matrix [Q, G], and take note of each on its way."""
        done = 0
        for block in blocks:
            self._note(block, done)
            done += len(block)
            yield block

    def table(self, convention: AveragePrecision) -> list[dict[str, int | float]]:
        """A row for every pair of cameras with a true match, shares in percent; by query camera, then gallery camera.

        `queries` are those that have a true match in the gallery camera.
        """
        query, camera, searched, rank = np.concatenate(self._found, axis=1)  # [M] each
        if not len(rank):
            return []
        ends = np.flatnonzero(np.diff(query, append=-1) | np.diff(searched, append=-1)) + 1  # of a query in a camera
        matches = np.diff(ends, prepend=0)
        precisions, firsts = average_precisions(rank, matches, convention), rank[ends - matches]
        known = np.unique(np.concatenate((camera, searched)))
        numbers = known.searchsorted(camera) * len(known) + known.searchsorted(searched)
        pairs, place = np.unique(numbers[ends - 1], return_inverse=True)
        queries = np.bincount(place)
        mean_precision = 100 * np.bincount(place, precisions) / queries
        rank_1 = 100 * np.bincount(place, firsts == 1) / queries
        return [
            {"query_camera": int(a), "gallery_camera": int(b), "mAP": float(m), "rank_1": float(r), "queries": int(n)}
            for a, b, m, r, n in zip(
                *known[list(divmod(pairs, len(known)))], mean_precision, rank_1, queries, strict=True
            )
        ]

    def _note(self, block: np.ndarray, done: int) -> None:
        asked = slice(done, done + len(block))
        rows, places = self._people.entries(self._persons[asked])
        other = self._cameras[asked][rows] != self._gallery_cameras[places]
        rows, places = rows[other], places[other]
        searched = self._gallery_cameras[places]
        begins, ends = (self._gallery_cameras.searchsorted(searched, side=side) for side in ("left", "right"))
        before = count_before(block, self._columns, rows, places, begins, ends, loops=self._loops)
        found = np.stack((rows + done, self._cameras[asked][rows], searched, before + 1))
        self._found.append(found[:, by_rank(rows, begins, before, len(self._columns))])
