"""Untrained networks in a work folder, and people to look at: what `views`, `search` and `export` begin from."""

from pathlib import Path

import torch

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import Run
from gcl_cli.commands import synth
from gcl_cli.config import Architecture
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.weights.networks import new_gan, save_networks

SMALL = Architecture(
    trunk="resnet18", trunk_width=16, height=64, width=32, generator_width=4, modulation_width=16,
    discriminator_width=4, discriminator_scales=2, padding="zeros",
)  # fmt: skip


def make_encoder(work: Path, *, seed: int, architecture: Architecture = SMALL) -> str:
    """`warmup/main` with an untrained encoder; returns its digest."""
    encoder = IdentityEncoder(architecture)
    initialise(encoder, torch.Generator().manual_seed(seed))
    job = Run(WorkFolder(work), "warmup", "main", {"preset": "tiny"}, {})
    with job.begin(restart=True):
        save_networks(job.folder, {"identity_encoder": encoder}, architecture)
        return job.publish({}).manifest.digest


def make_generator(work: Path, encoder_digest: str) -> None:
    """`gan-warmup/main` with untrained networks."""
    inputs = {"warmup/main": encoder_digest}
    job = Run(WorkFolder(work), "gan-warmup", "main", {"preset": "tiny", "encoder": "warmup/main"}, inputs)
    with job.begin(restart=True):
        save_networks(job.folder, new_gan(SMALL, 2, torch.device("cpu")), SMALL)
        job.publish({})


def make_people(folder: Path) -> Path:
    """Two people for training and two for testing, two pictures in each of two cameras."""
    synth.run(str(folder), {"ids": 4, "cameras": 2, "images": 2, "distractors": 0}, threads=1, restart=False)
    return folder
