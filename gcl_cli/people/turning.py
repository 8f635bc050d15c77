"""From photographs to their people from other sides: estimate, draw and generate in one go."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from gcl_cli import console
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import MANIFEST, Artifact, read_manifest
from gcl_cli.body.model import load_body
from gcl_cli.body.rendering import PICTURE_UP, render_views, up_axis
from gcl_cli.body.silhouette import Surface
from gcl_cli.config import Architecture, MeshSettings, RenderSettings
from gcl_cli.datasets.decoding import picture_sizes, read_pictures
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.painted_generator import PaintedGenerator
from gcl_cli.networks.painter import Painter
from gcl_cli.people.bodies import STATUS
from gcl_cli.people.crops import HERE, notes_of
from gcl_cli.people.estimating import estimate_shard
from gcl_cli.people.painting import before_own_backdrops, draw_people, paint_people
from gcl_cli.people.shards import Shard
from gcl_cli.records import MeshEstimates
from gcl_cli.training.drawn_views import looks_of
from gcl_cli.training.generation import generate
from gcl_cli.weights.networks import load_gan, read_generator
from gcl_cli.weights.shipped_generator import SHIPPED, SIZE, load_shipped_generator
from gcl_cli.weights.starting_weights import open_encoder_of


@dataclass(frozen=True)
class TrainedGenerator:
    """A trained generator, and how the bodies that it learned from were drawn."""

    reference: str
    architecture: Architecture
    networks: dict[str, nn.Module]
    drawing: RenderSettings


# Paper: novel views come from the generator that was trained on the data set. Here: pictures of anybody may be turned
# without any training, by a generator that ships with the package (synthetic people and painted views taught it).
@dataclass(frozen=True)
class ShippedGenerator:
    """The painted generator that came with gcl."""

    network: PaintedGenerator
    reference: str = SHIPPED


ViewGenerator = TrainedGenerator | ShippedGenerator


@dataclass(frozen=True)
class TurnedPeople:
    """The people of N photographs from A sides, at the size of the networks."""

    angles: tuple[int, ...]
    photographs: Tensor  # [N, 3, H, W] uint8
    bodies: Tensor  # [N, 1 + A, H, W] uint8, grey: as photographed, then turned by each of `angles`
    generated: Tensor  # [N, A, 3, H, W] uint8
    cut_outs: Tensor | None  # [N, A, 4, H, W] uint8, colour and opacity, where the generator draws the people alone
    status: tuple[str, ...]  # how far each body is to be trusted: ok, low_confidence, fallback


def open_view_generator(work: WorkFolder, generator: str | None, device: torch.device) -> ViewGenerator:
    """The generator that `--generator` names, with the encoder that it was trained with; the shipped one otherwise."""
    if generator in (None, SHIPPED):
        console.say("Drawing with the generator that ships with gcl (your own: --generator joint).")
        return ShippedGenerator(load_shipped_generator(device))
    gan = read_generator(work, generator)
    source = open_encoder_of(work, gan, init=None)
    networks = {"identity_encoder": source.load(device), **load_gan(gan, source.architecture, device)}
    return TrainedGenerator(gan.reference, source.architecture, networks, _drawing(work, gan))


def turn_people(
    generator: ViewGenerator, files: Sequence[Path], angles: tuple[int, ...], *, tell: bool = True
) -> TurnedPeople:
    """Pictures of the people on `files`, turned by `angles` in degrees; tell: warn of every doubtful body."""
    names = tuple(map(str, files))
    meshes = estimate_shard(HERE, MeshSettings(), "cpu", Shard("train", 0, names))
    if isinstance(generator, ShippedGenerator):
        people = _painted(generator, names, meshes, angles)
    else:
        people = _trained(generator, names, meshes, angles)
    notes = notes_of(names, meshes) if tell else {}
    for name, word in zip(names, people.status, strict=True) if tell else ():
        _warn_of_body(name, word, notes.get(name))
    return people


def _painted(
    generator: ShippedGenerator, names: tuple[str, ...], meshes: MeshEstimates, angles: tuple[int, ...]
) -> TurnedPeople:
    people = paint_people(HERE, names, angles, SIZE, meshes=meshes)
    drawn = draw_people(generator.network, people)
    generated = before_own_backdrops(people, drawn)[:, 1:]
    return TurnedPeople(angles, people.photographs, people.bodies, generated, drawn[:, 1:], people.status)


def _trained(
    generator: TrainedGenerator, names: tuple[str, ...], meshes: MeshEstimates, angles: tuple[int, ...]
) -> TurnedPeople:
    size = (generator.architecture.height, generator.architecture.width)
    if isinstance(generator.networks["generator"], Painter):
        return _painted_by_own(generator.networks, names, meshes, angles, size)
    bodies, status = _draw_bodies(names, meshes, (0, *angles), generator.drawing, size)
    photographs = read_pictures(HERE, names, height=size[0], width=size[1], threads=1)
    drawn = _Views((0, *angles), bodies[:, :, None])
    rows = torch.arange(len(names)).repeat_interleave(len(angles))
    turns = torch.arange(1, 1 + len(angles)).repeat(len(names))
    made = generate(generator.networks, photographs, drawn, rows, turns)  # [N * A, 3, H, W]
    generated = made.unflatten(0, (len(names), len(angles)))
    return TurnedPeople(angles, photographs, bodies, generated, None, status)


def _painted_by_own(
    networks: dict[str, nn.Module], names: tuple[str, ...], meshes: MeshEstimates, angles: tuple[int, ...],
    size: tuple[int, int],
) -> TurnedPeople:  # fmt: skip
    """By a painter that was trained here."""
    people = paint_people(HERE, names, angles, size, meshes=meshes)
    encoder, painter = cast(IdentityEncoder, networks["identity_encoder"]), cast(Painter, networks["generator"])
    drawn = draw_people(painter.eval(), people, looks_by=looks_of(painter, encoder.eval()))
    generated = before_own_backdrops(people, drawn)[:, 1:]
    return TurnedPeople(angles, people.photographs, people.bodies, generated, drawn[:, 1:], people.status)


@dataclass
class _Views:
    """Views [N, S, C, H, W] in the form of records.StructurePictures."""

    angles: tuple[int, ...]
    views: Tensor

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        return self.views[rows, angle_index]


def _drawing(work: WorkFolder, gan: Artifact) -> RenderSettings:
    """How the generator's own bodies were drawn, so that new ones look the same to it."""
    folder = work.artifact("render/main")
    config = read_manifest(folder).config if (folder / MANIFEST).exists() else {}
    if "meshes" not in config:
        console.warn(f"{gan.reference} learned from bodies drawn elsewhere: gcl's own bodies may look strange to it.")
        return RenderSettings()
    return RenderSettings(**{name: config[name] for name in ("height", "width", "turn", "recentre")})


def _draw_bodies(
    names: Sequence[str], meshes: MeshEstimates, angles: tuple[int, ...], settings: RenderSettings,
    size: tuple[int, int],
) -> tuple[Tensor, tuple[str, ...]]:  # fmt: skip
    """Draw the bodies from all sides: [N, A, height, width] uint8, and the status of each.

    They are drawn at the size of the rendered artifact and resized to `size`, as training does.
    """
    body = load_body()
    rotations = body.world_rotations(meshes.pose)
    skinned = body.skin(rotations, body.place(rotations, meshes.betas), meshes.betas)  # [N, V, 3]
    surface, drawn = Surface.of(body.faces), []
    for vertices, camera, crop in zip(skinned, meshes.camera, picture_sizes(HERE, names), strict=True):
        axis = PICTURE_UP if settings.turn == "camera" else up_axis(body, vertices)
        views, _ = render_views(
            surface, vertices, camera, crop, angles,
            up=axis, height=settings.height, width=settings.width, recentre=settings.recentre,
        )  # fmt: skip
        drawn.append([_resized(view, size) for view in views])
    return torch.from_numpy(np.array(drawn)), tuple(STATUS[number] for number in meshes.status)


def _resized(view: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if view.shape == size:
        return view
    return np.asarray(Image.fromarray(view).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def _warn_of_body(name: str, status: str, other: str | None) -> None:
    if other:
        console.warn(f"{name}: {other}.")
    if status == "low_confidence":
        console.warn(f"{name}: the body is doubtful, and so are the views.")
    if status == "fallback":
        console.warn(f"{name}: no body was found; the views show a standing one that faces the camera in its place.")
