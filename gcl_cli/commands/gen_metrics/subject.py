"""What `gcl gen-metrics` measures in a work folder: a generator, its training pictures, and what is known of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact
from gcl_cli.commands.gen_metrics.spaces import ENCODER
from gcl_cli.config import Architecture, GenMetricsSettings
from gcl_cli.datasets.decoding import picture_sizes, read_pictures
from gcl_cli.machine.system import cores
from gcl_cli.people.data import WorkData, training_set
from gcl_cli.people.rendered_views import open_views, require_painted
from gcl_cli.records import PaintedViews, RunOptions, StructurePictures
from gcl_cli.training.features import embed
from gcl_cli.training.generation import generate
from gcl_cli.training.novel_views import painted_people
from gcl_cli.training.structures import angle_indices
from gcl_cli.weights.networks import load_encoder, load_gan, read_encoder, with_own_layout


@dataclass
class Subject:
    """A generator and the M training pictures that it is measured on."""

    networks: dict[str, nn.Module]
    data: WorkData
    render: Artifact
    architecture: Architecture
    pictures: Tensor  # [N, 3, H, W] uint8, all training pictures at the size of the networks
    structures: StructurePictures
    painted: PaintedViews | None  # measured in place of what is generated
    rows: Tensor  # [M] that are measured
    people: Tensor  # [M] int64, -1 = unknown
    cameras: Tensor | None  # [M] int64
    spaces: dict[str, Callable[[Tensor], Tensor]]
    threads: int

    @property
    def photographs(self) -> Tensor:
        """The measured training pictures [M, 3, H, W] uint8."""
        return self.pictures[self.rows]

    def names(self) -> list[str]:
        """The names of the measured pictures."""
        samples = self.data.split("train")
        return [samples[row].name for row in self.rows.tolist()]

    def turned(self, angles: tuple[int, ...]) -> Iterator[tuple[int, Tensor]]:
        """Each angle in degrees, and the generated (or painted) pictures [M, 3, H, W] uint8 of everybody from there."""
        for angle, turn in zip(angles, angle_indices(self.structures, angles), strict=True):
            sides = turn.expand(len(self.rows))
            if self.painted is not None:
                yield angle, painted_people(self.pictures, self.painted, self.rows, sides)
            else:
                yield angle, generate(self.networks, self.pictures, self.structures, self.rows, sides)

    def native(self) -> Tensor | None:
        """The measured photographs at the size of their files, [M, 3, h, w] uint8; None where sizes differ."""
        sizes = set(picture_sizes(self.data.root, self.names()))
        if len(sizes) > 1:
            return None
        ((height, width),) = sizes
        return read_pictures(self.data.root, self.names(), height=height, width=width, threads=self.threads)

    def gallery(self, seed: int) -> Tensor | None:
        """At most M gallery pictures [G, 3, H, W] uint8, drawn at random; None where there are fewer than two."""
        names = [sample.name for sample in self.data.split("gallery")]
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))[: len(self.rows)]
        if len(order) < 2:
            return None
        size = self.architecture
        chosen = [names[row] for row in order.sort().values.tolist()]
        return read_pictures(self.data.root, chosen, height=size.height, width=size.width, threads=self.threads)


def open_subject(
    options: RunOptions, opened: WorkData, gan: Artifact, settings: GenMetricsSettings, device: torch.device
) -> Subject:
    """The subject of a work folder, with the encoder's space; GclError where an artifact is missing."""
    work = WorkFolder(Path(options.work))
    source, architecture = read_encoder(work, gan.config.get("encoder", gan.reference))
    architecture = with_own_layout(gan, architecture)
    encoder = load_encoder(source, architecture, device)
    render, structures = open_views(work, opened, architecture)
    training = training_set(opened, architecture, options)
    rng = torch.Generator().manual_seed(settings.seed)
    rows = torch.randperm(len(training), generator=rng)[: settings.pictures or len(training)].sort().values
    people = torch.tensor([-1 if sample.person is None else sample.person for sample in opened.split("train")])[rows]
    return Subject(
        networks={"identity_encoder": encoder, **load_gan(gan, architecture, device)},
        data=opened, render=render, architecture=architecture, pictures=training.pictures, structures=structures,
        painted=require_painted(render, architecture) if settings.views == "painted" else None,
        rows=rows, people=people, cameras=None if training.cameras is None else training.cameras[rows],
        spaces={ENCODER: lambda pictures: embed(encoder, pictures, precision="fp32").cpu()},
        threads=options.threads or cores(),
    )  # fmt: skip
