"""Whether the inner loops of clustering run as machine code: where numba is installed, and where it pays to compile."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from gcl_cli.errors import GclError

WORTH_COMPILING = 5_000  # pictures from which the loops save more than the seconds that compiling them takes


def compiled_loops(size: int) -> ModuleType | None:
    """`clustering.compiled` for `size` pictures; None where numba is not installed or there are too few of them.

    With and without it the results are the same, to the last bit.
    """
    return _compiled() if size >= WORTH_COMPILING and find_spec("numba") else None


@cache
def _compiled() -> ModuleType:
    try:
        return import_module("gcl_cli.clustering.compiled")
    except RuntimeError as error:  # numba found no folder to keep its machine code in
        raise GclError(
            f"numba cannot compile: {error}", "set NUMBA_CACHE_DIR to a folder that can be written"
        ) from error
