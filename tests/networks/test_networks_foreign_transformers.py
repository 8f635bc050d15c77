"""Transformers in the layouts of TransReID-SSL, CLIP-ReID and SOLIDER, built from a network of timm, and back."""

import pytest
import torch
import torch.nn.functional as F

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.networks.foreign_transformers import resized
from gcl_cli.networks.timm_trunk import TimmTrunk
from gcl_cli.weights.starting_transformers import transformer_for
from gcl_cli.weights.starting_weights import new_encoder, open_encoder, read_start, with_head_of

VIT = Architecture(trunk="timm:test_vit", height=64, width=32)
CLIP = [
    ("cls_token", "class_embedding"), ("pos_embed", "positional_embedding"), ("patch_embed.proj", "conv1"),
    ("norm_pre", "ln_pre"), ("blocks", "transformer.resblocks"), ("norm1", "ln_1"), ("norm2", "ln_2"),
    ("attn.qkv.weight", "attn.in_proj_weight"), ("attn.qkv.bias", "attn.in_proj_bias"), ("attn.proj", "attn.out_proj"),
    ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
]  # fmt: skip


def own(architecture: Architecture, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of timm's network that are all different from 0."""
    network = TimmTrunk(architecture.trunk, architecture.height, architecture.width).network
    rng = torch.Generator().manual_seed(seed)
    return {
        n: t if n.endswith("index") else torch.randn(t.shape, generator=rng) for n, t in network.state_dict().items()
    }


def neck(channels: int) -> dict[str, torch.Tensor]:
    shapes = {"weight": torch.ones, "bias": torch.zeros, "running_mean": torch.ones, "running_var": torch.ones}
    return {f"bottleneck.{name}": make(channels) for name, make in shapes.items()}


def test_a_file_of_transreid_ssl_is_a_network_of_timm_below_base(tmp_path, capsys):
    weights = own(VIT)
    file = tmp_path / "transformer_120.pth"
    torch.save({f"base.{n}": t for n, t in weights.items()} | neck(64) | {"classifier.weight": torch.ones(9, 64)}, file)
    start = read_start(WorkFolder(tmp_path / "work"), str(file))
    assert start.knows_people
    settled = with_head_of(start, VIT.model_copy(update={"head": "batchnorm"}))
    assert settled.head == "bnneck"
    loaded = new_encoder(start, settled, seed=1, device=torch.device("cpu"))
    assert all(torch.equal(t, weights[n]) for n, t in loaded.trunk.network.state_dict().items())
    assert torch.equal(loaded.head.norm.running_mean, torch.ones(64))
    assert "not used: classifier.weight" in capsys.readouterr().err


def test_a_file_of_clip_reid_has_openai_s_names_below_image_encoder():
    weights = own(VIT)
    theirs = {}
    for name, tensor in weights.items():
        for ours, clip in CLIP:
            name = name.replace(ours, clip)
        name = "ln_post" + name.removeprefix("norm") if name.startswith("norm.") else name
        theirs[f"image_encoder.{name}"] = tensor
    theirs["image_encoder.class_embedding"] = theirs["image_encoder.class_embedding"].flatten()
    theirs["image_encoder.positional_embedding"] = theirs["image_encoder.positional_embedding"][0]
    theirs |= {"image_encoder.proj": torch.ones(64, 32), "prompt_learner.cls_ctx": torch.ones(3, 4, 8)} | neck(64)
    found = transformer_for(VIT, theirs, "clip.pth")
    assert all(torch.equal(found.tensors[f"trunk.network.{n}"], t) for n, t in weights.items())
    assert found.head.kind == "bnneck" and "prompt_learner.cls_ctx" in found.unused


def merged(features: torch.Tensor, norm: dict[str, torch.Tensor], shift: torch.Tensor) -> torch.Tensor:
    """OpenMMLab's patch merging of [1, C, H, W], written out: unfold, norm, reduction; SOLIDER's affine after it."""
    pixels = F.unfold(features, 2, stride=2).transpose(1, 2)  # [1, h w, C * 4]
    reduced = F.linear(
        F.layer_norm(pixels, pixels.shape[-1:], norm["norm.weight"], norm["norm.bias"]), norm["reduction.weight"]
    )
    return reduced * F.softplus(shift[0]) + shift[1]


def test_solider_s_patch_merging_and_its_semantic_weight_become_layers_of_timm():
    swin = Architecture(trunk="timm:swin_tiny_patch4_window7_224", height=64, width=32)
    weights = own(swin)
    theirs = {}
    for name, tensor in weights.items():
        if ".downsample." in name or name.endswith("reduction.bias"):
            continue
        for ours, mm in (
            ("patch_embed.proj.", "patch_embed.projection."), ("layers.", "stages."), (".attn.", ".attn.w_msa."),
            (".mlp.fc1.", ".ffn.layers.0.0."), (".mlp.fc2.", ".ffn.layers.1."),
        ):  # fmt: skip
            name = name.replace(ours, mm) if ours != "layers." or name.startswith("layers.") else name
        theirs["backbone." + ("norm3." + name[5:] if name.startswith("norm.") else name)] = tensor
    rng, shares = torch.Generator().manual_seed(3), torch.tensor([0.2, 0.8])
    parts, affine = {}, {}
    for stage, width in enumerate((96, 192, 384)):
        shapes = {"norm.weight": (4 * width,), "norm.bias": (4 * width,), "reduction.weight": (2 * width, 4 * width)}
        parts[stage] = {n: torch.randn(shape, generator=rng) for n, shape in shapes.items()}
        theirs |= {f"backbone.stages.{stage}.downsample.{n}": t for n, t in parts[stage].items()}
        for kind in "wb":
            weight, bias = torch.randn(2 * width, 2, generator=rng), torch.randn(2 * width, generator=rng)
            theirs |= {
                f"backbone.semantic_embed_{kind}.{stage}.{n}": t for n, t in (("weight", weight), ("bias", bias))
            }
            affine[stage, kind] = weight @ shares + bias
    found = transformer_for(swin, theirs, "solider.pth").tensors
    trunk = TimmTrunk(swin.trunk, 64, 32)
    trunk.load_state_dict(
        {n.removeprefix("trunk."): t for n, t in found.items() if n.startswith("trunk.")}, strict=False
    )
    for stage, width in enumerate((96, 192, 384)):
        features = torch.randn(1, width, 4, 6, generator=rng)
        ours = trunk.network.layers[stage + 1].downsample(features.permute(0, 2, 3, 1))
        expected = merged(features, parts[stage], torch.stack([affine[stage, kind] for kind in "wb"]))
        torch.testing.assert_close(ours.flatten(1, 2), expected, rtol=1e-4, atol=1e-3)
    same = [n for n in weights if ".downsample." not in n and not n.endswith("index")]
    assert all(torch.equal(found[f"trunk.network.{n}"], weights[n]) for n in same)


def test_position_embeddings_learned_on_a_square_are_resized_to_a_standing_picture():
    smooth = torch.linspace(0, 1, 14)[:, None].expand(14, 14).reshape(1, 196, 1)
    found = resized(torch.cat([torch.full((1, 1, 1), 7.0), smooth], 1), (8, 4), own_tokens=1)
    assert found.shape == (1, 33, 1) and found[0, 0, 0] == 7
    rows = found[0, 1:, 0].view(8, 4)
    torch.testing.assert_close(rows[:, 0], rows[:, 3], atol=1e-5, rtol=0)
    assert bool((rows[1:, 0] > rows[:-1, 0]).all())
    standing = torch.randn(1, 129, 2)
    assert resized(standing, (16, 8), own_tokens=1) is standing
    with pytest.raises(GclError, match="for 210 patches"):
        resized(torch.zeros(1, 211, 2), (16, 8), own_tokens=1)


def test_what_does_not_fit_is_refused_with_the_networks_to_name(tmp_path):
    weights = own(VIT)
    with pytest.raises(GclError, match=r"Not fitting: .*norm\.bias \(missing\)") as caught:
        transformer_for(VIT, {n: t for n, t in weights.items() if n != "norm.bias"}, "half.pth")
    assert "timm:vit_small_patch16_224 (TransReID-SSL)" in caught.value.fix
    with pytest.raises(GclError, match="holds a transformer; the preset has a resnet50"):
        transformer_for(Architecture(), weights, "vit.pth")
    with pytest.raises(GclError, match="holds 2 transformers") as caught:
        transformer_for(VIT, {f"{part}.{n}": t for part in ("student", "teacher") for n, t in weights.items()}, "d.pth")
    assert "--init d.pth::student" in caught.value.fix
    file = tmp_path / "vit.pth"
    torch.save(weights, file)
    with pytest.raises(GclError, match="no preset has one") as caught:
        open_encoder(WorkFolder(tmp_path / "work"), encoder=None, init=str(file), stages=())
    assert "--epochs 0 --set trunk=timm:NAME" in caught.value.fix
