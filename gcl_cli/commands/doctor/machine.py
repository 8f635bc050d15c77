"""Is this machine fit: Python, packages, devices, memory, cores, renderers, weight files, disk."""

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import torch

from gcl_cli import __version__, console
from gcl_cli.body.pyrender_backend import PLATFORMS, choose_backend
from gcl_cli.commands.doctor.findings import Finding, note, ok, problem
from gcl_cli.errors import GclError
from gcl_cli.machine import ranks
from gcl_cli.machine.ram import usable_memory
from gcl_cli.machine.system import MEASURED, cores
from gcl_cli.weights.weight_files import IMAGENET, INCEPTION

OLDEST, NEWEST = (3, 11), (3, 13)  # versions of Python that are tested
LOW_MEMORY, LOW_DISK, NO_DISK = 4e9, 5e9, 5e8  # bytes
_EXTRA = re.compile(r"^([A-Za-z0-9._-]+).*; *extra == ['\"]([^'\"]+)['\"]")
_FOR_MAKERS = ("test", "assets")  # extras that no user of the commands needs


def look_at_machine(work: Path) -> Iterator[Finding]:
    """Everything about the machine, in the order in which a user meets it."""
    yield python()
    yield from torch_and_devices()
    yield memory()
    yield from processors()
    yield from variables()
    yield from renderers()
    yield from extras()
    yield from weights()
    yield from disk(work)


def python() -> Finding:
    """The version of Python."""
    found = f"Python {platform.python_version()}, gcl {__version__}, {platform.system()} {platform.machine()}"
    if platform.system() not in MEASURED:
        return note("python", found, "gcl is tested on Linux; here it should run. Please report what does not.")
    if sys.version_info[:2] < OLDEST:
        return problem("python", found, "Install Python 3.11 or newer.")
    if sys.version_info[:2] > NEWEST:
        return note("python", found, "Tested up to Python 3.13: should a package misbehave, use that.")
    return ok("python", found)


def torch_and_devices() -> Iterator[Finding]:
    """torch, and what it can compute on."""
    versions = f"torch {torch.__version__}, torchvision {metadata.version('torchvision')}"
    yield ok("torch", f"{versions}, {f'CUDA {torch.version.cuda}' if torch.version.cuda else 'without CUDA'}")
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        yield ok(f"cuda:{index}", f"{about.name}, {console.size_text(about.total_memory)}")
    if torch.cuda.is_available():
        return
    if shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists():
        fix = "Install a torch for its driver: https://pytorch.org/get-started/locally"
        yield problem("device", "there is an NVIDIA driver, and torch cannot use it", fix)
    elif torch.backends.mps.is_available():
        yield note("device", "Apple GPU; gcl takes the CPU by itself", "Try --device mps.")
    else:
        yield note("device", "no GPU: all runs on the CPU", "Choose --preset tiny or small; paper is for GPUs.")


def memory() -> Finding:
    """Main memory, as far as this process may use it."""
    usable, limited = usable_memory()
    found = console.size_text(usable) + (" (limit of this container)" if limited else "")
    if usable < LOW_MEMORY:
        return note("memory", found, "Keep to --preset tiny, and to a few thousand pictures.")
    return ok("memory", found)


def processors() -> Iterator[Finding]:
    """Cores and threads."""
    threads = torch.get_num_threads()
    yield ok("cores", f"{cores()} to use, {threads} threads in torch")
    share = _cpu_share()
    if share is not None and share < cores() - 0.5:
        fix = f"Add --threads {max(1, int(share))}: threads that wait for a core cost more than they do."
        yield note("cores", f"this container may use the time of {share:.1f} of {cores()} cores", fix)
    if "OMP_NUM_THREADS" in os.environ and threads < cores():
        fix = "Unset OMP_NUM_THREADS if that is not meant."
        yield note("threads", f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']} keeps cores idle", fix)


def variables() -> Iterator[Finding]:
    """Variables of schedulers and MPI that look like those of torchrun."""
    if said := ranks.foreign():
        fix = "Nothing; gcl trains in several processes when torchrun starts them."
        yield note("variables", f"{' and '.join(said)} without MASTER_ADDR and MASTER_PORT say nothing here", fix)


def _cpu_share() -> float | None:
    """The cores that a container's quota is worth; None without a quota."""
    path = Path("/sys/fs/cgroup/cpu.max")
    quota, _, period = path.read_text().partition(" ") if path.is_file() else ("max", "", "")
    return int(quota) / int(period) if quota.isdigit() else None


def renderers() -> Iterator[Finding]:
    """What can draw bodies; numpy always can. Each other one is tried in a process of its own."""
    yield ok("render numpy", "always there")
    for name in PLATFORMS:
        try:
            choose_backend(name)  # type: ignore[arg-type]
        except GclError as error:
            yield note(f"render {name}", error.problem, error.fix)
        else:
            yield ok(f"render {name}", "draws")


def extras() -> Iterator[Finding]:
    """Packages that add something and that nothing needs."""
    try:
        wanted = metadata.requires("gcl-cli") or []
    except metadata.PackageNotFoundError:
        fix = "In its folder: pip install -e ."
        yield note("extras", "gcl is not installed but runs from a folder: its extras are not known", fix)
        return
    by_extra: dict[str, list[str]] = {}
    for match in filter(None, map(_EXTRA.match, wanted)):
        by_extra.setdefault(match[2], []).append(match[1])
    for extra, packages in by_extra.items():
        if extra in _FOR_MAKERS:
            continue
        missing = [name for name in packages if not _installed(name)]
        if missing:
            yield note(f"extra {extra}", f"without {', '.join(missing)}", f"pip install 'gcl-cli[{extra}]'")
        else:
            yield ok(f"extra {extra}", ", ".join(f"{name} {metadata.version(name)}" for name in packages))


def _installed(package: str) -> bool:
    return bool(list(metadata.distributions(name=package)))


def weights() -> Iterator[Finding]:
    """Weight files that are fetched when first needed."""
    for file in (*IMAGENET.values(), INCEPTION):
        if not file.path.exists():
            found = f"{file.purpose}: not there; it is fetched when needed"
            yield note("weights", found, f"Without a network, put {file.url} at {file.path}")
        elif not file.whole:
            found = f"{file.purpose}: {file.path} is not what its name says"
            yield problem("weights", found, f"Delete it; it comes from {file.url}")
        else:
            yield ok("weights", f"{file.purpose}: {file.path}")


def disk(work: Path) -> Iterator[Finding]:
    """Room for the work folder, and the right to write there."""
    place = next(path for path in (work.absolute(), *work.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{console.size_text(free)} free for {work}"
    if free < NO_DISK:
        yield problem("disk", found, "Make room, or choose another disk with --work DIR.")
    elif free < LOW_DISK:
        yield note("disk", found, "Views take 100 kB a picture, checkpoints up to 1 GB: make room, or --work DIR.")
    else:
        yield ok("disk", found)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        yield problem("work folder", f"{place} cannot be written to: {error.strerror}", "Choose --work DIR elsewhere.")
    else:
        yield ok("work folder", f"{work} can be written to")
