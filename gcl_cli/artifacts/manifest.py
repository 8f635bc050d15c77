"""What an artifact says of itself, and reading artifacts with that in mind."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, ValidationError, field_validator, model_serializer

from gcl_cli import __version__
from gcl_cli.artifacts.dataset_record import recall
from gcl_cli.artifacts.files import digest_of, sha256
from gcl_cli.artifacts.layout import MADE_BY, WorkFolder, elsewhere
from gcl_cli.artifacts.seals import read_sealed, sealed
from gcl_cli.errors import GclError

MANIFEST = "manifest.json"
FORMAT = 1  # of manifests, whose seals are the same in every format; a later one means what this version cannot know


class NewerVersionError(GclError):
    """An artifact that only a later version of gcl understands."""


class Manifest(BaseModel):
    """Provenance of one finished artifact; written with a digest of itself."""

    format: int = FORMAT
    stage: str
    name: str
    config: dict[str, Any]
    inputs: dict[str, str] = Field(description="artifact reference (or 'dataset') -> digest when it was read")
    earlier: list[str] = Field([], description="digests of what it grew from when pictures came or went")
    outputs: dict[str, str] = Field(description="file -> sha256")
    metrics: str | None = None  # sha256 of metrics.jsonl, which is no output: it holds times
    result: dict[str, Any] = Field(description="counts and figures, as the command printed them")
    seed: int | None
    versions: dict[str, str]
    started: str
    finished: str

    @field_validator("config")
    @classmethod
    def _named_in_words(cls, config: dict[str, Any]) -> dict[str, Any]:
        if not is_config(config):
            raise ValueError("it names something by what is no text")
        return config

    @field_validator("outputs")
    @classmethod
    def _inside(cls, outputs: dict[str, str]) -> dict[str, str]:
        paths = [PurePosixPath(file) for file in outputs]
        if any(path.is_absolute() or ".." in path.parts or not path.parts for path in paths):
            raise ValueError("an output lies outside the folder")
        return outputs

    @field_validator("started", "finished")
    @classmethod
    def _with_zone(cls, moment: str) -> str:
        if datetime.fromisoformat(moment).tzinfo is None:
            raise ValueError("a time without its zone")
        return moment

    @model_serializer(mode="wrap")
    def _with_seal(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return sealed(write(self))

    @property
    def digest(self) -> str:
        """Identity of the artifact: what it was asked to be and what came out, without times."""
        return digest_of({"config": self.config, "outputs": self.outputs})


@dataclass(frozen=True)
class Artifact:
    """A finished folder, checked."""

    reference: str
    folder: Path
    manifest: Manifest

    @property
    def config(self) -> dict[str, Any]:
        """The settings that it was made with."""
        return self.manifest.config


def is_config(config: Any) -> bool:
    """Whether a value can be the settings of a stage: what names something in them is a text."""
    if not isinstance(config, dict) or not isinstance(config.get("init_gan", []), list):
        return False
    named = [config.get(key) for key in ("encoder", "generator", "meshes", "init", "method", "preset")]
    return all(isinstance(name, str | None) for name in (*named, *config.get("init_gan", [])))


def versions() -> dict[str, str]:
    """Versions of what shapes the numbers."""
    names = ("torch", "numpy", "scipy", "scikit-learn")
    return {"gcl-cli": __version__, "python": platform.python_version()} | {
        name: metadata.version(name) for name in names
    }


def read_manifest(folder: Path) -> Manifest:
    """What the artifact in a folder says of itself; GclError where that is not what was written, or of no use here."""
    path, command = folder / MANIFEST, _command(f"{folder.parent.name}/{folder.name}")
    again = f"Delete {folder} and make it again: {command}"
    record = read_sealed(path, again)
    made_by = record.get("format", FORMAT)
    if isinstance(made_by, int) and made_by > FORMAT:
        given = record.get("versions")
        version = given.get("gcl-cli", "unknown") if isinstance(given, dict) else "unknown"
        raise NewerVersionError(
            f"{folder} was made by a later version of gcl ({version}; this is {__version__}).",
            "Install that version (pip install -U gcl-cli), or choose another work folder with --work DIR.",
        )
    try:
        return Manifest.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise GclError(f"{path} is no manifest: {place}: {first['msg']}.", again) from error


def read_artifact(work: WorkFolder, reference: str) -> Artifact:
    """A finished artifact whose files and inputs are what its manifest says.

    Raises GclError when it is missing, damaged, or was made from inputs that changed since (stale), at any remove.
    """
    artifact = read_whole(work, reference)
    _refuse_outdated(work, reference, artifact.manifest)
    return artifact


def read_whole(work: WorkFolder, reference: str) -> Artifact:
    """A finished artifact whose files are what its manifest says, whatever became of its inputs since.

    Raises GclError when it is missing or damaged.
    """
    folder = work.artifact(reference)
    if not (folder / MANIFEST).exists():
        raise _missing(work, reference, folder)
    manifest = read_manifest(folder)
    for file, expected in manifest.outputs.items():
        if not (folder / file).is_file() or _digest_now(folder / file) != expected:
            if not (folder / MANIFEST).exists() or read_manifest(folder) != manifest:
                return read_whole(work, reference)  # it was made anew meanwhile
            raise GclError(
                f"{reference} is damaged: {file} is not what the stage wrote.",
                f"Delete {folder} and run: {_command(reference)}",
            )
    return Artifact(f"{manifest.stage}/{manifest.name}", folder, manifest)


def _digest_now(path: Path) -> str:
    state = path.stat()
    return _digest(path, (state.st_ino, state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=512)
def _digest(path: Path, _state: tuple[int, int, int]) -> str:
    return sha256(path)


CROPS = "crops"  # an input: the pictures of a folder that is not the work folder's data set
LEARNED = ("warmup", "gan-warmup", "joint")  # what learned from pictures is of use when others come: weights, no tables


@dataclass(frozen=True)
class Source:
    """What has the name of an input now."""

    digest: str | None
    inputs: Mapping[str, str] = field(default_factory=dict)
    earlier: Sequence[str] = ()  # digests of what it grew from


@dataclass(frozen=True)
class Outdated:
    """Why an artifact is not what its inputs would give now."""

    way: tuple[str, ...]  # to the input that changed
    grew: bool  # whether that is all: pictures came or went, and what is of the others stays


Known = Callable[[str], Source | None]


def outdated(stage: str, inputs: Mapping[str, str], known: Known, seen: tuple[str, ...] = ()) -> Outdated | None:
    """What changed under an artifact since it read its inputs, at any remove; None where nothing did: it is fresh.

    known: what has that name now; an input that is gone leaves what was made of it usable. When pictures come or go, a
    trained network stays fresh and a table of them does not. An evaluation may be of another data set altogether.
    """
    found = [_outdated_by(stage, one, read, known, (*seen, one)) for one, read in inputs.items() if one not in seen]
    return min(filter(None, found), key=lambda one: one.grew, default=None)


def _outdated_by(stage: str, source: str, recorded: str, known: Known, seen: tuple[str, ...]) -> Outdated | None:
    now = known(source)
    if now is None:
        return None
    grew = recorded in now.earlier
    another = (stage, source) == ("evaluate", "dataset") and not grew
    if now.digest != recorded and not (grew and stage in LEARNED) and not another:
        return Outdated((source,), grew)
    deeper = outdated(source.partition("/")[0], now.inputs, known, seen)
    return deeper and Outdated((source, *deeper.way), deeper.grew)


def recorded_pictures(work: WorkFolder) -> Source | None:
    """The pictures of the data set that a work folder remembers; None where it remembers none."""
    if not work.dataset_file.exists():
        return None
    record = recall(work)
    return Source(record["digest"], earlier=record["earlier"])


def source_now(work: WorkFolder, source: str) -> Source | None:
    """What a work folder has under the name of an input."""
    if source == "dataset":
        return recorded_pictures(work)
    folder = work.artifact(source)
    if "/" not in source or not (folder / MANIFEST).exists():
        return None
    found = read_manifest(folder)
    return Source(found.digest, found.inputs, found.earlier)


def _refuse_outdated(work: WorkFolder, reference: str, manifest: Manifest) -> None:
    found = outdated(manifest.stage, manifest.inputs, lambda source: source_now(work, source))
    if found is None:
        return
    *_, stale, source = (reference, *found.way)
    if found.grew:
        raise GclError(
            f"{stale} is of earlier pictures: some came, went or changed after it was made.",
            f"Bring it up to date: gcl update{elsewhere(work)}",
        )
    raise GclError(
        f"{stale} is stale: {source} was made anew after {stale} had read it.",
        f"Make it again: {_command(stale)} --restart",
    )


def _command(reference: str) -> str:
    stage, _, name = reference.partition("/")
    return MADE_BY.get(stage, f"gcl {stage}") + (f" --name {name}" if name not in ("", "main") else "")


def _missing(work: WorkFolder, reference: str, folder: Path) -> GclError:
    stage = reference.partition("/")[0]
    if stage not in MADE_BY:
        return GclError(f"{reference}: there is no stage {stage!r}.", f"Name one of: {', '.join(MADE_BY)}")
    if folder.with_name(folder.name + ".partial").exists():
        return GclError(
            f"{reference} is not finished in {work.root}.", f"The same command goes on: {_command(reference)}"
        )
    finished = (p for p in folder.parent.glob("*") if (p / MANIFEST).exists())
    others = sorted(p.name for p in finished if p.suffix != ".partial")
    found = f" (there is: {', '.join(others)})" if others else ""
    return GclError(f"{reference} does not exist in {work.root}{found}.", f"Make it: {_command(reference)}")
