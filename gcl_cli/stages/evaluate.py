"""`gcl evaluate`: an encoder, query and gallery -> CMC, mAP, mINP."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.formats import write_embeddings
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import Run
from gcl_cli.clustering.blocks import feature_distance
from gcl_cli.clustering.percentile import cluster_slots, percentile_dbscan
from gcl_cli.clustering.temporal import joint_distance_blocks, time_distribution
from gcl_cli.config import Architecture, EvaluateSettings
from gcl_cli.datasets.catalogue import resolve
from gcl_cli.datasets.dataset import camera_numbers, person_numbers, require_split
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.metrics.ranking import Ranking, rank_blocks, rank_features
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.presets import settings_for
from gcl_cli.records import RunOptions
from gcl_cli.training.devices import choose_device, set_threads
from gcl_cli.training.features import embed
from gcl_cli.workflow.data import Times, WorkData, open_data, open_other, times_of
from gcl_cli.workflow.following import complete_already
from gcl_cli.workflow.sharing import cores
from gcl_cli.workflow.weights.starting_weights import OpenedEncoder, open_encoder

RANKS = (1, 5, 10, 20)
CHUNK = 4096  # pictures decoded at a time: galleries need not fit in memory


def run(
    options: RunOptions, dataset: str | None, encoder: str | None, chosen: dict[str, Any], *, init: str | None = None
) -> dict[str, Any]:
    """Rank the gallery for every query; returns the figures. init: an encoder's weights from elsewhere.

    `--name main` (the default) stands for a name that says what was measured: `<stage>-<name>[-<data set>]`.
    """
    work = WorkFolder(Path(options.work))
    source = open_encoder(work, encoder=encoder, init=init, stages=("joint", "warmup"))
    settings = settings_for(EvaluateSettings, "evaluate", source.preset, chosen)
    data = _data(options, dataset)
    require_split(data.dataset, "query")
    require_split(data.dataset, "gallery")
    seen = times_of(data) if settings.temporal else None
    inputs = {"dataset": data.digest, **source.inputs}
    config = {"encoder": source.reference, "dataset": data.dataset.name, **settings.model_dump()}
    name = _name(options.name, source, dataset and data.dataset.name, settings)
    job = Run(work, "evaluate", name, config, inputs)
    if result := complete_already(job, restart=options.restart):
        return result
    set_threads(options.threads)
    network = source.load(choose_device(options.device))
    with job.begin(restart=options.restart):
        query, gallery = (_embed(network, data, split, source.architecture, options) for split in ("query", "gallery"))
        if settings.save_embeddings:
            for split, rows in (("query", query), ("gallery", gallery)):
                write_embeddings(job.folder, split, [sample.name for sample in data.split(split)], rows)
        if seen is None:
            ranking = _rank(data, query, gallery, settings)
        else:
            training = _embed(network, data, "train", source.architecture, options)
            ranking = _rank_temporal(data, query, gallery, training, seen, settings)
        result = {**config, **_figures(ranking)}
        for unshown in ("save_embeddings",) if settings.temporal else ("save_embeddings", "temporal", "temporal_rho"):
            del result[unshown]
        write_json(job.folder / "result.json", result)
        return job.publish(result).manifest.result


def _data(options: RunOptions, dataset: str | None) -> WorkData:
    if dataset is None:
        return open_data(options, None)
    return open_other(resolve(dataset, Path(options.data_root)), allow_subset=options.allow_subset)


def _name(asked: str, source: OpenedEncoder, dataset: str | None, settings: EvaluateSettings) -> str:
    if asked != "main":
        return asked
    return source.label + (f"-{dataset}" if dataset else "") + ("-temporal" if settings.temporal else "")


def _embed(
    network: IdentityEncoder, data: WorkData, split: str, architecture: Architecture, options: RunOptions
) -> Tensor:
    """Unit embeddings [N, D] of a split."""
    names = [sample.name for sample in data.split(split)]
    rows = []
    for start in range(0, len(names), CHUNK):
        pictures = read_pictures(
            data.root, names[start : start + CHUNK],
            height=architecture.height, width=architecture.width, threads=options.threads or cores(),
        )  # fmt: skip
        rows.append(embed(network, pictures, precision="fp32").cpu())
    return torch.cat(rows)


def _rank(data: WorkData, query: Tensor, gallery: Tensor, settings: EvaluateSettings) -> Ranking:
    asked, searched = data.split("query"), data.split("gallery")
    return rank_features(
        query, gallery,
        query_persons=person_numbers(asked), gallery_persons=person_numbers(searched),
        query_cameras=camera_numbers(asked), gallery_cameras=camera_numbers(searched),
        max_rank=max(RANKS), average_precision=settings.average_precision,
    )  # fmt: skip


def _rank_temporal(
    data: WorkData, query: Tensor, gallery: Tensor, training: Tensor, seen: Times, settings: EvaluateSettings
) -> Ranking:
    """JVTC+: rank by the joint distance, with times between cameras as the clusters of the training pictures say."""
    # Paper: training features are means over camera-styled pictures. Here: those of the pictures themselves.
    found = cluster_slots(
        seen.train.slots,
        lambda rows, rho: percentile_dbscan(feature_distance(training[rows]), rho=rho, factor=1.0, min_samples=1),
        size=len(training), rho=settings.temporal_rho,
    )  # fmt: skip
    if found.fallback:
        console.warn(found.fallback)
    distribution = time_distribution(found.labels, seen.train)
    asked, searched = data.split("query"), data.split("gallery")
    return rank_blocks(
        joint_distance_blocks(query, gallery, seen.query, seen.gallery, distribution),
        query_persons=person_numbers(asked), gallery_persons=person_numbers(searched),
        query_cameras=camera_numbers(asked), gallery_cameras=camera_numbers(searched),
        max_rank=max(RANKS), average_precision=settings.average_precision,
    )  # fmt: skip


def _figures(ranking: Ranking) -> dict[str, Any]:
    """The figures, as shares in percent."""
    cmc = {f"rank_{k}": 100 * float(ranking.cmc[min(k, len(ranking.cmc)) - 1]) for k in RANKS}
    return {
        "mAP": 100 * float(ranking.mean_average_precision), **cmc,
        "mINP": 100 * float(ranking.mean_inverse_negative_penalty),
        "queries": ranking.valid_queries, "skipped_queries": ranking.skipped_queries,
    }  # fmt: skip
