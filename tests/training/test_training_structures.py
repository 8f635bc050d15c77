import pytest
import torch
from training_world import CPU, HEIGHT, WIDTH, Bars, rng

from gcl_cli.errors import GclError
from gcl_cli.training.structures import angle_indices, draw_angles, own_and_new, to_signal


def test_white_background_is_plus_one_and_black_minus_one():
    assert to_signal(torch.tensor([255, 0, 51], dtype=torch.uint8), CPU).tolist() == pytest.approx([1.0, -1.0, -0.6])


def test_angles_are_found_where_they_were_rendered():
    assert angle_indices(Bars(), (45, 315, 180)).tolist() == [1, 7, 4]


def test_an_angle_that_was_not_rendered_is_named_with_the_ones_that_were():
    with pytest.raises(GclError, match=r"no angle 30; they have 0, 45") as raised:
        angle_indices(Bars(), (45, 30))
    assert "gcl render" in raised.value.fix


def test_every_turn_is_drawn_about_equally_often_and_no_other():
    turns = angle_indices(Bars(), (45, 90, 135, 180, 225, 270, 315))
    counts = draw_angles(turns, 7000, rng()).bincount(minlength=8).tolist()
    assert counts[0] == 0  # the own view is no novel view
    assert min(counts[1:]) > 850 and max(counts[1:]) < 1150


def test_own_view_is_angle_zero_and_new_view_the_angle_asked_for():
    bars = Bars()
    rows, turns = torch.tensor([5, 2]), torch.tensor([3, 7])
    own, new = own_and_new(bars, rows, turns, CPU)
    assert bars.asked == [([5, 2], [0, 0]), ([5, 2], [3, 7])]
    assert own.shape == new.shape == (2, 1, HEIGHT, WIDTH)
    assert torch.equal(own, to_signal(bars(rows, torch.tensor([0, 0])), CPU))
    assert torch.equal(new, to_signal(bars(rows, turns), CPU))
