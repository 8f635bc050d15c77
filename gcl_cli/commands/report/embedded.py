"""Some of the training pictures as the encoder sees them: what the map and the nearest pictures are made of."""

from dataclasses import dataclass

import numpy as np
import torch

from gcl_cli.config import ReportSettings
from gcl_cli.datasets.dataset import require_split
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.data import WorkData
from gcl_cli.records import Sample
from gcl_cli.session import Session
from gcl_cli.training.features import embed
from gcl_cli.weights.starting_weights import OpenedEncoder


@dataclass(frozen=True)
class Eye:
    """An encoder, loaded."""

    source: OpenedEncoder
    network: IdentityEncoder
    threads: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures it reads."""
        return self.source.architecture.height, self.source.architecture.width

    def pictures(self, data: WorkData, names: list[str]) -> torch.Tensor:
        """Pictures at its size, [N, 3, H, W] uint8."""
        return read_pictures(data.root, names, height=self.size[0], width=self.size[1], threads=self.threads)

    def features(self, pictures: torch.Tensor) -> np.ndarray:
        """Unit rows [N, D] float32 of pictures [N, 3, H, W] uint8."""
        return embed(self.network, pictures, precision="fp32").cpu().numpy()


@dataclass(frozen=True)
class Embedded:
    """M training pictures and their embeddings."""

    samples: tuple[Sample, ...]  # [M]
    features: np.ndarray  # [M, D] float32, rows of unit length
    of: int  # training pictures there are
    encoder: str


def load_eye(source: OpenedEncoder, session: Session) -> Eye:
    """The encoder on its device."""
    return Eye(source, source.load(session.open_device()), session.processes)


def embed_some(eye: Eye, data: WorkData, settings: ReportSettings) -> Embedded:
    """At most `settings.pictures` training pictures, drawn at random by their seed, in their order."""
    everything = require_split(data.dataset, "train")
    rng = torch.Generator().manual_seed(settings.seed)
    drawn = torch.randperm(len(everything), generator=rng)[: settings.pictures].sort().values.tolist()
    samples = tuple(everything[row] for row in drawn)
    features = eye.features(eye.pictures(data, [sample.name for sample in samples]))
    return Embedded(samples, features, len(everything), eye.source.reference)
