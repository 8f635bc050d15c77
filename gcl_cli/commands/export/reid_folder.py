"""The folder that Roboflow's `reid` package is given: the network as TorchScript, and how to feed it."""

import json
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.artifacts.files import whole, write_text
from gcl_cli.errors import GclError
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.training.augmentation import IMAGENET_MEAN, IMAGENET_STD

NETWORK, CONFIG, LOADER = "network.pt", "preprocessing.json", "load.py"
TOLERANCE = 1e-5
_LOADER = '''\
"""gcl's encoder as a model of Roboflow's reid package: model = load(); model.extract_embeddings_from_paths([...])"""

import json
from pathlib import Path

import torch
from reid import ReIDModel
from reid.preprocessing import ReIDPreprocessing

HERE = Path(__file__).resolve().parent


def load(device: str = "cpu") -> ReIDModel:
    network = torch.jit.load(HERE / "network.pt", map_location=device)
    preprocessing = ReIDPreprocessing.from_dict(json.loads((HERE / "preprocessing.json").read_text()))
    return ReIDModel(network, torch.device(device), preprocessing)
'''


class NormalisedToEmbeddings(nn.Module):
    """An identity encoder in evaluation mode with the L2 norm behind it."""

    def __init__(self, encoder: IdentityEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [B, 3, H, W] float32, ImageNet-normalised -> unit embeddings [B, D]."""
        return F.normalize(self.encoder(pictures).embedding, dim=1)


def write_reid_folder(folder: Path, encoder: IdentityEncoder, pictures: Tensor) -> list[Path]:
    """Write network, preprocessing and a loader into `folder`; returns the files.

    pictures: [B, 3, H, W] normalised, to check the network with; GclError where it differs from the encoder.
    """
    network = NormalisedToEmbeddings(encoder)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch would rather have another format, which `reid` cannot move to a device
        traced = torch.jit.trace(network, pictures)
        difference = float((traced(pictures[:1]) - network(pictures[:1])).abs().max())
    if not difference <= TOLERANCE:
        raise GclError(
            f"TorchScript differs from torch by {difference:.1e}: nothing was written.", "Use --format onnx."
        )
    folder.mkdir(exist_ok=True)
    with whole(folder / NETWORK) as temporary:
        traced.save(str(temporary))
    preprocessing = {
        "input_size": list(pictures.shape[2:]), "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD),
        "interpolation": "bicubic", "to_rgb": True, "resize_mode": "stretch",
    }  # fmt: skip
    write_text(folder / CONFIG, json.dumps(preprocessing, indent=2) + "\n")
    write_text(folder / LOADER, _LOADER)
    return [folder / name for name in (NETWORK, CONFIG, LOADER)]
