"""The file names of Market-1501 (Zheng et al., ICCV 2015)."""

import re

from gcl_cli.records import Sample

EXAMPLE = "0002_c1s1_000451_03.jpg"
_NAME = re.compile(
    r"(-1|\d{1,9})_c(\d{1,4})s(\d{1,4})_(\d{6})_(\d{2})(?:\..*)?", re.ASCII | re.IGNORECASE
)  # person, camera, sequence, frame, box


def parse(name: str) -> Sample | None:
    """The sample of a path whose base name is Market-1501's, else None.

    Person -1 is junk (a body part, a bad box), person 0 a distractor. Frames count anew in every sequence, and
    every camera has sequences of its own; the sequence becomes the slot, "s1".
    """
    match = _NAME.fullmatch(name.rpartition("/")[2])
    if match is None:
        return None
    person, camera, sequence, frame, _ = match.groups()
    return Sample(name, int(person), int(camera), int(frame), f"s{sequence}")
