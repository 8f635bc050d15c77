"""`gcl warmup`: pictures -> identity encoder."""

from pathlib import Path
from typing import Any

import torch
from torchvision.models import ResNet18_Weights, ResNet50_Weights

from gcl_cli.artifacts.files import sha256
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import Run
from gcl_cli.artifacts.weights import read_architecture, read_weights
from gcl_cli.config import Architecture, WarmupSettings
from gcl_cli.errors import GclError
from gcl_cli.networks.identity_encoder import IdentityEncoder, load_imagenet
from gcl_cli.networks.initialisation import initialise
from gcl_cli.presets import settings_for
from gcl_cli.records import RunOptions
from gcl_cli.training.devices import choose_device, set_threads
from gcl_cli.training.warmup import Warmup, warmup_state
from gcl_cli.workflow.data import open_data, training_set
from gcl_cli.workflow.following import complete_already, follow, last_epoch, resume
from gcl_cli.workflow.networks import place, save_networks


def run(options: RunOptions, data: str | None, preset: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """Train an identity encoder on unlabelled pictures; returns the last epoch's figures."""
    settings = settings_for(WarmupSettings, "warmup", preset, chosen)
    architecture = Architecture(**settings.model_dump(include=set(Architecture.model_fields)))
    opened = open_data(options, data)
    inputs = {"dataset": opened.digest} | _init_digest(settings.init)
    config = {"preset": preset, **settings.model_dump()}
    job = Run(WorkFolder(Path(options.work)), "warmup", options.name, config, inputs)
    if result := complete_already(job, restart=options.restart):
        return result
    set_threads(options.threads)
    encoder = _new_encoder(architecture, settings, choose_device(options.device))
    with job.begin(restart=options.restart):
        pictures = training_set(opened, architecture, options)
        state = warmup_state(encoder, settings)
        resume(job, state)
        training = Warmup(state, pictures, settings, colour_start=settings.init == "none")
        epochs = follow(
            job, state, training.epochs(), epochs=settings.epochs, checkpoint_every=settings.checkpoint_every
        )
        save_networks(job.folder, {"identity_encoder": encoder}, architecture)
        result = {"pictures": len(pictures), "steps": state.steps_done, **last_epoch(epochs)}
        return job.publish(result, seed=settings.seed).manifest.result


def _init_digest(init: str) -> dict[str, str]:
    """The digest of an `--init` file, so that other weights under the same name are noticed."""
    if init in ("none", "imagenet"):
        return {}
    if not Path(init).is_file():
        raise GclError(f"--init {init}: there is no such file.", "Name a weight file, or use --init imagenet or none.")
    return {"init": sha256(Path(init))}


def _new_encoder(architecture: Architecture, settings: WarmupSettings, device: torch.device) -> IdentityEncoder:
    encoder = IdentityEncoder(architecture)
    initialise(encoder, torch.Generator().manual_seed(settings.seed))
    if settings.init == "imagenet":
        load_imagenet(encoder, _imagenet(architecture))
    elif settings.init != "none":
        _load_own(encoder, Path(settings.init), architecture)
    return place(encoder, device)


def _imagenet(architecture: Architecture) -> dict[str, torch.Tensor]:
    """torchvision's ImageNet weights of the trunk, fetched once; GclError says what to do where that is impossible."""
    if architecture.trunk_width != 64:
        raise GclError(
            "There are no ImageNet weights for a trunk of another width than 64.", "Use --init none, or preset small."
        )
    weights = {"resnet50": ResNet50_Weights, "resnet18": ResNet18_Weights}[architecture.trunk].IMAGENET1K_V1
    target = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        tensors: dict[str, torch.Tensor] = weights.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise GclError(
            f"The ImageNet weights cannot be fetched ({error}). Wanted: {target.name}, to be found at {target}.",
            f"Put the file there (from {weights.url}), or start from random weights: --init none",
        ) from error
    return tensors


def _load_own(encoder: IdentityEncoder, path: Path, architecture: Architecture) -> None:
    found = read_architecture(path)
    if found != architecture:
        differing = [n for n in Architecture.model_fields if getattr(found, n) != getattr(architecture, n)]
        raise GclError(
            f"{path} is of another architecture ({', '.join(differing)} differ).",
            "Choose the --preset it was made with.",
        )
    tensors = read_weights(path)
    if tensors.keys() != encoder.state_dict().keys():
        raise GclError(f"{path} holds no identity encoder.", "Give an identity_encoder.safetensors of gcl.")
    encoder.load_state_dict(tensors)
