"""A stage's run: begun in `NAME.partial`, resumed by the same command, renamed when complete."""

import json
import shutil
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import takewhile
from types import TracebackType
from typing import Any, Self

from gcl_cli.artifacts.files import digest_of, empty, sha256, write_json, write_text
from gcl_cli.artifacts.layout import WorkFolder, checked_name, reference
from gcl_cli.artifacts.lock import LOCK, take_lock
from gcl_cli.artifacts.manifest import (
    CROPS,
    LEARNED,
    MANIFEST,
    Artifact,
    Manifest,
    read_artifact,
    read_manifest,
    read_whole,
    source_now,
    versions,
)
from gcl_cli.artifacts.seals import read_sealed, sealed
from gcl_cli.errors import GclError
from gcl_cli.machine import system
from gcl_cli.machine.json_text import json_text
from gcl_cli.machine.system import flush

RUN = "run.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
SHARDS = "shards"
REPLACED = "replaced"  # where the artifact that a remade one takes the place of lies for a moment
REMAKE = "remake"  # says that an artifact which is complete is to be made anew; it stays until the new one is
OUTSIDE = (CROPS, "corrections")  # inputs that lie elsewhere, which the settings name: there they may change
_FILES, _FOLDERS = (RUN, LOCK, REMAKE), (CHECKPOINTS, SHARDS, REPLACED)  # what publishing leaves behind


def now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Run:
    """One stage at work in its `.partial` folder; use as a context manager, then `publish`."""

    def __init__(self, work: WorkFolder, stage: str, name: str, config: dict[str, Any], inputs: dict[str, str]) -> None:
        self.work, self.stage, self.name = work, stage, checked_name(name)
        self.config, self.inputs = _plain(config), inputs
        self.final = work.artifact(reference(stage, name))
        self.folder = self.final.with_name(self.final.name + ".partial")
        self.takes_over: Artifact | None = None  # whose rows of pictures that are still the same it keeps
        self._lock: ExitStack | None = None

    def finished(self, *, restart: bool) -> Artifact | None:
        """The artifact when this very run is complete already; None when there is work to do.

        Raises GclError when the folder holds a run of other settings or inputs and `restart` is off; of earlier states
        of its inputs it is brought up to date instead (`earlier`).
        """
        if restart or not (self.final / MANIFEST).exists() or self._is_remade() or self.earlier():
            return None
        manifest = read_manifest(self.final)
        self._refuse_difference({"config": manifest.config, "inputs": manifest.inputs}, "was made")
        self._clear_scratch()  # of a process that ended right after the renaming
        return read_artifact(self.work, reference(self.stage, self.name))

    def earlier(self) -> Artifact | None:
        """The finished artifact that this run brings up to date: of the same settings, and of earlier pictures alone.

        None for networks, which learn anew or not at all. GclError when it is damaged.
        """
        if self.stage in LEARNED or not (self.final / MANIFEST).exists():
            return None
        there = read_manifest(self.final)
        if there.config != self.config or there.inputs.keys() != self.inputs.keys():
            return None
        other = [source for source in self.inputs if there.inputs[source] != self.inputs[source]]
        if not other or not all(self._has_grown(source, there.inputs[source]) for source in other):
            return None
        return read_whole(self.work, reference(self.stage, self.name))

    def _has_grown(self, source: str, recorded: str) -> bool:
        if source in OUTSIDE:
            return True
        found = source_now(self.work, source)
        return found is not None and recorded in found.earlier

    def begin(self, *, restart: bool) -> Self:
        """Open the partial folder: a new one, or the one that the same command left.

        Raises GclError when it was begun with other settings or inputs and `restart` is off, or is in use.
        `takes_over` is then the artifact that it grows from, if there is one.
        """
        self.__exit__(None, None, None)  # a run that is begun again lets go of its lock
        self._lock = take_lock(self.folder)
        try:
            self.takes_over = None if restart else self.earlier()
            if restart or not (self.folder / RUN).exists() or not self._goes_on():
                begun = {"config": self.config, "inputs": self.inputs, "started": now()}
                begun |= {"from": self.takes_over.manifest.digest} if self.takes_over else {}
                self._empty()
                if self.final.exists() and (restart or self.takes_over):
                    (self.folder / REMAKE).touch()
                write_json(self.folder / RUN, sealed(begun))
            for half_written in self.folder.glob("*.tmp"):
                half_written.unlink()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _goes_on(self) -> bool:
        """Whether what was begun can be gone on with; GclError where that has other settings or inputs."""
        begun = self._begun_with()
        self._refuse_difference(begun, "was begun")
        if begun.get("from") is None:
            self.takes_over = None
        elif self.takes_over is None or self.takes_over.manifest.digest != begun["from"]:
            return False  # what it took rows from is another one now
        self._forget_publishing()
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def record(self, values: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json_text({"time": now(), **values}) + "\n")

    def recorded(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl so far."""
        path = self.folder / METRICS
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def put_back(self, lines: list[dict[str, Any]]) -> None:
        """Make metrics.jsonl what it was at the checkpoint that is resumed, whatever has become of it since."""
        write_text(self.folder / METRICS, "".join(json_text(line) + "\n" for line in lines))

    def _begun_with(self) -> dict[str, Any]:
        path, fix = self.folder / RUN, "Add --restart to make it anew."
        found = read_sealed(path, fix)
        if not all(isinstance(found.get(part), dict) for part in ("config", "inputs")):
            raise GclError(f"{path} is damaged: nobody knows what was begun there.", fix)
        return found

    def _is_remade(self) -> bool:
        """Whether this very run was begun, or is to be, to take the place of the finished one."""
        if not (self.folder / REMAKE).exists():
            return False
        if not (self.folder / RUN).exists():
            return True
        begun = self._begun_with()
        return bool(begun["config"] == self.config and begun["inputs"] == self.inputs)

    def _empty(self) -> None:
        """Drop what an earlier run left, its settings first: the rest is nobody's then, whatever stops this.

        The lock stays, and an artifact that waits here to be replaced.
        """
        (self.folder / RUN).unlink(missing_ok=True)
        empty(self.folder, but=(LOCK, REPLACED, REMAKE))

    def _forget_publishing(self) -> None:
        """Drop from the metrics what a run wrote that ended while it published, and half a line of a full disk."""
        path = self.folder / METRICS
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        lines = text.splitlines(keepends=True)
        kept = list(takewhile(_is_of_the_work, lines))
        if kept != lines:
            write_text(path, "".join(kept))

    def publish(self, result: dict[str, Any], *, seed: int | None = None) -> Artifact:
        """Write the manifest, push everything to the disk, and give the folder its final name.

        Checkpoints go last: whatever stops this before the renaming costs no work.
        """
        self.record({"result": result})
        started = read_sealed(self.folder / RUN, "Add --restart to make it anew.")["started"]
        kept = sorted(p for p in self.folder.iterdir() if p.name not in (MANIFEST, *_FILES, *_FOLDERS))
        files = [file for path in kept for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
        outputs = {p.relative_to(self.folder).as_posix(): sha256(p) for p in files if p.is_file() and p.name != METRICS}
        manifest = Manifest(
            stage=self.stage, name=self.name, config=self.config, inputs=self.inputs, outputs=outputs,
            metrics=sha256(self.folder / METRICS), earlier=self._grown_from(outputs),
            result=_plain(result), seed=seed, versions=versions(), started=started, finished=now(),
        )  # fmt: skip
        write_json(self.folder / MANIFEST, manifest.model_dump())
        for path in (*files, *(path for path in kept if path.is_dir()), self.folder):
            flush(path)
        self._replace_final()
        return Artifact(reference(self.stage, self.name), self.final, manifest)

    def _grown_from(self, outputs: dict[str, str]) -> list[str]:
        """The digests of what this artifact grew from, which it takes the place of."""
        if self.takes_over is None:
            return []
        before = self.takes_over.manifest
        digest = digest_of({"config": self.config, "outputs": outputs})
        return [one for one in dict.fromkeys([*before.earlier, before.digest]) if one != digest]

    def _replace_final(self) -> None:
        """Give the folder its final name, then clear away what only the run needed."""
        if self.final.exists():
            shutil.rmtree(self.folder / REPLACED, ignore_errors=True)
            self.final.rename(self.folder / REPLACED)
        if not system.OPEN_FOLDERS_MOVE:
            self.__exit__(None, None, None)
        self.folder.rename(self.final)
        flush(self.final.parent)
        self._clear_scratch()

    def _clear_scratch(self) -> None:
        for scratch in _FOLDERS:
            shutil.rmtree(self.final / scratch, ignore_errors=True)
        for file in _FILES:
            if (self.final / file).exists():  # a folder that cannot be written to is asked for nothing
                (self.final / file).unlink()

    def _refuse_difference(self, found: dict[str, Any], verb: str) -> None:
        differences = [
            f"{key}: {found[part].get(key, 'absent')} -> {wanted.get(key, 'absent')}"
            for part, wanted in (("config", self.config), ("inputs", self.inputs))
            for key in sorted(found[part].keys() | wanted.keys())
            if found[part].get(key) != wanted.get(key)
        ]
        if differences:
            shown = "; ".join(_short(line) for line in differences)
            raise GclError(
                f"{reference(self.stage, self.name)} {verb} with other settings or inputs ({shown}).",
                "Add --restart to make it anew, or --name NAME to keep both.",
            )


def _is_of_the_work(line: str) -> bool:
    """Whether a line of the metrics is whole, and not the result that publishing writes."""
    try:
        return line.endswith("\n") and "result" not in json.loads(line)
    except ValueError:
        return False


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """The value as it will read back from JSON (tuples become lists)."""
    plain: dict[str, Any] = json.loads(json_text(config))
    return plain


def _short(line: str, limit: int = 120) -> str:
    return line if len(line) <= limit else line[: limit - 3] + "..."
