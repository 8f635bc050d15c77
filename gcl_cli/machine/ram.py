"""How much main memory this process may use, also inside a container."""

from pathlib import Path

from gcl_cli.machine.system import machine_memory

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")


def usable_memory(cgroup: Path = CGROUP) -> tuple[int, bool]:
    """Bytes that this process may have in all; whether it is a container that limits them."""
    machine, limit = machine_memory(), _limit(cgroup)
    return (limit, True) if limit is not None and limit < machine else (machine, False)


def free_memory(proc: Path = PROC, cgroup: Path = CGROUP) -> int:
    """Bytes that this process may still take: what Linux reckons, and a container has left; elsewhere all there is."""
    free = _table(proc / "meminfo").get("MemAvailable")  # in kB
    most = usable_memory(cgroup)[0] if free is None else free * 1024
    limit = _limit(cgroup)
    return most if limit is None else max(0, min(most, limit - _held(cgroup)))


def _limit(cgroup: Path) -> int | None:
    text = _text(cgroup / "memory.max")
    return int(text) if text.isdigit() else None


def _held(cgroup: Path) -> int:
    """Bytes that the container holds and cannot give back: files that were read are dropped when room is needed."""
    used = _text(cgroup / "memory.current")
    return int(used or 0) - _table(cgroup / "memory.stat").get("inactive_file", 0)


def _table(path: Path) -> dict[str, int]:
    """Lines of a name, with or without a colon, and a number."""
    words = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in words if len(pair) > 1 and pair[1].isdigit()}


def _text(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else ""
