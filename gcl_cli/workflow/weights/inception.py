"""The Inception network that FID is defined with, through pytorch-fid, with its real weights or not at all."""

from collections.abc import Callable
from pathlib import Path

import torch
from pytorch_fid.inception import FID_WEIGHTS_URL, InceptionV3
from torch import Tensor
from torch.nn import functional as F

from gcl_cli.artifacts.files import sha256
from gcl_cli.errors import GclError

BATCH = 50
DIGEST = Path(FID_WEIGHTS_URL).stem.rpartition("-")[2]  # the file's name ends in the start of its digest
HEIGHT, WIDTH = 256, 128  # every picture is resized to this first (algorithms: 12.2)


def load_inception(device: torch.device) -> Callable[[Tensor], Tensor]:
    """A function from pictures [N, 3, H, W] uint8 to pool features [N, 2048] float64.

    Raises GclError where the weights are neither there nor to be fetched: no other network may be called FID's.
    """
    target = Path(torch.hub.get_dir()) / "checkpoints" / Path(FID_WEIGHTS_URL).name
    fetched = not target.exists()
    if not fetched:
        _refuse_other(target)  # before it is loaded
    try:
        network = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]]).to(device).eval()
    except OSError as error:
        raise GclError(
            f"FID needs Inception weights that cannot be fetched ({error}). Wanted: {target}.",
            f"Put the file there (from {FID_WEIGHTS_URL}), or measure without it: --measures encoder,dssim,identity",
        ) from error
    if fetched:
        _refuse_other(target)

    @torch.no_grad()
    def features(pictures: Tensor) -> Tensor:
        rows = []
        for chunk in pictures.split(BATCH):
            resized = to_fid_size(chunk).to(device).float() / 255
            rows.append(network(resized)[0].flatten(1).double().cpu())
        return torch.cat(rows)

    return features


def _refuse_other(target: Path) -> None:
    if not sha256(target).startswith(DIGEST):
        raise GclError(f"{target} is not the file that FID is defined with.", f"Fetch it anew: {FID_WEIGHTS_URL}")


def to_fid_size(pictures: Tensor) -> Tensor:
    """Pictures [N, 3, H, W] uint8 at 256x128, bicubic with antialiasing."""
    if pictures.shape[2:] == (HEIGHT, WIDTH):
        return pictures
    return F.interpolate(pictures, (HEIGHT, WIDTH), mode="bicubic", antialias=True)
