"""stdout and stderr that cannot fail a command: closed, full, broken pipes, narrow alphabets."""

import os
import sys
from contextlib import suppress
from typing import Any

_CLOSED = "nobody reads it"


class SteadyStream:
    """A stream that takes what it is given for as long as somebody reads it; then it stays silent.

    What a command makes lies in files by then: that nobody sees the last line undoes nothing.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.trouble = ""  # why it fell silent; empty while it has not

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Push what was written, or drop it."""
        self._try(self._stream.flush)

    def _try(self, job: Any) -> None:
        if self.trouble:
            return
        try:
            job()
        except BrokenPipeError:
            self._fall_silent(_CLOSED)
        except (OSError, ValueError) as error:  # ValueError: it was closed
            self._fall_silent(str(error))

    def _fall_silent(self, trouble: str) -> None:
        """Lead what is still in the stream's memory to nowhere: Python would write it when it ends."""
        self.trouble = trouble
        with suppress(OSError, ValueError):  # no file of the system: nothing is written at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def keep_streams_open() -> None:
    """Give this process stdin, stdout and stderr whatever it was started with; letters they lack are written as codes.

    A closed one would otherwise be the number of the first file that is opened, and be written into.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  for as long as the process
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, SteadyStream(stream))


def push_streams() -> None:
    """Write what was printed; where stdout did not take it, say so on stderr, for what was to be read there."""
    sys.stdout.flush()
    trouble = getattr(sys.stdout, "trouble", "")
    if trouble and trouble != _CLOSED:
        sys.stderr.write(f"Note: what was to be printed could not be written: {trouble}\n")
    sys.stderr.flush()
