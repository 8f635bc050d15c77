"""Embeddings of whole splits, some pictures at a time, kept on the disk while they are needed."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts.embeddings import new_embeddings
from gcl_cli.config import Architecture
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.data import WorkData
from gcl_cli.session import Session
from gcl_cli.training.features import embed

CHUNK = 4096  # pictures decoded at a time: galleries need not fit in memory

Features = Callable[[Tensor], Tensor]  # pictures [B, 3, H, W] uint8 -> unit rows [B, D]


def embedder(network: IdentityEncoder, *, flip: bool = False) -> Features:
    """The embeddings of the pictures as they are, or averaged with those of their mirror images."""
    return lambda pictures: embed(network, pictures, precision="fp32", flip=flip)


def embed_split(
    folder: Path, data: WorkData, split: str, features: Features, architecture: Architecture, session: Session,
    *, width: int,
) -> Tensor:  # fmt: skip
    """Unit embeddings [N, width] of a split; they are the split's embedding file in `folder`."""
    names = data.names(split)
    rows = torch.from_numpy(new_embeddings(folder, split, names, width))
    with console.meter(f"embed {split}", len(names)) as meter:
        for start in range(0, len(names), CHUNK):
            pictures = read_pictures(
                data.root, names[start : start + CHUNK],
                height=architecture.height, width=architecture.width, threads=session.processes,
            )  # fmt: skip
            rows[start : start + CHUNK] = features(pictures).cpu()
            meter.advance(len(pictures))
    return rows
