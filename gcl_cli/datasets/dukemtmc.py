"""The file names of DukeMTMC-reID (Zheng et al., ICCV 2017)."""

import re

from gcl_cli.records import Sample

EXAMPLE = "0001_c2_f0046182.jpg"
WITHDRAWN = "DukeMTMC-reID was withdrawn by its owners: think before you publish results on it."
_NAME = re.compile(r"(\d{4})_c(\d)_f(\d{7})\.\w+", re.ASCII)  # person, camera, frame


def parse(name: str) -> Sample | None:
    """The sample of a path whose base name is DukeMTMC-reID's, else None."""
    match = _NAME.fullmatch(name.rpartition("/")[2])
    if match is None:
        return None
    person, camera, frame = (int(field) for field in match.groups())
    return Sample(name, person, camera, frame)
