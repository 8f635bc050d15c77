"""An encoder as an ONNX file that is checked against torch before it is written."""

import io
import logging
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gcl_cli.commands.export.forms import Form
from gcl_cli.errors import GclError

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
TOLERANCE = 1e-4  # largest difference of an entry of a unit embedding
BATCHES = (1, 3)  # checked, so that the batch is seen to be free


def require_onnx(*more: str) -> None:
    """GclError where a package is missing."""
    missing = [name for name in (*PACKAGES, *more) if find_spec(name) is None]
    if missing:
        raise GclError(f"ONNX files need {', '.join(missing)}.", "Install them: pip install 'gcl-cli[export]'")


def onnx_bytes(network: nn.Module, pictures: Tensor, form: Form, remarks: Mapping[str, str]) -> tuple[bytes, float]:
    """The ONNX file of a network that takes pictures of a form, for any batch.

    pictures: some to check it with, as many as the largest of `BATCHES`; remarks: texts to put beside the network.
    Returns the file and the largest difference from torch that onnxruntime shows; GclError when that is above
    `TOLERANCE`.
    """
    model = _exported(network, pictures, form)
    content = with_remarks(model, remarks)
    difference = max(largest_difference(content, network, pictures[:batch]) for batch in BATCHES)
    if not difference <= TOLERANCE:
        raise GclError(
            f"onnxruntime differs from torch by {difference:.1e} ({TOLERANCE:.0e} is allowed): nothing was written.",
            "Try other versions of onnx, onnxscript and onnxruntime, or use --format safetensors.",
        )
    return content, difference


def with_remarks(model, remarks: Mapping[str, str]) -> bytes:  # type: ignore[no-untyped-def]  # onnx.ModelProto
    """The file of a model, with texts beside the network."""
    for key, text in remarks.items():
        model.metadata_props.add(key=key, value=text)
    content: bytes = model.SerializeToString()
    return content


def largest_difference(content: bytes, network: nn.Module, pictures: Tensor) -> float:
    """How far the file's embeddings are from the network's, over all entries; infinite where one is no number."""
    found = run_onnx(content, pictures.numpy())
    with torch.no_grad():
        wanted = network(pictures).numpy()
    difference = np.abs(found - wanted).max() if found.shape == wanted.shape else np.inf
    return float(difference) if np.isfinite(difference) else float("inf")


def run_onnx(content: bytes, pictures: np.ndarray, *, batch: int = 64) -> np.ndarray:
    """What onnxruntime says of pictures: embeddings [N, D] float32."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: pictures[at : at + batch]})[0] for at in range(0, len(pictures), batch)]
    return np.concatenate(parts)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either whole or not there."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def _exported(network: nn.Module, pictures: Tensor, form: Form):  # type: ignore[no-untyped-def]  # onnx.ModelProto
    """The network as an ONNX model, without the paths of this machine that the exporter notes at every node."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # stdout is the result's alone
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network, (pictures,), input_names=[form.input], output_names=[form.output], dynamo=True, verbose=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False,
        )  # fmt: skip
    model = program.model_proto  # type: ignore[union-attr]
    own = [node for function in model.functions for node in function.node]
    graph = model.graph
    for item in (model, graph, *graph.node, *own, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del item.metadata_props[:]
    return model
