"""The data set of a work folder, and its pictures in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts import dataset_record
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.clustering.density import number_by_first_member
from gcl_cli.clustering.temporal import Sightings
from gcl_cli.config import Architecture
from gcl_cli.datasets.catalogue import open_dataset, resolve
from gcl_cli.datasets.dataset import Dataset, person_numbers, require_split
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.datasets.timing import timing
from gcl_cli.errors import GclError
from gcl_cli.machine.system import cores
from gcl_cli.records import LabelledSet, RunOptions, Sample, TrainingSet


@dataclass(frozen=True)
class WorkData:
    """A data set as a work folder knows it; `digest` identifies its pictures."""

    dataset: Dataset
    digest: str

    @property
    def root(self) -> Path:
        """The folder of the pictures."""
        return self.dataset.root

    def split(self, name: str) -> tuple[Sample, ...]:
        """The samples of a split; empty when the data set has none."""
        return self.dataset.splits.get(name, ())


def open_data(options: RunOptions, data: str | None) -> WorkData:
    """The data set that the user names, or the one that the work folder remembers; remembers a new one.

    Raises GclError when there is none, when it is another one than remembered, or when its pictures changed.
    """
    work = WorkFolder(Path(options.work))
    if data is None:
        record = dataset_record.recall(work)
        root, allow_subset = Path(record["root"]), bool(record["allow_subset"]) or options.allow_subset
    else:
        root, allow_subset = resolve(data, Path(options.data_root)), options.allow_subset
    dataset = open_dataset(root, allow_subset=allow_subset)
    record = {
        "root": str(dataset.root.resolve()), "name": dataset.name, "layout": dataset.layout,
        "allow_subset": allow_subset,
        "pictures": {split: len(samples) for split, samples in dataset.splits.items()},
    }  # fmt: skip
    known = work.dataset_file.exists()
    remembered = dataset_record.remember(work, record, _stamps(dataset))
    if not known:
        for remark in dataset.remarks:
            console.warn(remark)
    return WorkData(dataset, remembered["digest"])


def open_other(root: Path, *, allow_subset: bool) -> WorkData:
    """A data set that need not be the work folder's own."""
    dataset = open_dataset(root, allow_subset=allow_subset)
    return WorkData(dataset, dataset_record.fingerprint_of(_stamps(dataset)))


def _stamps(dataset: Dataset) -> dataset_record.Stamps:
    names = {split: [sample.name for sample in samples] for split, samples in dataset.splits.items()}
    return dataset_record.stamps(dataset.root, names)


def training_set(data: WorkData, architecture: Architecture, options: RunOptions) -> TrainingSet:
    """The training pictures in memory at the size of the networks, with their cameras and times where all are known."""
    samples = data.split("train")
    seen = sightings(data, "train")
    return TrainingSet(
        _pictures(data, samples, architecture, options),
        _cameras(samples),
        times=None if seen is None else seen.times,
        slots=None if seen is None else seen.slots,
    )


def sightings(data: WorkData, split: str) -> Sightings | None:
    """Where and when the pictures of a split were taken; None where their names do not say."""
    samples = data.split(split)
    found, cameras = timing(samples, data.split("train"), layout=data.dataset.layout), _cameras(samples)
    if found is None or cameras is None:
        return None
    slots = None if found.slots is None else torch.from_numpy(found.slots)
    return Sightings(cameras, torch.from_numpy(found.times), slots)


@dataclass(frozen=True)
class Times:
    """Where and when the pictures of every split were taken."""

    train: Sightings
    query: Sightings
    gallery: Sightings


def times_of(data: WorkData) -> Times:
    """What JVTC+ must know of training, query and gallery pictures; GclError where their names do not say."""
    for split in ("train", "query", "gallery"):
        require_split(data.dataset, split)
    train, query, gallery = (sightings(data, split) for split in ("train", "query", "gallery"))
    if train is None or query is None or gallery is None:
        raise GclError(
            f"The names in {data.root} ({data.dataset.layout} style) do not carry camera and frame number, such as "
            f"{data.split('train')[0].name}: without them JVTC+ is undefined.",
            "Use the data set's original names, such as 0002_c1s1_000451_03.jpg, or leave --temporal out.",
        )
    return Times(train, query, gallery)


def labelled_set(data: WorkData, architecture: Architecture, options: RunOptions) -> LabelledSet:
    """The training pictures in memory with the people they show, numbered from 0; GclError where one is unknown.

    People are numbered as they appear, so that their numbers on disk mean nothing to what is learned.
    """
    samples = require_people(data)
    people = number_by_first_member(person_numbers(samples))
    return LabelledSet(_pictures(data, samples, architecture, options), torch.from_numpy(people), _cameras(samples))


def require_people(data: WorkData) -> tuple[Sample, ...]:
    """The training pictures, all of known people; GclError otherwise."""
    samples = require_split(data.dataset, "train")
    person_numbers(samples)
    return samples


def _pictures(data: WorkData, samples: Sequence[Sample], architecture: Architecture, options: RunOptions) -> Tensor:
    return read_pictures(
        data.root, [sample.name for sample in samples],
        height=architecture.height, width=architecture.width, threads=options.threads or cores(),
    )  # fmt: skip


def _cameras(samples: Sequence[Sample]) -> Tensor | None:
    numbers = [sample.camera for sample in samples if sample.camera is not None]
    return torch.tensor(numbers) if len(numbers) == len(samples) else None
