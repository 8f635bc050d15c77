"""Weight files as users name them: FILE, or FILE::PART where several networks lie in one."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from gcl_cli.artifacts.files import sha256
from gcl_cli.artifacts.foreign_weights import ENDINGS, read_tensors
from gcl_cli.datasets.listing import expanded
from gcl_cli.networks.foreign_parts import CHOICE, only_below


@dataclass(frozen=True)
class GivenWeights:
    """A weight file, and the part of it that is meant; empty: all of it."""

    path: Path
    part: str

    @property
    def digest(self) -> str:
        """What tells it from other weights of the same name."""
        return sha256(self.path) + (f"{CHOICE}{self.part}" if self.part else "")

    @property
    def label(self) -> str:
        """The file's whole name without its usual endings, and the part: a name for what is made of it."""
        name = self.path.name
        while (short := Path(name)).suffix.lower() in ENDINGS and short.stem:
            name = short.stem
        return "-".join(filter(None, (name, self.part.replace(".", "-"))))

    def tensors(self) -> dict[str, Tensor]:
        """What it holds by name; see `read_tensors`."""
        return only_below(read_tensors(self.path), self.part)


def given_weights(typed: str) -> GivenWeights | None:
    """The file that a user named, `~` being the home folder; None where there is none. A whole name comes first."""
    if (whole := expanded(typed)).is_file():
        return GivenWeights(whole, "")
    name, _, part = typed.rpartition(CHOICE)
    return GivenWeights(expanded(name), part) if name and expanded(name).is_file() else None
