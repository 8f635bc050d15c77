"""Embeddings that are means over a picture and its generated views."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact, read_artifact
from gcl_cli.artifacts.view_store import ViewStore
from gcl_cli.commands.evaluate.features import Features
from gcl_cli.config import Architecture, EvaluateSettings
from gcl_cli.errors import GclError
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.data import WorkData
from gcl_cli.records import StructurePictures
from gcl_cli.training.features import embed
from gcl_cli.training.generation import generate
from gcl_cli.training.structures import angle_indices
from gcl_cli.weights.networks import has_painter, latest, load_gan, read_generator
from gcl_cli.weights.starting_weights import open_encoder_of

SPLITS = ("query", "gallery")
BATCH = 256  # pictures whose views exist at a time


@dataclass(frozen=True)
class ViewSource:
    """What generates the views: a generator with the encoder it was trained with, and drawn bodies by split."""

    generator: Artifact
    render: Artifact
    stores: dict[str, ViewStore]
    turns: Tensor  # [A] which of the drawn angles are generated

    @property
    def inputs(self) -> dict[str, str]:
        """Digests of what is read."""
        return {artifact.reference: artifact.manifest.digest for artifact in (self.generator, self.render)}


def open_view_source(
    work: WorkFolder, data: WorkData, generator: str | None, architecture: Architecture, settings: EvaluateSettings
) -> ViewSource:
    """The generator that `--generator` names, or the latest, and the bodies of query and gallery.

    GclError when there are none, when they are of other pictures, or when the generator's pictures have another size.
    """
    gan = read_generator(work, generator or latest(work, ("joint", "gan-warmup")))
    if has_painter(gan):
        raise GclError(
            f"--views: {gan.reference} has a painted generator, and query and gallery have no painted views.",
            "Name a generator of bodies alone: --generator gan-warmup/NAME, made without --generator painted.",
        )
    own = open_encoder_of(work, gan, init=None).architecture
    size = (architecture.height, architecture.width)
    if (own.height, own.width) != size:
        raise GclError(
            f"{gan.reference} generates {own.height}x{own.width} pictures, the encoder reads {size[0]}x{size[1]}.",
            "Choose an encoder and a generator of one preset.",
        )
    render = read_artifact(work, f"render/{settings.views_from}")
    angles = tuple(render.config["angles"])
    _require_splits(render)
    stores = {split: ViewStore(render.folder, split, angles, size) for split in SPLITS}
    for split, store in stores.items():
        if store.names != data.names(split):
            raise GclError(
                f"{render.reference} was drawn for other pictures than the {split} set of {data.root} has.",
                "Measure --views in a work folder of that data set.",
            )
    return ViewSource(gan, render, stores, angle_indices(stores["query"], settings.angles))


def _require_splits(render: Artifact) -> None:
    drawn = [row["split"] for row in render.manifest.result["views"]]
    if missing := [split for split in SPLITS if split not in drawn]:
        raise GclError(
            f"--views: {render.reference} has bodies of {', '.join(drawn)}, not of {' and '.join(missing)}.",
            "Draw them: gcl mesh --splits query,gallery --name test; gcl render --meshes test --name test; "
            "then gcl evaluate --views --set views_from=test",
        )


def load_view_networks(work: WorkFolder, source: ViewSource, device: torch.device) -> dict[str, nn.Module]:
    """The generator's networks, with the encoder that it was trained with."""
    own = open_encoder_of(work, source.generator, init=None)
    return {"identity_encoder": own.load(device), **load_gan(source.generator, own.architecture, device)}


def view_embedder(
    network: IdentityEncoder, networks: dict[str, nn.Module], drawn: StructurePictures, turns: Tensor
) -> Features:
    """The mean of the embeddings of a picture and of its views at the angles `turns` [A], at unit length again.

    network: whose embeddings they are; networks: what generates; drawn: bodies of the pictures' split.
    """

    def features(pictures: Tensor, first: int) -> Tensor:
        return torch.cat(
            [
                _with_views(network, networks, some, _Shifted(drawn, first + number * BATCH), turns)
                for number, some in enumerate(pictures.split(BATCH))
            ]
        )

    return features


def _with_views(
    network: IdentityEncoder, networks: dict[str, nn.Module], pictures: Tensor, drawn: StructurePictures, turns: Tensor
) -> Tensor:
    rows = torch.arange(len(pictures))
    total = embed(network, pictures, precision="fp32")  # [B, D]
    for turn in turns:
        made = generate(networks, pictures, drawn, rows, turn.expand(len(rows)))  # [B, 3, H, W]
        total += embed(network, made, precision="fp32")
    return F.normalize(total, dim=1)


class _Shifted:
    """Drawn bodies from row `first` on, in the form of records.StructurePictures."""

    def __init__(self, drawn: StructurePictures, first: int) -> None:
        self.angles = drawn.angles
        self._drawn, self._first = drawn, first

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        return self._drawn(rows + self._first, angle_index)
