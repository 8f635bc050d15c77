"""A stage's run: begun in `NAME.partial`, resumed by the same command, renamed when complete."""

import fcntl
import json
import shutil
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any, Self

from gcl_cli.artifacts.files import flush, read_json, sha256, write_json, write_text
from gcl_cli.artifacts.layout import WorkFolder, checked_name, reference
from gcl_cli.artifacts.manifest import MANIFEST, Artifact, Manifest, read_artifact, versions
from gcl_cli.errors import GclError

RUN = "run.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
SHARDS = "shards"
REPLACED = "replaced"  # the artifact that a remade one takes the place of, until it does
_FILES, _FOLDERS = (RUN, "lock"), (CHECKPOINTS, SHARDS, REPLACED)  # what publishing leaves behind


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
        self._lock: IO[str] | None = None

    def finished(self, *, restart: bool) -> Artifact | None:
        """The artifact when this very run is complete already; None when there is work to do.

        Raises GclError when the folder holds a run of other settings or inputs and `restart` is off.
        """
        if restart or not (self.final / MANIFEST).exists():
            return None
        manifest = Manifest.model_validate(read_json(self.final / MANIFEST))
        self._refuse_difference({"config": manifest.config, "inputs": manifest.inputs}, "was made")
        self._clear_scratch()  # of a process that ended right after the renaming
        return read_artifact(self.work, reference(self.stage, self.name))

    def begin(self, *, restart: bool) -> Self:
        """Open the partial folder: a new one, or the one that the same command left.

        Raises GclError when it was begun with other settings or inputs and `restart` is off, or is in use.
        """
        if restart and self.folder.exists():
            self._take_lock()  # never pull the folder from under a run that is alive
            shutil.rmtree(self.folder)
        if (self.folder / RUN).exists():
            self._refuse_difference(read_json(self.folder / RUN), "was begun")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        for half_written in self.folder.glob("*.tmp"):
            half_written.unlink()
        if not (self.folder / RUN).exists():
            write_json(self.folder / RUN, {"config": self.config, "inputs": self.inputs, "started": now()})
        return self

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
            file.write(json.dumps({"time": now(), **values}) + "\n")

    def recorded(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl so far."""
        path = self.folder / METRICS
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def forget_after(self, lines: int) -> None:
        """Drop metrics written after the checkpoint that is resumed; the last one may be half a line."""
        path = self.folder / METRICS
        if path.exists():
            kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:lines]
            write_text(path, "".join(kept))

    def publish(self, result: dict[str, Any], *, seed: int | None = None) -> Artifact:
        """Write the manifest, push everything to the disk, and give the folder its final name.

        Checkpoints go last: whatever stops this before the renaming costs no work.
        """
        self.record({"result": result})
        started = read_json(self.folder / RUN)["started"]
        kept = sorted(p for p in self.folder.iterdir() if p.name not in (MANIFEST, *_FILES, *_FOLDERS))
        files = [file for path in kept for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
        outputs = {p.relative_to(self.folder).as_posix(): sha256(p) for p in files if p.is_file() and p.name != METRICS}
        manifest = Manifest(
            stage=self.stage, name=self.name, config=self.config, inputs=self.inputs, outputs=outputs,
            result=_plain(result), seed=seed, versions=versions(), started=started, finished=now(),
        )  # fmt: skip
        write_json(self.folder / MANIFEST, manifest.model_dump())
        for path in (*files, *(path for path in kept if path.is_dir()), self.folder):
            flush(path)
        self._replace_final()
        return Artifact(reference(self.stage, self.name), self.final, manifest)

    def _replace_final(self) -> None:
        """Give the folder its final name, then clear away what only the run needed."""
        if self.final.exists():
            shutil.rmtree(self.folder / REPLACED, ignore_errors=True)
            self.final.rename(self.folder / REPLACED)
        self.folder.rename(self.final)
        flush(self.final.parent)
        self._clear_scratch()

    def _clear_scratch(self) -> None:
        for scratch in _FOLDERS:
            shutil.rmtree(self.final / scratch, ignore_errors=True)
        for file in _FILES:
            (self.final / file).unlink(missing_ok=True)

    def _take_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise GclError(
                f"{self.folder} is in use by another gcl process.", "Wait for it, or choose another --name."
            ) from error

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


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """The value as it will read back from JSON (tuples become lists)."""
    plain: dict[str, Any] = json.loads(json.dumps(config))
    return plain


def _short(line: str, limit: int = 120) -> str:
    return line if len(line) <= limit else line[: limit - 3] + "..."
