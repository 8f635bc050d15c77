"""Where things lie in a work folder."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from gcl_cli.errors import GclError

MADE_BY = {  # artifact stage -> the command that makes it
    "mesh": "gcl mesh DATA",
    "render": "gcl render",
    "warmup": "gcl warmup DATA",
    "gan-warmup": "gcl gan-warmup",
    "cluster": "gcl cluster",
    "joint": "gcl joint",
    "evaluate": "gcl evaluate",
    "gen-metrics": "gcl gen-metrics",
}


@dataclass(frozen=True)
class WorkFolder:
    """One experiment: artifacts as `<stage>/<name>/`, and `dataset.json`."""

    root: Path

    def __post_init__(self) -> None:
        if os.path.lexists(self.root) and not self.root.is_dir():
            raise GclError(f"--work {self.root} is no folder.", "Name a folder, or one that does not exist yet.")

    @property
    def dataset_file(self) -> Path:
        """The record of the data set that this folder works on."""
        return self.root / "dataset.json"

    def artifact(self, reference: str) -> Path:
        """The folder of `STAGE/NAME` (or `STAGE`, meaning `STAGE/main`)."""
        stage, _, name = reference.partition("/")
        return self.root / stage / (name or "main")


def checked_name(name: str) -> str:
    """A name that can be a folder beside `main`; GclError otherwise."""
    if not name or "/" in name or name.startswith(".") or name.endswith(".partial"):
        raise GclError(
            f"--name {name!r} cannot be a folder's name here.", "Give a word without '/', '.' in front or '.partial'."
        )
    return name


def reference(stage: str, name: str) -> str:
    """How an artifact is called on the command line and in manifests."""
    return f"{stage}/{name}"


def elsewhere(work: WorkFolder) -> str:
    """` --work DIR` where a command would not find the folder by itself."""
    usual = os.environ.get("GCL_WORK", "work")
    return "" if str(work.root) == usual else f" --work {shlex.quote(str(work.root))}"
