"""A folder of pictures without splits: training data, with the cameras that its file names or folders say."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gcl_cli.datasets.dataset import PICTURE_ENDINGS, Dataset, Reading, Remark
from gcl_cli.datasets.grammars import read_names
from gcl_cli.datasets.labels import label_notes, labelled
from gcl_cli.datasets.listing import FoundPictures, find_pictures, some
from gcl_cli.datasets.splits import sounds_like_a_test
from gcl_cli.errors import GclError
from gcl_cli.records import Sample


def read(found: FoundPictures, reading: Reading) -> Dataset:
    """Every picture as a training picture, sorted by name; the people that names say are kept for who needs them.

    GclError where a folder sounds like pictures to test with, which would train.
    """
    root, names = found.root, _required(found).names
    if not reading.allow_subset:
        _refuse_tests(found)
    layout, samples = read_names(names)
    labels = labelled({"train": [(sample.name, sample) for sample in samples]}, reading)["train"]
    nobody = {-1} if reading.person_from or not _are_serial(labels) else {sample.person for sample in labels}
    train = tuple(replace(sample, person=None) if sample.person in nobody else sample for sample in labels)
    notes = [Remark("data set", _said(found, layout, train)), *(Remark("folders", text) for text in found.remarks)]
    return Dataset(
        root, root.resolve().name, layout, {"train": train}, tuple([*notes, *label_notes(train, names, reading)])
    )


def pictures_below(root: Path, *, drawings: bool = False) -> FoundPictures:
    """The pictures of `root` and of all folders below it (`find_pictures`); GclError where there is none."""
    return _required(find_pictures(root, drawings=drawings))


def _are_serial(samples: Sequence[Sample]) -> bool:
    """Whether the numbers where people's stand are those of pictures: no two have the same one."""
    return len(samples) > 1 and len({sample.person for sample in samples}) == len(samples)


def _required(found: FoundPictures) -> FoundPictures:
    if not found.usable().names:
        raise GclError(
            " ".join([f"{found.root} holds no pictures.", *found.remarks]),
            f"Give a folder with {', '.join(sorted(PICTURE_ENDINGS))} files or a data set in Market-1501 style.",
        )
    return found


def _refuse_tests(found: FoundPictures) -> None:
    tests = [f for f in found.folders if sounds_like_a_test(f.rpartition("/")[2]) and found.below([f]).names]
    if tests:
        raise GclError(
            f"{found.root} is in no known style, and {some(tests)} sounds like pictures to test with.",
            f"Give the folder of the training pictures alone, name the folders train, query and gallery, or type "
            f"--allow-subset to train on all {len(found.names):,} pictures.",
        )


def _said(found: FoundPictures, layout: str, train: tuple[Sample, ...]) -> str:
    cameras = {sample.camera for sample in train}
    if cameras == {None}:
        known = "in no known style: its {} pictures train without labels and cameras"
    elif None in cameras:
        known = "without splits: its {} pictures train"
    else:
        known = f"without splits: its {{}} pictures train, of {len(cameras)} cameras ({layout} style)"
    return f"{found.root} is {known.format(f'{len(train):,}')}, and there is nothing to evaluate on."
