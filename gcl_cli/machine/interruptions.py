"""Ctrl-C in the middle of work that can be left at certain places only."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noted(said: str) -> Iterator[Callable[[], bool]]:
    """Ctrl-C inside is noted the first time, and `said` on stderr; the second time it does what it did before.

    Yields whether it was typed. Where it is ignored, or this is no main thread, it never was.
    """
    before, typed = signal.getsignal(signal.SIGINT), False
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal typed
        if typed:
            before(number, frame)
        typed = True
        os.write(2, f"\n{said}\n".encode())  # not through a stream, which may be in the middle of a line

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: typed
    finally:
        signal.signal(signal.SIGINT, before)
