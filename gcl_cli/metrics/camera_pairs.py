"""How well people are found from one camera to another."""

import numpy as np

from gcl_cli.metrics.average_precision import AveragePrecision, average_precisions


class CameraPairs:
    """mAP and rank-1 of every query camera in every other camera's part of the gallery, gathered by `rank_blocks`.

    Rules and ties are those of `ranking`; a pair ranks the gallery pictures of its own camera alone. Pictures of
    unknown cameras (-1) and junk (person -1) belong to no pair.
    """

    def __init__(self) -> None:
        self._found: list[np.ndarray] = [np.zeros((4, 0), dtype=np.int64)]

    def note(self, queries: np.ndarray, cameras: np.ndarray, searched: np.ndarray, before: np.ndarray) -> None:
        """Take note of gallery pictures of the queries' own people, [E] each, later queries than any before.

        queries: row numbers; cameras: theirs; searched: the pictures' cameras; before: how many of the gallery pictures
        of that camera come before.
        """
        kept = np.flatnonzero((cameras != searched) & (cameras != -1) & (searched != -1))
        kept = kept[np.lexsort((before[kept], searched[kept], queries[kept]))]
        self._found.append(np.stack((queries[kept], cameras[kept], searched[kept], before[kept] + 1)))

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
