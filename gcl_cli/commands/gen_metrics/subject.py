"""What `gcl gen-metrics` measures in a work folder: a generator, its training pictures, and what is known of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gcl_cli.artifacts.manifest import Artifact
from gcl_cli.commands.gen_metrics.measures import ENCODER
from gcl_cli.config import Architecture, GenMetricsSettings
from gcl_cli.datasets.decoding import picture_sizes, read_pictures
from gcl_cli.people.data import WorkData, training_set
from gcl_cli.people.painting import before_own_backdrops, draw_people, paint_people
from gcl_cli.people.rendered_views import open_flows, open_signals, require_flows
from gcl_cli.records import PaintedViews
from gcl_cli.session import Session
from gcl_cli.training.backdrops import TOGETHER
from gcl_cli.training.drawn_views import Structures, resized_pictures
from gcl_cli.training.features import embed
from gcl_cli.training.generation import generate
from gcl_cli.training.novel_views import painted_people
from gcl_cli.training.painting import Painting
from gcl_cli.training.structures import angle_indices
from gcl_cli.weights.networks import has_painter, load_encoder, load_gan, read_encoder, weight_file, with_own_layout
from gcl_cli.weights.shipped_generator import SHIPPED, SIZE, load_shipped_generator


class Turned(NamedTuple):
    """Everybody from one side."""

    angle: int  # degrees
    pictures: Tensor  # [M, 3, H, W] uint8
    cut_outs: Tensor | None  # [M, 4, H, W] uint8, colour and opacity; None: nothing tells where the people are


@dataclass
class Subject:
    """A generator and the M training pictures that it is measured on."""

    networks: dict[str, nn.Module]
    data: WorkData
    render: Artifact
    architecture: Architecture
    pictures: Tensor  # [N, 3, H, W] uint8, all training pictures at the size of the networks
    structures: Structures
    measured: str  # which views: "generated", "painted" or those of the shipped generator
    painted: PaintedViews | None
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

    def turned(self, angles: tuple[int, ...]) -> Iterator[Turned]:
        """The measured views of everybody, one angle after another."""
        if self.measured == SHIPPED:
            yield from self._shipped(angles)
            return
        for angle, turn in zip(angles, angle_indices(self.structures, angles), strict=True):
            sides = turn.expand(len(self.rows))
            if self.measured == "painted" and self.painted is not None:
                made = painted_people(self.pictures, self.painted, self.rows, sides)
            else:
                made = generate(self.networks, self.pictures, self.structures, self.rows, sides)
            yield Turned(angle, made, self._cut_outs(made, sides))

    def _cut_outs(self, made: Tensor, sides: Tensor) -> Tensor | None:
        """The people of views [M, 3, H, W] by the silhouettes of their painted bodies."""
        if self.painted is None:
            return None
        pairs = zip(self.rows.split(TOGETHER), sides.split(TOGETHER), strict=True)
        return torch.cat([made, torch.cat([self.painted(rows, turned)[:, 3:] for rows, turned in pairs])], dim=1)

    def _shipped(self, angles: tuple[int, ...]) -> Iterator[Turned]:
        """What the generator that ships with gcl draws, resized to the networks' size."""
        people = paint_people(self.data.root, self.names(), angles, SIZE, threads=self.threads)
        drawn = draw_people(load_shipped_generator(torch.device("cpu")), people)
        made = before_own_backdrops(people, drawn)
        size = (self.architecture.height, self.architecture.width)
        for index, angle in enumerate(angles, start=1):
            yield Turned(angle, resized_pictures(made[:, index], size), resized_pictures(drawn[:, index], size))

    def native(self) -> Tensor | None:
        """The measured photographs at the size of their files, [M, 3, h, w] uint8; None where sizes differ."""
        sizes = set(picture_sizes(self.data.root, self.names()))
        if len(sizes) > 1:
            return None
        ((height, width),) = sizes
        return read_pictures(self.data.root, self.names(), height=height, width=width, threads=self.threads)

    def gallery(self, seed: int) -> Tensor | None:
        """At most M gallery pictures [G, 3, H, W] uint8, drawn at random; None where there are fewer than two."""
        names = self.data.names("gallery")
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))[: len(self.rows)]
        if len(order) < 2:
            return None
        size = self.architecture
        chosen = [names[row] for row in order.sort().values.tolist()]
        return read_pictures(self.data.root, chosen, height=size.height, width=size.width, threads=self.threads)


def open_subject(
    session: Session,
    opened: WorkData,
    made: Artifact,
    settings: GenMetricsSettings,
    device: torch.device,
    *,
    measured: str,
) -> Subject:
    """The subject of a work folder, with the encoder's space; GclError where an artifact is missing.

    made: the generator's artifact, or an encoder's where nothing of a generator is measured.
    """
    work = session.folder
    source, architecture = read_encoder(work, made.config.get("encoder", made.reference))
    trained = weight_file(made, "generator").exists()
    architecture = with_own_layout(made, architecture) if trained else architecture
    encoder = load_encoder(source, architecture, device)
    render, structures = open_signals(work, opened, architecture, painted=trained and has_painter(made))
    flows = (require_flows if measured == "painted" else open_flows)(render)
    training = training_set(opened, architecture, session)
    rng = torch.Generator().manual_seed(settings.seed)
    rows = torch.randperm(len(training), generator=rng)[: settings.pictures or len(training)].sort().values
    people = torch.tensor([-1 if sample.person is None else sample.person for sample in opened.split("train")])[rows]
    return Subject(
        networks={"identity_encoder": encoder, **(load_gan(made, architecture, device) if trained else {})},
        data=opened, render=render, architecture=architecture, pictures=training.pictures, structures=structures,
        measured=measured,
        painted=Painting(flows, training.pictures) if flows else None,
        rows=rows, people=people, cameras=None if training.cameras is None else training.cameras[rows],
        spaces={ENCODER: lambda pictures: embed(encoder, pictures, precision="fp32").cpu()},
        threads=session.processes,
    )  # fmt: skip
