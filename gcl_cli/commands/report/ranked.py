"""Ranked lists: queries that went right and wrong, and what was found for them."""

from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from gcl_cli.artifacts.embeddings import embeddings_file
from gcl_cli.artifacts.formats import read_names
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.commands.report.album import Album, Picture
from gcl_cli.commands.report.embedded import Eye
from gcl_cli.config import EvaluateSettings, ReportSettings
from gcl_cli.datasets.dataset import require_split
from gcl_cli.errors import GclError
from gcl_cli.inventory.survey import Survey
from gcl_cli.metrics.ranking import Ranking, queries_at_once
from gcl_cli.people.data import WorkData
from gcl_cli.retrieval.distances import Distances, distances_by_looks
from gcl_cli.retrieval.figures import labels_of, ranked
from gcl_cli.retrieval.ranked_lists import Labels, first_found

RANKS = 10  # pictures of a list
PLAIN = EvaluateSettings(bootstrap=0, camera_pairs=False)  # by looks alone, without what the page does not show
OTHERWISE = (
    "temporal",
    "rerank",
    "views",
    "expansion",
    "flip",
    "even_cameras",
    "centralise",
)  # settings with which embeddings or order are others


@dataclass(frozen=True)
class Match:
    """One picture of the gallery in a list."""

    rank: int
    picture: Picture
    name: str
    camera: str
    right: bool


@dataclass(frozen=True)
class RankedQuery:
    """A query and the first pictures of its gallery, junk left out."""

    name: str
    picture: Picture
    camera: str
    right: bool  # whether the first picture is
    average_precision: str
    first_rank: int
    matches: tuple[Match, ...]


@dataclass(frozen=True)
class RankedLists:
    """The lists shown, and how many queries there are of each kind."""

    encoder: str
    wrong: int
    right: int
    lists: tuple[RankedQuery, ...]


def ranked_lists(
    work: WorkFolder, found: Survey, data: WorkData, eye: Eye, settings: ReportSettings, album: Album
) -> RankedLists:
    """The queries of lowest average precision among those that went wrong, and some that went right.

    GclError where the data set has no labelled query and gallery, or is too large to embed it for a page.
    """
    require_split(data.dataset, "query")
    require_split(data.dataset, "gallery")
    labels = labels_of(data)
    query, gallery = (_embeddings(work, found, data, eye, split, settings) for split in ("query", "gallery"))
    distances = distances_by_looks(query, gallery)
    ranking, _ = ranked(labels, distances, PLAIN, at_once=queries_at_once(len(gallery)))
    wrong, right = chosen_queries(ranking, settings.queries)
    shown = [_list(row, data, labels, ranking, distances, album) for row in (*wrong, *right)]
    return RankedLists(
        eye.source.reference, int((ranking.first_rank > 1).sum()), int((ranking.first_rank == 1).sum()), tuple(shown)
    )


def chosen_queries(ranking: Ranking, count: int) -> tuple[list[int], list[int]]:
    """At most `count` queries whose first picture is wrong, worst first, and as many whose first is right: rows.

    Those that went right are spread from the lowest average precision to the highest.
    """
    order = np.argsort(ranking.average_precision, kind="stable")
    wrong = [row for row in order.tolist() if ranking.first_rank[row] > 1]
    right = [row for row in order.tolist() if ranking.first_rank[row] == 1]
    places = np.linspace(0, len(right) - 1, min(count, len(right))).round().astype(int)
    return wrong[:count], [right[place] for place in places]


def _embeddings(
    work: WorkFolder, found: Survey, data: WorkData, eye: Eye, split: str, settings: ReportSettings
) -> Tensor:
    """Unit rows [N, D] of a split: those that an evaluation kept, or made now where they are few."""
    names = data.names(split)
    for entry in found.entries:
        config, folder = entry.found.config, entry.found.folder
        if (
            entry.found.stage == "evaluate" and entry.state == "fresh" and config.get("epoch") == "last"
            and (config.get("encoder"), config.get("dataset")) == (eye.source.reference, data.dataset.name)
            and not any(config.get(name) for name in OTHERWISE) and embeddings_file(folder, split).is_file()
            and read_names(folder, split) == names
        ):  # fmt: skip
            read_artifact(work, entry.reference)  # whole
            return load_file(embeddings_file(folder, split))["embeddings"]
    pictures = len(data.split("query")) + len(data.split("gallery"))
    if pictures > settings.embed_at_most:
        raise GclError(
            f"No evaluation kept the embeddings of {pictures:,} query and gallery pictures, too many to embed here.",
            f"gcl evaluate --encoder {eye.source.reference} --set save_embeddings=true --restart "
            f"(or gcl report --set embed_at_most={pictures})",
        )
    return torch.from_numpy(eye.features(eye.pictures(data, names)))


def _list(
    row: int, data: WorkData, labels: Labels, ranking: Ranking, distances: Distances, album: Album
) -> RankedQuery:
    found = first_found(labels, distances, row, RANKS)
    query, gallery = data.split("query")[row], data.split("gallery")
    right = labels.gallery_persons[found] == labels.query_persons[row]
    matches = tuple(
        Match(
            rank, album.photograph(gallery[column].name, _said(rank, bool(is_right), gallery[column].name)),
            gallery[column].name, _camera(labels.gallery_cameras[column]), bool(is_right),
        )
        for rank, (column, is_right) in enumerate(zip(found.tolist(), right, strict=True), start=1)
    )  # fmt: skip
    return RankedQuery(
        query.name, album.photograph(query.name, f"query {query.name}"), _camera(labels.query_cameras[row]),
        bool(ranking.first_rank[row] == 1), f"{100 * ranking.average_precision[row]:.1f}",
        int(ranking.first_rank[row]), matches,
    )  # fmt: skip


def _said(rank: int, right: bool, name: str) -> str:
    return f"rank {rank}, {'the same person' if right else 'another person'}: {name}"


def _camera(number: int) -> str:
    return "camera unknown" if number == -1 else f"camera {number}"
