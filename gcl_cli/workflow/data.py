"""The data set of a work folder, and its pictures in memory."""

from dataclasses import dataclass
from pathlib import Path

import torch

from gcl_cli import console
from gcl_cli.artifacts import dataset_record
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.config import Architecture
from gcl_cli.datasets.catalogue import open_dataset, resolve
from gcl_cli.datasets.dataset import Dataset
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.records import RunOptions, Sample, TrainingSet
from gcl_cli.workflow.sharing import cores


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
    opened = open_other(root, allow_subset=allow_subset)
    record = {
        "root": str(opened.root.resolve()), "name": opened.dataset.name, "layout": opened.dataset.layout,
        "allow_subset": allow_subset, "digest": opened.digest,
        "pictures": {split: len(samples) for split, samples in opened.dataset.splits.items()},
    }  # fmt: skip
    known = work.dataset_file.exists()
    dataset_record.remember(work, record)
    if not known:
        for remark in opened.dataset.remarks:
            console.warn(remark)
    return opened


def open_other(root: Path, *, allow_subset: bool) -> WorkData:
    """A data set that need not be the work folder's own."""
    dataset = open_dataset(root, allow_subset=allow_subset)
    names = {split: [sample.name for sample in samples] for split, samples in dataset.splits.items()}
    return WorkData(dataset, dataset_record.fingerprint(dataset.root, names))


def training_set(data: WorkData, architecture: Architecture, options: RunOptions) -> TrainingSet:
    """The training pictures in memory at the size of the networks, with their cameras where all are known."""
    samples = data.split("train")
    names = [sample.name for sample in samples]
    pictures = read_pictures(
        data.root, names, height=architecture.height, width=architecture.width, threads=options.threads or cores()
    )
    numbers = [sample.camera for sample in samples if sample.camera is not None]
    return TrainingSet(pictures, torch.tensor(numbers) if len(numbers) == len(samples) else None)
