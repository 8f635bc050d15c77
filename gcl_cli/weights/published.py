"""Weight files that others publish. Nothing else in the package is ever fetched, and only this module fetches."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gcl_cli.artifacts.files import sha256
from gcl_cli.artifacts.foreign_weights import read_tensors
from gcl_cli.errors import GclError


@dataclass(frozen=True)
class PublishedFile:
    """A file whose publisher ended its name in the start of its sha256, as torchvision and pytorch-fid do."""

    url: str

    @property
    def path(self) -> Path:
        """Where it lies, or will."""
        return Path(torch.hub.get_dir()) / "checkpoints" / Path(self.url).name

    @property
    def digest(self) -> str:
        """The start of its sha256."""
        return self.path.stem.rpartition("-")[2]

    @property
    def whole(self) -> bool:
        """Whether the file's bytes are what its name says."""
        return sha256(self.path).startswith(self.digest)

    def tensors(self) -> dict[str, Tensor]:
        """What it holds, fetched over https where it is not there; nothing in it is executed.

        Raises OSError or RuntimeError where it cannot be fetched or other bytes come, of which none stay; GclError
        where another file lies in its place.
        """
        if not self.path.exists():
            if not self.url.startswith("https://"):
                raise ValueError(f"{self.url} is not fetched over https")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(self.url, str(self.path), self.digest)
        if not self.whole:
            raise GclError(
                f"{self.path} is not the file that {self.url} is known for: its digest does not begin with "
                f"{self.digest}.",
                "Delete it, and run the same command again: it is fetched anew.",
            )
        return read_tensors(self.path)
