"""What other programs give a network and want from it: pictures as they are decoded, or as trackers cut them out."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.training.augmentation import IMAGENET_MEAN, IMAGENET_STD, normalise

TRACKED = (256, 128)  # height and width at which trackers cut people out, where they do not ask the network
Colours = Literal["bytes", "shares", "normalised"]


@dataclass(frozen=True)
class Form:
    """How a program feeds a network."""

    format: str
    input: str
    output: str
    colours: Colours  # bytes: uint8 [B, H, W, 3]; the others float32 [B, 3, H, W] from 0 to 1, or by ImageNet's figures
    suffix: str  # behind the name of the encoder
    said: str  # how its pictures are made

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The size of the pictures that it gives a network of this size."""
        fits = self.colours != "bytes" and TRACKED[0] % height == 0 and TRACKED[1] % width == 0
        return TRACKED if fits else (height, width)


PLAIN = Form("onnx", "pictures", "embeddings", "bytes", "", "resized by Pillow's bicubic filter")
FORMS = {
    form.format: form
    for form in (
        PLAIN,
        # BoxMOT 25: these names where OpenCV runs the file, any where onnxruntime does.
        Form(
            "boxmot", "images", "output0", "normalised", "-boxmot", "as BoxMOT makes them: bilinear, by ImageNet's mean"
        ),
        # Ultralytics 8.4, `model:` in botsort.yaml: colours from 0 to 1, the size from the file.
        Form(
            "ultralytics", "images", "output0", "shares", "-ultralytics", "as Ultralytics makes them: bilinear, / 255"
        ),
    )
}


class EncoderFor(nn.Module):
    """An identity encoder in evaluation mode behind the preprocessing of a form, and before the L2 norm."""

    def __init__(self, encoder: IdentityEncoder, form: Form, height: int, width: int) -> None:
        super().__init__()
        self.encoder, self.colours = encoder, form.colours
        tall, wide = form.size(height, width)
        self.shrink = (tall // height, wide // width)
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [B, H, W, 3] uint8 or [B, 3, H, W] float32, RGB, as the form says -> unit embeddings [B, D]."""
        if self.colours == "bytes":
            pictures = pictures.permute(0, 3, 1, 2).float() / 255
        if self.shrink != (1, 1):
            pictures = F.avg_pool2d(pictures, self.shrink)
        seen = pictures if self.colours == "normalised" else normalise(pictures)
        return F.normalize(self.encoder(seen).embedding.float(), dim=1)


def as_form(pictures: Tensor, form: Form) -> Tensor:
    """Pictures [B, H, W, 3] uint8 as the program of a form gives them."""
    if form.colours == "bytes":
        return pictures
    shares = pictures.permute(0, 3, 1, 2).float() / 255
    return (normalise(shares) if form.colours == "normalised" else shares).contiguous()


def description(encoder: IdentityEncoder, form: Form, height: int, width: int) -> dict[str, object]:
    """What a program must know to feed the network and to read what it says."""
    tall, wide = form.size(height, width)
    shape = f"uint8 [batch, {tall}, {wide}, 3]" if form.colours == "bytes" else f"float32 [batch, 3, {tall}, {wide}]"
    return {
        "pictures": f"{shape}, RGB, {form.said}", "input": form.input, "output": form.output,
        "height": tall, "width": wide, "embedding_size": encoder.embedding_size,
        "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD),
        "embeddings": f"float32 [batch, {encoder.embedding_size}], rows of unit length: compare by the dot product",
    }  # fmt: skip


def check_pictures(count: int, height: int, width: int) -> Tensor:
    """Pictures [count, height, width, 3] uint8 of every brightness, some smooth, some rough."""
    rng = torch.Generator().manual_seed(7)
    coarse = torch.rand(count, 3, 4, 2, generator=rng)
    smooth = F.interpolate(coarse, (height, width), mode="bilinear")  # [count, 3, H, W]
    rough = torch.rand(smooth.shape, generator=rng) - 0.5
    share = torch.linspace(0, 1, count)[:, None, None, None]
    return ((smooth + share * rough).clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
