"""The Inception network that FID is defined with, through pytorch-fid, with its real weights or not at all."""

from collections.abc import Callable, Mapping

import torch
from pytorch_fid import inception as published
from pytorch_fid.inception import FID_WEIGHTS_URL, InceptionV3
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.inception import BasicConv2d

from gcl_cli.errors import GclError
from gcl_cli.machine.devices import sent
from gcl_cli.weights.published import PublishedFile

BATCH = 50
FILE = PublishedFile(FID_WEIGHTS_URL)
HEIGHT, WIDTH = 256, 128  # every picture is resized to this first (algorithms: 12.2)


def load_inception(device: torch.device) -> Callable[[Tensor], Tensor]:
    """A function from pictures [N, 3, H, W] uint8 to pool features [N, 2048] float64.

    Raises GclError where the weights are neither there nor to be fetched: no other network may be called FID's.
    """
    try:
        weights = FILE.tensors()
    except (OSError, RuntimeError) as error:
        raise GclError(
            f"FID needs Inception weights that cannot be fetched ({error}). Wanted: {FILE.path}.",
            f"Put the file there (from {FILE.url}), or measure without it: --measures encoder,dssim,identity "
            "(gcl run: --set gen-metrics.measures=encoder,dssim,identity)",
        ) from error
    return pool_features(_network(weights).to(device).eval(), device)


def _network(weights: Mapping[str, Tensor]) -> InceptionV3:
    """pytorch-fid's network with these weights; its own loader, which executes what a file holds, is kept from them."""
    loader = published.load_state_dict_from_url
    published.load_state_dict_from_url = lambda *_, **__: weights
    try:
        return InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    finally:
        published.load_state_dict_from_url = loader


def pool_features(network: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    """A function from pictures [N, 3, H, W] uint8 to the features [N, 2048] float64 of pytorch-fid's `network`.

    The network is changed: batch normalisation is folded into the convolutions and the memory layout is the one that
    convolutions are fastest in. Values stay the same up to rounding.
    """
    for block in network.modules():
        if isinstance(block, BasicConv2d):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()
    network = network.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def features(pictures: Tensor) -> Tensor:
        rows = []
        for chunk in pictures.split(BATCH):
            resized = sent(to_fid_size(chunk), device).float().div_(255).contiguous(memory_format=torch.channels_last)
            rows.append(network(resized)[0].flatten(1).double().cpu())
        return torch.cat(rows)

    return features


def weights_are_there() -> bool:
    """Whether FID's weights lie where they are looked for, so that nothing need be fetched."""
    return FILE.path.exists()


def to_fid_size(pictures: Tensor) -> Tensor:
    """Pictures [N, 3, H, W] uint8 at 256x128, bicubic with antialiasing."""
    if pictures.shape[2:] == (HEIGHT, WIDTH):
        return pictures
    return F.interpolate(pictures, (HEIGHT, WIDTH), mode="bicubic", antialias=True)
