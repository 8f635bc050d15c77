"""Networks on disk: safetensors with the architecture in the header."""

import json
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gcl_cli.config import Architecture
from gcl_cli.errors import GclError


def save_weights(path: Path, network: nn.Module, architecture: Architecture) -> None:
    """Write a network's parameters and buffers (fp32) with its architecture."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, path, metadata={"architecture": architecture.model_dump_json()})


def read_architecture(path: Path) -> Architecture:
    """The architecture in a weight file's header; GclError when there is none, or the file is of another kind."""
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get("architecture")
    except SafetensorError as error:
        raise _foreign(path, f"is no safetensors file ({error})") from error
    if header is None:
        raise _foreign(path, "does not say its architecture")
    try:
        return Architecture(**json.loads(header))
    except (ValueError, TypeError, RecursionError, ValidationError) as error:
        raise GclError(
            f"{path} says an architecture that this version of gcl does not know.",
            "Give a file that this version wrote, or install the version that wrote it (pip install -U gcl-cli).",
        ) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file; GclError when it is none."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _foreign(path, f"is no safetensors file ({error})") from error


def _foreign(path: Path, problem: str) -> GclError:
    return GclError(f"{path} {problem}.", "Give a file that a gcl command wrote.")
