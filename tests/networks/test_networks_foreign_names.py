import foreign_families as made
import pytest
import torch
from foreign_families import FAMILIES
from torch import nn
from torchvision.models import resnet34

from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.networks.discriminator import Discriminator
from gcl_cli.networks.foreign_gan import translate_gan
from gcl_cli.networks.foreign_names import require_coverage, translate_encoder
from gcl_cli.networks.generator import Generator
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.networks.structure_encoder import StructureEncoder

SMALL = Architecture(
    trunk="resnet18", trunk_width=16, height=64, width=32, generator_width=2, modulation_width=8,
    discriminator_width=4, discriminator_scales=2, padding="zeros",
)  # fmt: skip


def flat(content, name=""):
    """What artifacts.foreign_weights.read_tensors makes of a file's content."""
    tensors = {}
    for key, value in content.items():
        if isinstance(value, torch.Tensor):
            tensors[f"{name}{key}"] = value.detach()
        elif isinstance(value, dict) and key != "optimizer":
            tensors |= flat(value, f"{name}{key}.")
    return tensors


@pytest.mark.parametrize(("trunk", "width"), [("resnet18", 16), ("resnet50", 20)])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_understood_tensor_by_tensor(name, trunk, width):
    family = FAMILIES[name]
    encoder = made.encoder_with(family.head, trunk=trunk, width=width)
    found = translate_encoder(flat(family.content(encoder)))
    require_coverage(found)
    assert (found.kind, found.width, found.head_kind) == (trunk, width, family.head)
    assert found.trunk.share == 1 and found.trunk.missing == ()
    expected = encoder.state_dict()
    if family.exponent is not None:
        expected["head.pool.p"] = torch.tensor([family.exponent])
    if family.head is None or name == "ACT":
        expected = {key: value for key, value in expected.items() if not key.startswith("head.")}
    if name == "torch before 0.4.1":
        expected = {key: value for key, value in expected.items() if "tracked" not in key}
    assert found.tensors.keys() == expected.keys()
    assert all(torch.equal(found.tensors[key], value) for key, value in expected.items())


def test_the_families_without_a_stem_relu_and_the_average_poolers_are_told():
    found = {n: translate_encoder(flat(f.content(made.encoder_with(f.head)))) for n, f in FAMILIES.items()}
    assert {n for n, one in found.items() if not one.stem_relu} == {"Cluster Contrast", "SpCL", "ICE"}
    remarks = {n: one.remarks for n, one in found.items()}
    assert {n for n, said in remarks.items() if "p = 1" in " ".join(said)} == {"SpCL", "ICE"}
    assert {n for n, said in remarks.items() if "follows a linear layer" in " ".join(said)} == {"ACT"}


def test_gem_with_p_1_is_the_average_pooling_that_spcl_was_trained_with():
    family = FAMILIES["SpCL"]
    average, gem = made.encoder_with("batchnorm", zero_bias=True).eval(), made.encoder_with("bnneck").eval()
    gem.load_state_dict(translate_encoder(flat(family.content(average))).tensors)
    pictures = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(gem(pictures).embedding, average(pictures).embedding, atol=1e-4, rtol=1e-4)


def test_a_projection_without_bias_or_written_as_a_convolution_is_one():
    encoder = made.encoder_with("projection")
    weight = encoder.head.project.weight.data[:, :, None, None]
    tensors = made.trunk_below("backbone.", encoder) | made.norm_below("heads.bottleneck.1", encoder)
    found = translate_encoder(tensors | {"heads.bottleneck.0.weight": weight})
    assert torch.equal(found.tensors["head.project.weight"], encoder.head.project.weight)
    assert torch.equal(found.tensors["head.project.bias"], torch.zeros(512))


def test_a_head_of_another_width_is_left_out_and_told():
    encoder = made.encoder_with(None)
    found = translate_encoder(made.trunk_below("", encoder) | {"feat.weight": torch.ones(4096, 128)})
    assert found.head_kind is None and "4096" in found.remarks[0] and found.unused == ("feat.weight",)


def test_of_several_norms_the_one_with_a_neck_s_name_is_taken_and_without_a_name_none():
    encoder = made.encoder_with("batchnorm")
    two = made.trunk_below("", encoder) | made.norm_below("feat_bn", encoder) | made.norm_below("other", encoder)
    assert translate_encoder(two).head_kind == "batchnorm"
    unnamed = made.trunk_below("", encoder) | made.norm_below("one", encoder) | made.norm_below("two", encoder)
    found = translate_encoder(unnamed)
    assert found.head_kind is None and "one, two" in found.remarks[0]


def test_a_classifier_of_512_people_is_no_projection():
    encoder = made.encoder_with("batchnorm")
    tensors = made.trunk_below("", encoder) | made.norm_below("feat_bn", encoder)
    assert translate_encoder(tensors | {"classifier.weight": torch.ones(512, 128)}).head_kind == "batchnorm"


def test_half_an_encoder_is_refused_and_what_is_missing_is_listed():
    tensors = made.trunk_below("", made.encoder_with(None))
    half = {name: tensor for name, tensor in tensors.items() if not name.startswith("layer4")}
    found = translate_encoder(half)
    assert found.trunk.share < 0.3 and "trunk.layer4.0.conv1.weight" in found.trunk.missing
    with pytest.raises(GclError, match=r"Missing: trunk\.layer4\.0\.conv1\.weight.* and \d+ more"):
        require_coverage(found)


def test_norms_are_a_small_share_of_the_values_and_yet_missed():
    tensors = made.trunk_below("", made.encoder_with(None))
    bare = {name: tensor for name, tensor in tensors.items() if tensor.ndim == 4}
    found = translate_encoder(bare)
    lost = 1 - sum(tensor.numel() for tensor in bare.values()) / sum(found.trunk.sizes.values())
    assert lost < 0.05
    with pytest.raises(GclError, match="less than 95%"):
        require_coverage(found)


def test_a_file_that_lacks_almost_nothing_passes_and_says_what():
    tensors = made.trunk_below("", made.encoder_with(None))
    del tensors["bn1.bias"]
    found = translate_encoder(tensors)
    require_coverage(found)
    assert found.trunk.missing == ("trunk.bn1.bias",) and 0.95 < found.trunk.share < 1


def test_tensors_of_other_shapes_count_as_missing():
    tensors = made.trunk_below("", made.encoder_with(None))
    tensors["layer3.0.conv1.weight"] = torch.ones(3, 3)
    assert translate_encoder(tensors).trunk.missing == ("trunk.layer3.0.conv1.weight",)


@pytest.mark.parametrize("more", ["layer1.0.bn1.IN.weight", "layer2.0.se.fc.weight", "layer4.2.conv1.weight"])
def test_other_kinds_of_resnet_are_refused(more):
    tensors = made.trunk_below("", made.encoder_with(None)) | {more: torch.ones(4)}
    with pytest.raises(GclError, match="no plain resnet18") as caught:
        require_coverage(translate_encoder(tensors))
    assert more in caught.value.problem
    with pytest.raises(GclError, match="no plain resnet18"):
        require_coverage(translate_encoder(resnet34().state_dict()))


def test_two_encoders_in_one_file_are_refused_and_one_written_twice_is_not():
    one = made.trunk_below("model.", made.encoder_with(None))
    doubled = one | {f"ema.{name}": tensor.clone() for name, tensor in one.items()}
    assert translate_encoder(doubled).prefix == "model."
    doubled["ema.model.conv1.weight"] = doubled["ema.model.conv1.weight"] + 1
    with pytest.raises(GclError, match=r"2 encoders, below: model\., ema\.model\."):
        translate_encoder(doubled)


def test_a_file_without_a_resnet_is_refused():
    with pytest.raises(GclError, match=r"no ResNet in the file.*patch_embed"):
        translate_encoder({"patch_embed.weight": torch.ones(3)})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value):
    tensors = made.trunk_below("", made.encoder_with(None))
    tensors["layer2.0.conv1.weight"][0, 0, 0, 0] = value
    with pytest.raises(GclError, match=r"not finite numbers in trunk\.layer2\.0\.conv1\.weight"):
        translate_encoder(tensors)


def gan(seed: int = 3) -> dict[str, nn.Module]:
    networks = {"structure_encoder": StructureEncoder(SMALL), "generator": Generator(SMALL)}
    networks["discriminator"] = Discriminator(SMALL)
    for network in networks.values():
        initialise(network, torch.Generator().manual_seed(seed))
        for parameter in network.parameters():
            parameter.data += torch.rand(parameter.shape, generator=torch.Generator().manual_seed(seed))
    return networks


def same(found, network):
    own = network.state_dict()
    return found.keys() == own.keys() and all(torch.equal(found[name], own[name]) for name in own)


def test_the_published_generator_and_discriminator_are_matched_by_order_and_shape():
    networks, empty = gan(), gan(4)
    first, second = flat(made.published_generator(networks)), flat(made.published_discriminator(networks))
    assert same(translate_gan(first, empty["structure_encoder"]), networks["structure_encoder"])
    assert same(translate_gan(first, empty["generator"]), networks["generator"])
    assert translate_gan(first, empty["discriminator"]) is None
    assert same(translate_gan(second, empty["discriminator"]), networks["discriminator"])
    assert translate_gan(second, empty["generator"]) is None


def test_our_own_names_load_as_they_are():
    networks, empty = gan(), gan(4)
    for name, network in networks.items():
        assert same(translate_gan(network.state_dict(), empty[name]), network)


def test_a_second_generator_in_the_file_is_refused():
    state = made.published_generator(gan())["a"]
    with pytest.raises(GclError, match=r"more than one network .* from: a\.enc_content\.model\.0\.conv, b\.enc"):
        translate_gan(flat({"a": state, "b": state}), gan()["structure_encoder"])


def test_adain_networks_whose_names_do_not_tell_them_apart_are_refused():
    state = flat(made.published_generator(gan()))
    renamed = {name.replace("mlp_w1", "mlp_x").replace("mlp_b2", "mlp_y"): tensor for name, tensor in state.items()}
    with pytest.raises(GclError, match="cannot be told apart"):
        translate_gan(renamed, gan()["generator"])


def test_a_generator_of_another_width_is_none_of_ours():
    wide = SMALL.model_copy(update={"generator_width": 4})
    assert translate_gan(flat(made.published_generator(gan())), StructureEncoder(wide)) is None


def test_a_stem_without_relu_is_rebuilt_without_it():
    pictures = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    plain = made.encoder_with("bnneck").eval()
    bare = IdentityEncoder(Architecture(trunk="resnet18", trunk_width=16, stem_relu=False)).eval()
    bare.load_state_dict(plain.state_dict())
    with torch.no_grad():
        assert not torch.equal(plain(pictures).parts, bare(pictures).parts)
        plain.trunk.relu = nn.Identity()
        assert torch.equal(plain(pictures).parts, bare(pictures).parts)
