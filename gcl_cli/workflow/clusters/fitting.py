"""Whether a clustering fits in this machine's memory."""

import os
from pathlib import Path

from gcl_cli import console
from gcl_cli.clustering.memory import clustering_bytes, pictures_that_fit
from gcl_cli.errors import GclError

GIGABYTE = 1e9
PLACES = (Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max"))  # what Linux says, and a container's limit


def require_memory(size: int, *, dimension: int, k1: int) -> None:
    """Say how much memory clustering `size` pictures will take; GclError where that is more than there is."""
    needed, available = clustering_bytes(size, dimension=dimension, k1=k1), available_bytes()
    amount = f"{size:,} pictures of {dimension} numbers takes about {needed / GIGABYTE:.2g} GB of memory at most"
    if needed > available:
        fitting = pictures_that_fit(available, dimension=dimension, k1=k1)
        raise GclError(
            f"Clustering {amount}, and {available / GIGABYTE:.2g} GB are available.",
            f"About {fitting:,} pictures would fit, or more of them with a smaller --set k1 (now {k1}).",
        )
    console.say(f"Clustering {amount}; {available / GIGABYTE:.2g} GB are available.")


def available_bytes(places: tuple[Path, Path] = PLACES) -> int:
    """Memory that a process can still have: what Linux reckons, at most a container's limit; elsewhere all there is."""
    meminfo, limit = places
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        if "MemAvailable" in lines:
            found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        found.append(int(text))
    return min(found)
