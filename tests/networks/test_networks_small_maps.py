"""Convolutions over small maps: their gradients are torch's, whatever computes them."""

import pytest
import torch
from torch import nn

from gcl_cli.config import Architecture
from gcl_cli.networks import small_maps
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.small_maps import LARGEST, SmallMapConv2d, learn_small_maps, weight_gradient


@pytest.fixture(autouse=True)
def tiles(monkeypatch) -> None:
    """As on a processor with AMX."""
    monkeypatch.setattr(small_maps, "multiplies_tiles", lambda: True)


def laid_out(*shape: int, seed: int) -> torch.Tensor:
    values = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (5, 1, 2), (3, 1, 0), (7, 2, 3)])
@pytest.mark.parametrize("size", [(8, 4), (7, 9)])
def test_the_gradient_of_the_weight_is_autograds(kernel, stride, padding, size):
    features, weight = laid_out(3, 5, *size, seed=1), laid_out(6, 5, kernel, kernel, seed=2).requires_grad_()
    out = nn.functional.conv2d(features, weight, None, stride, padding)
    gradient = laid_out(*out.shape, seed=3)
    out.backward(gradient)
    found = weight_gradient(gradient, features, kernel, stride, padding)
    assert torch.allclose(found, weight.grad, rtol=1e-12, atol=1e-12)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_one_picture_and_one_channel_are_no_exception():
    features, gradient = laid_out(1, 1, 3, 3, seed=1), laid_out(1, 1, 3, 3, seed=2)
    expected = torch.ops.aten.convolution_backward(
        gradient, features, laid_out(1, 1, 3, 3, seed=3), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1,
        (False, True, False),
    )[1]  # fmt: skip
    assert torch.allclose(weight_gradient(gradient, features, 3, 1, 1), expected)


def gradients(convolution: nn.Conv2d, size: tuple[int, int]) -> list[torch.Tensor]:
    features = laid_out(4, 8, *size, seed=1).float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = convolution(features)
    out.float().square().sum().backward()
    return [out, features.grad, convolution.weight.grad]


@pytest.mark.parametrize("stride", [1, 2])
def test_a_training_in_bfloat16_finds_what_torchs_convolution_finds(stride):
    torch.manual_seed(0)
    plain = nn.Conv2d(8, 16, 3, stride, 1, bias=False)
    own = nn.Conv2d(8, 16, 3, stride, 1, bias=False)
    own.load_state_dict(plain.state_dict())
    learn_small_maps(own)
    assert isinstance(own, SmallMapConv2d)
    first, second = gradients(plain, (8, 4)), gradients(own, (8, 4))
    assert torch.equal(first[0], second[0])
    for torchs, found in zip(first[1:], second[1:], strict=True):
        assert found.dtype == torchs.dtype == torch.float32
        assert torch.allclose(found, torchs, rtol=0.02, atol=0.01 * float(torchs.abs().max()))


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """Grows by one whenever the gradient of a weight is computed here."""
    calls: list[int] = []

    def counted(gradient, *rest):
        calls.append(1)
        return weight_gradient(gradient, *rest)

    monkeypatch.setattr(small_maps, "weight_gradient", counted)
    return calls


def test_small_maps_alone_are_computed_here(computed):
    convolution = nn.Conv2d(8, 16, 3, 1, 1, bias=False)
    learn_small_maps(convolution)
    gradients(convolution, (LARGEST // 4, 4))
    assert len(computed) == 1
    gradients(convolution, (LARGEST // 4 + 1, 4))
    convolution(laid_out(1, 8, 8, 4, seed=1).float()).sum().backward()  # in 32 bits torch is the faster
    assert len(computed) == 1


def test_without_amx_torch_computes_them(computed, monkeypatch):
    monkeypatch.setattr(small_maps, "multiplies_tiles", lambda: False)
    convolution = nn.Conv2d(8, 16, 3, 1, 1, bias=False)
    learn_small_maps(convolution)
    gradients(convolution, (8, 4))
    assert not computed


def test_frozen_weights_get_no_gradient(computed):
    convolution = nn.Conv2d(8, 16, 3, 1, 1, bias=False).requires_grad_(False)
    learn_small_maps(convolution)
    features = laid_out(2, 8, 8, 4, seed=1).bfloat16().requires_grad_()
    convolution.bfloat16()(features).sum().backward()
    assert not computed
    assert features.grad is not None


def test_resnets_learn_by_them_and_keep_their_weights(computed):
    encoder = IdentityEncoder(Architecture(trunk="resnet18", trunk_width=16, height=128, width=64))
    assert "trunk.layer4.1.conv2.weight" in encoder.state_dict()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embedding = encoder(torch.randn(4, 3, 128, 64)).embedding
    embedding.square().sum().backward()
    assert len(computed) == 8  # two stages of maps of 8 x 4, two blocks each, two convolutions each
