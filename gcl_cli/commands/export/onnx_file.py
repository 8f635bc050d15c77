"""An encoder as an ONNX file that is checked against torch before it is written."""

import io
import logging
import warnings
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.errors import GclError
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.training.augmentation import IMAGENET_MEAN, IMAGENET_STD, normalise

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
INPUT, OUTPUT = "pictures", "embeddings"
TOLERANCE = 1e-4  # largest difference of an entry of a unit embedding
BATCHES = (1, 3)  # checked, so that the batch is seen to be free
CHECK_SEED = 7


def require_onnx() -> None:
    """GclError where a package is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise GclError(f"ONNX files need {', '.join(missing)}.", "Install them: pip install 'gcl-cli[export]'")


def onnx_bytes(network: nn.Module, height: int, width: int, remarks: dict[str, str]) -> tuple[bytes, float]:
    """The ONNX file of a network from pictures [B, height, width, 3] uint8 to rows [B, D], for any batch.

    remarks: texts to put beside the network. Returns the file and the largest difference from torch that
    onnxruntime shows; GclError when that is above `TOLERANCE`.
    """
    pictures = check_pictures(max(BATCHES), height, width)
    model = _exported(network, pictures)
    for key, text in remarks.items():
        model.metadata_props.add(key=key, value=text)
    content: bytes = model.SerializeToString()
    difference = max(largest_difference(content, network, pictures[:batch]) for batch in BATCHES)
    if not difference <= TOLERANCE:
        raise GclError(
            f"onnxruntime differs from torch by {difference:.1e} ({TOLERANCE:.0e} is allowed): nothing was written.",
            "Try other versions of onnx, onnxscript and onnxruntime, or use --format safetensors.",
        )
    return content, difference


def check_pictures(count: int, height: int, width: int) -> Tensor:
    """Pictures [count, height, width, 3] uint8 of every brightness, some smooth, some rough."""
    rng = torch.Generator().manual_seed(CHECK_SEED)
    coarse = torch.rand(count, 3, 4, 2, generator=rng)
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bilinear")  # [count, 3, H, W]
    rough = torch.rand(smooth.shape, generator=rng) - 0.5
    share = torch.linspace(0, 1, count)[:, None, None, None]
    return ((smooth + share * rough).clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def largest_difference(content: bytes, network: nn.Module, pictures: Tensor) -> float:
    """How far the file's embeddings are from the network's, over all entries; infinite where one is no number."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run([OUTPUT], {INPUT: pictures.numpy()})
    with torch.no_grad():
        wanted = network(pictures).numpy()
    difference = np.abs(found - wanted).max() if found.shape == wanted.shape else np.inf
    return float(difference) if np.isfinite(difference) else float("inf")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either whole or not there."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def _exported(network: nn.Module, pictures: Tensor):  # type: ignore[no-untyped-def]  # onnx.ModelProto, an extra
    """The network as an ONNX model, without the paths of this machine that the exporter notes at every node."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # stdout is the result's alone
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network, (pictures,), input_names=[INPUT], output_names=[OUTPUT], dynamo=True, verbose=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False,
        )  # fmt: skip
    model = program.model_proto  # type: ignore[union-attr]
    own = [node for function in model.functions for node in function.node]
    graph = model.graph
    for item in (model, graph, *graph.node, *own, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del item.metadata_props[:]
    return model


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
