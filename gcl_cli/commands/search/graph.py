"""The nearest rows of a table too large to compare with all of them: through a graph of neighbours (HNSW).

usearch builds the graph once for each state of an index. It leads to some rows that are likely to be the nearest; these
are compared exactly, so that what is listed has its true similarity, and only a row that was not met can be missed.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.embeddings import EmbeddingTable
from gcl_cli.artifacts.manifest import MANIFEST, read_artifact, read_manifest
from gcl_cli.artifacts.run import Run
from gcl_cli.retrieval.nearest import nearest_rows

GRAPH = "graph.usearch"
METRIC, STORED = "cos", "f16"
ADDED = 1 << 14  # rows added together
MET = 8  # times as many rows are compared as are asked for,
AT_LEAST = 256  # or so many


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("usearch") is not None


def near_rows(
    index: Run, table: EmbeddingTable, queries: np.ndarray, *, top: int, left_out: Sequence[int | None], threads: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """As `nearest_rows`, of the rows that the graph of this index leads to; the graph is built where it is not there.

    index: the run that made the table. queries: [Q, D] float32, unit rows.
    """
    from usearch.index import Index

    count = max(AT_LEAST, MET * (top + 1))
    graph = Index(ndim=table.embeddings.shape[1], metric=METRIC, dtype=STORED, expansion_search=count)
    graph.view(str(_updated(index, table, threads) / GRAPH))
    found = []
    for query, row in zip(queries, left_out, strict=True):
        met = np.sort(graph.search(query, count, threads=threads).keys.astype(np.int64))
        place = None if row is None or row not in met else int(met.searchsorted(row))
        ((near, cosines),) = nearest_rows(query[None], table.embeddings[met], top=top, left_out=[place])
        found.append((met[near], cosines))
    return found


def _updated(index: Run, table: EmbeddingTable, threads: int) -> Path:
    """The folder of the graph of this very table."""
    from usearch.index import Index

    reference = f"{index.stage}/{index.name}"
    inputs = {reference: read_manifest(index.final).digest}
    job = Run(index.work, index.stage, f"{index.name}-graph", {"of": reference}, inputs)
    if (job.final / MANIFEST).exists() and read_manifest(job.final).inputs == inputs:
        return read_artifact(job.work, f"{job.stage}/{job.name}").folder
    with job.begin(restart=True), console.meter("graph", len(table)) as meter:
        graph = Index(ndim=table.embeddings.shape[1], metric=METRIC, dtype=STORED)
        for start in range(0, len(table), ADDED):
            rows = np.asarray(table.embeddings[start : start + ADDED])
            graph.add(np.arange(start, start + len(rows)), rows, threads=threads)
            meter.advance(len(rows))
        graph.save(str(job.folder / GRAPH))
        return job.publish({"pictures": len(table)}).folder
