"""`--validation`: labelled pictures of other people, by which a training may choose its epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gcl_cli.config import Architecture
from gcl_cli.datasets.catalogue import resolve
from gcl_cli.datasets.dataset import camera_numbers, person_numbers, require_split
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.errors import GclError
from gcl_cli.metrics.ranking import rank_features
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.data import WorkData, open_other
from gcl_cli.records import Sample
from gcl_cli.session import Session
from gcl_cli.training.features import embed


@dataclass(frozen=True)
class Validation:
    """Queries and gallery in memory, at the size of the networks."""

    digest: str
    query: tuple[Sample, ...]
    gallery: tuple[Sample, ...]
    query_pictures: Tensor  # [Q, 3, H, W] uint8
    gallery_pictures: Tensor  # [G, 3, H, W] uint8

    def mean_average_precision(self, encoder: IdentityEncoder) -> float:
        """mAP in percent of the encoder as it stands; its mode is put back."""
        query, gallery = (
            embed(encoder, pictures, precision="fp32").cpu()
            for pictures in (self.query_pictures, self.gallery_pictures)
        )
        ranking = rank_features(
            query, gallery,
            query_persons=person_numbers(self.query), gallery_persons=person_numbers(self.gallery),
            query_cameras=camera_numbers(self.query), gallery_cameras=camera_numbers(self.gallery),
            max_rank=1, average_precision="open-reid",
        )  # fmt: skip
        return 100 * float(ranking.mean_average_precision)


def open_validation(
    validation: str | None, own: WorkData, architecture: Architecture, session: Session
) -> Validation | None:
    """What `--validation` names: query and gallery of a data set, or its labelled training pictures against each other.

    Raises GclError for the training set itself (its test people are for the end), for pictures without labels, and
    where training pictures have no cameras, without which each would be its own best match.
    """
    if validation is None:
        return None
    data = open_other(resolve(validation, Path(session.data_root)), allow_subset=True)
    if data.digest == own.digest:
        raise GclError(
            f"--validation {validation} is the data set that is trained on: its test people are for `gcl evaluate`.",
            "Give labelled pictures of other people, in a folder of their own.",
        )
    if "query" in data.dataset.splits:
        query, gallery = require_split(data.dataset, "query"), require_split(data.dataset, "gallery")
    else:
        query = gallery = require_split(data.dataset, "train")
        _require_cameras(data.root, query)
    person_numbers(query), person_numbers(gallery)
    pictures = _read(data, query, architecture, session)
    others = pictures if gallery is query else _read(data, gallery, architecture, session)
    return Validation(data.digest, query, gallery, pictures, others)


def _require_cameras(root: Path, samples: Sequence[Sample]) -> None:
    if any(sample.camera is None for sample in samples):
        raise GclError(
            f"The pictures in {root} have no cameras and no query folder: each would find itself first.",
            "Give a set in Market-1501 style, with query and bounding_box_test, or names such as 0002_c1s1_000451.jpg "
            "in bounding_box_train.",
        )


def _read(data: WorkData, samples: Sequence[Sample], architecture: Architecture, session: Session) -> Tensor:
    return torch.as_tensor(
        read_pictures(
            data.root, [sample.name for sample in samples],
            height=architecture.height, width=architecture.width, threads=session.processes,
        )
    )  # fmt: skip
