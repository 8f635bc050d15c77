"""`gcl cluster`: an encoder's features -> pseudo labels, and how far they can be trusted."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.formats import read_labels, write_labels
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.clustering.agreement import adjusted_rand_index
from gcl_cli.clustering.cohesion import Cohesion, cohesion
from gcl_cli.clustering.corrections import corrected
from gcl_cli.clustering.pseudo_labels import asked_distance, cluster_distance, comparable_features
from gcl_cli.commands.cluster.fitting import require_memory, require_memory_for_pairs
from gcl_cli.commands.cluster.sheet import draw_clusters
from gcl_cli.config import Architecture, CorrectedSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.datasets.dataset import camera_numbers
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.errors import GclError
from gcl_cli.following.loop import complete_already
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.corrections import corrections_digest, read_corrections
from gcl_cli.people.data import WorkData, open_data
from gcl_cli.records import Corrections, PseudoLabels, Sample
from gcl_cli.session import Session
from gcl_cli.training.epoch_clusters import cluster_values
from gcl_cli.training.features import embed
from gcl_cli.weights.starting_weights import open_encoder

Labels = dict[str, int]  # picture -> label


def previous_labels(work: WorkFolder, previous: str | None, *, name: str) -> Labels | None:
    """The labels of FILE or cluster/NAME; not named: those that this run takes the place of; None: there are none."""
    if previous is None:
        path = work.artifact(f"cluster/{name}") / "labels.csv"
        return _labels(path) if path.exists() else None
    if Path(previous).is_file():
        return _labels(Path(previous))
    if previous.partition("/")[0] != "cluster":
        problem = f"--previous {previous} is neither a file nor a clustering."
        raise GclError(problem, "Name a labels.csv, or cluster/NAME")
    return _labels(read_artifact(work, previous).folder / "labels.csv")


def agreement(names: Sequence[str], labels: np.ndarray, previous: Labels | None) -> dict[str, Any]:
    """`agreement`: the adjusted Rand index with earlier labels, over the `agreement_pictures` that both have."""
    shared = [row for row, name in enumerate(names) if previous is not None and name in previous]
    if previous is None or len(shared) < 2:
        return {"agreement": None, "agreement_pictures": len(shared)}
    earlier = np.array([previous[names[row]] for row in shared])
    return {"agreement": adjusted_rand_index(earlier, labels[shared]), "agreement_pictures": len(shared)}


def _labels(path: Path) -> Labels:
    names, labels = read_labels(path)
    return dict(zip(names, labels.tolist(), strict=True))


CHUNK = 4096  # pictures decoded at a time: the training set need not fit in memory


def run(
    session: Session,
    encoder: str | None,
    chosen: dict[str, Any],
    *,
    init: str | None = None,
    previous: str | None = None,
) -> dict[str, Any]:
    """Cluster the training pictures; returns counts and shares.

    init: an encoder's weights from elsewhere; previous: labels to compare with (a labels.csv, or cluster/NAME), by
    default those that this run takes the place of.
    """
    work = session.folder
    opened = open_data(session, None)
    samples = opened.split("train")
    names = [sample.name for sample in samples]
    source = open_encoder(work, encoder=encoder, init=init, stages=("joint", "warmup"))
    settings = settings_for(CorrectedSettings, "cluster", source.preset, chosen)
    inputs = {"dataset": opened.digest, **source.inputs, **corrections_digest(settings.corrections)}
    compared = {"previous": previous} if previous else {}
    job = Run(work, "cluster", session.name, {"encoder": source.reference, **compared, **settings.model_dump()}, inputs)
    if result := complete_already(job, restart=session.restart):
        return result
    corrections = read_corrections(settings.corrections, names)
    earlier = previous_labels(work, previous, name=session.name)
    network = source.load(session.open_device())
    require_memory(len(samples), dimension=network.embedding_size, k1=settings.k1)
    with job.begin(restart=session.restart):
        features, cameras = _embed(network, opened, source.architecture, session), _cameras(samples)
        found, trust = _cluster(features, cameras, corrections, settings)
        write_labels(job.folder / "labels.csv", names, found.labels, trust.doubt)
        write_json(job.folder / "clusters.json", _clusters(found, trust, samples))
        draw_clusters(job.folder / "clusters.png", opened.root, samples, found.labels, trust)
        result = {"encoder": source.reference, "pictures": len(samples), **cluster_values(found, cameras)}
        result |= {"suspicious": int(trust.suspicious.sum()), **agreement(names, found.labels, earlier)}
        result["sheet"] = str(job.final / "clusters.png")
        return job.publish(result).manifest.result


def _embed(network: IdentityEncoder, opened: WorkData, architecture: Architecture, session: Session) -> Tensor:
    """Unit features [N, D] of the training pictures."""
    names, rows = opened.names("train"), []
    for start in range(0, len(names), CHUNK):
        pictures = read_pictures(
            opened.root, names[start : start + CHUNK],
            height=architecture.height, width=architecture.width, threads=session.processes,
        )  # fmt: skip
        rows.append(embed(network, pictures, precision="fp32"))
    return torch.cat(rows)


def _cameras(samples: tuple[Sample, ...]) -> Tensor | None:
    numbers = camera_numbers(samples)
    return None if (numbers < 0).any() else torch.from_numpy(numbers)


def _cluster(
    features: Tensor, cameras: Tensor | None, corrections: Corrections | None, settings: CorrectedSettings
) -> tuple[PseudoLabels, Cohesion]:
    """The corrected clusters, and how well they hold together; tells what was replaced."""
    comparable = comparable_features(features, cameras, camera_aware=settings.camera_aware)
    size, dimension = comparable.shape
    told = partial(require_memory_for_pairs, size=size, dimension=dimension, k1=settings.k1)
    distance = asked_distance(comparable, settings=settings, expect=told)
    found = cluster_distance(distance, comparable, settings=settings)
    if found.fallback:
        console.warn(found.fallback)
    found = corrected(found, features, cameras, corrections, camera_aware=settings.camera_aware)
    return found, cohesion(distance, found.labels)


def _clusters(found: PseudoLabels, trust: Cohesion, samples: tuple[Sample, ...]) -> list[dict[str, Any]]:
    """One entry a cluster: size, cameras where they are known, tightness, doubt, and the suspicious pictures."""
    entries = []
    for label in range(found.clusters):
        members = np.flatnonzero(found.labels == label)
        cameras = sorted({camera for row in members if (camera := samples[row].camera) is not None})
        doubted = members[trust.suspicious[members]]
        suspicious = [
            {"name": samples[r].name, "doubt": float(trust.doubt[r]), "nearest": int(trust.nearest_other[r])}
            for r in doubted
        ]
        tightness, doubt = float(trust.tightness[label]), float(trust.doubt[members].mean())
        entry = {"label": label, "size": len(members), "cameras": cameras or None, "tightness": tightness}
        entries.append(entry | {"doubt": doubt, "suspicious": suspicious})
    return entries
