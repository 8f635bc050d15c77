"""Ranking by a distance matrix that comes in blocks of rows."""

import numpy as np
import pytest

from gcl_cli.metrics.ranking import rank, rank_blocks

CHANCE = np.random.default_rng(0)
DISTANCES = CHANCE.random((23, 40))
LABELS = (
    CHANCE.integers(5, size=23),
    CHANCE.integers(3, size=23),
    CHANCE.integers(5, size=40),
    CHANCE.integers(3, size=40),
)


@pytest.mark.parametrize("rows", [1, 7, 23])
def test_blocks_of_any_size_give_the_ranking_of_the_whole_matrix(rows):
    blocks = (DISTANCES[start : start + rows] for start in range(0, 23, rows))
    chosen = {"max_rank": 10, "average_precision": "open-reid"}
    found, whole = rank_blocks(blocks, *LABELS, **chosen), rank(DISTANCES, *LABELS, **chosen)
    assert found.mean_average_precision == whole.mean_average_precision
    assert (found.cmc == whole.cmc).all() and (found.first_rank == whole.first_rank).all()
    assert found.valid_queries == whole.valid_queries
