"""The data set of a work folder, and its pictures in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts import dataset_record
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.picture_lists import Stamps, fingerprint_of, keep_list, stamps
from gcl_cli.clustering.density import number_by_first_member
from gcl_cli.clustering.temporal import Sightings
from gcl_cli.config import Architecture
from gcl_cli.datasets.catalogue import open_dataset, resolve
from gcl_cli.datasets.dataset import Dataset, person_numbers, require_split
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.datasets.timing import timing
from gcl_cli.errors import GclError
from gcl_cli.records import LabelledSet, Sample, TrainingSet
from gcl_cli.session import Session


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

    def names(self, split: str) -> list[str]:
        """The names of a split's pictures, in order."""
        return [sample.name for sample in self.split(split)]


def open_data(session: Session, data: str | None, *, grow: bool = False) -> WorkData:
    """The data set that the user names, or the one that the work folder remembers; remembers a new one.

    How it is to be read is remembered, too. Raises GclError when there is none, when it is another one than remembered,
    or when its pictures changed after something was made of them, unless that is to be taken in (`grow`).
    """
    work = session.folder
    known = dataset_record.recall(work) if data is None or work.dataset_file.exists() else None
    if data is None and known:
        root = dataset_record.require_place(work, known)
    else:
        root = resolve(str(data), Path(session.data_root))
    reading = _reading(session, known if known and _may_be(work, known, root) else {})
    dataset = open_dataset(root, **reading)
    record = {
        "root": str(dataset.root.resolve()), "name": dataset.name, "layout": dataset.layout, **reading,
        "pictures": {split: len(samples) for split, samples in dataset.splits.items()},
    }  # fmt: skip
    found = _stamps(dataset)
    told = dataset_record.changes_since(work, known, found) if known else ""
    remembered = dataset_record.remember(work, record, found, grow=grow)
    if known and known["digest"] != remembered["digest"] and not grow:
        console.say(
            f"The pictures changed ({told or 'how is not known'}). Nothing was made of them yet: these count now."
        )
    if not known:
        for remark in dataset.remarks:
            console.warn(remark)
    elif known["root"] != remembered["root"]:
        console.say(f"The data set of {work.root} is in {remembered['root']} now, with the same pictures as before.")
    return WorkData(replace(dataset, name=remembered["name"]), remembered["digest"])


def open_crops(session: Session, data: str) -> WorkData | None:
    """A folder that is not the data set of the work folder, which keeps the list of its pictures; None where it is."""
    work, root = session.folder, resolve(data, Path(session.data_root))
    dataset = open_dataset(root, **_reading(session, {}))
    if not work.dataset_file.exists() or dataset_record.place_of(work, dataset_record.recall(work)) in (
        root.resolve(), dataset.root.resolve(),
    ):  # fmt: skip
        return None
    require_split(dataset, "train")
    keep_list(work, found := _stamps(dataset))
    return WorkData(dataset, fingerprint_of(found))


def open_other(
    root: Path, *, allow_subset: bool, camera_from: str | None = None, person_from: str | None = None
) -> WorkData:
    """A data set that need not be the work folder's own."""
    dataset = open_dataset(root, allow_subset=allow_subset, camera_from=camera_from, person_from=person_from)
    return WorkData(dataset, fingerprint_of(_stamps(dataset)))


def _reading(session: Session, known: dict[str, Any]) -> dict[str, Any]:
    """How the data set is to be read: as it was before, where nothing else is said."""
    return {
        "allow_subset": session.allow_subset or bool(known.get("allow_subset")),
        "camera_from": session.camera_from if session.camera_from is not None else known.get("camera_from"),
        "person_from": session.person_from if session.person_from is not None else known.get("person_from"),
    }


def _may_be(work: WorkFolder, known: dict[str, Any], root: Path) -> bool:
    """Whether `root` may be the recorded data set: that is there or within it (an archive), or its place is gone."""
    place = dataset_record.place_of(work, known)
    return not place.is_dir() or place.resolve().is_relative_to(root.resolve())


def _stamps(dataset: Dataset) -> Stamps:
    names = {split: [sample.name for sample in samples] for split, samples in dataset.splits.items()}
    return stamps(dataset.root, names)


def training_set(data: WorkData, architecture: Architecture, session: Session) -> TrainingSet:
    """The training pictures in memory at the size of the networks, with their cameras and times where all are known."""
    samples = data.split("train")
    seen = sightings(data, "train")
    return TrainingSet(
        _pictures(data, samples, architecture, session),
        known_cameras(samples),
        times=None if seen is None else seen.times,
        slots=None if seen is None else seen.slots,
    )


def sightings(data: WorkData, split: str) -> Sightings | None:
    """Where and when the pictures of a split were taken; None where their names do not say."""
    samples = data.split(split)
    found, cameras = timing(samples, data.split("train"), layout=data.dataset.layout), known_cameras(samples)
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


def labelled_set(data: WorkData, architecture: Architecture, session: Session) -> LabelledSet:
    """The training pictures in memory with the people they show, numbered from 0; GclError where one is unknown.

    People are numbered as they appear, so that their numbers on disk mean nothing to what is learned. Pictures of
    nobody known (person -1) are left out, and counted.
    """
    samples = require_people(data)
    if nobody := len(data.split("train")) - len(samples):
        console.warn(f"{nobody:,} of {len(data.split('train')):,} pictures in {data.root} show nobody known: left out.")
    people = number_by_first_member(person_numbers(samples))
    pictures = _pictures(data, samples, architecture, session)
    return LabelledSet(pictures, torch.from_numpy(people), known_cameras(samples))


def require_people(data: WorkData) -> tuple[Sample, ...]:
    """The training pictures of known people; GclError where there are none."""
    samples = require_split(data.dataset, "train")
    known = tuple(sample for sample in samples if sample.person is not None)
    person_numbers(known or samples)
    return known


def _pictures(data: WorkData, samples: Sequence[Sample], architecture: Architecture, session: Session) -> Tensor:
    return read_pictures(
        data.root, [sample.name for sample in samples],
        height=architecture.height, width=architecture.width, threads=session.processes,
    )  # fmt: skip


def known_cameras(samples: Sequence[Sample]) -> Tensor | None:
    """The cameras of pictures, [N] int64; None where any is unknown."""
    numbers = [sample.camera for sample in samples if sample.camera is not None]
    return torch.tensor(numbers) if len(numbers) == len(samples) else None
