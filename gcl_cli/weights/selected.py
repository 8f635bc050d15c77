"""The encoder of the epoch that a training's criterion chose, beside that of the last one."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.training.selection import selected
from gcl_cli.training.state import TrainingState
from gcl_cli.weights.networks import filled, place, save_networks
from gcl_cli.weights.starting_weights import OpenedEncoder

SELECTED = "selected"  # the folder inside an artifact


def save_selected(folder: Path, state: TrainingState, architecture: Architecture, *, criterion: str) -> dict[str, Any]:
    """Write `selected/identity_encoder.safetensors`; returns what a result says of it."""
    epoch, score, weights = selected(state)
    encoder = copy.deepcopy(state.networks["identity_encoder"])
    encoder.load_state_dict(weights)
    (folder / SELECTED).mkdir(exist_ok=True)
    save_networks(folder / SELECTED, {"identity_encoder": encoder}, architecture)
    return {"selected_epoch": epoch, "selected_by": criterion, "selected_score": score}


def at_selected_epoch(work: WorkFolder, source: OpenedEncoder) -> OpenedEncoder:
    """The same encoder as it was at the epoch that was selected; GclError where an artifact kept none."""
    path = work.artifact(source.reference) / SELECTED / "identity_encoder.safetensors"
    if not source.is_artifact or not path.exists():
        raise GclError(
            f"{source.reference} has no selected epoch: only gcl joint keeps one.",
            "Use --epoch last, or --encoder joint.",
        )
    read_artifact(work, source.reference)  # whole, and not stale

    def load(device: torch.device) -> IdentityEncoder:
        return place(filled(IdentityEncoder(source.architecture), path), device)

    return replace(source, label=f"{source.label}-{SELECTED}", load=load)
