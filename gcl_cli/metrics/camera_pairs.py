"""How well people are found from one camera to another."""

from collections.abc import Iterable, Iterator

import numpy as np

from gcl_cli.metrics.ranking import AveragePrecision, average_precisions, match_ranks


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
        self._persons, self._cameras = query_persons, query_cameras
        known = np.flatnonzero((gallery_persons != -1) & (gallery_cameras != -1))
        self._columns = known[np.argsort(gallery_cameras[known], kind="stable")]  # by camera, within one ascending
        self._parts = _parts(gallery_persons[self._columns], gallery_cameras[self._columns])
        self._pairs: list[tuple[int, int]] = []
        self._ranks: list[np.ndarray] = []

    def watch(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Hand on the blocks [R, G] of a distance matrix [Q, G], and take note of each on its way."""
        done = 0
        for block in blocks:
            for row in block:
                self._note(row, int(self._persons[done]), int(self._cameras[done]))
                done += 1
            yield block

    def table(self, convention: AveragePrecision) -> list[dict[str, int | float]]:
        """A row for every pair of cameras with a true match, shares in percent; by query camera, then gallery camera.

        `queries` are those that have a true match in the gallery camera.
        """
        if not self._ranks:
            return []
        matches = np.array([len(ranks) for ranks in self._ranks])
        precisions = average_precisions(np.concatenate(self._ranks), matches, convention)
        firsts = np.array([ranks[0] for ranks in self._ranks])
        pairs, place = np.unique(np.array(self._pairs), axis=0, return_inverse=True)
        queries = np.bincount(place)
        mean_precision = 100 * np.bincount(place, precisions) / queries
        rank_1 = 100 * np.bincount(place, firsts == 1) / queries
        return [
            {"query_camera": int(a), "gallery_camera": int(b), "mAP": float(m), "rank_1": float(r), "queries": int(n)}
            for (a, b), m, r, n in zip(pairs, mean_precision, rank_1, queries, strict=True)
        ]

    def _note(self, row: np.ndarray, person: int, camera: int) -> None:
        parts = self._parts.get(person)
        if parts is None or camera == -1:
            return
        values = row[self._columns]
        for searched, own, matches in parts:
            if searched != camera:
                self._pairs.append((camera, searched))
                self._ranks.append(match_ranks(values[own], matches, matches[:0]))


def _parts(persons: np.ndarray, cameras: np.ndarray) -> dict[int, list[tuple[int, slice, np.ndarray]]]:
    """By person: the cameras that saw them, where each camera's pictures lie, and which of those are theirs.

    persons, cameras: [K], sorted by camera.
    """
    parts: dict[int, list[tuple[int, slice, np.ndarray]]] = {}
    known, starts = np.unique(cameras, return_index=True)
    ends = np.append(starts, len(cameras))[1:]
    for camera, first, end in zip(known.tolist(), starts, ends, strict=True):
        order = np.argsort(persons[first:end], kind="stable")
        seen, firsts = np.unique(persons[first:end][order], return_index=True)
        for person, matches in zip(seen.tolist(), np.split(order, firsts[1:]), strict=True):
            parts.setdefault(person, []).append((camera, slice(first, end), matches))
    return parts
