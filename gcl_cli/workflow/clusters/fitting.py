"""Whether a clustering fits in this machine's memory."""

from gcl_cli import console
from gcl_cli.clustering.memory import clustering_bytes, pictures_that_fit
from gcl_cli.errors import GclError
from gcl_cli.workflow.main_memory import free_memory

GIGABYTE = 1e9


def require_memory(size: int, *, dimension: int, k1: int) -> None:
    """Say how much memory clustering `size` pictures will take; GclError where that is more than there is."""
    needed, available = clustering_bytes(size, dimension=dimension, k1=k1), free_memory()
    amount = f"{size:,} pictures of {dimension} numbers takes about {needed / GIGABYTE:.2g} GB of memory at most"
    if needed > available:
        fitting = pictures_that_fit(available, dimension=dimension, k1=k1)
        raise GclError(
            f"Clustering {amount}, and {available / GIGABYTE:.2g} GB are available.",
            f"About {fitting:,} pictures would fit, or more of them with a smaller --set k1 (now {k1}).",
        )
    console.say(f"Clustering {amount}; {available / GIGABYTE:.2g} GB are available.")
