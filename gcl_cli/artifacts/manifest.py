"""What an artifact says of itself, and reading artifacts with that in mind."""

import platform
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from gcl_cli import __version__
from gcl_cli.artifacts.files import digest_of, read_json, sha256
from gcl_cli.artifacts.layout import MADE_BY, WorkFolder
from gcl_cli.errors import GclError

MANIFEST = "manifest.json"


class Manifest(BaseModel):
    """Provenance of one finished artifact."""

    stage: str
    name: str
    config: dict[str, Any]
    inputs: dict[str, str] = Field(description="artifact reference (or 'dataset') -> digest when it was read")
    outputs: dict[str, str] = Field(description="file -> sha256")
    result: dict[str, Any] = Field(description="counts and figures, as the command printed them")
    seed: int | None
    versions: dict[str, str]
    started: str
    finished: str

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


def versions() -> dict[str, str]:
    """Versions of what shapes the numbers."""
    names = ("torch", "numpy", "scipy", "scikit-learn")
    return {"gcl-cli": __version__, "python": platform.python_version()} | {
        name: metadata.version(name) for name in names
    }


def read_artifact(work: WorkFolder, reference: str) -> Artifact:
    """A finished artifact whose files and inputs are what its manifest says.

    Raises GclError when it is missing, damaged, or was made from inputs that changed since (stale), at any remove.
    """
    folder = work.artifact(reference)
    if not (folder / MANIFEST).exists():
        raise _missing(work, reference, folder)
    manifest = Manifest.model_validate(read_json(folder / MANIFEST))
    for file, expected in manifest.outputs.items():
        if not (folder / file).exists() or _digest_now(folder / file) != expected:
            raise GclError(
                f"{reference} is damaged: {file} is not what the stage wrote.",
                f"Delete {folder} and run: {_command(reference)}",
            )
    _refuse_stale(work, reference, manifest)
    return Artifact(f"{manifest.stage}/{manifest.name}", folder, manifest)


def _digest_now(path: Path) -> str:
    state = path.stat()
    return _digest(path, (state.st_ino, state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=512)
def _digest(path: Path, _state: tuple[int, int, int]) -> str:
    return sha256(path)


def _refuse_stale(work: WorkFolder, reference: str, manifest: Manifest) -> None:
    for source, recorded in manifest.inputs.items():
        path = work.artifact(source) / MANIFEST
        if source == "dataset" or not path.exists():
            continue
        found = Manifest.model_validate(read_json(path))
        if found.digest != recorded:
            raise GclError(
                f"{reference} is stale: {source} was made anew after {reference} had read it.",
                f"Make it again: {_command(reference)} --restart",
            )
        _refuse_stale(work, source, found)


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
