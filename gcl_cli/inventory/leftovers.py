"""What nothing in a work folder needs any more."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gcl_cli.artifacts.folders import SCRATCH, TEMPORARY, contents, drop_partial, size_of
from gcl_cli.artifacts.lock import is_locked
from gcl_cli.inventory.survey import Entry, Survey


@dataclass(frozen=True)
class Leftover:
    """A file or folder that can go."""

    path: Path
    reason: str
    size: int  # bytes
    partial: bool = False  # a folder that a run may come back to while it is looked at


def leftovers(found: Survey) -> list[Leftover]:
    """What can go: stale and damaged artifacts, partial folders no command goes on with, scratch of finished runs.

    Fresh artifacts, what a running process reads, the data set, and links stay.
    """
    read_now = {source for entry in found.entries if entry.state == "running" for source in entry.found.inputs}
    whole, rest = [], []
    for entry in found.entries:
        reason = _why(entry, found)
        if reason and entry.reference not in read_now:
            whole.append(Leftover(entry.found.folder, reason, entry.size, entry.found.partial))
        elif entry.state != "running":
            rest += list(_scratch(entry))
    return [leftover for leftover in whole + rest if _apart(leftover.path, found)]


def remove(leftover: Leftover) -> bool:
    """Remove it, unless a run has come back to it; returns whether it is gone."""
    if leftover.partial:
        if is_locked(leftover.path):
            return False
        drop_partial(leftover.path)
    elif leftover.path.is_dir():
        shutil.rmtree(leftover.path)  # follows no links
    else:
        leftover.path.unlink()
    return True


def _why(entry: Entry, found: Survey) -> str:
    """Why a whole folder can go; empty when it cannot."""
    if entry.state in ("stale", "damaged"):
        return f"{entry.state}: {entry.reason}"
    if entry.state == "interrupted" and found.fresh(entry.reference):
        return f"an interrupted run beside {entry.reference}, which is complete"
    return ""


def _scratch(entry: Entry) -> Iterator[Leftover]:
    """What a run left in a folder that stays: its temporary files, and in a finished artifact its checkpoints too."""
    folder = entry.found.folder
    names = () if entry.found.partial else SCRATCH
    for path in contents(folder):
        if path.is_symlink():
            continue
        if path.name in names:
            yield Leftover(path, "needed only while the run lasted", size_of(path))
        elif path.name.endswith(TEMPORARY):
            yield Leftover(path, "half written", size_of(path))


def _apart(path: Path, found: Survey) -> bool:
    """Whether a path is really inside the work folder, and neither holds the data set nor is part of it."""
    real, root = path.resolve(), found.work.root.resolve()
    if not real.is_relative_to(root) or real == root:
        return False
    if found.dataset is None:
        return True
    data = Path(found.dataset["root"]).resolve()
    return not (real.is_relative_to(data) or data.is_relative_to(real))
