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
from gcl_cli.networks.foreign_parts import only_below, parts_apart
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
    with pytest.raises(GclError, match=r"Missing: trunk\.bn1\.weight, .* and \d+ more"):
        require_coverage(found)


@pytest.mark.parametrize("left_out", [name for name in made.trunk_below("", made.encoder_with(None))])
def test_no_tensor_is_too_small_to_be_missed_but_the_counters_of_batches(left_out):
    tensors = made.trunk_below("", made.encoder_with(None))
    del tensors[left_out]
    if left_out.endswith("num_batches_tracked"):
        require_coverage(translate_encoder(tensors))
    elif left_out == "layer1.0.conv1.weight":  # which says where the network lies
        with pytest.raises(GclError, match="no ResNet in the file"):
            translate_encoder(tensors)
    else:
        with pytest.raises(GclError, match="does not hold all of a resnet18 of width 16") as caught:
            require_coverage(translate_encoder(tensors))
        assert f"Missing: trunk.{left_out}." in caught.value.problem


@pytest.mark.parametrize(
    ("name", "tensor", "why"),
    [
        ("conv1.weight", torch.ones(16, 1, 7, 7), r"16x1x7x7, where 16x3x7x7 is wanted"),  # thermal pictures
        ("conv1.weight", torch.ones(8, 3, 3, 3), r"8x3x3x3, where 16x3x7x7 is wanted"),  # CLIP's stem
        ("layer3.0.conv1.weight", torch.ones(3, 3), r"3x3, where 64x32x3x3 is wanted"),
        ("bn1.bias", torch.tensor(1.0), r"one value, where 16 is wanted"),
        ("layer2.0.conv1.weight", torch.ones(32, 16, 3, 3, dtype=torch.int8), "int8, no floating-point numbers"),
    ],
)
def test_tensors_that_do_not_fit_are_missing_and_it_is_said_why(name, tensor, why):
    found = translate_encoder(made.trunk_below("", made.encoder_with(None)) | {name: tensor})
    assert found.trunk.missing == (f"trunk.{name}",)
    with pytest.raises(GclError, match=rf"Not fitting: trunk\.{name} \({why}\)"):
        require_coverage(found)


@pytest.mark.parametrize("tensor", [torch.ones(3), torch.tensor(1.0), torch.ones(16, 0, 3, 3)])
def test_a_first_block_that_is_no_convolution_is_no_resnet(tensor):
    with pytest.raises(GclError, match="no ResNet in the file"):
        translate_encoder({"layer1.0.conv1.weight": tensor, "conv1.weight": torch.ones(16, 3, 7, 7)})


BESIDE = {  # beside the trunk's children -> whether the trunk is another one with it; the last map has 128 channels
    "a second convolution of the stem": ({"conv2.weight": (16, 16, 3, 3), "bn2.weight": (16,)}, True),
    "attention between two layers": ({"NL_2.0.theta.weight": (16, 32, 1, 1)}, True),
    "a mask over the last map": ({"spatial.conv.weight": (1, 2, 7, 7)}, True),
    "a classifier": ({"fc.weight": (751, 128), "fc.bias": (751,)}, False),
    "attention that pools": ({"attnpool.q_proj.weight": (128, 128), "attnpool.positional_embedding": (9, 128)}, False),
    "part features": ({"reduce.0.weight": (32, 128, 1, 1), "ids.weight": (9, 32, 1, 1)}, False),
    "one channel at a time": ({"head.depthwise.weight": (128, 1, 3, 3)}, False),
    "GeM, means, a queue": ({"gap.p": (1,), "pixel_mean": (1, 3, 1, 1), "queue": (128, 650)}, False),
}  # fmt: skip


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("prefix", ["", "visual.", "module.base."])
def test_what_works_within_the_trunk_without_being_a_part_of_resnet_is_refused(beside, prefix):
    shapes, within = BESIDE[beside]
    tensors = made.trunk_below(prefix, made.encoder_with(None)) | {
        f"{prefix}{n}": torch.ones(s) for n, s in shapes.items()
    }
    if not within:
        return require_coverage(translate_encoder(tensors))
    with pytest.raises(GclError, match="no plain resnet18") as caught:
        require_coverage(translate_encoder(tensors))
    assert prefix + next(iter(shapes)) in caught.value.problem


def test_a_head_whose_bias_does_not_fit_is_left_out():
    encoder = made.encoder_with("batchnorm")
    neck = made.norm_below("feat_bn", encoder) | {"feat_bn.bias": torch.ones(3)}
    assert translate_encoder(made.trunk_below("", encoder) | neck).head_kind is None
    encoder = made.encoder_with("projection")
    feat = made.linear_below("feat", encoder) | {"feat.bias": torch.ones(3)}
    assert translate_encoder(made.trunk_below("", encoder) | feat | made.norm_below("bn", encoder)).head_kind is None


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
    with pytest.raises(GclError, match=r"2 encoders, below: model, ema\.model\.") as caught:
        translate_encoder(doubled, file="moco.pth")
    assert caught.value.fix == "Say which: --init moco.pth::model or --init moco.pth::ema.model"
    for part in ("model", "ema.model"):
        assert translate_encoder(only_below(doubled, part)).prefix == f"{part}."


def test_parts_are_told_apart_by_the_start_of_their_names():
    assert parts_apart(["state_dict.q.base.", "state_dict.k.base."]) == ["state_dict.q", "state_dict.k"]
    assert parts_apart(["model.", "ema.model."]) == ["model", "ema.model"]
    assert parts_apart(["a.enc.model.0.conv", "b.enc.model.0.conv"]) == ["a", "b"]
    assert parts_apart(["", "ema."]) == ["", "ema"]


def test_a_part_that_is_not_there_is_refused_with_the_parts_that_are():
    tensors = {"encoder_q.conv1.weight": torch.ones(1), "encoder_k.conv1.weight": torch.ones(1)}
    with pytest.raises(GclError, match="no tensors below 'encoder'") as caught:
        only_below(tensors, "encoder")
    assert "encoder_q.conv1, encoder_k.conv1" in caught.value.fix
    assert only_below(tensors, "") == tensors


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
    with pytest.raises(GclError, match=r"more than one network .* below: a, b\.") as caught:
        translate_gan(flat({"a": state, "b": state}), gan()["structure_encoder"])
    assert caught.value.fix == "Say which: --init-gan FILE::a or --init-gan FILE::b"
    both = flat({"a": state, "b": state})
    assert translate_gan(only_below(both, "a"), gan()["structure_encoder"]) is not None


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
