"""What lies in a work folder, finished or not: read from its small files alone, nothing is hashed."""

import fcntl
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gcl_cli.artifacts.files import read_json
from gcl_cli.artifacts.layout import MADE_BY, WorkFolder, reference
from gcl_cli.artifacts.manifest import MANIFEST, Manifest
from gcl_cli.artifacts.run import CHECKPOINTS, METRICS, REPLACED, RUN, SHARDS
from gcl_cli.errors import GclError

PARTIAL = ".partial"
LOCK = "lock"
TEMPORARY = ".tmp"
SCRATCH = (CHECKPOINTS, SHARDS, REPLACED, RUN, LOCK)  # what only a run needs


@dataclass(frozen=True)
class FoundFolder:
    """A finished artifact, or the partial folder of one."""

    stage: str
    name: str
    folder: Path
    partial: bool
    config: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    digest: str | None = None  # of a finished artifact
    moment: str | None = None  # when it was finished, or begun
    damage: str = ""  # what is wrong with its files

    @property
    def reference(self) -> str:
        """How it is called on the command line."""
        return reference(self.stage, self.name)

    @property
    def final(self) -> Path:
        """Where the finished artifact lies, or will."""
        return self.folder.with_name(self.name)


def found_folders(work: WorkFolder) -> list[FoundFolder]:
    """All artifacts and partial folders, in the order of the pipeline; links to elsewhere are passed over."""
    if not work.root.is_dir():
        return []
    stages = [path for path in work.root.iterdir() if path.is_dir() and not path.is_symlink()]
    known = list(MADE_BY)
    stages.sort(key=lambda path: (known.index(path.name) if path.name in known else len(known), path.name))
    folders = (path for stage in stages for path in sorted(stage.iterdir()) if path.is_dir() and not path.is_symlink())
    read = (_partial(path) if path.name.endswith(PARTIAL) else _finished(path) for path in folders)
    return [found for found in read if found is not None]


def _finished(folder: Path) -> FoundFolder | None:
    """An artifact by its manifest; None for a folder that has none."""
    stage = folder.parent.name
    if not (folder / MANIFEST).is_file():
        return None
    try:
        manifest = Manifest.model_validate(read_json(folder / MANIFEST))
    except (OSError, ValueError):
        return FoundFolder(stage, folder.name, folder, False, damage=f"{MANIFEST} cannot be read")
    gone = [file for file in manifest.outputs if not (folder / file).exists()]
    return FoundFolder(
        stage, folder.name, folder, False, manifest.config, manifest.inputs, manifest.result, manifest.digest,
        manifest.finished, f"{gone[0]} is missing" if gone else "",
    )  # fmt: skip


def _partial(folder: Path) -> FoundFolder | None:
    """A run that was begun; one without `run.json` waits to be made anew. None where gcl made nothing of it."""
    stage, name = folder.parent.name, folder.name.removesuffix(PARTIAL)
    if not (folder / RUN).is_file():
        ours = any((folder / part).exists() for part in SCRATCH)
        return FoundFolder(stage, name, folder, True) if ours else None
    try:
        begun = read_json(folder / RUN)
        return FoundFolder(stage, name, folder, True, begun["config"], begun["inputs"], moment=begun["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return FoundFolder(stage, name, folder, True, damage=f"{RUN} cannot be read")


def replaced_config(partial: Path) -> dict[str, Any]:
    """The settings of the artifact that waits in a partial folder to be replaced; empty where there is none."""
    path = partial / REPLACED / MANIFEST
    return dict(Manifest.model_validate(read_json(path)).config) if path.is_file() else {}


def is_running(partial: Path) -> bool:
    """Whether a gcl process is at work in a partial folder."""
    if not (partial / LOCK).is_file():
        return False
    with (partial / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def work_done(partial: Path) -> dict[str, int]:
    """What the same command need not do again: training steps, recorded epochs, shards of a table."""
    steps = [int(path.name) for path in (partial / CHECKPOINTS).glob("*") if path.name.isdigit()]
    shards = [path for path in (partial / SHARDS).glob("*") if not path.name.endswith(TEMPORARY)]
    lines = (partial / METRICS).read_text(encoding="utf-8").count("\n") if (partial / METRICS).is_file() else 0
    done = {"steps": max(steps, default=0), "epochs": lines, "shards": len(shards)}
    return {kind: number for kind, number in done.items() if number}


def size_of(path: Path) -> int:
    """Bytes of a file, or of the files below a folder; a link counts as itself."""
    if path.is_symlink() or not path.is_dir():
        return _bytes(path)
    return sum(_bytes(Path(parent, name)) for parent, _, names in os.walk(path) for name in names)


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:  # a run at work has just removed it
        return 0


def set_aside(artifact: Path) -> None:
    """Let an artifact wait in the partial folder of the one that will replace it, which drops it when complete."""
    partial = artifact.with_name(artifact.name + PARTIAL)
    partial.mkdir(exist_ok=True)
    if (partial / REPLACED).exists():
        shutil.rmtree(partial / REPLACED)
    artifact.rename(partial / REPLACED)


def drop_partial(partial: Path) -> None:
    """Remove a partial folder; GclError when a gcl process is at work in it."""
    if is_running(partial):
        raise GclError(f"{partial} is in use by another gcl process.", "Wait for it, or choose another --work.")
    shutil.rmtree(partial)
