"""Work shared among processes, one single-threaded process a core."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from gcl_cli.errors import GclError
from gcl_cli.machine.system import interruptions_held_back

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 3  # items a process that wait or lie finished: memory stays the same however many there are
_SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def map_shared(function: Callable[[Item], Result], items: Iterable[Item], *, processes: int) -> Iterator[Result]:
    """`function` of every item, in order; in this process when there is one, else in fresh ones.

    function and items must pickle; items are taken, and results kept, only a few at a time. An error in a process is
    raised here, and a GclError when one is killed. However this process ends, the others end with it.
    """
    if processes == 1:
        yield from map(function, items)
        return
    with _single_threaded_children():
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent)
        try:
            yield from _few_at_a_time(pool, function, items, processes * AHEAD)
        except BrokenProcessPool as error:
            raise GclError(
                f"One of the {processes} processes that share the work was killed; most often memory had run out.",
                "Share among fewer, such as --threads 1; the same command goes on from what is done.",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _few_at_a_time(
    pool: ProcessPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    begun: deque[Future[Result]] = deque()
    for item in items:
        with interruptions_held_back():
            begun.append(pool.submit(function, item))  # may start a process
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def _end_with_parent() -> None:
    """Let this process end when its parent is gone, even killed: it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Processes started inside use one thread each: small arrays are many times slower on two."""
    before = {name: os.environ.get(name) for name in _SINGLE}
    os.environ.update(dict.fromkeys(_SINGLE, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
