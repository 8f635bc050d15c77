"""Painting is sampling: by hand, against a loop, its gradient, mirrored, and back again."""

import numpy as np
import pytest
import torch
from training_world import rng

from gcl_cli.body.painting import sampled
from gcl_cli.records import SUBPIXELS
from gcl_cli.training.painting import Painting, mirrored, paint, turned_back


def new_flows(count: int = 2, height: int = 12, width: int = 6) -> torch.Tensor:
    """Flows [count, 4, height, width] from anywhere in the picture, with nobody in some places."""
    ranges = ((0, (width - 1) * SUBPIXELS + 1), (0, (height - 1) * SUBPIXELS + 1), (1, 256), (0, 256))
    made = [torch.randint(*between, (count, height, width), generator=rng(i)) for i, between in enumerate(ranges)]
    flows = torch.stack(made, dim=1)
    nobody = torch.rand(count, 1, height, width, generator=rng()) < 0.3
    return torch.where(nobody, 0, flows).to(torch.int16)


def shifted(by: float, height: int = 8, width: int = 8) -> torch.Tensor:
    """A flow [1, 4, height, width] from `by` pixels further right, all of it seen; nobody where that is outside."""
    rows, columns = np.indices((height, width))
    there = (columns + by >= 0) & (columns + by <= width - 1)
    flow = np.stack([(columns + by) * SUBPIXELS, rows * SUBPIXELS, np.full_like(rows, 255), np.full_like(rows, 255)])
    return torch.from_numpy(np.rint(flow * there).astype(np.int16))[None]


def test_a_view_takes_its_colours_from_where_its_flow_says():
    """By hand: half a pixel to the right of column 2 lies the mean of columns 2 and 3."""
    picture = torch.arange(8.0).expand(1, 3, 8, 8) / 8
    view = paint(picture, shifted(0.5))
    assert torch.allclose(view[0, 0, 0], torch.tensor([0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 0]) / 8)
    assert view[0, 3, 0].tolist() == view[0, 4, 0].tolist() == [1] * 7 + [0]


def test_sampling_in_torch_is_sampling_in_numpy():
    pictures = torch.randint(256, (2, 3, 12, 6), generator=rng(), dtype=torch.uint8)
    flows = new_flows()
    views = (paint(pictures.float() / 255, flows) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    for view, picture, flow in zip(views, pictures, flows, strict=True):
        expected = sampled(picture.permute(1, 2, 0).numpy(), flow.numpy())
        assert np.abs(view.astype(int) - expected).max() <= 1
        assert np.array_equal(view[..., 3:], expected[..., 3:])


def test_a_flow_that_points_at_itself_gives_the_picture():
    pictures = torch.rand(1, 3, 8, 8, generator=rng())
    assert torch.allclose(paint(pictures, shifted(0))[:, :3], pictures, atol=1e-6)


@pytest.mark.parametrize("size", [None, (6, 4)])
def test_the_gradient_of_painting_is_that_of_finite_differences(size):
    flows = new_flows(1, 8, 4)
    flows[:, 2:] = 128  # a view is resized with weights: each must be something
    pictures = torch.rand(1, 3, 8, 4, dtype=torch.float64, generator=rng()) * 0.4 + 0.3  # nothing is clamped
    assert torch.autograd.gradcheck(lambda picture: paint(picture, flows, size)[:, :3], pictures.requires_grad_())


def test_painting_a_mirrored_picture_is_mirroring_the_painted_one():
    pictures, flows, flipped = torch.rand(2, 3, 12, 6, generator=rng()), new_flows(), torch.tensor([True, False])
    views = paint(pictures, flows)
    mirror = paint(torch.stack([pictures[0].flip(2), pictures[1]]), mirrored(flows, flipped))
    assert torch.allclose(mirror[0], views[0].flip(2), atol=1e-5) and torch.equal(mirror[1], views[1])
    assert torch.equal(mirrored(mirrored(flows, flipped), flipped), flows)


def test_what_is_changed_in_a_picture_is_changed_in_its_view():
    """Erased and darkened pictures have views that are so in the same places."""
    pictures, flows = torch.rand(1, 3, 8, 8, generator=rng()), shifted(2)
    changed = pictures * 0.5
    changed[..., 5] = 0
    view = paint(changed, flows)
    expected = paint(pictures, flows)[:, :3] * 0.5
    expected[..., 3] = 0
    assert torch.allclose(view[:, :3], expected, atol=1e-6)


def test_a_view_can_have_another_size_and_colours_do_not_fade_at_its_rim():
    flow = torch.zeros(1, 4, 16, 16, dtype=torch.int16)
    flow[:, 2:, 4:12, 4:12] = 255
    view = paint(torch.full((1, 3, 32, 32), 0.7), flow, (8, 8))
    assert view.shape == (1, 5, 8, 8)
    there = view[:, 3:4] > 0.5
    assert there.sum() == 16 and torch.allclose(view[:, :3][there.expand(-1, 3, -1, -1)], torch.tensor(0.7), atol=1e-3)


@pytest.mark.parametrize("by", [0, 2, -3, 0.5])
def test_back_is_the_other_way_round(by):
    """By hand, for a turn that moves everything sideways."""
    new, own = shifted(by), shifted(0)
    back = turned_back(own, new)
    there = back[0, 2, 0] > 0
    expected = shifted(-by)[0, 2, 0] > 0
    assert torch.equal(there, expected) if by != 0.5 else there.sum() >= 7
    columns = back[0, 0, 0][there] / SUBPIXELS
    assert torch.equal(columns, (torch.arange(8)[there] - by).clamp(0, 7))
    picture = torch.arange(8.0).expand(1, 3, 8, 8) / 8
    again = paint(paint(picture, new)[:, :3], back)[0, 0, 0]
    if by != 0.5:
        assert torch.allclose(again[there], picture[0, 0, 0][there], atol=1e-6)


def test_what_is_guessed_is_not_painted_back_and_the_nearest_of_two_counts():
    new = torch.zeros(1, 4, 1, 8, dtype=torch.int16)
    new[0, 2] = 255
    new[0, 3] = torch.tensor([255, 255, 0, 255, 255, 255, 255, 255])
    new[0, 0] = torch.tensor([7 * 8, 7 * 8, 2 * 8, 3 * 8 + 3, 3 * 8 - 2, 7 * 8, 7 * 8, 7 * 8])  # in eighths of a pixel
    back = turned_back(torch.full((1, 4, 1, 8), 255, dtype=torch.int16), new)[0, :, 0]
    assert back[2].tolist() == [0, 0, 255, 255, 255, 0, 0, 255], "2 and 4 lie within a pixel of what 3 and 4 show"
    assert back[0, 3].item() == 4 * 8 + 2, "pixel 4 shows what is a quarter left of column 3: that lies so much right"
    assert back[3, 3].item() == 255
    assert turned_back(torch.zeros(1, 4, 1, 8, dtype=torch.int16), new).abs().sum() == 0, "nobody is there"


def test_pictures_in_memory_are_painted_at_their_own_size():
    pictures = torch.randint(256, (3, 3, 16, 16), generator=rng(), dtype=torch.uint8)

    class Flows:
        angles = (0, 90)

        def __call__(self, rows, angle_index):
            return torch.cat([shifted(2.0 * int(angle)) for angle in angle_index])

    painting = Painting(Flows(), pictures)
    views = painting(torch.tensor([2, 0]), torch.tensor([0, 1]))
    assert painting.angles == (0, 90) and views.shape == (2, 4, 16, 16) and views.dtype == torch.uint8
    assert views[0, 3].min() == 255 and views[1, 3, :, -4:].float().mean() < 30
