"""What lies in a work folder, finished or not: read from its small files alone, nothing is hashed."""

import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gcl_cli.artifacts.layout import MADE_BY, WorkFolder, reference
from gcl_cli.artifacts.lock import LOCK, take_lock
from gcl_cli.artifacts.manifest import MANIFEST, NewerVersionError, is_config, read_manifest
from gcl_cli.artifacts.run import CHECKPOINTS, METRICS, REMAKE, REPLACED, RUN, SHARDS
from gcl_cli.artifacts.seals import read_sealed
from gcl_cli.errors import GclError
from gcl_cli.machine.system import OPEN_FOLDERS_MOVE

PARTIAL = ".partial"
TEMPORARY = ".tmp"
SCRATCH = (CHECKPOINTS, SHARDS, REPLACED, REMAKE, RUN, LOCK)  # what only a run needs


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
    metrics: str | None = None  # the digest of its recorded epochs, where it is known
    damage: str = ""  # what is wrong with its files
    earlier: tuple[str, ...] = ()  # digests of what it grew from

    @property
    def reference(self) -> str:
        """How it is called on the command line."""
        return reference(self.stage, self.name)

    @property
    def final(self) -> Path:
        """Where the finished artifact lies, or will."""
        return self.folder.with_name(self.name)


def found_folders(work: WorkFolder) -> list[FoundFolder]:
    """All artifacts and partial folders, in the order of the pipeline; links to elsewhere are passed over.

    Raises GclError where a later version of gcl was at work.
    """
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
        manifest = read_manifest(folder)
    except NewerVersionError:  # never counted as damage, which may be cleaned away
        raise
    except (GclError, OSError):
        return FoundFolder(stage, folder.name, folder, False, damage=f"{MANIFEST} cannot be read")
    gone = [file for file in manifest.outputs if not (folder / file).exists()]
    return FoundFolder(
        stage, folder.name, folder, False, manifest.config, manifest.inputs, manifest.result, manifest.digest,
        manifest.finished, manifest.metrics, f"{gone[0]} is missing" if gone else "",
        tuple(manifest.earlier),
    )  # fmt: skip


def _partial(folder: Path) -> FoundFolder | None:
    """A run that was begun; one without `run.json` waits to be made anew. None where gcl made nothing of it."""
    stage, name = folder.parent.name, folder.name.removesuffix(PARTIAL)
    if not (folder / RUN).is_file():
        ours = any((folder / part).exists() for part in SCRATCH)
        return FoundFolder(stage, name, folder, True) if ours else None
    try:
        begun = read_sealed(folder / RUN, "")
        config, inputs, started = begun["config"], begun["inputs"], begun["started"]
        timed = datetime.fromisoformat(started).tzinfo is not None
        is_record = timed and is_config(config) and isinstance(inputs, dict)
    except (GclError, OSError, KeyError, TypeError, ValueError):
        is_record = False
    if not is_record:
        return FoundFolder(stage, name, folder, True, damage=f"{RUN} cannot be read")
    return FoundFolder(stage, name, folder, True, config, inputs, moment=started)


def work_done(partial: Path) -> dict[str, int]:
    """What the same command need not do again: training steps, recorded epochs, shards of a table."""
    steps = [int(path.name) for path in contents(partial / CHECKPOINTS) if path.name.isdigit()]
    shards = [path for path in contents(partial / SHARDS) if not path.name.endswith(TEMPORARY)]
    done = {"steps": max(steps, default=0), "epochs": _lines(partial / METRICS), "shards": len(shards)}
    return {kind: number for kind, number in done.items() if number}


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:  # not written yet, or a run at work has just published it
        return 0


def contents(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; nothing where there is none, or a run at work has just moved it."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


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


def mark_for_remake(artifact: Path) -> None:
    """Let the next run make an artifact anew, which stays as it is until the new one is complete."""
    partial = artifact.with_name(artifact.name + PARTIAL)
    partial.mkdir(exist_ok=True)
    (partial / REMAKE).touch()


def is_remade(partial: Path) -> bool:
    """Whether a partial folder is to take the place of a finished artifact."""
    return (partial / REMAKE).exists() and (partial.with_name(partial.name.removesuffix(PARTIAL)) / MANIFEST).exists()


def drop_partial(partial: Path) -> None:
    """Remove a partial folder; GclError when a gcl process is at work in it."""
    with take_lock(partial) as held:  # never pull the folder from under a run that is alive
        if not OPEN_FOLDERS_MOVE:
            held.close()
        shutil.rmtree(partial)
