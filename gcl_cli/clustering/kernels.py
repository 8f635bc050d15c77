"""Whether the inner loops of clustering run as machine code: where numba is installed, and where it pays to compile."""

from types import ModuleType

from gcl_cli.machine.compiled import compiled

WORTH_COMPILING = 5_000  # pictures from which the loops save more than the seconds that compiling them takes


def compiled_loops(size: int) -> ModuleType | None:
    """`clustering.compiled` for `size` pictures; None where numba is not installed or there are too few of them.

    With and without it the results are the same, to the last bit.
    """
    return compiled("gcl_cli.clustering.compiled") if size >= WORTH_COMPILING else None
