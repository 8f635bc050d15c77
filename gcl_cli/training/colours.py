"""Where the clothes have which colour: features for the first clusters of a network that knows nothing yet."""

from collections.abc import Iterator
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.clustering.cameras import centre_per_camera

STRIPES = 8  # head to feet
LEVELS = 5  # per colour channel; a colour between two counts for both
COLOURS = LEVELS**3
MARGIN = (0.05, 0.25)  # shares cut off above and below, left and right, where nobody is cut out: mostly background
SPREAD = 0.2  # standard deviation that every camera's colours are brought to; black to white is 1
SHOWN = 127  # of 255, above which a pixel is taken to show the person
FEWEST = 0.01  # share of a picture below which a cut-out is taken for a mistake
CHUNK = 512  # pictures turned into floats at a time


def colour_features(pictures: Tensor, cameras: Tensor | None, covered: Tensor | None = None) -> Tensor:
    """Square roots of the colour histograms of eight stripes of each person, head to feet: unit rows [N, 1000].

    pictures: [N, 3, H, W] uint8; cameras: [N], or None where they are unknown; covered: [N, H, W] uint8, what the
    people cover of their pictures; None: the middle of each picture stands for the person.
    Each channel of each camera's people is first brought to one mean and spread (of all pictures together where cameras
    are unknown), because raw colours cluster by camera. The scalar product of two rows is the mean Bhattacharyya
    coefficient of their stripes.
    """
    # Paper: the first clusters are those of ImageNet features. Here: of colours, and of such features beside them where
    # the trunk is pretrained.
    sources = (
        torch.zeros(len(pictures), dtype=torch.int64) if cameras is None else cameras.unique(return_inverse=True)[1]
    ).to(pictures.device)
    mean, spread = _camera_statistics(pictures, covered, sources)  # [C, 3] each
    histograms = [
        _stripe_histograms(chunk, people, mean[source], spread[source])
        for (chunk, people), source in zip(_chunks(pictures, covered), sources.split(CHUNK), strict=True)
    ]
    return F.normalize(torch.cat(histograms).sqrt(), dim=1)


def between(colours: Tensor, features: Tensor, cameras: Tensor | None, *, share: float) -> Tensor:
    """Unit rows [N, 1000 + D] on the way from colours [N, 1000] (share 0) to features [N, D] (share 1).

    Both count by what is left without their means, at unit length; where cameras [N] are known, without each camera's.
    """
    cameras = torch.zeros(len(features), dtype=torch.int64) if cameras is None else cameras
    sides = [_without_means(rows.float(), cameras.to(rows.device)) for rows in (colours, features)]
    return F.normalize(torch.cat([(1 - share) * sides[0], share * sides[1]], dim=1), dim=1)


def _without_means(rows: Tensor, cameras: Tensor) -> Tensor:
    if len(cameras.unique()) > 1:
        return centre_per_camera(rows, cameras)
    return F.normalize(rows - rows.mean(dim=0), dim=1)


def _chunks(pictures: Tensor, covered: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Some pictures [B, 3, H, W] at a time, and where their people are: [B, H, W], 1 or 0."""
    height, width = pictures.shape[2:]
    top, left = round(MARGIN[0] * height), round(MARGIN[1] * width)
    middle = torch.zeros(height, width, device=pictures.device)
    middle[top : height - top, left : width - left] = 1
    if covered is None:
        yield from ((chunk.float(), middle.expand(len(chunk), -1, -1)) for chunk in pictures.split(CHUNK))
        return
    for chunk, opacity in zip(pictures.split(CHUNK), covered.to(pictures.device).split(CHUNK), strict=True):
        people = (opacity > SHOWN).float()
        found = people.mean((1, 2), keepdim=True) >= FEWEST
        yield chunk.float(), torch.where(found, people, middle)


def _camera_statistics(pictures: Tensor, covered: Tensor | None, sources: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, in grey levels, of the colours of each camera's people: [C, 3] twice."""
    moments = []
    for chunk, people in _chunks(pictures, covered):
        seen = people[:, None]
        sums = [(chunk * seen).sum((2, 3)), (chunk.square() * seen).sum((2, 3)), seen.sum((2, 3))]
        moments.append(torch.cat(sums, dim=1).double())  # [B, 7]
    counted = torch.zeros(int(sources.max()) + 1, 7, dtype=torch.float64, device=pictures.device)
    counted.index_add_(0, sources, torch.cat(moments))
    mean, square = (counted[:, :6] / counted[:, 6:]).chunk(2, dim=1)  # [C, 3] each
    spread = (square - mean.square()).clamp(min=1.0).sqrt()  # at least one grey level: a black camera stays finite
    return mean.float(), spread.float()


def _stripe_histograms(pictures: Tensor, people: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Shares of the colours of pictures [B, 3, H, W] in every stripe of their people, normalised by camera: [B, 1000].

    A stripe is an eighth of the person, from the first line that shows them to the last.
    """
    even = (pictures - mean[:, :, None, None]) * (SPREAD / spread)[:, :, None, None] + 0.5
    level = (even * LEVELS - 0.5).clamp(0, LEVELS - 1)  # [B, 3, H, W]; whole numbers are the middles of levels
    below = level.floor().clamp(max=LEVELS - 2)
    above = level - below  # share of the upper one of two levels
    counts = pictures.new_zeros(len(pictures), STRIPES * COLOURS)
    stripe = (_stripes(people) * COLOURS)[:, :, None]  # [B, H, 1]
    for corner in product((0, 1), repeat=3):
        colour, weight = torch.zeros_like(people), people
        for channel, up in enumerate(corner):
            share = above[:, channel]
            colour = colour * LEVELS + below[:, channel] + up
            weight = weight * (share if up else 1 - share)
        counts.scatter_add_(1, (stripe + colour).long().flatten(1), weight.flatten(1))
    stripes = counts.view(-1, STRIPES, COLOURS)
    return (stripes / stripes.sum(dim=2, keepdim=True).clamp(min=1)).flatten(1)


def _stripes(people: Tensor) -> Tensor:
    """In which stripe of the people [B, H, W] each line of their pictures is: [B, H]."""
    lines = torch.arange(people.shape[1], device=people.device)
    shown = people.amax(2) > 0  # [B, H]
    first = torch.where(shown, lines, len(lines)).amin(1, keepdim=True)
    last = torch.where(shown, lines, -1).amax(1, keepdim=True)
    return ((lines - first).clamp(min=0) * STRIPES // (last - first + 1)).clamp(max=STRIPES - 1)
