"""`gcl export`: an identity encoder -> a file that other programs read."""

from pathlib import Path
from typing import Any

import torch

from gcl_cli import __version__
from gcl_cli.artifacts.files import read_json, whole, write_json
from gcl_cli.artifacts.weights import save_weights
from gcl_cli.commands.export.onnx_file import PicturesToEmbeddings, description, onnx_bytes, require_onnx, write_whole
from gcl_cli.config import ExportSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.machine.devices import set_threads
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.given_files import free_name, target_folder
from gcl_cli.session import Session
from gcl_cli.weights.starting_weights import OpenedEncoder, open_encoder


def run(
    session: Session, to: str, encoder: str | None, chosen: dict[str, Any], *, init: str | None = None
) -> dict[str, Any]:
    """Write `<stage>-<name>.onnx` or `.safetensors`, and `.json` that describes it, into `to`; returns what they are.

    The ONNX network takes pictures as they are decoded, at its own size: no resizing in ONNX equals Pillow's.
    """
    settings = settings_for(ExportSettings, "export", "paper", chosen)
    if settings.format == "onnx":
        require_onnx()
    source = open_encoder(session.folder, encoder=encoder, init=init, stages=("joint", "warmup"))
    set_threads(session.threads)
    network = source.load(torch.device("cpu")).eval()
    about = {"encoder": source.reference, "made_by": f"gcl-cli {__version__}", **_description(source, network)}
    label = free_name(source.label, source.reference, lambda name: _encoder_of(Path(to) / f"{name}.json"))
    name = f"{label}.{settings.format}"
    path, checked = (_write_onnx if settings.format == "onnx" else _write_weights)(to, name, network, source, about)
    write_json(path.with_name(f"{label}.json"), {**about, **checked, "architecture": source.architecture.model_dump()})
    return {"file": str(path), "megabytes": path.stat().st_size / 1e6, **about, **checked}


def _encoder_of(path: Path) -> str | None:
    """Whose export a description is; None where there is none, empty where it does not say."""
    try:
        return str(read_json(path).get("encoder", ""))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""


def _description(source: OpenedEncoder, network: IdentityEncoder) -> dict[str, Any]:
    return description(network, source.architecture.height, source.architecture.width)


def _write_onnx(
    to: str, name: str, network: IdentityEncoder, source: OpenedEncoder, about: dict[str, Any]
) -> tuple[Path, dict[str, float]]:
    """Write the file, unless it differs from torch; returns where it is and by how much it differs."""
    remarks = {f"gcl_{key}": str(value) for key, value in about.items()}
    whole = PicturesToEmbeddings(network.to(memory_format=torch.contiguous_format))
    content, difference = onnx_bytes(whole, source.architecture.height, source.architecture.width, remarks)
    path = target_folder(to) / name
    write_whole(path, content)
    return path, {"largest_difference_from_torch": difference}


def _write_weights(
    to: str, name: str, network: IdentityEncoder, source: OpenedEncoder, _about: dict[str, Any]
) -> tuple[Path, dict[str, float]]:
    """Write parameters and buffers as they are, with the architecture in the header; returns where they are."""
    path = target_folder(to) / name
    with whole(path) as temporary:
        save_weights(temporary, network, source.architecture)
    return path, {}
