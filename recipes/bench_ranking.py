"""How fast galleries are ranked and what memory that takes, on random features: python recipes/bench_ranking.py

Four measurements, CPU seconds of this process: ranking of given distances at the size of Market-1501 against a plain
version that sorts every row; the whole evaluation (distances, ranking, camera pairs) there against its matrix product;
what `--centralise` costs beside it; and a gallery of a million against its matrix product, with the peak of memory.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gcl_cli.artifacts.embeddings import new_embeddings
from gcl_cli.config import EvaluateSettings, GallerySettings
from gcl_cli.metrics.ranking import queries_at_once, rank
from gcl_cli.retrieval.distances import distances_by_looks
from gcl_cli.retrieval.figures import ranked
from gcl_cli.retrieval.ranked_lists import Labels
from gcl_cli.retrieval.whole_gallery import lean_on_gallery

MARKET = (3368, 15913, 750, 6)  # queries, gallery pictures, people, cameras
PICTURES_A_PERSON = 20  # in the large gallery


def main() -> None:
    """Run the measurements and print a line for each figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--queries", type=int, default=500)
    options.add_argument("--gallery", type=int, default=1_000_000)
    options.add_argument("--width", type=int, default=512)
    options.add_argument("--part", choices=("market", "large", "both"), default="both")
    asked = options.parse_args()
    if asked.part != "large":
        at_the_size_of_market(asked.width)
    if asked.part != "market":
        with tempfile.TemporaryDirectory() as folder:
            a_large_gallery(Path(folder), asked.queries, asked.gallery, asked.width)


def at_the_size_of_market(width: int) -> None:
    """Ranking of given distances, and the whole evaluation."""
    queries, gallery, people, cameras = MARKET
    labels = random_labels(queries, gallery, people, cameras)
    query, found = unit_rows(queries, width, 1), unit_rows(gallery, width, 2)
    distances = (-query @ found.T).numpy()
    every = (labels.query_persons, labels.query_cameras, labels.gallery_persons, labels.gallery_cameras)
    counting, ranking = timed(lambda: rank(distances, *every, max_rank=20, average_precision="open-reid"))
    sorting, plain = timed(lambda: by_sorting(distances, labels))
    assert abs(ranking.mean_average_precision - plain) < 1e-9
    say(
        f"{queries:,} x {gallery:,}, distances given: {counting:.3f} s; sorting every row {sorting:.2f} s: ",
        f"{sorting / counting:.1f}x",
    )
    against_its_product(query, found, labels)
    centralised(query, found, labels)


def a_large_gallery(folder: Path, queries: int, gallery: int, width: int) -> None:
    """The whole evaluation against a gallery on the disk."""
    labels = random_labels(queries, gallery, max(2, gallery // PICTURES_A_PERSON), 6)
    query = unit_rows(queries, width, 1)
    rows = torch.from_numpy(new_embeddings(folder, "gallery", [str(row) for row in range(gallery)], width))
    for number, start in enumerate(range(0, gallery, 1 << 15)):
        rows[start : start + (1 << 15)] = unit_rows(min(1 << 15, gallery - start), width, 2 + number)
    against_its_product(query, rows, labels)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    say(f"peak of memory, gallery of {4e-9 * gallery * width:.2f} GB included: ", f"{peak:.2f} GB")


def evaluated(query: torch.Tensor, gallery: torch.Tensor, labels: Labels, *, pairs: bool) -> Any:
    """What `gcl evaluate` does between embeddings and figures."""
    settings, distances = EvaluateSettings(camera_pairs=pairs), distances_by_looks(query, gallery)
    return ranked(labels, distances, settings, at_once=queries_at_once(len(gallery)))[0]


def against_its_product(query: torch.Tensor, gallery: torch.Tensor, labels: Labels) -> None:
    """The whole evaluation against the matrix product alone, both in the blocks that are used."""
    size = f"{len(query):,} x {len(gallery):,} x {gallery.shape[1]}"
    blocks = query.split(queries_at_once(len(gallery)))
    product, _ = timed(lambda: [len(block @ gallery.T) for block in blocks])
    for pairs in (False, True):
        whole, _ = timed(partial(evaluated, query, gallery, labels, pairs=pairs))
        said = "with camera pairs" if pairs else "without camera pairs"
        say(f"{size}, all, {said}: {whole:.2f} s; matrix product {product:.2f} s: ", f"{whole / product:.2f}x")


def centralised(query: torch.Tensor, gallery: torch.Tensor, labels: Labels) -> None:
    """What comes before the ranking with `--centralise`, from embeddings on: the command embeds the pictures, too."""
    plain, _ = timed(partial(evaluated, query, gallery, labels, pairs=True))
    more, _ = timed(lambda: lean_on_gallery(query, gallery, labels.cameras, GallerySettings(centralise=True)))
    say(f"--centralise: {more:.2f} s beside {plain:.2f} s, without embedding: ", f"{(plain + more) / plain:.2f}x")


def by_sorting(distances: np.ndarray, labels: Labels) -> float:
    """Mean average precision by sorting every row, as the published evaluations do."""
    order = np.argsort(distances, axis=1, kind="stable")
    matches = labels.gallery_persons[order] == labels.query_persons[:, None]
    precisions = []
    for row, query in zip(matches, range(len(order)), strict=True):
        kept = ~labels.removed(query)[order[query]]
        ranks = np.flatnonzero(row[kept]) + 1
        if len(ranks):
            precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean())
    return float(np.mean(precisions))


def random_labels(queries: int, gallery: int, people: int, cameras: int) -> Labels:
    """People and cameras drawn alike."""
    rng = np.random.default_rng(0)
    drawn = ((people, queries), (cameras, queries), (people, gallery), (cameras, gallery))
    return Labels(*(rng.integers(1, number + 1, size) for number, size in drawn))


def unit_rows(count: int, width: int, seed: int) -> torch.Tensor:
    """Random features of unit length."""
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a job, and what it gives."""
    begun = time.process_time()
    found = job()
    return time.process_time() - begun, found


def say(what: str, figure: str) -> None:
    """One line."""
    sys.stdout.write(f"{what}{figure}\n")


if __name__ == "__main__":
    main()
