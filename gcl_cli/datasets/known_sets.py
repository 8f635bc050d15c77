"""The published data sets: how their folders are spelled and what they must hold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gcl_cli.records import Sample


@dataclass(frozen=True)
class Count:
    """What one split holds, after junk was left out."""

    images: int
    people: int  # a gallery's distractor number 0 counts as one
    cameras: int
    per_camera: tuple[int, ...] | None  # images, in the order of the camera numbers; None: not published

    def __str__(self) -> str:
        if not self.images:
            return "nothing"
        text = f"{self.images:,} pictures of {self.people:,} people from {self.cameras} cameras"
        return f"{text} ({', '.join(map(str, self.per_camera))})" if self.per_camera else text


@dataclass(frozen=True)
class KnownSet:
    """A published data set."""

    title: str
    spellings: frozenset[str]  # of its folder, in the form of `spelled`
    layouts: tuple[str, ...]
    counts: Mapping[str, Count]


KNOWN_SETS: Mapping[str, KnownSet] = {
    "market1501": KnownSet(
        "Market-1501",
        frozenset({"market", "market1501", "market1501v150915"}),
        ("market1501",),
        {
            "train": Count(12_936, 751, 6, (2017, 1709, 2707, 920, 2338, 3245)),
            "query": Count(3_368, 750, 6, (668, 530, 717, 248, 622, 583)),
            # 19,732 on disk, less 3,819 junk pictures
            "gallery": Count(15_913, 751, 6, (2738, 2224, 3199, 1365, 2762, 3625)),
        },
    ),
    "dukemtmc": KnownSet(
        "DukeMTMC-reID",
        frozenset({"duke", "dukemtmc", "dukemtmcreid"}),
        ("dukemtmc",),
        {
            "train": Count(16_522, 702, 8, (2809, 3009, 1088, 1395, 1685, 3700, 1330, 1506)),
            "query": Count(2_228, 702, 8, (413, 383, 190, 155, 216, 369, 239, 263)),
            "gallery": Count(17_661, 1_110, 8, (2704, 2798, 828, 1139, 1209, 3308, 1255, 4420)),
        },
    ),
    "msmt17": KnownSet(
        "MSMT17",
        frozenset({"msmt", "msmt17", "msmt17v1", "msmt17v2"}),
        ("msmt17-v1", "msmt17-v2", "msmt17-market"),
        {
            "train": Count(
                32_621,
                1_041,
                15,
                (4910, 203, 454, 1614, 4296, 1678, 3453, 795, 1396, 655, 3154, 1364, 3635, 3876, 1138),
            ),
            "query": Count(11_659, 3_060, 15, None),
            "gallery": Count(82_161, 3_060, 15, None),
        },
    ),
}
EDITIONS = frozenset({"msmt17v1", "msmt17v2"})  # spellings that name one of several editions


def spelled(folder: str) -> str:
    """A folder's name without case and punctuation: `Market-1501-v15.09.15` -> `market1501v150915`."""
    return "".join(letter for letter in folder.lower() if letter.isalnum())


def known_name(folder: str) -> str | None:
    """The data set that a folder's name claims to be; None: no published one."""
    return next((name for name, known in KNOWN_SETS.items() if spelled(folder) in known.spellings), None)


def count(samples: Sequence[Sample]) -> Count:
    """What a split holds."""
    cameras = Counter(sample.camera for sample in samples if sample.camera is not None)
    people = {sample.person for sample in samples if sample.person is not None}
    return Count(len(samples), len(people), len(cameras), tuple(cameras[camera] for camera in sorted(cameras)))


def differences(name: str, layout: str, splits: Mapping[str, Sequence[Sample]]) -> list[str]:
    """Each way in which the splits differ from the published set `name`, with what was expected and found."""
    known = KNOWN_SETS[name]
    different = []
    if layout not in known.layouts:
        different.append(f"layout: expected {' or '.join(known.layouts)}, found {layout}")
    for split, expected in known.counts.items():
        found = count(splits.get(split, ()))
        if expected != (found if expected.per_camera else replace(found, per_camera=None)):
            different.append(f"{split}: expected {expected}, found {found}")
    return different
