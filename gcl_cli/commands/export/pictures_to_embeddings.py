"""The network that other programs get: pictures as they are read in, embeddings as they are compared."""

import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.training.augmentation import IMAGENET_MEAN, IMAGENET_STD, normalise


class PicturesToEmbeddings(nn.Module):
    """An identity encoder in evaluation mode with its preprocessing in front and the L2 norm behind."""

    def __init__(self, encoder: IdentityEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [B, H, W, 3] uint8 RGB at the size of the network -> unit embeddings [B, D] float32."""
        channels_first = pictures.permute(0, 3, 1, 2).float() / 255  # [B, 3, H, W]
        return F.normalize(self.encoder(normalise(channels_first)).embedding.float(), dim=1)


def description(encoder: IdentityEncoder, height: int, width: int) -> dict[str, object]:
    """What a program must know to feed the network and to read what it says."""
    return {
        "pictures": f"uint8 [batch, {height}, {width}, 3], RGB, resized by Pillow's bicubic filter",
        "height": height, "width": width, "embedding_size": encoder.embedding_size,
        "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD),
        "embeddings": f"float32 [batch, {encoder.embedding_size}], rows of unit length: compare by the dot product",
    }  # fmt: skip
