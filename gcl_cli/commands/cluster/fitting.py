"""Whether a clustering fits in this machine's memory."""

from gcl_cli import console
from gcl_cli.clustering.ram import clustering_bytes, graph_bytes, pictures_that_fit
from gcl_cli.errors import GclError
from gcl_cli.machine.ram import free_memory

GIGABYTE = 1e9


def require_memory(size: int, *, dimension: int, k1: int) -> None:
    """Say how much memory clustering `size` pictures takes as a rule; GclError where not even the least is there."""
    needed, available = clustering_bytes(size, dimension=dimension, k1=k1), free_memory()
    least = clustering_bytes(size, dimension=dimension, k1=k1, pairs=0)
    amount = f"{size:,} pictures of {dimension} numbers takes about {needed / GIGABYTE:.2g} GB of memory"
    there = f"{available / GIGABYTE:.2g} GB are available."
    if least > available:
        fitting = pictures_that_fit(available, dimension=dimension, k1=k1)
        raise GclError(
            f"Clustering {amount}, at least {least / GIGABYTE:.2g} GB, and {there}",
            f"About {fitting:,} pictures would fit, or more of them with a smaller --set k1 (now {k1}).",
        )
    if needed > available:
        console.warn(f"Clustering {amount} as a rule, and {there} Whether it fits is known once their neighbours are.")
    else:
        console.say(f"Clustering {amount}; {there} What exactly is known once their neighbours are.")


def require_memory_for_pairs(pairs: int, *, size: int, dimension: int, k1: int) -> None:
    """The same when the features are there and their neighbours are known: for so many pairs that share some."""
    needed, available = graph_bytes(size, k1=k1, pairs=pairs), free_memory()
    shared = f"About {pairs:,} pairs of {size:,} pictures share neighbours ({2 * pairs / size:,.0f} a picture)"
    if needed > available:
        share = available / needed  # of the pictures, at most as many pairs each
        raise GclError(
            f"{shared}, which takes {needed / GIGABYTE:.2g} GB more, and {available / GIGABYTE:.2g} GB are available.",
            f"About {int(size * share):,} pictures would fit, or more of them with a smaller --set k1 (now {k1}); so "
            "many shared neighbours mean that the encoder hardly tells people apart.",
        )
    total = clustering_bytes(size, dimension=dimension, k1=k1, pairs=pairs)
    console.say(f"{shared}: {total / GIGABYTE:.2g} GB of memory in all.")
