"""What the networks promise beyond their shapes."""

import copy
from typing import TypeVar

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gcl_cli.config import Architecture
from gcl_cli.networks.discriminator import Discriminator, halve
from gcl_cli.networks.generator import DoublingConvolution, Generator
from gcl_cli.networks.identity_encoder import GeM, IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.networks.modulation import Modulation
from gcl_cli.networks.normalisation import LayerNorm, adaptive_instance_norm, instance_norm
from gcl_cli.networks.structure_encoder import StructureEncoder

Network = TypeVar("Network", IdentityEncoder, StructureEncoder, Generator, Discriminator)

SMALL = Architecture(
    trunk="resnet18",
    trunk_width=16,
    height=64,
    width=32,
    generator_width=4,
    modulation_width=16,
    discriminator_width=4,
    discriminator_scales=2,
    padding="zeros",
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(kind: type[Network], architecture: Architecture = SMALL) -> Network:
    network = kind(architecture)
    initialise(network, rng())
    return network


def pictures(count: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(count, channels, 64, 32, generator=rng(1))


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_adain_with_unit_weight_equals_instance_norm(seed: int, batch: int, channels: int) -> None:
    features = 3 * torch.randn(batch, channels, 5, 4, generator=rng(seed)) + 7
    ones = torch.ones(batch, channels)
    expected = F.instance_norm(features)
    torch.testing.assert_close(adaptive_instance_norm(features, ones, 0 * ones), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(instance_norm(features), expected, atol=1e-5, rtol=1e-5)


def test_adain_equals_the_formula_map_by_map() -> None:
    features = torch.randn(2, 3, 4, 5, generator=rng(), dtype=torch.float64)
    scale, shift = torch.randn(2, 2, 3, generator=rng(1), dtype=torch.float64)
    result = adaptive_instance_norm(features.contiguous(memory_format=torch.channels_last), scale, shift)
    for b in range(2):
        for c in range(3):
            values = features[b, c]
            variance = (values - values.mean()).square().mean()  # biased
            expected = scale[b, c] * (values - values.mean()) / (variance + 1e-5).sqrt() + shift[b, c]
            torch.testing.assert_close(result[b, c], expected)


def test_gradients_of_the_normalisations() -> None:
    features = torch.randn(2, 2, 3, 2, generator=rng(), dtype=torch.float64, requires_grad=True)
    scale, shift = (p.clone().requires_grad_() for p in torch.randn(2, 2, 2, generator=rng(1), dtype=torch.float64))
    assert torch.autograd.gradcheck(adaptive_instance_norm, (features, scale, shift))
    assert torch.autograd.gradcheck(LayerNorm(2).double(), (features,))


def test_layer_norm_by_hand() -> None:
    # Entries 0, 2, 4, 6: mean 3, unbiased deviation sqrt(20 / 3); gamma and beta are per channel.
    norm = LayerNorm(2)
    with torch.no_grad():
        norm.gamma.copy_(torch.tensor([1.0, 2.0]))
        norm.beta.copy_(torch.tensor([0.0, 5.0]))
    result = norm(torch.tensor([0.0, 2.0, 4.0, 6.0]).view(1, 2, 2, 1)).flatten()
    unit = 1 / ((20 / 3) ** 0.5 + 1e-5)
    torch.testing.assert_close(result, torch.tensor([-3 * unit, -unit, 5 + 2 * unit, 5 + 6 * unit]))


def test_generalised_mean_by_hand() -> None:
    pool = GeM()
    assert pool(torch.tensor([1.0, 2.0, 3.0, 0.0]).view(1, 1, 2, 2)).item() == pytest.approx(9 ** (1 / 3))
    with torch.no_grad():
        pool.p.fill_(1)
    assert pool(torch.tensor([1.0, 2.0, 3.0, 0.0]).view(1, 1, 2, 2)).item() == pytest.approx(1.5)


def test_part_code_is_the_mean_of_each_stripe() -> None:
    encoder = built(IdentityEncoder).eval()
    code = encoder(pictures())
    features = encoder.trunk(pictures())  # [2, 128, 4, 2]: one row a stripe
    torch.testing.assert_close(code.parts, features.mean(dim=3))
    assert code.parts.min() >= 0


def test_bias_of_the_bnneck_is_held_at_zero() -> None:
    encoder = built(IdentityEncoder)
    encoder(pictures()).embedding.square().sum().backward()
    assert encoder.head.norm.bias.grad is None and not encoder.head.norm.bias.any()
    assert encoder.head.norm.weight.grad is not None


@pytest.mark.parametrize("stripe", range(4))
def test_with_stripe_layout_a_stripe_changes_only_its_own_block(stripe: int) -> None:
    generator = built(Generator)
    parts = torch.rand(2, 128, 4, generator=rng(1))
    changed = parts.clone()
    changed[:, :, stripe] += 1
    for before, after in zip(generator.modulation(parts), generator.modulation(changed), strict=True):
        moved = (before != after).flatten(2).any(dim=2)  # [B, 4]
        assert moved.tolist() == [[block == stripe for block in range(4)]] * 2


def test_with_channel_major_layout_a_block_sees_a_quarter_of_the_channels_of_all_stripes() -> None:
    generator = built(Generator, SMALL.model_copy(update={"part_layout": "channel_major"}))
    parts = torch.rand(1, 128, 4, generator=rng(1))
    for channel, stripe in [(0, 3), (31, 0), (32, 2), (127, 1)]:
        changed = parts.clone()
        changed[:, channel, stripe] += 1
        moved = (generator.modulation(parts).scale != generator.modulation(changed).scale).flatten(2).any(dim=2)
        assert moved[0].nonzero().flatten().tolist() == [channel // 32]
    flat = torch.stack([parts[0, entry // 4, entry % 4] for entry in range(128, 256)])  # entry = 4 * channel + stripe
    expected = generator.modulator.scale[1](flat).view(2, -1)
    torch.testing.assert_close(generator.modulation(parts).scale[0, 1], expected)


def test_first_half_of_the_parameters_drives_the_first_norm() -> None:
    generator = built(Generator)
    parts = torch.rand(1, 128, 4, generator=rng(1))
    whole = generator.modulator.shift[2](parts[:, :, 2])  # [1, 2 * C]
    torch.testing.assert_close(generator.modulation(parts).shift[:, 2].flatten(1), whole)


def test_merged_decodes_equal_single_ones() -> None:
    structure, generator = built(StructureEncoder), built(Generator)
    first, second = pictures(channels=1), -pictures(channels=1)
    modulation = generator.modulation(torch.rand(2, 128, 4, generator=rng(1)))
    twice = Modulation(*(torch.cat([part, part]) for part in modulation))
    merged = generator(structure(torch.cat([first, second])), twice)
    alone = torch.cat([generator(structure(first), modulation), generator(structure(second), modulation)])
    torch.testing.assert_close(merged, alone, atol=1e-5, rtol=1e-4)


def test_downscaling_does_not_count_padding() -> None:
    assert torch.equal(halve(torch.ones(1, 3, 8, 4)), torch.ones(1, 3, 4, 2))
    corner = halve(torch.arange(16.0).view(1, 1, 4, 4))[0, 0, 0, 0]
    assert corner.item() == (0 + 1 + 4 + 5) / 4


def test_scales_of_the_discriminator_are_independent() -> None:
    discriminator = built(Discriminator)
    real = pictures()
    maps = discriminator(real)
    with torch.no_grad():
        discriminator.scales[1][0].weight.add_(0.1)
    again = discriminator(real)
    assert torch.equal(maps[0], again[0]) and not torch.equal(maps[1], again[1])
    torch.testing.assert_close(again[1], discriminator.scales[1](halve(real)))


def test_frozen_identity_encoder_passes_gradients_and_stays_bit_identical() -> None:
    encoder, generator, structure = built(IdentityEncoder), built(Generator), built(StructureEncoder)
    encoder.eval().requires_grad_(False)
    before = copy.deepcopy(encoder.state_dict())
    target = encoder(pictures()).parts
    made = generator(structure(pictures(channels=1)), generator.modulation(target))
    (encoder(made).parts - target).abs().mean().backward()
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert all(parameter.grad is None for parameter in encoder.parameters())
    norms = [p.grad.norm() for p in generator.painter.parameters() if p.grad is not None]
    assert len(norms) == len(list(generator.painter.parameters())) and max(norms) > 0


def everything(dtype: torch.dtype, layout: torch.memory_format) -> list[Tensor]:
    """Outputs of all four networks, computed in `dtype` under autocast where that is bf16."""
    encoder, structure = built(IdentityEncoder), built(StructureEncoder)
    generator, discriminator = built(Generator), built(Discriminator)
    for network in (encoder, structure, generator, discriminator):
        network.to(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        code = encoder(pictures(4).contiguous(memory_format=layout))
        modulation = generator.modulation(code.parts)
        made = generator(structure(pictures(4, 1)), modulation)
        return [*code, *modulation, made, *discriminator(made)]


def test_autocast_and_channels_last_give_the_same_in_32_bits() -> None:
    plain = everything(torch.float32, torch.contiguous_format)
    for one, two in zip(plain, everything(torch.float32, torch.channels_last), strict=True):
        torch.testing.assert_close(one, two, atol=1e-3, rtol=1e-3)
    for one, two in zip(plain, everything(torch.bfloat16, torch.channels_last), strict=True):
        assert two.dtype == torch.float32
        assert F.cosine_similarity(one.flatten(), two.flatten(), dim=0) > 0.95


@pytest.mark.parametrize("padding", ["reflect", "zeros"])
@given(st.integers(2, 5), st.integers(2, 5), st.integers(1, 3), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_doubling_at_the_size_that_comes_in_is_upsampling_and_a_convolution(padding, height, width, channels, seed):
    layer = DoublingConvolution(channels, 3, padding).double()
    torch.nn.init.normal_(layer.weight, generator=rng(seed))
    features = torch.randn(2, channels, height, width, generator=rng(seed + 1), dtype=torch.float64)
    mode = {"reflect": "reflect", "zeros": "constant"}[padding]
    upsampled = [features.clone().requires_grad_(True) for _ in range(2)]
    plain = F.interpolate(upsampled[0], scale_factor=2, mode="nearest")
    plain = F.conv2d(F.pad(plain, (2, 2, 2, 2), mode=mode), layer.weight, layer.bias)
    fast = layer(upsampled[1])
    assert torch.allclose(fast, plain, rtol=0, atol=1e-12)
    change = torch.randn(plain.shape, generator=rng(seed + 2), dtype=torch.float64)
    wanted = torch.autograd.grad(plain, [upsampled[0], *layer.parameters()], change)
    found = torch.autograd.grad(fast, [upsampled[1], *layer.parameters()], change)
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-10)
