import math

import pytest
import torch

from gcl_cli.metrics import query_expansion
from gcl_cli.metrics.query_expansion import expand_queries


def test_hand_worked_average_query_expansion():
    query = torch.tensor([[1.0, 0.0]])
    gallery = torch.tensor([[0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]])
    found = expand_queries(query, gallery, pictures=1, alpha=0.0)  # (1, 0) + (.6, .8) = (1.6, .8)
    torch.testing.assert_close(found, torch.tensor([[1.6, 0.8]]) / math.hypot(1.6, 0.8))


def test_hand_worked_alpha_query_expansion():
    query = torch.tensor([[1.0, 0.0]])
    gallery = torch.tensor([[0.0, 1.0], [0.6, 0.8]])
    found = expand_queries(query, gallery, pictures=2, alpha=3.0)  # (1, 0) + .6^3 (.6, .8) + 0
    expected = torch.tensor([[1 + 0.216 * 0.6, 0.216 * 0.8]])
    torch.testing.assert_close(found, expected / expected.norm())


def test_pictures_that_point_away_are_not_added():
    query, gallery = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0], [-0.6, 0.8]])
    torch.testing.assert_close(expand_queries(query, gallery, pictures=9, alpha=3.0), query)


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_the_order_of_the_gallery_and_the_block_size_do_not_matter(alpha, monkeypatch):
    rng = torch.Generator().manual_seed(0)
    unit = torch.nn.functional.normalize
    query, gallery = unit(torch.randn(9, 5, generator=rng)), unit(torch.randn(40, 5, generator=rng))
    whole = expand_queries(query, gallery, pictures=4, alpha=alpha)
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(9))
    monkeypatch.setattr(query_expansion, "_BLOCK_COSINES", 80)
    shuffled = gallery[torch.randperm(40, generator=rng)]
    torch.testing.assert_close(expand_queries(query, shuffled, pictures=4, alpha=alpha), whole)
