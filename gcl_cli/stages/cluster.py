"""`gcl cluster`: an encoder's features -> pseudo labels."""

from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.formats import write_labels
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import Run
from gcl_cli.clustering.pseudo_labels import cluster_features
from gcl_cli.config import ClusterSettings
from gcl_cli.presets import settings_for
from gcl_cli.records import PseudoLabels, RunOptions, TrainingSet
from gcl_cli.training.devices import choose_device, set_threads
from gcl_cli.training.features import embed
from gcl_cli.training.pseudo_people import cluster_values
from gcl_cli.workflow.data import open_data, training_set
from gcl_cli.workflow.following import complete_already
from gcl_cli.workflow.weights.starting_weights import open_encoder


def run(options: RunOptions, encoder: str | None, chosen: dict[str, Any], *, init: str | None = None) -> dict[str, Any]:
    """Cluster the training pictures; returns counts and shares. init: an encoder's weights from elsewhere."""
    work = WorkFolder(Path(options.work))
    opened = open_data(options, None)
    source = open_encoder(work, encoder=encoder, init=init, stages=("joint", "warmup"))
    settings = settings_for(ClusterSettings, "cluster", source.preset, chosen)
    inputs = {"dataset": opened.digest, **source.inputs}
    job = Run(work, "cluster", options.name, {"encoder": source.reference, **settings.model_dump()}, inputs)
    if result := complete_already(job, restart=options.restart):
        return result
    set_threads(options.threads)
    with job.begin(restart=options.restart):
        pictures = training_set(opened, source.architecture, options)
        network = source.load(choose_device(options.device))
        features = embed(network, pictures.pictures, precision="fp32")
        found = cluster_features(features, pictures.cameras, settings=settings)
        if found.fallback:
            console.warn(found.fallback)
        write_labels(job.folder / "labels.csv", [s.name for s in opened.split("train")], found.labels)
        write_json(job.folder / "clusters.json", _clusters(found, pictures))
        result = {"encoder": source.reference, "pictures": len(pictures), **cluster_values(found, pictures.cameras)}
        return job.publish(result).manifest.result


def _clusters(found: PseudoLabels, pictures: TrainingSet) -> list[dict[str, Any]]:
    """One entry a cluster: its size, and its cameras where they are known."""
    entries = []
    for label in range(found.clusters):
        members = np.flatnonzero(found.labels == label)
        cameras = None if pictures.cameras is None else sorted(set(pictures.cameras[members].tolist()))
        entries.append({"label": label, "size": len(members), "cameras": cameras})
    return entries
