"""Transformers made elsewhere -> timm's names: files of TransReID-SSL, CLIP-ReID and SOLIDER, and timm's own.

The layouts are those that the projects publish, as far as their code tells: the mapping was tested on files built in
each layout, not on the published ones.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.errors import GclError
from gcl_cli.networks.foreign_heads import FoundHead, find_head
from gcl_cli.networks.foreign_names import refuse_non_finite
from gcl_cli.networks.foreign_parts import parts_apart, say_which

ANCHORS = ("cls_token", "class_embedding", "patch_embed.projection.weight", "patch_embed.proj.weight")
_CLIP = (  # OpenAI's names, which CLIP-ReID keeps
    (r"^class_embedding$", "cls_token"), (r"^positional_embedding$", "pos_embed"), (r"^conv1\.", "patch_embed.proj."),
    (r"^ln_pre\.", "norm_pre."), (r"^ln_post\.", "norm."), (r"^transformer\.resblocks\.", "blocks."),
    (r"\.ln_(\d)\.", r".norm\1."), (r"\.attn\.in_proj_", ".attn.qkv."), (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."), (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)  # fmt: skip
_SWIN = (  # OpenMMLab's names, which SOLIDER keeps
    (r"^patch_embed\.projection\.", "patch_embed.proj."), (r"^norm3\.", "norm."), (r"\.attn\.w_msa\.", ".attn."),
    (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."), (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
    (r"^stages\.(\d)\.blocks\.", r"layers.\1.blocks."),
)  # fmt: skip
_DOWN = re.compile(r"^stages\.(\d)\.downsample\.(norm|reduction)\.(\w+)$")
_MEANING = re.compile(r"^semantic_embed_[wb]\.")
SEMANTIC_WEIGHT = 0.2  # share of meaning against looks that SOLIDER's networks for people were tuned with
RATIOS = (1, 2, 3)  # height over width of the grids that position embeddings were learned on


class ForeignTransformer(NamedTuple):
    """A transformer in a file, by the names of IdentityEncoder's state dict."""

    tensors: dict[str, Tensor]
    head: FoundHead
    unused: tuple[str, ...]


def is_transformer(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a file holds a transformer rather than a ResNet."""
    return bool(_prefixes(tensors))


def translate_transformer(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, grid: Sequence[int], file: str
) -> ForeignTransformer:
    """The one transformer in a file, for a trunk of timm.

    wanted: the trunk's state dict, of which shapes count; grid: rows and columns of its patches, to which position
    embeddings are resized; file: what the user typed. Raises GclError where the file has several, or lacks something.
    """
    prefixes = _prefixes(tensors)
    if len(prefixes) > 1:
        parts = parts_apart(prefixes)
        raise GclError(f"The file holds {len(prefixes)} transformers.", say_which("--init", file, parts))
    prefix = prefixes[0]
    inside = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    found = _named(inside)
    if "pos_embed" in wanted and "pos_embed" in found:
        tokens = wanted["pos_embed"].shape[1] - math.prod(grid)
        found["pos_embed"] = resized(found["pos_embed"], grid, own_tokens=tokens)
    for name in wanted.keys() - found.keys():
        if name.endswith("reduction.bias") or name.endswith("relative_position_index"):
            found[name] = wanted[name] if not wanted[name].is_meta else torch.zeros(wanted[name].shape)
    _require(found, wanted, file)
    outside = {n: t for n, t in tensors.items() if not (n.startswith(prefix) and prefix)} if prefix else dict(inside)
    outside = {n: t for n, t in outside.items() if n not in found}
    head = find_head(outside, next(t for n, t in wanted.items() if n == "norm.weight").numel())
    kept = {f"trunk.network.{name}": found[name].float() for name in wanted if not name.endswith("position_index")}
    taken = {name: tensor for name, tensor in head.tensors.items() if name != "head.pool.p"}
    refuse_non_finite(kept | taken)
    return ForeignTransformer(kept | taken, head, tuple(n for n in outside if n not in head.taken))


def _prefixes(tensors: Mapping[str, Tensor]) -> list[str]:
    """Where transformers begin: what stands before a class token, or before the patches of a Swin."""
    found = dict.fromkeys(
        name.removesuffix(anchor)
        for name in tensors
        for anchor in ANCHORS
        if name.endswith(anchor) and name.removesuffix(anchor)[-1:] in ("", ".")
    )
    return list(found)


def _named(inside: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors by timm's names."""
    if "class_embedding" in inside:
        named = {_renamed(name, _CLIP): tensor for name, tensor in inside.items()}
        named["cls_token"] = named["cls_token"].reshape(1, 1, -1)
        named["pos_embed"] = named["pos_embed"].reshape(1, -1, named["cls_token"].shape[-1])
        return named
    if "patch_embed.projection.weight" in inside:
        named = {_renamed(name, _SWIN): tensor for name, tensor in inside.items() if not _DOWN.match(name)}
        return named | _downsampled(inside)
    return dict(inside)


def _renamed(name: str, rules: Sequence[tuple[str, str]]) -> str:
    for pattern, instead in rules:
        name = re.sub(pattern, instead, name)
    return name


def _downsampled(inside: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Patch merging: OpenMMLab counts the four pixels within a channel and row by row, timm channels within a pixel
    and column by column. What SOLIDER does to its result for a fixed share of meaning is part of the layer then."""
    found = {}
    for name, tensor in inside.items():
        if match := _DOWN.match(name):
            by_pixel = tensor.unflatten(-1, (-1, 2, 2))  # [..., C, row, column]
            order = (*range(tensor.ndim - 1), tensor.ndim + 1, tensor.ndim, tensor.ndim - 1)
            found[f"layers.{int(match[1]) + 1}.downsample.{match[2]}.{match[3]}"] = by_pixel.permute(order).flatten(-3)
    share = torch.tensor([SEMANTIC_WEIGHT, 1 - SEMANTIC_WEIGHT])
    for stage in range(3):
        if f"semantic_embed_w.{stage}.weight" in inside and f"stages.{stage}.downsample.reduction.weight" in inside:
            scale, shift = (
                inside[f"semantic_embed_{kind}.{stage}.weight"].float() @ share
                + inside[f"semantic_embed_{kind}.{stage}.bias"].float()
                for kind in "wb"
            )
            reduction = f"layers.{stage + 1}.downsample.reduction"
            found[f"{reduction}.weight"] = F.softplus(scale)[:, None] * found[f"{reduction}.weight"].float()
            found[f"{reduction}.bias"] = shift
    return found


def resized(embedding: Tensor, grid: Sequence[int], *, own_tokens: int) -> Tensor:
    """Position embeddings [1, own_tokens + n, C] for patches in `grid` rows and columns, by bicubic interpolation.

    The grid that they were learned on is n = r k k patches, r k rows of k, r of RATIOS; GclError for any other.
    """
    own, patches = embedding[:, :own_tokens], embedding[:, own_tokens:].float()
    count = patches.shape[1]
    sides = [
        (ratio * side, side) for ratio in RATIOS for side in (math.isqrt(count // ratio),) if ratio * side**2 == count
    ]
    if not sides:
        raise GclError(
            f"The file's position embeddings are for {count} patches: no grid of 1:1, 2:1 or 3:1.",
            "Give weights of a network whose patches do not overlap.",
        )
    if sides[0] == tuple(grid):
        return embedding
    plane = patches.transpose(1, 2).unflatten(2, sides[0])  # [1, C, rows, columns]
    plane = F.interpolate(plane, tuple(grid), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([own.float(), plane.flatten(2).transpose(1, 2)], dim=1)


def _require(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], file: str) -> None:
    """GclError where the trunk lacks a tensor, or one has another shape."""
    wrong = [
        f"{name} ({'missing' if name not in found else 'x'.join(map(str, found[name].shape))})"
        for name, tensor in wanted.items()
        if name not in found or found[name].shape != tensor.shape
    ]
    if wrong:
        shown = ", ".join(wrong[:6]) + (f" and {len(wrong) - 6} more" if len(wrong) > 6 else "")
        raise GclError(
            f"{file} does not hold the transformer that trunk= names. Not fitting: {shown}.",
            "Name the network of timm that it is, such as --set trunk=timm:vit_small_patch16_224 (TransReID-SSL), "
            "timm:vit_base_patch16_clip_quickgelu_224 (CLIP-ReID), timm:swin_tiny_patch4_window7_224 (SOLIDER).",
        )
