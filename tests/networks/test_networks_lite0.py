"""EfficientNet-Lite0, its depthwise convolutions with gradients of their own, and what is frozen."""

import pytest
import timm
import torch
import torch.nn.functional as F

from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.networks import depthwise
from gcl_cli.networks.depthwise import DepthwiseConv2d, own_gradient_pays
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.lite0 import EfficientNetLite0
from gcl_cli.networks.trunk import load_published

LITE0 = Architecture(trunk="efficientnet-lite0", height=64, width=32)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def always(monkeypatch) -> None:
    """The gradients written here also where torch's are as fast."""
    monkeypatch.setattr(depthwise, "own_gradient_pays", lambda *_: True)


@pytest.mark.parametrize(("height", "width"), [(8, 4), (16, 8), (6, 10)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2), (1, 1)])
def test_own_gradients_are_those_of_autograd_in_double_precision(always, kernel, stride, height, width):
    layer = DepthwiseConv2d(3, kernel, stride).double()
    features = torch.randn(2, 3, height, width, generator=rng(), dtype=torch.double, requires_grad=True)
    found = layer(features)
    gradient = torch.randn(found.shape, generator=rng(1), dtype=torch.double)
    own = torch.autograd.grad(found, (features, layer.weight), gradient)
    plain = F.conv2d(F.pad(features, layer.pads), layer.weight, None, stride, 0, 1, 3)
    expected = torch.autograd.grad(plain, (features, layer.weight), gradient)
    torch.testing.assert_close(found, plain, rtol=0, atol=1e-12)
    for one, other in zip(own, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_own_gradients_are_those_of_small_differences(always):
    layer = DepthwiseConv2d(2, 5, 2).double()
    features = torch.randn(1, 2, 8, 4, generator=rng(), dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (features,))


def test_own_gradients_are_used_on_a_cpu_for_large_kernels_and_strides_alone():
    cpu, card = torch.device("cpu"), torch.device("cuda")
    assert [own_gradient_pays(cpu, *layer) for layer in ((3, 1), (3, 2), (5, 1))] == [False, True, True]
    assert not own_gradient_pays(card, 5, 2)


def test_the_trunk_is_timm_s_network_of_the_same_weights_with_last_stride_1():
    theirs = timm.create_model("tf_efficientnet_lite0", num_classes=0).double().eval()
    theirs.blocks[5][0].conv_dw.stride = (1, 1)
    ours = EfficientNetLite0().double().eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    pictures = torch.randn(2, 3, 64, 32, generator=rng(), dtype=torch.double)
    with torch.no_grad():
        found = ours(pictures)
        torch.testing.assert_close(found, theirs.forward_features(pictures))
    assert found.shape == (2, 1280, 4, 2) and found.min() >= 0
    assert sum(parameter.numel() for parameter in ours.parameters()) == 3_371_008


def test_another_file_than_a_lite0_is_refused():
    with pytest.raises(GclError, match=r"layer1\.weight is no part of an EfficientNet-Lite0"):
        load_published(EfficientNetLite0(), {"layer1.weight": torch.ones(1)})


def moved(encoder: IdentityEncoder) -> set[str]:
    """The stages of the trunk that a step in training mode changes."""
    before = {name: value.clone() for name, value in encoder.trunk.state_dict().items()}
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    encoder.train()
    encoder(torch.randn(4, 3, 64, 32, generator=rng())).embedding.square().sum().backward()
    optimizer.step()
    after = encoder.trunk.state_dict()
    return {n for n, value in before.items() if not torch.equal(value, after[n])}


def test_frozen_stages_keep_weights_and_statistics_and_all_others_learn():
    names = {n for n, _ in EfficientNetLite0().named_parameters()} | {
        name for name in EfficientNetLite0().state_dict() if "running" in name
    }
    frozen = {n for n in names if n.startswith(("stem", "blocks.0.", "blocks.1.", "blocks.2."))}
    recipe = moved(IdentityEncoder(LITE0.model_copy(update={"frozen_stages": 2})))
    assert {name for name in recipe if "tracked" not in name} == names - frozen
    resnet = LITE0.model_copy(update={"trunk": "resnet18", "trunk_width": 16, "frozen_stages": 1})
    kept = moved(IdentityEncoder(resnet))
    assert not any(name.startswith(("conv1", "bn1", "layer1")) for name in kept) and "layer2.0.conv1.weight" in kept


def test_something_is_left_to_learn():
    with pytest.raises(GclError, match="4 stages come after") as caught:
        IdentityEncoder(LITE0.model_copy(update={"trunk": "resnet18", "trunk_width": 16, "frozen_stages": 4}))
    assert "--set frozen_stages=3" in caught.value.fix
