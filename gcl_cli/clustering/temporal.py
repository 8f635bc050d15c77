"""When people are seen by which camera, and a distance that knows of it (JVTC, Li and Zhang, ECCV 2020)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from gcl_cli.clustering.blocks import ENTRIES_AT_ONCE, DistanceRows

FRAMES_A_BIN = 100  # a bin of Market-1501 and DukeMTMC-reID: four seconds
SLOT_UNITS_A_BIN = 1  # of MSMT17, whose times are coarse already
SMOOTHING = 50.0  # standard deviation of the Gaussian over the histograms, in bins
REACH = 3.0  # where it ends, in standard deviations
SLOPE = 5.0  # of both logistic functions of the joint distance


@dataclass(frozen=True)
class Sightings:
    """Where and when N pictures were taken; slots are recordings that share nobody's track, None: all are one."""

    cameras: Tensor  # [N] int64
    times: Tensor  # [N] int64
    slots: Tensor | None = None  # [N] int64

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, rows: Tensor | slice) -> "Sightings":
        return Sightings(self.cameras[rows], self.times[rows], None if self.slots is None else self.slots[rows])

    def to(self, device: torch.device) -> "Sightings":
        """The same on another device."""
        slots = None if self.slots is None else self.slots.to(device)
        return Sightings(self.cameras.to(device), self.times.to(device), slots)


@dataclass(frozen=True)
class TimeDistribution:
    """How often a person is seen by the later camera so many bins after the earlier one.

    Each pair of cameras has a distribution that sums to 1 over the bins, or to 0 where nobody was seen by both.
    """

    cameras: Tensor  # [C] int64, ascending
    probability: Tensor  # [C, C, bins] float32: later camera, earlier camera, bin
    bin_width: int


def time_distribution(labels: np.ndarray, seen: Sightings) -> TimeDistribution:
    """Histograms of the time between the cameras of each cluster, smoothed and normalised (JVTC, section 3.3).

    labels: [N] clusters, -1 = noise, which says nothing. Slots keep clocks of their own: no cluster may span two.
    The bins reach from 0 to the longest span of time within a slot.
    """
    width = FRAMES_A_BIN if seen.slots is None else SLOT_UNITS_A_BIN
    cameras, camera = np.unique(seen.cameras.cpu().numpy(), return_inverse=True)
    times = seen.times.cpu().numpy()
    slots = np.zeros(len(seen), dtype=np.int64) if seen.slots is None else seen.slots.cpu().numpy()
    # Paper: 3,000 bins, fewer than the longest span of Market-1501 needs. Here: as many as the longest span needs.
    bins = math.ceil(max(int(np.ptp(times[slots == slot])) for slot in np.unique(slots)) / width) + 1
    counted = labels >= 0
    histograms = time_histograms(
        labels[counted], camera[counted], times[counted], cameras=len(cameras), bins=bins, width=width
    )
    return TimeDistribution(torch.from_numpy(cameras), torch.from_numpy(smoothed(histograms)), width)


def time_histograms(
    labels: np.ndarray, camera: np.ndarray, times: np.ndarray, *, cameras: int, bins: int, width: int
) -> np.ndarray:
    """Counts of time differences, [C, C, bins] float64: later camera, earlier camera, bin of `width` time units.

    labels: [N] clusters from 0; camera: [N] in 0 .. cameras - 1; times: [N]. Two cameras of a cluster count once, by
    the difference of their mean times; the n > 1 pictures of one camera n times each, by the time since the first.
    """
    histograms = np.zeros((cameras, cameras, bins))
    shape = (int(labels.max(initial=-1)) + 1, cameras)
    count, total = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    np.add.at(count, (labels, camera), 1)
    np.add.at(total, (labels, camera), times)
    first = np.full(shape, np.iinfo(np.int64).max)
    np.minimum.at(first, (labels, camera), times)
    mean = total / np.maximum(count, 1)  # [K, C]
    for later in range(cameras):
        for earlier in range(cameras):
            after = mean[:, later] - mean[:, earlier]
            both = (count[:, later] > 0) & (count[:, earlier] > 0)
            chosen = both & ((after > 0) | ((after == 0) & (later < earlier)))  # a tie counts once
            np.add.at(histograms[later, earlier], (after[chosen] // width).astype(np.int64), 1)
    several = count[labels, camera] > 1
    labels, camera, times = labels[several], camera[several], times[several]
    np.add.at(histograms, (camera, camera, (times - first[labels, camera]) // width), count[labels, camera])
    return histograms


def smoothed(histograms: np.ndarray) -> np.ndarray:
    """Each histogram of [C, C, bins] under a Gaussian of 50 bins, cut off at 150, as shares of its sum; float32."""
    smooth = gaussian_filter1d(histograms, SMOOTHING, axis=2, mode="constant", truncate=REACH)
    return (smooth / (smooth.sum(axis=2, keepdims=True) + 1e-7)).astype(np.float32)


def time_probability(distribution: TimeDistribution, first: Sightings, second: Sightings) -> Tensor:
    """The share of the bin that each pair of pictures falls into, the later one's camera first: [A, B] float32.

    first, second: A and B pictures on the distribution's device. 0 beyond the last bin, for a camera that the
    distribution does not know, and for pictures of different slots.
    """
    cameras, bins = len(distribution.cameras), distribution.probability.shape[2]
    one, one_known = _camera_places(distribution.cameras, first.cameras)
    two, two_known = _camera_places(distribution.cameras, second.cameras)
    after = first.times[:, None] - second.times[None, :]  # [A, B]
    pair = torch.where(after >= 0, one[:, None] * cameras + two[None, :], two[None, :] * cameras + one[:, None])
    place = after.abs_().div_(distribution.bin_width, rounding_mode="floor")
    known = (place < bins).logical_and_(one_known[:, None]).logical_and_(two_known[None, :])
    if first.slots is not None and second.slots is not None:
        known.logical_and_(first.slots[:, None] == second.slots[None, :])
    found = distribution.probability.flatten()[pair.mul_(bins).add_(place.clamp_(max=bins - 1))]
    return found.mul_(known)


def joint_distance(cosines: Tensor, probability: Tensor) -> Tensor:
    """1 - 1 / (1 + e^(-5 s)) * 1 / (1 + 2 e^(-5 p)): it falls with the similarity s and with the probability p.

    cosines, probability: of one shape. 1 - 1/2 * 1/3 = 0.8333 at s = 0, p = 0.
    """
    return 1 - torch.sigmoid(SLOPE * cosines) / (1 + 2 * torch.exp(-SLOPE * probability))


def joint_distance_rows(features: Tensor, seen: Sightings, distribution: TimeDistribution) -> DistanceRows:
    """The joint distance between the pictures with the unit `features` [N, D]."""
    seen = seen.to(features.device)
    distribution = on_device(distribution, features.device)

    def rows(start: int, stop: int) -> Tensor:
        cosines = features[start:stop] @ features.T
        return joint_distance(cosines, time_probability(distribution, seen[start:stop], seen))

    return DistanceRows(len(features), rows)


def joint_distance_blocks(
    query: Tensor, gallery: Tensor, asked: Sightings, searched: Sightings, distribution: TimeDistribution
) -> Iterator[np.ndarray]:
    """The joint distance of unit `query` [Q, D] and `gallery` [G, D] features, some queries at a time: [R, G] each."""
    rows = max(1, ENTRIES_AT_ONCE // len(gallery))
    for start in range(0, len(query), rows):
        block = slice(start, start + rows)
        cosines = query[block] @ gallery.T
        yield joint_distance(cosines, time_probability(distribution, asked[block], searched)).numpy()


def on_device(distribution: TimeDistribution, device: torch.device) -> TimeDistribution:
    """The same on another device."""
    return TimeDistribution(
        distribution.cameras.to(device), distribution.probability.to(device), distribution.bin_width
    )


def _camera_places(cameras: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """The place of each of `asked` [N] among `cameras` [C], and whether it is among them."""
    place = torch.searchsorted(cameras, asked).clamp_(max=len(cameras) - 1)
    return place, cameras[place] == asked
