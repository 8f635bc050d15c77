"""Where the clothes have which colour: features for the first clusters of a network that knows nothing yet."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.clustering.cameras import centre_per_camera

STRIPES = 6  # head to feet
LEVELS = 4  # per colour channel: coarse, since finer histograms tell cameras apart rather than people
MARGIN = (0.05, 0.25)  # shares cut off above and below, left and right: mostly background
SPREAD = 0.2  # standard deviation that every camera's colours are brought to; black to white is 1
CHUNK = 512  # pictures turned into floats at a time


def colour_features(pictures: Tensor, cameras: Tensor | None) -> Tensor:
    """Square roots of the colour histograms of six stripes of the middle of each picture: unit rows [N, 384].

    pictures: [N, 3, H, W] uint8; cameras: [N], or None where they are unknown.
    Each channel of each camera is first brought to one mean and spread (of all pictures together where cameras are
    unknown), because raw colours cluster by camera. The scalar product of two rows is the Bhattacharyya coefficient.
    """
    # Paper: the first clusters are those of ImageNet features. Here: of colours, and of such features beside them where
    # the trunk is pretrained.
    sources = (
        torch.zeros(len(pictures), dtype=torch.int64) if cameras is None else cameras.unique(return_inverse=True)[1]
    )
    mean, spread = _camera_statistics(pictures, sources.to(pictures.device))  # [N, 3] each
    histograms = [
        _stripe_histograms(_middle(chunk), centre, width)
        for chunk, centre, width in zip(pictures.split(CHUNK), mean.split(CHUNK), spread.split(CHUNK), strict=True)
    ]
    return F.normalize(torch.cat(histograms).sqrt(), dim=1)


def between(colours: Tensor, features: Tensor, cameras: Tensor | None, *, share: float) -> Tensor:
    """Unit rows [N, 384 + D] on the way from colours [N, 384] (share 0) to features [N, D] (share 1).

    Both count by what is left without their means, at unit length; where cameras [N] are known, without each camera's.
    """
    cameras = torch.zeros(len(features), dtype=torch.int64) if cameras is None else cameras
    sides = [_without_means(rows.float(), cameras.to(rows.device)) for rows in (colours, features)]
    return F.normalize(torch.cat([(1 - share) * sides[0], share * sides[1]], dim=1), dim=1)


def _without_means(rows: Tensor, cameras: Tensor) -> Tensor:
    if len(cameras.unique()) > 1:
        return centre_per_camera(rows, cameras)
    return F.normalize(rows - rows.mean(dim=0), dim=1)


def _camera_statistics(pictures: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, in grey levels, of the colours of each picture's camera: [N, 3] twice."""
    moments = torch.cat(
        [
            torch.cat([chunk.float().mean((2, 3)), chunk.float().square().mean((2, 3))], 1)
            for chunk in pictures.split(CHUNK)
        ]
    )  # [N, 6]
    sums = moments.new_zeros(int(sources.max()) + 1, 6).index_add_(0, sources, moments)
    mean, square = (sums / sources.bincount()[:, None]).chunk(2, dim=1)  # [cameras, 3] each
    spread = (square - mean.square()).clamp(min=1.0).sqrt()  # at least one grey level: a black camera stays finite
    return mean[sources], spread[sources]


def _middle(pictures: Tensor) -> Tensor:
    """Cut MARGIN off the pictures [B, 3, H, W]: [B, 3, h, w]."""
    height, width = pictures.shape[2:]
    top, left = round(MARGIN[0] * height), round(MARGIN[1] * width)
    return pictures[:, :, top : height - top, left : width - left]


def _stripe_histograms(pictures: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Count the colours of pictures [B, 3, h, w] per stripe, after normalising by their camera: [B, 384]."""
    batch, _, height, _ = pictures.shape
    even = (pictures.float() - mean[:, :, None, None]) * (SPREAD / spread)[:, :, None, None] + 0.5
    level = (even * LEVELS).long().clamp(0, LEVELS - 1)  # [B, 3, h, w]
    colour = (level[:, 0] * LEVELS + level[:, 1]) * LEVELS + level[:, 2]  # [B, h, w]
    stripe = torch.arange(height, device=pictures.device) * STRIPES // height  # [h]
    places = (stripe[:, None] * LEVELS**3 + colour).flatten(1)  # [B, h * w]
    counts = torch.zeros(batch, STRIPES * LEVELS**3, device=pictures.device)
    return counts.scatter_add_(1, places, torch.ones_like(places, dtype=counts.dtype))
