"""How a process of `gcl` begins and ends: Ctrl-C at any moment, and whoever listens to what it prints."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
_SHOW_CURSOR = b"\x1b[?25h"


class _Interruptions:
    """What SIGINT does: ends the process at once, except inside `raised`, where it is a KeyboardInterrupt."""

    def __init__(self) -> None:
        self.are_raised = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.are_raised or _imports(frame):
            # An exception could not pass: half a module would be left, and C++ would abort the process.
            cursor = _SHOW_CURSOR if os.isatty(2) else b""
            os.write(2, cursor + b"Interrupted.\n")
            os._exit(INTERRUPTED)
        self.are_raised = False  # whoever types it once more means it
        raise KeyboardInterrupt


_interruptions = _Interruptions()


@contextmanager
def entered() -> Iterator[None]:
    """The life of the process: streams that cannot fail, Ctrl-C without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and the like ignore it
        signal.signal(signal.SIGINT, _interruptions)
    from gcl_cli.cli.streams import keep_streams_open, push_streams

    keep_streams_open()
    try:
        yield
    finally:
        push_streams()


@contextmanager
def interruptions_raised() -> Iterator[None]:
    """Ctrl-C inside is a KeyboardInterrupt, the first time; there is something to say or to save then."""
    _interruptions.are_raised = True
    try:
        yield
    finally:
        _interruptions.are_raised = False


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
