"""Where the time of a training goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds by kind of work; work inside other work counts once, as the inner kind.

    It changes nothing that is computed and is no part of what a checkpoint holds. On a GPU, work that was only queued
    counts as the kind that waits for it.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._inside: list[str] = []
        self._since = 0.0

    @contextmanager
    def timing(self, kind: str) -> Iterator[None]:
        """What happens inside counts as `kind`."""
        self._settle()
        self._inside.append(kind)
        try:
            yield
        finally:
            self._settle()
            self._inside.pop()

    def take(self) -> dict[str, float]:
        """The seconds of each kind since the last time; counting starts anew."""
        seconds, self._seconds = self._seconds, {}
        return seconds

    def _settle(self) -> None:
        clock = time.perf_counter()
        if self._inside:
            kind = self._inside[-1]
            self._seconds[kind] = self._seconds.get(kind, 0.0) + clock - self._since
        self._since = clock
