"""The ImageNet weights of EfficientNet-Lite0, read from the package that carries them."""

import pytest
import torch

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.weights import pretrained
from gcl_cli.weights.pretrained import imagenet_weights
from gcl_cli.weights.starting_weights import new_encoder, read_start

LITE0 = Architecture(trunk="efficientnet-lite0", height=64, width=32)


def test_the_package_s_weights_fill_the_whole_trunk(tmp_path):
    start = read_start(WorkFolder(tmp_path), "imagenet")
    assert not start.knows_people
    encoder = new_encoder(start, LITE0, seed=1, device=torch.device("cpu"))
    weights = imagenet_weights(LITE0, "imagenet")
    own = encoder.trunk.state_dict()
    assert torch.equal(own["stem.weight"], weights["_conv_stem.weight"])
    assert torch.equal(own["blocks.14.depthwise.weight"], weights["_blocks.14._depthwise_conv.weight"])
    assert len(own) == sum(not name.startswith("_fc") for name in weights)


def test_without_the_package_or_with_another_file_the_remedy_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "LITE0_FILE", "models/lost.pth")
    with pytest.raises(GclError, match="not installed") as caught:
        imagenet_weights(LITE0, "imagenet")
    assert "gcl-cli[lite0]" in caught.value.fix
    monkeypatch.setattr(pretrained, "LITE0_FILE", "__init__.py")
    with pytest.raises(GclError, match="not the file that is known"):
        imagenet_weights(LITE0, "imagenet")
    monkeypatch.setattr(pretrained, "LITE0_PACKAGE", "no_such_package_at_all")
    with pytest.raises(GclError, match="not installed"):
        imagenet_weights(LITE0, "imagenet")
    with pytest.raises(GclError, match="no IMAGENET1K_V2 weights"):
        imagenet_weights(LITE0, "imagenet-v2")
