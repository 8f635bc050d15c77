import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.training.backdrops import composed, without_people


def test_composed_by_hand():
    painted = torch.tensor([200, 100, 0, 51], dtype=torch.uint8).view(1, 4, 1, 1)  # a fifth of it is opaque
    backdrop = torch.tensor([0.0, 50.0, 255.0]).view(1, 3, 1, 1)
    assert composed(painted, backdrop).flatten().tolist() == [40, 60, 204]


def test_opaque_people_hide_the_backdrop_and_transparent_ones_show_it():
    painted = torch.full((1, 4, 2, 1), 9, dtype=torch.uint8)
    painted[0, 3, :, 0] = torch.tensor([255, 0])
    assert composed(painted, torch.full((1, 3, 2, 1), 70.0))[0, :, :, 0].tolist() == [[9, 70]] * 3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(64, 32), (48, 20), (7, 5), (1, 1)]))
def test_a_plain_backdrop_is_restored_wherever_the_person_stood(seed, size):
    rng = torch.Generator().manual_seed(seed)
    opacity = (torch.rand(2, 1, *size, generator=rng) < 0.3).to(torch.uint8) * 255
    opacity[..., :1, :1] = 0
    clear = torch.nn.functional.max_pool2d(opacity.float(), 3, 1, 1) == 0
    pictures = torch.where(opacity > 0, 0, torch.tensor([10, 120, 250]).view(1, 3, 1, 1)).to(torch.uint8)
    filled = without_people(pictures, opacity)
    if clear.flatten(1).any(1).all():
        assert torch.allclose(filled, torch.tensor([10.0, 120.0, 250.0]).view(1, 3, 1, 1).expand_as(filled), atol=0.01)
    assert torch.equal(filled[clear.expand_as(filled)], pictures[clear.expand_as(filled)].float())


def test_what_stands_behind_a_person_is_like_what_is_beside():
    """A wall that is dark on the left and bright on the right keeps its two sides behind the person."""
    pictures = torch.zeros(1, 3, 32, 16, dtype=torch.uint8)
    pictures[..., 8:] = 200
    opacity = torch.zeros(1, 1, 32, 16, dtype=torch.uint8)
    opacity[:, :, 8:24, 4:12] = 255
    filled = without_people(pictures, opacity)[0, 0]
    assert filled[16, 4] < 80 < 120 < filled[16, 11]


def test_a_picture_that_is_all_person_has_no_backdrop_but_is_no_error():
    filled = without_people(torch.full((1, 3, 8, 4), 90, dtype=torch.uint8), torch.full((1, 1, 8, 4), 255).byte())
    assert torch.isfinite(filled).all()
