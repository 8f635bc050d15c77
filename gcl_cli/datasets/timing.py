"""When pictures were taken, on one clock a camera: what their file names say and what it takes to compare them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gcl_cli.records import Sample

PARTS_OF_DAY = ("morning", "noon", "afternoon")


@dataclass(frozen=True)
class Timing:
    """The times of N pictures; slots are recordings with clocks of their own (MSMT17), None: there is one clock."""

    times: np.ndarray  # [N] int64
    slots: np.ndarray | None  # [N] int64


def timing(samples: Sequence[Sample], training: Sequence[Sample], *, layout: str) -> Timing | None:
    """When `samples` were taken; None where a camera, a frame, or the slot it counts in is unknown.

    training: the data set's training pictures, by which the sequences of Market-1501 are laid end to end.
    """
    if layout in ("msmt17-v1", "msmt17-v2"):
        return _in_slots(samples)
    frames = [sample.frame for sample in samples if sample.frame is not None and sample.camera is not None]
    if layout not in ("market1501", "dukemtmc") or len(frames) < len(samples):
        return None
    offsets = [0] * len(samples)
    if layout == "market1501":
        starts = sequence_starts(training)
        offsets = [_start(starts, sample) for sample in samples]
    return Timing(np.array(frames, dtype=np.int64) + np.array(offsets, dtype=np.int64), slots=None)


def sequence_starts(training: Sequence[Sample]) -> dict[int, list[tuple[int, int]]]:
    """For every camera of Market-1501, its sequences and the largest frame of each, in ascending order.

    A sequence begins where the ones before it end: with the sum of their largest frames among the training pictures.
    """
    largest: dict[int, dict[int, int]] = defaultdict(dict)
    for sample in training:
        if sample.camera is not None and sample.frame is not None and sample.slot is not None:
            sequences = largest[sample.camera]
            sequences[_sequence(sample)] = max(sequences.get(_sequence(sample), 0), sample.frame)
    return {camera: sorted(sequences.items()) for camera, sequences in largest.items()}


def _start(starts: dict[int, list[tuple[int, int]]], sample: Sample) -> int:
    """Where the clock stands at the beginning of the sample's sequence."""
    before = starts.get(sample.camera or 0, [])
    return sum(frames for sequence, frames in before if sequence < _sequence(sample))


def _sequence(sample: Sample) -> int:
    return int((sample.slot or "s0").removeprefix("s"))


def _in_slots(samples: Sequence[Sample]) -> Timing | None:
    """MSMT17: times count within a recording slot, a part of a day; a slot has the same number in every split."""
    known = [(s.frame, _slot_number(s.slot)) for s in samples if None not in (s.camera, s.frame) and s.slot is not None]
    if len(known) < len(samples):
        return None
    times, slots = np.array(known, dtype=np.int64).reshape(-1, 2).T
    return Timing(times, slots)


def _slot_number(slot: str) -> int:
    """A number for a slot such as 0303morning."""
    return int(slot[:4]) * len(PARTS_OF_DAY) + PARTS_OF_DAY.index(slot[4:])
