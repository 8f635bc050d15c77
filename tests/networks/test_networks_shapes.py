"""Shapes and parameter counts of the published networks, to the unit, and of the small ones."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18, resnet50

from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.networks.discriminator import Discriminator
from gcl_cli.networks.generator import Generator
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.networks.structure_encoder import StructureEncoder
from gcl_cli.networks.trunk import load_published

PAPER = Architecture(head="projection")
TINY = Architecture(
    trunk="resnet18",
    trunk_width=32,
    height=128,
    width=64,
    generator_width=8,
    modulation_width=256,
    discriminator_width=8,
    discriminator_scales=2,
    padding="zeros",
)
TEST_SIZE = TINY.model_copy(update={"trunk_width": 16, "height": 64, "width": 32, "generator_width": 4})


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_of_the_published_networks() -> None:
    with torch.device("meta"):
        encoder, structure, generator = IdentityEncoder(PAPER), StructureEncoder(PAPER), Generator(PAPER)
        discriminator = Discriminator(PAPER)
    assert parameters(encoder.trunk) == 23_508_032
    assert parameters(encoder.head) == 1_050_112
    assert parameters(structure) == 380_544
    assert [parameters(network) for network in generator.modulator.scale] == [1_443_072] * 4
    assert [parameters(network) for network in generator.modulator.shift] == [1_443_072] * 4
    assert parameters(generator) - parameters(generator.modulator) == 1_455_555
    assert parameters(structure) + parameters(generator) == 13_380_675
    assert [parameters(network) for network in discriminator.scales] == [341_857] * 3
    assert parameters(discriminator) == 1_025_571


@torch.no_grad()
def test_shapes_of_the_published_networks() -> None:
    encoder, generator = IdentityEncoder(PAPER).eval(), Generator(PAPER)
    pictures = torch.zeros(1, 3, 256, 128)
    trunk_map = encoder.trunk(pictures)
    code = encoder(pictures)
    structure_code = StructureEncoder(PAPER)(pictures[:, :1])
    modulation = generator.modulation(code.parts)
    decoded = generator(structure_code, modulation)
    maps = Discriminator(PAPER)(decoded)
    assert trunk_map.shape == (1, 2048, 16, 8)
    assert code.parts.shape == (1, 2048, 4) and code.embedding.shape == (1, 512)
    assert structure_code.shape == (1, 128, 64, 32)
    assert modulation.scale.shape == modulation.shift.shape == (1, 4, 2, 128)
    assert modulation.scale[0].numel() == modulation.shift[0].numel() == 1024
    assert decoded.shape == pictures.shape
    assert [scores.shape for scores in maps] == [(1, 1, 64, 32), (1, 1, 32, 16), (1, 1, 16, 8)]


def test_tiny_networks_have_half_the_widths() -> None:
    encoder, structure, generator = IdentityEncoder(TINY), StructureEncoder(TINY), Generator(TINY)
    code = encoder(torch.randn(2, 3, 128, 64, generator=torch.Generator().manual_seed(0)))
    assert (encoder.part_size, encoder.embedding_size) == (256, 256)
    assert code.parts.shape == (2, 256, 4) and code.embedding.shape == (2, 256)
    assert parameters(encoder.trunk) == 2_798_880
    assert parameters(structure) == 95_424
    assert parameters(generator) == 364_259 + 8 * 164_480
    assert parameters(Discriminator(TINY)) == 2 * 21_529


@pytest.mark.parametrize("head", ["bnneck", "projection"])
@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_every_network_takes_small_pictures(head: str, padding: str) -> None:
    size = {"height": 128, "width": 64} if padding == "reflect" else {}
    small = TEST_SIZE.model_copy(update={"head": head, "padding": padding, **size})
    encoder, structure, generator = IdentityEncoder(small), StructureEncoder(small), Generator(small)
    pictures = torch.zeros(2, 3, small.height, small.width)
    code = encoder(pictures)
    decoded = generator(structure(pictures[:, :1]), generator.modulation(code.parts))
    assert code.parts.shape == (2, encoder.part_size, 4) == (2, 128, 4)
    assert code.embedding.shape == (2, encoder.embedding_size)
    assert decoded.shape == pictures.shape
    assert [scores.shape[2] for scores in Discriminator(small)(decoded)] == [small.height // 4, small.height // 8]


def test_reflection_padding_refuses_pictures_that_are_too_small() -> None:
    small = TEST_SIZE.model_copy(update={"padding": "reflect"})
    with pytest.raises(GclError, match="64x32"):
        StructureEncoder(small)
    with pytest.raises(GclError, match="padding=zeros"):
        Discriminator(small.model_copy(update={"discriminator_scales": 4}))


@pytest.mark.parametrize(("name", "reference"), [("resnet18", resnet18), ("resnet50", resnet50)])
def test_trunk_with_torchvision_weights_is_torchvision_s_resnet_with_last_stride_1(
    name: str, reference: Callable[[], nn.Module]
) -> None:
    published = reference()
    encoder = IdentityEncoder(Architecture(trunk=name, height=64, width=32))
    load_published(encoder.trunk, published.state_dict())
    for layer in published.layer4[0].modules():
        if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2):
            layer.stride = (1, 1)
    expected: list[Tensor] = []
    published.layer4.register_forward_hook(lambda module, inputs, output: expected.append(output))
    pictures = torch.randn(1, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        published.eval()(pictures)
        torch.testing.assert_close(encoder.eval().trunk(pictures), expected[0])


def test_weights_of_another_trunk_are_refused() -> None:
    with torch.device("meta"):
        encoder, weights = IdentityEncoder(TINY), resnet18().state_dict()
    with pytest.raises(GclError, match="do not fit"):
        load_published(encoder.trunk, weights)


@pytest.mark.parametrize("network", [IdentityEncoder, StructureEncoder, Generator, Discriminator])
def test_first_weights_depend_on_the_given_generator_alone(network: type) -> None:
    first, second, third = network(TEST_SIZE), network(TEST_SIZE), network(TEST_SIZE)
    initialise(first, torch.Generator().manual_seed(3))
    torch.rand(7)  # the global state must not matter
    initialise(second, torch.Generator().manual_seed(3))
    initialise(third, torch.Generator().manual_seed(4))
    pairs = list(zip(first.state_dict().values(), second.state_dict().values(), strict=True))
    assert all(torch.equal(one, two) for one, two in pairs)
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), third.parameters(), strict=True))


def test_first_weights_have_the_stated_spread() -> None:
    generator = torch.Generator().manual_seed(0)
    decoder, discriminator, encoder = Generator(PAPER), Discriminator(PAPER), IdentityEncoder(TINY)
    for network in (decoder, discriminator, encoder):
        initialise(network, generator)
    hidden = decoder.modulator.scale[0][2].weight  # [512, 512]
    assert hidden.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert decoder.blocks[0].convolutions[0].weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert discriminator.scales[0][-2].body[0].weight.std().item() == pytest.approx(0.02, rel=0.03)
    strided = encoder.trunk.layer2[0].conv1.weight  # [64, 32, 3, 3]: fan in 288, fan out 576
    assert strided.std().item() == pytest.approx((2 / 576) ** 0.5, rel=0.03)
    biases = [value for name, value in decoder.named_parameters() if name.endswith("bias")]
    assert biases and not any(bias.any() for bias in biases)
    gamma = decoder.painter[2].gamma
    assert 0 <= gamma.min() < 0.2 and 0.8 < gamma.max() <= 1
