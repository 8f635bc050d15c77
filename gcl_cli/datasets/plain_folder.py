"""Any folder of pictures: training data without labels."""

import os
from pathlib import Path

from gcl_cli.datasets.dataset import PICTURE_ENDINGS, Dataset, is_picture
from gcl_cli.errors import GclError
from gcl_cli.records import Sample


def read(root: Path) -> Dataset:
    """Every picture below `root` as a training picture of unknown person and camera, sorted by name.

    Hidden files and folders are passed over; linked folders are not followed.
    """
    names = []
    for parent, folders, files in os.walk(root):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        relative = Path(parent).relative_to(root)
        names += [(relative / file).as_posix() for file in files if is_picture(file)]
    if not names:
        raise GclError(
            f"{root} holds no pictures.",
            f"Give a folder with {', '.join(sorted(PICTURE_ENDINGS))} files or a data set in Market-1501 style.",
        )
    remark = (
        f"{root} is in no known style: its {len(names):,} pictures train without labels and cameras, "
        "and there is nothing to evaluate on."
    )
    return Dataset(root, root.resolve().name, "plain", {"train": tuple(map(Sample, sorted(names)))}, (remark,))
