"""The ways in which file names say who is on a picture, which camera took it, and when: each name is read for itself.

A name that is of no grammar is never held against the others: how a name is read depends on the name alone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gcl_cli.datasets import dukemtmc, market1501, msmt17
from gcl_cli.records import Sample

MIXED, CAMERAS_ALONE, UNREAD = "mixed", "cameras", "plain"  # layouts that are no published set's
# Everywhere in a name, between other things: cam3, camera_12, c2; what follows the number is no digit.
_CAMERA = re.compile(
    r"(?:.*[^a-z0-9])?c(?:am(?:era)?)?[_-]?(\d{1,4})(?:s\d+)?(?:[^a-z0-9].*)?", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True)
class Grammar:
    """How the file names of a layout are written."""

    layout: str
    example: str
    parse: Callable[[str], Sample | None]


# From the most specific to the least. The last also reads what the others read, but neither frame nor slot.
GRAMMARS = (
    Grammar("market1501", market1501.EXAMPLE, market1501.parse),
    Grammar("dukemtmc", dukemtmc.EXAMPLE, dukemtmc.parse),
    Grammar("msmt17-v1", msmt17.EXAMPLE, msmt17.parse),
    Grammar("msmt17-market", msmt17.MARKET_EXAMPLE, msmt17.parse_market),
)
EXAMPLES = " or ".join(grammar.example for grammar in GRAMMARS)


def read_names(names: Sequence[str]) -> tuple[str, list[Sample]]:
    """The layout of these names and what each says, in their order; no name comes twice.

    Names that say a camera and nobody's number (`cam2_0001.jpg`) are read so where cameras have two pictures or more:
    c1.jpg, c2.jpg, c3.jpg are serial numbers. The layout is the grammar of all names that
    are read, "mixed" where they are of several, "plain" where none is read.
    """
    read = {name: _read(name) for name in names}
    found = {name: _camera(name) for name, (layout, _) in read.items() if layout is None}
    cameras = {name: camera for name, camera in found.items() if camera is not None}
    if 2 * len(set(cameras.values())) <= len(cameras) + len(read) - len(found):
        read |= {name: (CAMERAS_ALONE, Sample(name, camera=camera)) for name, camera in cameras.items()}
    layouts = {layout for layout, _ in read.values() if layout is not None}
    return (layouts.pop() if len(layouts) == 1 else MIXED if layouts else UNREAD), [
        sample for _, sample in read.values()
    ]


def _read(name: str) -> tuple[str | None, Sample]:
    for grammar in GRAMMARS:
        if (sample := grammar.parse(name)) is not None:
            return grammar.layout, sample
    return None, Sample(name)


def _camera(name: str) -> int | None:
    base = name.rpartition("/")[2]
    match = _CAMERA.fullmatch(base.partition(".")[0])
    return int(match[1]) if match else None
