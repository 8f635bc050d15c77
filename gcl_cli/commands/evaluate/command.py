"""`gcl evaluate`: an encoder, query and gallery -> CMC, mAP, mINP, their intervals, and ranked lists to look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcl_cli.artifacts.embeddings import drop_embeddings
from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import Run
from gcl_cli.commands.evaluate.features import embed_split, embedder
from gcl_cli.commands.evaluate.ram import plan_memory
from gcl_cli.commands.evaluate.view_features import chosen_weight, embed_views, mixed, read_view_inputs
from gcl_cli.config import EvaluateSettings, JointSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.datasets.catalogue import resolve
from gcl_cli.datasets.dataset import require_split
from gcl_cli.errors import GclError
from gcl_cli.following.loop import complete_already
from gcl_cli.metrics.query_expansion import expand_queries
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.data import Times, WorkData, open_data, open_other, times_of
from gcl_cli.people.turning import open_view_generator
from gcl_cli.retrieval.distances import (
    Distances,
    distances_by_looks,
    distances_reranked,
    distances_with_times,
)
from gcl_cli.retrieval.figures import figures, headline, labels_of, ranked
from gcl_cli.retrieval.ranked_lists import Labels, draw_ranked_lists
from gcl_cli.retrieval.whole_gallery import lean_on_gallery, require_cameras
from gcl_cli.session import Session
from gcl_cli.weights.selected import at_selected_epoch
from gcl_cli.weights.shipped_generator import SHIPPED
from gcl_cli.weights.starting_weights import OpenedEncoder, open_encoder

# settings that stand in the name of what was measured
ADDED = ("same_camera", "flip", "even_cameras", "centralise", "temporal", "rerank", "views", "expansion")
SHEET = "ranked.png"


@dataclass(frozen=True)
class Subject:
    """What is measured, and with what."""

    source: OpenedEncoder
    data: WorkData
    settings: EvaluateSettings
    seen: Times | None  # for --temporal
    view_inputs: dict[str, str]  # what the views of --views depend on


def run(
    session: Session, dataset: str | None, encoder: str | None, chosen: dict[str, Any],
    *, init: str | None = None, generator: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Rank the gallery for every query; returns the figures.

    init: an encoder's weights from elsewhere; generator: what makes the views of `--views`.
    `--name main` (the default) stands for a name that says what was measured: `<stage>-<name>[-<data set>][-rerank]`.
    """
    work = session.folder
    source = open_encoder(work, encoder=encoder, init=init, stages=("joint", "warmup"))
    settings = settings_for(EvaluateSettings, "evaluate", source.preset, chosen)
    source = at_selected_epoch(work, source) if settings.epoch == "selected" else source
    subject = _subject(work, source, settings, _data(session, dataset), generator)
    inputs = {"dataset": subject.data.digest, **source.inputs, **subject.view_inputs}
    config = {
        "encoder": source.reference, "dataset": subject.data.dataset.name, **settings.model_dump(exclude={"memory"})
    }  # fmt: skip
    if settings.views:
        config["generator"] = next(iter(subject.view_inputs), SHIPPED)
    job = Run(work, "evaluate", _name(session.name, subject, dataset), config, inputs)
    if result := complete_already(job, restart=session.restart):
        return result
    network, labels = source.load(session.open_device()), labels_of(subject.data)
    at_once = plan_memory(*labels.sizes, network.embedding_size, source.architecture, settings)
    with job.begin(restart=session.restart):
        rows, said = _embeddings(job, subject, network, session), dict[str, Any]()
        if settings.views:
            plain, _ = ranked(labels, _distances(rows, subject, labels.cameras)[0], settings, at_once=at_once)
            said = {"without_views": headline(plain), **_mix_in_views(rows, subject, network, labels, session)}
        distances, leaning = _distances(rows, subject, labels.cameras)
        said |= leaning
        ranking, pairs = ranked(labels, distances, settings, at_once=at_once)
        result = {**_shown(config, settings), **said, **figures(subject.data, ranking, pairs, settings)}
        write_json(job.folder / "result.json", result)
        if settings.ranked:
            draw_ranked_lists(job.folder / SHEET, subject.data, labels, ranking, distances, settings.ranked)
            result["sheet"] = str(job.final / SHEET)
        return job.publish(result, seed=settings.seed).manifest.result


def _subject(
    work: WorkFolder, source: OpenedEncoder, settings: EvaluateSettings, data: WorkData, generator: str | None
) -> Subject:
    require_split(data.dataset, "query")
    require_split(data.dataset, "gallery")
    if generator is not None and not settings.views:
        raise GclError(f"--generator {generator}: nothing is generated here.", "Add --views, or leave it out.")
    names = [sample.name for split in ("query", "gallery") for sample in data.split(split)]
    require_cameras(labels_of(data).cameras, names, settings)
    inputs = read_view_inputs(work, generator) if settings.views else {}
    return Subject(source, data, settings, times_of(data) if settings.temporal else None, inputs)


def _data(session: Session, dataset: str | None) -> WorkData:
    if dataset is None:
        return open_data(session, None)
    return open_other(
        resolve(dataset, Path(session.data_root)),
        allow_subset=session.allow_subset, camera_from=session.camera_from, person_from=session.person_from,
    )  # fmt: skip


def _name(asked: str, subject: Subject, dataset: str | None) -> str:
    if asked != "main":
        return asked
    own = [subject.data.dataset.name] if dataset else []
    added = (word.replace("_", "-") for word in ADDED if getattr(subject.settings, word))
    return "-".join([subject.source.label, *own, *added])


def _distances(rows: dict[str, Tensor], subject: Subject, cameras: Tensor) -> tuple[Distances, dict[str, Any]]:
    """From unit rows by split to distances, and what was found out on the way; cameras: [Q + G]."""
    query, gallery, said = lean_on_gallery(rows["query"], rows["gallery"], cameras, subject.settings)
    return _compared(query, gallery, rows, subject), said


def _compared(query: Tensor, gallery: Tensor, rows: dict[str, Tensor], subject: Subject) -> Distances:
    """The distances between unit rows; rows: by split, as they were embedded."""
    settings = subject.settings
    if settings.expansion:
        query = expand_queries(query, gallery, pictures=settings.expansion, alpha=settings.expansion_alpha)
    if subject.seen:
        return distances_with_times(query, gallery, rows["train"], subject.seen, rho=settings.temporal_rho)
    if settings.rerank:
        return distances_reranked(query, gallery, settings)
    return distances_by_looks(query, gallery)


def _embeddings(job: Run, subject: Subject, network: IdentityEncoder, session: Session) -> dict[str, Tensor]:
    """Unit embeddings [N, D] by split; their files stay in the job's folder where that is asked for."""
    features = dict.fromkeys(("query", "gallery"), embedder(network, flip=subject.settings.flip))
    if subject.seen:
        features["train"] = embedder(network)
    rows = {
        split: embed_split(
            job.folder, subject.data, split, of, subject.source.architecture, session, width=network.embedding_size
        )
        for split, of in features.items()
    }
    for split in rows:
        if split == "train" or not subject.settings.save_embeddings:
            drop_embeddings(job.folder, split)  # the mapped rows stay
    return rows


def _mix_in_views(
    rows: dict[str, Tensor], subject: Subject, network: IdentityEncoder, labels: Labels, session: Session
) -> dict[str, Any]:
    """Change the unit rows of query and gallery, in place, by their views'; returns how much these count."""
    settings, size = subject.settings, subject.source.architecture
    generator = open_view_generator(session.folder, next(iter(subject.view_inputs), None), session.open_device())
    splits, root = ("query", "gallery"), subject.data.root
    views = [
        embed_views(
            network, generator, [root / name for name in subject.data.names(split)], settings.angles,
            (size.height, size.width), what=split,
        )
        for split in splits
    ]  # fmt: skip
    weight = settings.view_weight
    if weight is None:
        own = torch.cat([rows[split] for split in splits])
        clustering = settings_for(JointSettings, "joint", subject.source.preset, {})
        weight = chosen_weight(own, torch.cat(views), labels.cameras, clustering)
    for split, of_views in zip(splits, views, strict=True):
        rows[split].copy_(mixed(rows[split], of_views, weight))
    return {"view_weight": weight}


def _shown(config: dict[str, Any], settings: EvaluateSettings) -> dict[str, Any]:
    """What of the settings had a say in the figures."""
    own = {word: (word,) for word in ADDED} | {"views": ("views", "angles", "view_weight")}
    hidden = {"save_embeddings", "ranked", "camera_pairs"}
    for name, beginnings in own.items():
        if not getattr(settings, name):
            hidden |= {key for key in config if key.startswith(beginnings)}
    return {key: value for key, value in config.items() if key not in hidden}
