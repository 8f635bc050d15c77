"""Loops that numba compiles, where it is installed; nothing needs it, and results are the same without."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from gcl_cli.errors import GclError


@cache
def compiled(module: str) -> ModuleType | None:
    """The module of that name, whose loops numba compiles; None where numba is not installed."""
    if not find_spec("numba"):
        return None
    try:
        return import_module(module)
    except RuntimeError as error:  # numba found no folder to keep its machine code in
        raise GclError(
            f"numba cannot compile: {error}", "set NUMBA_CACHE_DIR to a folder that can be written"
        ) from error
