"""Any folder of pictures: training data without labels."""

from pathlib import Path

from gcl_cli.datasets.dataset import PICTURE_ENDINGS, Dataset
from gcl_cli.datasets.listing import FoundPictures, find_pictures
from gcl_cli.errors import GclError
from gcl_cli.records import Sample


def read(root: Path) -> Dataset:
    """Every picture below `root` as a training picture of unknown person and camera, sorted by name."""
    found = pictures_below(root)
    remark = (
        f"{root} is in no known style: its {len(found.names):,} pictures train without labels and cameras, "
        "and there is nothing to evaluate on."
    )
    samples = tuple(map(Sample, found.names))
    return Dataset(root, root.resolve().name, "plain", {"train": samples}, (remark, *found.remarks))


def pictures_below(root: Path) -> FoundPictures:
    """The pictures of `root` and of all folders below it (`find_pictures`); GclError where there is none."""
    found = find_pictures(root, deep=True)
    if not found.names:
        raise GclError(
            " ".join([f"{root} holds no pictures.", *found.remarks]),
            f"Give a folder with {', '.join(sorted(PICTURE_ENDINGS))} files or a data set in Market-1501 style.",
        )
    return found
