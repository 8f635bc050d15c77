"""The file names of DukeMTMC-reID (Zheng et al., ICCV 2017)."""

import re

from gcl_cli.records import Sample

EXAMPLE = "0001_c2_f0046182.jpg"
WITHDRAWN = "DukeMTMC-reID was withdrawn by its owners: think before you publish results on it."
# Person, camera, frame. The published set has 4, 1 and 7 digits; sites with more cameras name theirs alike.
_NAME = re.compile(r"(-1|\d{1,9})_c(\d{1,4})_f(\d{1,7})(?:\..*)?", re.ASCII | re.IGNORECASE)


def parse(name: str) -> Sample | None:
    """The sample of a path whose base name is DukeMTMC-reID's, else None."""
    match = _NAME.fullmatch(name.rpartition("/")[2])
    if match is None:
        return None
    person, camera, frame = (int(field) for field in match.groups())
    return Sample(name, person, camera, frame)
