"""The whole set: who is photographed where, under which file name, and the drawing of any part of it."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
from PIL import Image

from gcl_cli.errors import GclError
from gcl_cli.synth.cameras import Camera, camera
from gcl_cli.synth.figures import Figure, dress
from gcl_cli.synth.identities import identity
from gcl_cli.synth.photograph import Sitting, photograph
from gcl_cli.synth.streams import stream
from gcl_cli.synth.turned import turned_views

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
UNLABELLED = "images"  # the folder of a set without labels
DISTRACTOR = 0  # the label of people who are in the gallery only, as in Market-1501
_FIRST_DISTRACTOR, _FIRST_PASSER_BY = 10_000, 20_000  # people who have no label of their own
_PASSERS_BY = 40
_PASSED_BY = 0.08  # probability that somebody else is partly in view


@dataclass(frozen=True)
class Shot:
    """One picture of the set: all that is needed to draw it."""

    name: str  # relative to the set, e.g. "bounding_box_train/0003_c1s1_000451_00.jpg"
    split: str  # "train", "query" or "gallery"
    person: int  # who is drawn
    label: int  # who the file name says it is; 0: a distractor
    camera: int
    number: int  # of the picture among those of this person and camera
    frame: int
    shift: float
    seed: int
    private_scenes: bool = False
    turned: tuple[int, ...] = ()  # degrees: from which other sides the person is drawn as well


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of one picture, in the terms of the mesh artifact."""

    pose: np.ndarray  # [22, 3] float32, rotation vectors relative to the parent bones, camera axes
    betas: np.ndarray  # [10] float32
    camera: np.ndarray  # [3] float32, weak perspective: scale (crop pixels a metre), tx, ty (crop pixels)
    yaw: float  # degrees in [0, 360): 0 faces the camera, 90 the left edge of the picture, 180 away
    occluded: float  # share of the person's pixels that something or somebody in front hides
    cut: float  # share of the body's vertices that lie outside of the crop
    second_person: float  # share of the crop that shows somebody else
    turned: tuple[bytes, ...] = ()  # PNG files with alpha, one for each of the shot's angles (`turned.turned_views`)


Drawing = tuple[Shot, bytes, Truth]


def plan(
    *, ids: int, cameras: int, images: int, shift: float, seed: int,
    distractors: int | None = None, labels: bool = True, private_scenes: bool = False, turned: Sequence[int] = (),
) -> list[Shot]:  # fmt: skip
    """Every picture of a set, person by person.

    `ids` people are seen `images` times by each of `cameras` cameras; `distractors` others (None: as many) are seen one
    to three times by one camera. `shift` in [0, 1] is how much the cameras differ; with `private_scenes` each of them
    also has a background of its own. `turned`: the degrees by which everybody is drawn turned as well.
    labels: Market-1501 layout. People of odd number are for training, of even number for the test, whose query is one
    picture for each person and camera; distractors are in the gallery under label 0. More people extend such a set and
    change none of its pictures. Without labels, all are training pictures under names that say nothing.
    Raises GclError for a set that could not be evaluated.
    """
    _check(ids, cameras, images, shift)
    settings = _Settings(images, shift, seed, private_scenes, tuple(turned))
    shots = [
        shot
        for person in range(1, ids + 1)
        for number in range(1, cameras + 1)
        for shot in _shots(person, person, number, settings)
    ]
    for index in range(ids if distractors is None else distractors):
        shots += _distractor_shots(index, cameras, settings)
    return shots if labels else _without_labels(shots, seed)


def by_person(shots: Sequence[Shot]) -> list[list[Shot]]:
    """The shots in groups of one person each: units of work for a pool, for a figure is built once a person."""
    ordered = sorted(shots, key=lambda shot: (shot.person, shot.camera, shot.number))
    return [list(group) for _, group in groupby(ordered, key=lambda shot: shot.person)]


def described_people(shots: Sequence[Shot]) -> dict[str, Any]:
    """The look of everybody who has shots, by person: body, hair, clothes and what is carried."""
    people = sorted({(shot.seed, shot.person) for shot in shots})
    return {str(person): identity(seed, person).described() for seed, person in people}


def described_cameras(shots: Sequence[Shot]) -> dict[str, Any]:
    """The cameras that took the shots, by number."""
    first = {shot.camera: shot for shot in reversed(shots)}
    return {str(number): asdict(camera_of(first[number])) for number in sorted(first)}


def draw(shots: Sequence[Shot]) -> Iterator[Drawing]:
    """Each shot with its JPEG file and truth, in the order given.

    A picture depends on its seed, shift, person, camera and number alone, not on which others are drawn.
    """
    for shot in shots:
        yield _draw_one(shot)


def draw_all(shots: Sequence[Shot]) -> list[Drawing]:
    """`draw` as a list, which a process pool can send back: `pool.imap(draw_all, by_person(shots))`."""
    return list(draw(shots))


def _check(ids: int, cameras: int, images: int, shift: float) -> None:
    for option, value, least, most in (("ids", ids, 2, 9999), ("cameras", cameras, 2, 99), ("images", images, 2, 99)):
        if not least <= value <= most:
            raise GclError(
                f"a synthetic set cannot have {value} {option}", f"give --{option} a number from {least} to {most}"
            )
    if not 0 <= shift <= 1:
        raise GclError(f"the shift between cameras cannot be {shift}", "give --shift a number from 0 to 1")


@dataclass(frozen=True)
class _Settings:
    images: int
    shift: float
    seed: int
    private_scenes: bool
    turned: tuple[int, ...]


def _shots(person: int, label: int, number: int, settings: _Settings) -> Iterator[Shot]:
    """The pictures of one person by one camera."""
    seed = settings.seed
    random = stream(seed, "walk", person, number)
    frame = int(random.integers(100, 90_000))
    sequence = 1 if label != DISTRACTOR else 1 + person - _FIRST_DISTRACTOR  # label 0 is shared: keep names apart
    asked = int(stream(seed, "query", person, number).integers(settings.images))
    for index in range(settings.images):
        frame += int(random.integers(8, 60))
        split = _split(label, is_query=index == asked)
        name = f"{FOLDERS[split]}/{label:04d}_c{number}s{sequence}_{frame:06d}_{index:02d}.jpg"
        yield Shot(
            name, split, person, label, number, index, frame, settings.shift, seed,
            settings.private_scenes, settings.turned,
        )  # fmt: skip


def _distractor_shots(index: int, cameras: int, settings: _Settings) -> Iterator[Shot]:
    """The few pictures of somebody who passes one camera only."""
    person = _FIRST_DISTRACTOR + index
    random = stream(settings.seed, "distractor", person)
    seen = replace(settings, images=int(random.integers(1, 4)))
    return _shots(person, DISTRACTOR, int(random.integers(1, cameras + 1)), seen)


def _without_labels(shots: list[Shot], seed: int) -> list[Shot]:
    """The same pictures for training alone, numbered in random order."""
    numbers = stream(seed, "names").permutation(len(shots))
    return [
        replace(shot, name=f"{UNLABELLED}/{number:06d}.jpg", split="train")
        for shot, number in zip(shots, numbers.tolist(), strict=True)
    ]


def _split(label: int, *, is_query: bool) -> str:
    if label % 2 == 1:
        return "train"
    return "query" if is_query and label != DISTRACTOR else "gallery"


@lru_cache(maxsize=2)
def _figure(seed: int, person: int) -> Figure:
    return dress(identity(seed, person))


@lru_cache(maxsize=12)  # about a megabyte each
def _passer_by(seed: int, number: int) -> Figure:
    return dress(identity(seed, _FIRST_PASSER_BY + number))


@lru_cache(maxsize=128)
def _camera(seed: int, number: int, shift: float, private_scenes: bool) -> Camera:
    return camera(seed, number, shift=shift, private_scenes=private_scenes)


def camera_of(shot: Shot) -> Camera:
    """The camera that takes a shot."""
    return _camera(shot.seed, shot.camera, shot.shift, shot.private_scenes)


def _draw_one(shot: Shot) -> Drawing:
    taken_by = camera_of(shot)
    figure = _figure(shot.seed, shot.person)
    random = stream(shot.seed, "picture", shot.person, shot.camera, shot.number)
    yaw = _heading(shot, taken_by) + random.normal(0, 0.12)
    if random.random() < 0.12:  # turned aside
        yaw += random.uniform(-1.5, 1.5)
    passer_by = None
    if random.random() < _PASSED_BY:
        passer_by = _passer_by(shot.seed, int(random.integers(_PASSERS_BY)))
    taken = photograph(random, figure, taken_by, yaw=float(yaw), seed=shot.seed, passer_by=passer_by)
    file = io.BytesIO()
    taken.picture.save(file, "JPEG", quality=taken_by.quality)
    truth = Truth(
        taken.pose, figure.betas[0, :10], taken.camera, float(np.degrees(yaw) % 360),
        taken.occluded, taken.cut, taken.second_person, _as_png(taken.sitting, shot.turned),
    )  # fmt: skip
    return shot, file.getvalue(), truth


def _as_png(sitting: Sitting, angles: Sequence[int]) -> tuple[bytes, ...]:
    """The person turned by `angles`, as files."""
    files = [io.BytesIO() for _ in angles]
    for file, picture in zip(files, turned_views(sitting, angles) if angles else (), strict=True):
        Image.fromarray(picture).save(file, "PNG")
    return tuple(file.getvalue() for file in files)


def _heading(shot: Shot, taken_by: Camera) -> float:
    """Which way the person walks past this camera, radians: coming or going, the same in all their pictures."""
    random = stream(shot.seed, "heading", shot.person, shot.camera)
    return taken_by.headings[random.integers(2)] + float(random.normal(0, 0.35))
