"""The weight files that others publish: where they are looked for, and whether they are there."""

from dataclasses import dataclass

from pytorch_fid.inception import FID_WEIGHTS_URL
from torchvision.models import ResNet18_Weights, ResNet50_Weights

from gcl_cli.weights.published import PublishedFile


@dataclass(frozen=True)
class WeightFile(PublishedFile):
    """A file that is fetched when it is first needed."""

    purpose: str


INCEPTION = WeightFile(FID_WEIGHTS_URL, "FID (gcl gen-metrics)")
IMAGENET = {
    "resnet50": WeightFile(ResNet50_Weights.IMAGENET1K_V1.url, "ImageNet start of preset paper (gcl warmup)"),
    "resnet18": WeightFile(ResNet18_Weights.IMAGENET1K_V1.url, "ImageNet start of preset small (--init imagenet)"),
}
