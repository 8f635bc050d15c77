"""People from sides that no camera saw: a grid of person and angle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact
from gcl_cli.artifacts.view_store import ViewStore
from gcl_cli.commands.report.album import Album, Picture
from gcl_cli.commands.report.embedded import Embedded, Eye
from gcl_cli.commands.report.heads import drawn_head
from gcl_cli.errors import GclError
from gcl_cli.people.data import WorkData
from gcl_cli.people.rendered_views import as_image, open_flows, open_views, require_structures
from gcl_cli.records import StructurePictures
from gcl_cli.retrieval.nearest import nearest_rows
from gcl_cli.session import Session
from gcl_cli.training.drawn_views import PaintedStructures, Structures, drawn_by_shipped
from gcl_cli.training.generation import generate
from gcl_cli.training.novel_views import painted_people
from gcl_cli.training.painting import Painting
from gcl_cli.weights.networks import has_painter, latest, load_gan, read_generator
from gcl_cli.weights.shipped_generator import SHIPPED, SIZE, load_shipped_generator
from gcl_cli.weights.starting_weights import open_encoder_of


@dataclass(frozen=True)
class View:
    """A person from one side."""

    body: Picture
    painted: Picture | None  # the person's own colours on it; None where they were rendered without
    generated: Picture
    nearest: Picture
    nearest_name: str
    similarity: str  # cosine of the generated and the nearest picture
    source: str  # cosine of the generated picture and the photograph it was made of
    same_person: bool | None  # whether the nearest picture shows the person; None where labels do not say


@dataclass(frozen=True)
class Turned:
    """One person from all sides."""

    name: str
    photograph: Picture
    views: tuple[View, ...]


@dataclass(frozen=True)
class Grid:
    """Person x angle."""

    generator: str
    encoder: str
    angles: tuple[int, ...]
    compared: int  # real pictures that the nearest is sought among
    people: tuple[Turned, ...]

    @property
    def is_painted(self) -> bool:
        """Whether painted people are shown."""
        return any(view.painted for person in self.people for view in person.views)


@dataclass
class _Chosen:
    """Some rows of the rendered bodies in the form of records.StructurePictures."""

    angles: tuple[int, ...]
    store: StructurePictures
    chosen: Tensor  # [P] rows of the store

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        return self.store(self.chosen[rows], angle_index)


@dataclass(frozen=True)
class _Made:
    """Generated views of P people from A sides."""

    bodies: Tensor  # [P, A, H, W] uint8
    painted: Tensor | None  # [P, A, 3, H, W] uint8
    generated: Tensor  # [P, A, 3, H, W] uint8
    features: np.ndarray  # [P, A, D] of the generated pictures
    sources: np.ndarray  # [P, D] of the photographs


def view_grid(
    work: WorkFolder, data: WorkData, session: Session, generator: str | None,
    *, people: int, eye: Eye, real: Embedded, album: Album,
) -> Grid:  # fmt: skip
    """Views of people spread over the training set, from all sides that were rendered; GclError without a generator."""
    reference, size, draw = _shipped(session) if generator == SHIPPED else _own(work, session, generator)
    if size is not None and size != eye.size:
        raise GclError(
            f"{reference} makes pictures of another size than {eye.source.reference} reads.",
            "Choose --encoder and --generator of one preset.",
        )
    render, store = open_views(work, data, eye.source.architecture)
    chosen = torch.linspace(0, len(store.names) - 1, min(people, len(store.names))).round().long()
    names = [store.names[row] for row in chosen.tolist()]
    photographs = eye.pictures(data, names)
    turns = torch.arange(len(store.angles)).repeat(len(chosen))
    rows = torch.arange(len(chosen)).repeat_interleave(len(store.angles))
    bodies, kept = _Chosen(store.angles, store, chosen), open_flows(render)
    painted = None if kept is None else Painting(_Chosen(store.angles, kept, chosen), photographs)
    generated = draw(photographs, render, chosen, rows, turns)  # [P * A, 3, H, W]
    shape = (len(chosen), len(store.angles))
    made = _Made(
        bodies(rows, turns)[:, 0].unflatten(0, shape),
        None if painted is None else painted_people(photographs, painted, rows, turns).unflatten(0, shape),
        generated.unflatten(0, shape),
        eye.features(generated).reshape(*shape, -1), eye.features(photographs),
    )  # fmt: skip
    persons = [data.split("train")[row].person for row in chosen.tolist()]
    shown = tuple(
        _turned(name, person, i, made, store.angles, real, album)
        for i, (name, person) in enumerate(zip(names, persons, strict=True))
    )
    return Grid(reference, real.encoder, store.angles, len(real.samples), shown)


# pictures [P, 3, H, W], the rendered views, their rows there [P]; which of the P, from which sides [M] -> [M, 3, H, W]
Draw = Callable[[Tensor, Artifact, Tensor, Tensor, Tensor], Tensor]


def _shipped(session: Session) -> tuple[str, None, Draw]:
    """The generator that ships, what it needs to know of the size of pictures, and how it draws."""

    def draw(pictures: Tensor, render: Artifact, chosen: Tensor, rows: Tensor, turns: Tensor) -> Tensor:
        told = _of_chosen(require_structures(render, SIZE), chosen)
        drawn = drawn_by_shipped(load_shipped_generator(session.open_device()), pictures, told, "fp32")
        return painted_people(pictures, drawn, rows, turns)

    return SHIPPED, None, draw


def _own(work: WorkFolder, session: Session, generator: str | None) -> tuple[str, tuple[int, int], Draw]:
    """The same of the generator that `--generator` names, or the latest; with the size that it draws."""
    gan = read_generator(work, generator or latest(work, ("joint", "gan-warmup")))
    source = open_encoder_of(work, gan, init=None)
    size = (source.architecture.height, source.architecture.width)

    def draw(pictures: Tensor, render: Artifact, chosen: Tensor, rows: Tensor, turns: Tensor) -> Tensor:
        device = session.open_device()
        networks = {"identity_encoder": source.load(device), **load_gan(gan, source.architecture, device)}
        angles = tuple(render.config["angles"])
        structures: Structures = _Chosen(angles, ViewStore(render.folder, "train", angles, size), chosen)
        if has_painter(gan):
            structures = _of_chosen(require_structures(render, size), chosen)
        return generate(networks, pictures, structures, rows, turns)

    return gan.reference, size, draw


def _of_chosen(told: PaintedStructures, chosen: Tensor) -> PaintedStructures:
    return PaintedStructures(*(_Chosen(told.angles, views, chosen) for views in (told.bodies, told.flows)))


def _turned(
    name: str, person: int | None, place: int, made: _Made, angles: Sequence[int], real: Embedded, album: Album
) -> Turned:
    """Person number `place` of those made. The photograph itself is not counted as a real picture near its views."""
    features = made.features[place]
    own = next((row for row, sample in enumerate(real.samples) if sample.name == name), None)
    found = nearest_rows(features, real.features, top=1, left_out=[own] * len(angles))
    views = []
    for side, (angle, (rows, cosines)) in enumerate(zip(angles, found, strict=True)):
        if not len(rows):
            raise GclError("There is no other training picture to compare views with.", "Use --set pictures=100")
        near, body = real.samples[int(rows[0])], made.bodies[place, side].numpy()
        known = person is not None and near.person is not None
        head, seen_from = drawn_head(body), f"{name} from {angle} degrees"
        views.append(View(
            album.drawn(body, f"body of {name} turned by {angle} degrees"),
            None if made.painted is None
            else album.drawn(as_image(made.painted[place, side]), f"painted view of {seen_from}", head=head),
            album.drawn(as_image(made.generated[place, side]), f"generated view of {seen_from}", head=head),
            album.photograph(near.name, f"nearest real picture: {near.name}"), near.name,
            f"{cosines[0]:.2f}", f"{float(features[side] @ made.sources[place]):.2f}",
            near.person == person if known else None,
        ))  # fmt: skip
    return Turned(name, album.photograph(name, f"photograph {name}"), tuple(views))
