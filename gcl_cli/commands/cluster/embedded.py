"""The features of the pictures to cluster: those of an earlier clustering are taken over, the others computed."""

from collections.abc import Mapping

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor

from gcl_cli.artifacts.embeddings import embeddings_file, new_embeddings
from gcl_cli.artifacts.manifest import MANIFEST, Artifact, read_manifest, read_whole
from gcl_cli.artifacts.run import Run
from gcl_cli.config import Architecture
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.data import WorkData
from gcl_cli.people.kept_rows import kept_rows
from gcl_cli.session import Session
from gcl_cli.training.features import embed

CHUNK = 4096  # pictures decoded at a time: the training set need not fit in memory
SPLIT = "train"


def same_encoder(job: Run, inputs: Mapping[str, str]) -> Artifact | None:
    """The clustering that a run takes the place of, where the very same encoder made its features.

    inputs: the encoder's digests.
    """
    if not (job.final / MANIFEST).exists() or not embeddings_file(job.final, SPLIT).exists():
        return None
    before = read_manifest(job.final).inputs
    return read_whole(job.work, f"{job.stage}/{job.name}") if inputs.items() <= before.items() else None


def features_of(
    job: Run, data: WorkData, network: IdentityEncoder, architecture: Architecture, before: Artifact | None,
    session: Session,
) -> tuple[Tensor, int]:  # fmt: skip
    """Unit features [N, D] of the training pictures, and how many were computed; the job's folder keeps them.

    before: a clustering of earlier pictures with the same encoder, whose rows are taken over, bit for bit.
    """
    names = data.names(SPLIT)
    kept = kept_rows(job.work, before, data.digest, SPLIT)
    fresh = [name for name in names if name not in kept]
    place = {name: row for row, name in enumerate(names)}
    rows = new_embeddings(job.folder, SPLIT, names, network.embedding_size)
    if before is not None and kept:
        old = load_file(embeddings_file(before.folder, SPLIT))["embeddings"]
        rows[[place[name] for name in kept]] = old[list(kept.values())]
    for start in range(0, len(fresh), CHUNK):
        some = fresh[start : start + CHUNK]
        pictures = read_pictures(
            data.root, some, height=architecture.height, width=architecture.width, threads=session.processes
        )
        rows[[place[name] for name in some]] = embed(network, pictures, precision="fp32").cpu().numpy()
    rows.flush()
    return torch.from_numpy(np.array(rows)).to(session.open_device()), len(fresh)
