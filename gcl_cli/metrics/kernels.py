"""Whether the inner loop of ranking runs as machine code: where numba is installed, and where it pays to load it."""

import sys
from types import ModuleType

from gcl_cli.machine.compiled import compiled

WORTH_LOADING = 150_000_000  # distances of which the loop saves more than the 0.8 s that loading numba takes,
WORTH_COMPILING = 10_000_000  # and where the process has numba loaded already


def compiled_loops(distances: int) -> ModuleType | None:
    """`metrics.compiled` for so many distances; None where numba is not installed or there are too few of them.

    With and without it the results are the same, to the last bit.
    """
    worth = WORTH_COMPILING if "numba" in sys.modules else WORTH_LOADING
    return compiled("gcl_cli.metrics.compiled") if distances >= worth else None
