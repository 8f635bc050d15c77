"""Networks of timm as trunks: shapes, pictures of any size, first weights, what a stripe is, what is exported."""

import pytest
import timm
import torch

from gcl_cli.config import Architecture
from gcl_cli.config.presets import settings_for
from gcl_cli.errors import GclError
from gcl_cli.networks.generator import Generator
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise

SIZES = {"height": 64, "width": 32, "padding": "zeros", "generator_width": 4, "modulation_width": 8}
VIT, CONVOLUTIONS = Architecture(trunk="timm:test_vit", **SIZES), Architecture(trunk="timm:test_resnet", **SIZES)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(architecture: Architecture, seed: int = 0) -> IdentityEncoder:
    encoder = IdentityEncoder(architecture)
    initialise(encoder, rng(seed))
    return encoder.eval()


def pictures(height: int = 64, width: int = 32) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=rng())


@torch.no_grad()
@pytest.mark.parametrize(("architecture", "channels"), [(VIT, 64), (CONVOLUTIONS, 96)], ids=["vit", "convolutions"])
@pytest.mark.parametrize("head", ["bnneck", "batchnorm", "projection"])
def test_a_trunk_of_timm_has_parts_for_the_generator_and_an_embedding(architecture, channels, head):
    architecture = architecture.model_copy(update={"head": head})
    encoder = built(architecture)
    code = encoder(pictures())
    assert code.parts.shape == (2, channels, 4) and encoder.part_size == channels
    assert code.embedding.shape == (2, encoder.embedding_size)
    modulation = Generator(architecture).modulation(code.parts)
    assert modulation.scale.shape == (2, 4, 2, 32)
    if architecture.trunk == VIT.trunk:
        assert code.parts.min() < 0 and code.embedding.min() < 0  # nothing is cut off where values are negative


@torch.no_grad()
def test_stripes_of_a_transformer_are_the_means_of_its_rows_and_the_embedding_is_its_class_token():
    encoder = built(VIT)
    network = encoder.trunk.network
    seen = pictures() * encoder.trunk.scale + encoder.trunk.shift
    tokens = network.forward_features(seen)  # [2, 1 + 4 * 2, 64]: four rows of two patches
    code = encoder(pictures())
    rows = tokens[:, 1:].unflatten(1, (4, 2)).mean(2)
    torch.testing.assert_close(code.parts, rows.transpose(1, 2))
    torch.testing.assert_close(code.embedding, encoder.head.norm(tokens[:, 0]))


@torch.no_grad()
def test_pictures_come_in_the_colours_that_the_weights_were_learned_with():
    encoder = built(VIT)  # mean .5 and spread .5
    grey = torch.full((1, 3, 1, 1), 0.5)
    normalised = (grey - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(1, 3, 1, 1)
    found = normalised * encoder.trunk.scale + encoder.trunk.shift
    torch.testing.assert_close(found, torch.zeros(1, 3, 1, 1).expand(1, 3, 1, 1), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width", "grid"), [(256, 128, (16, 8)), (128, 64, (8, 4))])
def test_position_embeddings_are_made_for_the_size_of_the_pictures(height, width, grid):
    with torch.device("meta"):
        encoder = IdentityEncoder(VIT.model_copy(update={"height": height, "width": width}))
    assert encoder.trunk.network.patch_embed.grid_size == grid
    assert encoder.trunk.network.pos_embed.shape[1] in (grid[0] * grid[1], grid[0] * grid[1] + 1)


def test_first_weights_depend_on_the_seed_alone():
    one, other = built(VIT, 1).state_dict(), built(VIT, 2).state_dict()
    torch.manual_seed(5)
    again = built(VIT, 1).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    assert not torch.equal(one["trunk.network.pos_embed"], other["trunk.network.pos_embed"])


def test_stages_of_a_transformer_are_its_blocks_and_frozen_ones_do_not_learn():
    encoder = IdentityEncoder(VIT.model_copy(update={"frozen_stages": 2}))
    assert len(encoder.trunk.stages) == 1 + len(encoder.trunk.network.blocks)
    learning = {name.split(".")[2] for name, p in encoder.trunk.network.blocks.named_parameters() if p.requires_grad}
    assert learning
    still = [block for block in encoder.trunk.network.blocks if not any(p.requires_grad for p in block.parameters())]
    assert still == list(encoder.trunk.network.blocks[:2])


def test_names_that_are_no_networks_are_refused(monkeypatch):
    with pytest.raises(GclError, match="timm has no network 'vit_tiniest'") as caught:
        IdentityEncoder(VIT.model_copy(update={"trunk": "timm:vit_tiniest"}))
    assert "--set trunk=timm:" in caught.value.fix
    with pytest.raises(GclError, match="must be resnet50, resnet18, efficientnet-lite0 or timm:NAME"):
        settings_for(Architecture, "architecture", "tiny", {"trunk": "vgg16"})
    with pytest.raises(GclError, match="makes no map of pictures of 64x32"):
        IdentityEncoder(VIT.model_copy(update={"trunk": "timm:mixer_s16_224"}))
    monkeypatch.setattr("gcl_cli.networks.timm_trunk.find_spec", lambda name: None)
    with pytest.raises(GclError, match="needs timm") as caught:
        IdentityEncoder(VIT)
    assert "gcl-cli[timm]" in caught.value.fix


def test_a_swin_keeps_its_windows_on_small_pictures():
    with torch.device("meta"):
        encoder = IdentityEncoder(VIT.model_copy(update={"trunk": "timm:swin_tiny_patch4_window7_224"}))
        own = encoder.trunk.network.state_dict()
        published = timm.create_model("swin_tiny_patch4_window7_224", num_classes=0).state_dict()
    tables = [name for name in own if name.endswith("relative_position_bias_table")]
    assert tables and all(own[name].shape == published[name].shape for name in tables)
