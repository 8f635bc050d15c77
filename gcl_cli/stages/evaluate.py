"""`gcl evaluate`: an encoder, query and gallery -> CMC, mAP, mINP."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.formats import write_embeddings
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.config import Architecture, EvaluateSettings
from gcl_cli.datasets.catalogue import resolve
from gcl_cli.datasets.dataset import camera_numbers, person_numbers, require_split
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.metrics.ranking import Ranking, rank_features
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.presets import settings_for
from gcl_cli.records import RunOptions
from gcl_cli.training.devices import choose_device, set_threads
from gcl_cli.training.features import embed
from gcl_cli.workflow.data import WorkData, open_data, open_other
from gcl_cli.workflow.following import complete_already
from gcl_cli.workflow.networks import latest, load_encoder, read_encoder
from gcl_cli.workflow.sharing import cores

RANKS = (1, 5, 10, 20)
CHUNK = 4096  # pictures decoded at a time: galleries need not fit in memory


def run(options: RunOptions, dataset: str | None, encoder: str | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """Rank the gallery for every query; returns the figures.

    `--name main` (the default) stands for a name that says what was measured: `<stage>-<name>[-<data set>]`.
    """
    work = WorkFolder(Path(options.work))
    source, architecture = read_encoder(work, encoder or latest(work, ("joint", "warmup")))
    settings = settings_for(EvaluateSettings, "evaluate", source.config.get("preset", "paper"), chosen)
    data = _data(options, dataset)
    require_split(data.dataset, "query")
    require_split(data.dataset, "gallery")
    inputs = {"dataset": data.digest, source.reference: source.manifest.digest}
    config = {"encoder": source.reference, "dataset": data.dataset.name, **settings.model_dump()}
    job = Run(work, "evaluate", _name(options.name, source, dataset and data.dataset.name), config, inputs)
    if result := complete_already(job, restart=options.restart):
        return result
    set_threads(options.threads)
    network = load_encoder(source, architecture, choose_device(options.device))
    with job.begin(restart=options.restart):
        query, gallery = (_embed(network, data, split, architecture, options) for split in ("query", "gallery"))
        if settings.save_embeddings:
            for split, rows in (("query", query), ("gallery", gallery)):
                write_embeddings(job.folder, split, [sample.name for sample in data.split(split)], rows)
        result = {**config, **_figures(_rank(data, query, gallery, settings))}
        del result["save_embeddings"]
        write_json(job.folder / "result.json", result)
        return job.publish(result).manifest.result


def _data(options: RunOptions, dataset: str | None) -> WorkData:
    if dataset is None:
        return open_data(options, None)
    return open_other(resolve(dataset, Path(options.data_root)), allow_subset=options.allow_subset)


def _name(asked: str, source: Artifact, dataset: str | None) -> str:
    if asked != "main":
        return asked
    return source.reference.replace("/", "-") + (f"-{dataset}" if dataset else "")


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


def _figures(ranking: Ranking) -> dict[str, Any]:
    """The figures, as shares in percent."""
    cmc = {f"rank_{k}": 100 * float(ranking.cmc[min(k, len(ranking.cmc)) - 1]) for k in RANKS}
    return {
        "mAP": 100 * float(ranking.mean_average_precision), **cmc,
        "mINP": 100 * float(ranking.mean_inverse_negative_penalty),
        "queries": ranking.valid_queries, "skipped_queries": ranking.skipped_queries,
    }  # fmt: skip
