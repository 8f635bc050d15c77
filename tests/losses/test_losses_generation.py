"""Reconstruction and adversarial losses: by hand, against plain loops, and their properties."""

import math

import pytest
import torch
from torch import Tensor, nn

from gcl_cli.losses.adversarial import (
    discriminator_adversarial,
    discriminator_logistic,
    generator_adversarial,
    generator_logistic,
    gradient_penalty,
)
from gcl_cli.losses.generation import feature_reconstruction, gan_objective, image_reconstruction


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def score_maps(seed: int, pictures: int = 2) -> list[Tensor]:
    return [random(pictures, 1, 4, 2, seed=seed), random(pictures, 1, 2, 1, seed=seed + 100)]


def test_image_reconstruction_is_the_sum_of_two_mean_absolute_errors() -> None:
    real = torch.zeros(2, 3, 4, 2)
    assert image_reconstruction(real, real + 0.25, real - 0.5).item() == pytest.approx(0.75)
    assert image_reconstruction(real, real, real).item() == 0


def test_image_reconstruction_equals_the_formula_in_plain_loops() -> None:
    real, reconstructed, cycled = random(3, 2, 3, 4, 2, seed=0)
    entries = zip(real.flatten(), reconstructed.flatten(), cycled.flatten(), strict=True)
    total = sum(abs(float(x - y)) + abs(float(x - z)) for x, y, z in entries)
    assert image_reconstruction(real, reconstructed, cycled).item() == pytest.approx(total / real.numel())


def test_feature_reconstruction_moves_the_generated_codes_and_not_the_target() -> None:
    parts, reconstructed, cycled = (code.clone().requires_grad_() for code in random(3, 2, 5, 4, seed=1))
    loss = feature_reconstruction(parts, reconstructed, cycled)
    expected = (parts - reconstructed).abs().mean() + (parts - cycled).abs().mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert parts.grad is None and reconstructed.grad is not None and cycled.grad is not None


def test_gradients_of_the_reconstructions() -> None:
    real, *others = (part.clone().requires_grad_() for part in random(3, 1, 3, 2, 2, seed=2))
    assert torch.autograd.gradcheck(image_reconstruction, (real, *others))
    target, *codes = random(3, 1, 3, 4, seed=3)
    leaves = tuple(code.clone().requires_grad_() for code in codes)
    assert torch.autograd.gradcheck(lambda *a: feature_reconstruction(target, *a), leaves)


def test_gan_objective_weighs_its_parts() -> None:
    image, feature, adversarial = torch.tensor([0.5, 0.25, 2.0])
    assert gan_objective(image, feature, adversarial, image_weight=5, feature_weight=4).item() == 5.5


def test_least_squares_by_hand() -> None:
    # One scale, two kinds of fakes: 2 (mean of (0.5 - 1)^2, (1 - 1)^2) + 0.2^2 + (-0.4)^2 = 0.25 + 0.04 + 0.16
    real = [torch.tensor([0.5, 1.0]).view(1, 1, 2, 1)]
    fakes = [[torch.full((1, 1, 2, 1), 0.2)], [torch.full((1, 1, 2, 1), -0.4)]]
    assert discriminator_adversarial(real, fakes).item() == pytest.approx(0.45)
    assert generator_adversarial(fakes).item() == pytest.approx(2 * (0.64 + 1.96))


def test_least_squares_equal_the_pairwise_formula_in_plain_loops() -> None:
    real, fakes = score_maps(0), [score_maps(1), score_maps(2), score_maps(3)]
    judged = made = 0.0
    for fake in fakes:
        for real_map, fake_map in zip(real, fake, strict=True):
            scores = list(zip(real_map.flatten().tolist(), fake_map.flatten().tolist(), strict=True))
            judged += sum(y**2 + (x - 1) ** 2 for x, y in scores) / len(scores)
            made += 2 * sum((y - 1) ** 2 for _, y in scores) / len(scores)
    assert discriminator_adversarial(real, fakes).item() == pytest.approx(judged, rel=1e-12)
    assert generator_adversarial(fakes).item() == pytest.approx(made, rel=1e-12)


def test_kinds_judged_in_one_batch_give_the_same_losses() -> None:
    fakes = [score_maps(seed) for seed in (1, 2, 3)]
    merged = [torch.cat(maps) for maps in zip(*fakes, strict=True)]
    apart = list(zip(*(scores.chunk(3) for scores in merged), strict=True))
    torch.testing.assert_close(generator_adversarial(apart), generator_adversarial(fakes))


def test_least_squares_vanish_only_at_the_targets() -> None:
    ones, zeros = [torch.ones(2, 1, 4, 2)], [torch.zeros(2, 1, 4, 2)]
    assert discriminator_adversarial(ones, [zeros]) == 0 and generator_adversarial([ones]) == 0
    assert discriminator_adversarial(zeros, [zeros]) == 1 and generator_adversarial([zeros]) == 2


def test_logistic_losses_equal_the_paper_s_logarithms() -> None:
    real, fakes = score_maps(0), [score_maps(1), score_maps(2)]
    value = 0.0
    generated = 0.0
    for fake in fakes:
        for real_map, fake_map in zip(real, fake, strict=True):
            value += float(torch.log(real_map.sigmoid()).mean())
            generated += float(torch.log(1 - fake_map.sigmoid()).mean())
    assert discriminator_logistic(real, fakes).item() == pytest.approx(-(value + generated), rel=1e-12)
    assert generator_logistic(fakes).item() == pytest.approx(generated, rel=1e-12)


def test_logistic_losses_of_an_undecided_discriminator_are_log_2_each() -> None:
    undecided = [torch.zeros(1, 1, 2, 1)]
    assert discriminator_logistic(undecided, [undecided]).item() == pytest.approx(2 * math.log(2))
    assert generator_logistic([undecided]).item() == pytest.approx(-math.log(2))


def test_gradients_of_the_adversarial_losses() -> None:
    maps = tuple(scores.requires_grad_() for scores in (*score_maps(4), *score_maps(5)))
    for loss in (discriminator_adversarial, discriminator_logistic):
        assert torch.autograd.gradcheck(lambda a, b, c, d, loss=loss: loss([a, b], [[c, d]]), maps)
    for loss in (generator_adversarial, generator_logistic):
        assert torch.autograd.gradcheck(lambda a, b, c, d, loss=loss: loss([[a, b], [c, d]]), maps)


def test_gradient_penalty_of_a_linear_judge_by_hand() -> None:
    # Scores 2 x at one scale (12 entries) and 3 x at the other: 12 * 4 + 12 * 9 for each picture.
    pictures = random(2, 3, 2, 2, seed=0).requires_grad_()
    penalty = gradient_penalty([2 * pictures, 3 * pictures], pictures)
    assert penalty.item() == pytest.approx(12 * 4 + 12 * 9)


def test_gradient_penalty_equals_one_gradient_per_picture() -> None:
    torch_generator = torch.Generator().manual_seed(0)
    judge = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 1)).double()
    for parameter in judge.parameters():
        nn.init.normal_(parameter, generator=torch_generator)
    pictures = random(3, 3, 5, 4, seed=1).requires_grad_()
    penalty = gradient_penalty([judge(pictures), judge(pictures[:, :, 1:])], pictures)
    expected = 0.0
    for cut in (0, 1):
        for picture in pictures.detach():
            alone = picture[None, :, cut:].clone().requires_grad_()
            judge(alone).sum().backward()
            assert alone.grad is not None
            expected += float(alone.grad.square().sum()) / 3
    assert penalty.item() == pytest.approx(expected, rel=1e-12)


def test_gradient_penalty_can_be_differentiated() -> None:
    pictures = random(2, 3, 2, 2, seed=2).requires_grad_()
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: gradient_penalty([w * pictures**2], pictures), (weight,))
