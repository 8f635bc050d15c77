"""Whether pictures that a user names are crops of one person each: of anything else, an answer comes with a note."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gcl_cli.config import MeshSettings
from gcl_cli.datasets.decoding import picture_sizes
from gcl_cli.people.bodies import STATUS
from gcl_cli.people.estimating import estimate_shard
from gcl_cli.people.shards import Shard
from gcl_cli.records import MeshEstimates

HERE = Path()  # files that the user named are relative to the current folder
LOOKED_AT = 100  # pictures of one command: each takes a twentieth of a second
LEAST_SCORE = 0.5  # of the landmark network: people on photographs have 0.8 and more, noise and scenes less than 0.3


def crop_notes(files: Sequence[Path]) -> dict[str, str]:
    """What of the first `LOOKED_AT` of `files` is hardly the crop of one person, and why, by the names of the files."""
    names = tuple(map(str, files[:LOOKED_AT]))
    return notes_of(names, estimate_shard(HERE, MeshSettings(), "cpu", Shard("train", 0, names)))


def notes_of(names: Sequence[str], bodies: MeshEstimates) -> dict[str, str]:
    """`crop_notes` of pictures whose bodies are estimated already, in their order."""
    none = (bodies.status == STATUS.index("fallback")) | (bodies.score < LEAST_SCORE)  # [N]
    notes = {}
    for name, (height, width), nobody in zip(names, picture_sizes(HERE, names), np.atleast_1d(none), strict=True):
        why = [f"it is wider than high ({width}x{height})"] if width > height else []
        why += ["no person was found in it"] if nobody else []
        if why:
            notes[name] = f"{' and '.join(why)}: give the crop of one person, from head to feet"
    return notes
