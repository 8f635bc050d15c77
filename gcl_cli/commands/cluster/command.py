"""`gcl cluster`: an encoder's features -> pseudo labels, and how far they can be trusted."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts import dataset_record
from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.formats import write_labels
from gcl_cli.artifacts.manifest import CROPS
from gcl_cli.artifacts.run import Run
from gcl_cli.clustering.cohesion import Cohesion, cohesion
from gcl_cli.clustering.corrections import corrected
from gcl_cli.clustering.jaccard import SparseDistance
from gcl_cli.clustering.pseudo_labels import asked_distance, cluster_distance, comparable_features
from gcl_cli.clustering.questions import Question, questions
from gcl_cli.commands.cluster.colours import colours_of_people, people_cut_out
from gcl_cli.commands.cluster.earlier import Labels, agreement, numbered, previous_labels
from gcl_cli.commands.cluster.embedded import features_of, same_encoder
from gcl_cli.commands.cluster.fitting import require_memory, require_memory_for_pairs
from gcl_cli.commands.cluster.sheet import draw_clusters
from gcl_cli.commands.cluster.trust import Trust, facts, in_short, reliability_of, same_person, trust
from gcl_cli.config import CorrectedSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.following.loop import complete_already
from gcl_cli.people.corrections import corrections_digest, read_corrections
from gcl_cli.people.data import WorkData, known_cameras, open_crops, open_data
from gcl_cli.records import Corrections, PseudoLabels, Sample
from gcl_cli.retrieval.likeness import learn, write_likeness
from gcl_cli.session import Session
from gcl_cli.training.epoch_clusters import cluster_values
from gcl_cli.weights.starting_weights import open_encoder

ASKED = 200  # questions that are kept


def run(
    session: Session,
    encoder: str | None,
    chosen: dict[str, Any],
    *,
    data: str | None = None,
    init: str | None = None,
    previous: str | None = None,
) -> dict[str, Any]:
    """Cluster the training pictures, or those in the folder `data`; returns counts and shares.

    init: an encoder's weights from elsewhere; previous: labels to compare with (a labels.csv, or cluster/NAME), by
    default those that this run takes the place of. Where an earlier clustering of the same name is there, people keep
    their numbers, and pictures that are still the same their features.
    """
    work = session.folder
    crops = None if data is None else open_crops(session, data)
    opened = crops or open_data(session, data)
    source = open_encoder(work, encoder=encoder, init=init, stages=("joint", "warmup"))
    settings = settings_for(CorrectedSettings, "cluster", source.preset, chosen)
    render = None if crops else people_cut_out(work, opened)
    inputs = {CROPS if crops else "dataset": opened.digest, **source.inputs, **corrections_digest(settings.corrections)}
    inputs |= {render.reference: render.manifest.digest} if render else {}
    config = {"encoder": source.reference, **({"previous": previous} if previous else {}), **settings.model_dump()}
    config |= {CROPS: str(opened.root.resolve()), "camera_from": session.camera_from} if crops else {}
    job = Run(work, "cluster", _name(session, crops), config, inputs)
    if result := complete_already(job, restart=session.restart):
        return result
    corrections = read_corrections(settings.corrections, opened.names("train"), dataset_record.names_before(work))
    earlier = previous_labels(work, previous, name=job.name)
    before = None if session.restart else same_encoder(job, source.inputs)
    network = source.load(session.open_device())
    require_memory(len(opened.split("train")), dimension=network.embedding_size, k1=settings.k1)
    with job.begin(restart=session.restart):
        features, embedded = features_of(job, opened, network, source.architecture, before, session)
        cameras = known_cameras(opened.split("train"))
        colours = colours_of_people(opened, render, cameras, threads=session.processes) if render else None
        result = _label(job, opened, features, cameras, colours, corrections, settings, earlier)
        result = {"encoder": source.reference, **result} | ({"new_pictures": embedded} if before else {})
        return job.publish(result).manifest.result


def _name(session: Session, crops: WorkData | None) -> str:
    """The name of the artifact: that of another folder's pictures is the folder's."""
    if session.name != "main" or crops is None:
        return session.name
    plain = re.sub(r"[^\w-]+", "_", crops.root.resolve().name).strip("_") or "crops"
    return plain if plain != "main" else "crops"


def _label(
    job: Run, opened: WorkData, features: Tensor, cameras: Tensor | None, colours: np.ndarray | None,
    corrections: Corrections | None, settings: CorrectedSettings, earlier: Labels | None,
) -> dict[str, Any]:  # fmt: skip
    """Cluster, and write labels, clusters and the sheet; returns the figures."""
    samples, names = opened.split("train"), opened.names("train")
    found, held, distance, comparable = _cluster(features, cameras, corrections, settings)
    people = numbered(job, opened, found.labels)
    known = facts(comparable.cpu().numpy(), found.labels, held, cameras=cameras is not None, colours=colours)
    trusted = trust(known, found.labels, held.doubt)
    asked = questions(distance, found.labels, count=ASKED, two=trusted.two, same=same_person(known))
    _write_trust(
        job.folder, trusted, samples, people.of(found.labels), held.doubt, people.numbers, reliability_of(known)
    )
    likeness = learn(
        features.cpu().numpy(), found.labels, _numbers(cameras), trusted.pure,
        precision=trusted.precision.about, recall=trusted.recall.about,
    )  # fmt: skip
    write_likeness(job.folder, likeness)
    write_json(job.folder / "clusters.json", _clusters(found, held, trusted, samples, people.numbers))
    write_json(job.folder / "questions.json", _questions(asked, names, people.numbers, corrections))
    draw_clusters(job.folder / "clusters.png", opened.root, samples, found.labels, held, people.numbers)
    return {
        "pictures": len(samples), **cluster_values(found, cameras), "suspicious": int(held.suspicious.sum()),
        "judged_by": "encoder" if colours is None else "encoder, colours of people cut out",
        **in_short(trusted, people.numbers),
        **agreement(names, found.labels, earlier), **people.said, "sheet": str(job.final / "clusters.png"),
    }  # fmt: skip


def _write_trust(
    folder: Path, trusted: Trust, samples: tuple[Sample, ...], labels: np.ndarray, doubt: np.ndarray,
    numbers: np.ndarray, reliability: dict[str, Any],
) -> None:  # fmt: skip
    """`labels.csv` and `trust.json`; numbers: [K] what the clusters are called; reliability: of the scale."""
    names, cameras = [sample.name for sample in samples], [sample.camera for sample in samples]
    write_labels(folder / "labels.csv", names, labels, doubt, trusted.confidence, cameras)
    write_json(folder / "trust.json", in_short(trusted, numbers) | {"reliability": reliability})


def _questions(
    asked: list[Question], names: list[str], numbers: np.ndarray, corrections: Corrections | None
) -> list[dict[str, Any]]:
    """What to ask somebody who looks, that which is expected to put most pairs right first; nothing that was said."""
    said = set() if corrections is None else {frozenset(pair) for pair in corrections.cannot.tolist()}
    return [
        {
            "first": names[one.first], "second": names[one.second],
            "clusters": [int(numbers[cluster]) for cluster in one.clusters], "chance": one.chance, "pairs": one.pairs,
        }
        for one in asked
        if frozenset((one.first, one.second)) not in said
    ]  # fmt: skip


def _cluster(
    features: Tensor, cameras: Tensor | None, corrections: Corrections | None, settings: CorrectedSettings
) -> tuple[PseudoLabels, Cohesion, SparseDistance, Tensor]:
    """The corrected clusters, how well they hold together, the distance, and the features as they were compared.

    Tells what was replaced.
    """
    comparable = comparable_features(features, cameras, camera_aware=settings.camera_aware)
    size, dimension = comparable.shape
    told = partial(require_memory_for_pairs, size=size, dimension=dimension, k1=settings.k1)
    distance = asked_distance(comparable, settings=settings, expect=told)
    found = cluster_distance(distance, comparable, settings=settings)
    if found.fallback:
        console.warn(found.fallback)
    found = corrected(found, features, cameras, corrections, camera_aware=settings.camera_aware)
    return found, cohesion(distance, found.labels), distance, comparable


def _numbers(cameras: Tensor | None) -> np.ndarray | None:
    return None if cameras is None else cameras.numpy()


def _clusters(
    found: PseudoLabels, held: Cohesion, trusted: Trust, samples: tuple[Sample, ...], numbers: np.ndarray
) -> list[dict[str, Any]]:
    """One entry a cluster: number, size, cameras where known, tightness, doubt, and the suspicious pictures."""
    nearest = np.where(held.nearest_other >= 0, numbers[held.nearest_other], -1)
    entries = []
    for label in range(found.clusters):
        members = np.flatnonzero(found.labels == label)
        cameras = sorted({camera for row in members if (camera := samples[row].camera) is not None})
        doubted = members[held.suspicious[members]]
        suspicious = [
            {"name": samples[r].name, "doubt": float(held.doubt[r]), "nearest": int(nearest[r])} for r in doubted
        ]
        tightness, doubt = float(held.tightness[label]), float(held.doubt[members].mean())
        entry = {"label": int(numbers[label]), "size": len(members), "cameras": cameras or None, "tightness": tightness}
        chances = {"two_people": float(trusted.two[label]), "one_person_pairs": float(trusted.pure[label])}
        entries.append(entry | {"doubt": doubt, **chances, "suspicious": suspicious})
    return entries
