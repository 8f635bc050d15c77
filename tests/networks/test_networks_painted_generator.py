import pytest
import torch

from gcl_cli.networks.painted_generator import CHANNELS, PaintedGenerator, PaintedSizes, structures

SMALL = PaintedSizes(wide=8, middle=8, narrow=16, code=8, modulation=8)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return PaintedGenerator(SMALL)


def given(count: int = 3, height: int = 32, width: int = 16):
    rng = torch.Generator().manual_seed(1)
    structure = torch.rand(count, CHANNELS, height, width, generator=rng)
    return structure, torch.full((count,), 90.0), torch.rand(count, SMALL.code, 4, generator=rng)


@pytest.mark.parametrize(("height", "width"), [(128, 64), (64, 32), (40, 24)])
def test_it_draws_colours_and_alpha_at_the_size_of_the_structure(generator, height, width):
    drawn = generator(*given(2, height, width))
    assert drawn.shape == (2, 4, height, width)
    assert drawn.dtype == torch.float32
    assert drawn.min() >= 0 and drawn.max() <= 1


def test_the_shipped_sizes_fit_into_five_megabytes_in_half_precision():
    assert sum(value.numel() for value in PaintedGenerator().state_dict().values()) * 2 < 5_000_000


def test_at_birth_alpha_is_the_body_and_the_code_says_nothing(generator):
    structure, turn, parts = given()
    structure[:, :1] = 1.0
    structure[:, :1, :16] = 0.5  # a body in the upper half
    drawn = generator(structure, turn, parts)
    assert drawn[:, 3, :16].min() > 0.5 > drawn[:, 3, 16:].max()
    assert torch.equal(drawn, generator(structure, turn, parts.flip(0)))


def test_what_the_photograph_shows_is_kept_at_first_and_what_painting_guesses_is_not(generator):
    structure, turn, parts = given()
    for value in generator.finish.parameters():
        torch.nn.init.zeros_(value)
    structure[:, 4] = 1
    for seen, share in ((1.0, 0.881), (0.0, 0.119)):
        structure[:, 5] = seen
        drawn = generator(structure, turn, parts)[:, :3]
        assert torch.allclose(drawn, share * structure[:, 1:4] + (1 - share) * 0.5, atol=1e-3)
    structure[:, 4] = 0
    assert (generator(structure, turn, parts)[:, :3] == 0.5).all(), "of what is hidden nothing is kept"


def test_each_part_of_the_code_learns_and_changes_what_is_drawn(generator):
    structure, turn, parts = given()
    for network in generator.modulator.networks:
        torch.nn.init.normal_(network[-1].weight)
    parts.requires_grad_()
    generator(structure, turn, parts).sum().backward()
    assert (parts.grad.abs().sum((0, 1)) > 0).all()


def test_the_turn_is_told(generator):
    structure, _, parts = given()
    left, right = (generator(structure, torch.full((3,), turn), parts) for turn in (90.0, 270.0))
    assert not torch.allclose(left, right)
    assert torch.allclose(left, generator(structure, torch.full((3,), 450.0), parts), atol=1e-4)


def test_the_appearance_of_a_person_does_not_hang_on_what_is_behind_them(generator):
    rng = torch.Generator().manual_seed(2)
    photograph, opacity = torch.rand(1, 3, 128, 64, generator=rng), torch.zeros(1, 1, 128, 64)
    opacity[..., :16] = 1
    elsewhere = photograph.clone()
    elsewhere[..., 48:] = 0
    own = generator.appearance(photograph, opacity)
    assert own.shape == (1, SMALL.code, 4)
    assert torch.allclose(own, generator.appearance(elsewhere, opacity), atol=1e-2)
    assert not torch.allclose(own, generator.appearance(photograph.flip(-1), opacity), atol=1e-2)
    assert generator.appearance(photograph, torch.zeros_like(opacity)).isfinite().all(), "nobody: no division by nought"


def test_an_appearance_knows_where_it_saw_something(generator):
    grey = torch.full((1, 3, 128, 64), 0.3)
    parts = generator.appearance(grey, torch.ones(1, 1, 128, 64))
    assert not torch.allclose(parts[..., 1], parts[..., 2], atol=1e-3), "far from borders, of one and the same grey"


def test_a_structure_is_grey_painted_and_own_in_that_order():
    grey, painted, own = torch.full((1, 1, 8, 8), 51), torch.zeros(1, 5, 8, 8), torch.full((1, 1, 8, 8), 255)
    painted[:, 4] = 1
    channels = structures(grey, painted, own)[0, :, 0, 0]
    assert channels.tolist() == pytest.approx([0.2, 0, 0, 0, 0, 1, 1])
