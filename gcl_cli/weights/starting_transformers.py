"""A transformer in a weight file, for a trunk of timm."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.networks.foreign_transformers import ForeignTransformer, translate_transformer
from gcl_cli.networks.timm_trunk import PREFIX, TimmTrunk


def transformer_for(architecture: Architecture, tensors: Mapping[str, Tensor], init: str) -> ForeignTransformer:
    """What the file that `--init` names holds for the trunk of `architecture`; GclError where that is another one."""
    if not architecture.trunk.startswith(PREFIX):
        raise GclError(
            f"--init {init} holds a transformer; the preset has a {architecture.trunk}.",
            "Name the network of timm that it is, such as --set trunk=timm:vit_small_patch16_224 (TransReID-SSL), "
            "timm:vit_base_patch16_clip_quickgelu_224 (CLIP-ReID), timm:swin_tiny_patch4_window7_224 (SOLIDER).",
        )
    with torch.device("meta"):
        network = TimmTrunk(architecture.trunk, architecture.height, architecture.width).network
    return translate_transformer(tensors, network.state_dict(), grid=network.patch_embed.grid_size, file=init)


def tell_transformer(init: str, found: ForeignTransformer) -> None:
    """What was taken, and what was not."""
    trunk = sum(tensor.numel() for name, tensor in found.tensors.items() if name.startswith("trunk."))
    head = found.head.kind or "starts new"
    console.say(f"--init {init}: a transformer of {trunk:,} values; head: {head}")
    if found.unused:
        more = f" and {len(found.unused) - 6} more" if len(found.unused) > 6 else ""
        console.say(f"  not used: {', '.join(found.unused[:6])}{more}")
