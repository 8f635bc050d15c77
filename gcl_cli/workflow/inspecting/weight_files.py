"""The weight files that others publish: where they are looked for, and whether they are there."""

from dataclasses import dataclass
from pathlib import Path

import torch
from pytorch_fid.inception import FID_WEIGHTS_URL
from torchvision.models import ResNet18_Weights, ResNet50_Weights

from gcl_cli.artifacts.files import sha256


@dataclass(frozen=True)
class WeightFile:
    """A file that is fetched when it is first needed."""

    purpose: str
    url: str

    @property
    def path(self) -> Path:
        """Where it lies, or will."""
        return Path(torch.hub.get_dir()) / "checkpoints" / Path(self.url).name

    @property
    def whole(self) -> bool:
        """Whether the file's bytes are what its name says: names end in the start of the digest."""
        return sha256(self.path).startswith(self.path.stem.rpartition("-")[2])


INCEPTION = WeightFile("FID (gcl gen-metrics)", FID_WEIGHTS_URL)
IMAGENET = {
    "resnet50": WeightFile("ImageNet start of preset paper (gcl warmup)", ResNet50_Weights.IMAGENET1K_V1.url),
    "resnet18": WeightFile("ImageNet start of preset small (--init imagenet)", ResNet18_Weights.IMAGENET1K_V1.url),
}
