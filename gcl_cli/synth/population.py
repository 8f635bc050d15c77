"""The whole set: who is photographed where, under which file name, and the drawing of any part of it."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np

from gcl_cli.errors import GclError
from gcl_cli.synth.cameras import Camera, camera
from gcl_cli.synth.chance import stream
from gcl_cli.synth.figures import Figure, dress
from gcl_cli.synth.identities import identity
from gcl_cli.synth.photograph import photograph

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
DISTRACTOR = 0  # the label of people who are in the gallery only, as in Market-1501
_FIRST_DISTRACTOR, _FIRST_PASSER_BY = 10_000, 20_000  # people who have no label of their own
_PASSERS_BY = 40
_PASSED_BY = 0.05  # probability that somebody else is partly in view


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


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of one picture, in the terms of the mesh artifact."""

    pose: np.ndarray  # [22, 3] float32, rotation vectors relative to the parent bones, camera axes
    betas: np.ndarray  # [10] float32
    camera: np.ndarray  # [3] float32, weak perspective: scale (crop pixels a metre), tx, ty (crop pixels)
    yaw: float  # degrees in [0, 360): 0 faces the camera, 90 the left edge of the picture, 180 away


Drawing = tuple[Shot, bytes, Truth]


def plan(*, ids: int, cameras: int, images: int, shift: float, seed: int) -> list[Shot]:
    """Every picture of a set in Market-1501 layout, person by person.

    `ids` people are seen `images` times by each of `cameras` cameras: people of odd number are for training, of even
    number for the test, whose query is one picture for each person and camera. A tenth as many distractors are in the
    gallery under label 0. `shift` in [0, 1] is how much the cameras differ. More people extend a set and change none
    of its pictures. Raises GclError for a set that could not be evaluated.
    """
    _check(ids, cameras, images, shift)
    people = [(person, person) for person in range(1, ids + 1)]
    people += [(_FIRST_DISTRACTOR + index, DISTRACTOR) for index in range(ids // 10)]
    return [
        shot
        for person, label in people
        for number in range(1, cameras + 1)
        for shot in _shots(person, label, number, images, shift, seed)
    ]


def by_person(shots: Sequence[Shot]) -> list[list[Shot]]:
    """The shots in groups of one person each: units of work for a pool, for a figure is built once a person."""
    ordered = sorted(shots, key=lambda shot: (shot.person, shot.camera, shot.number))
    return [list(group) for _, group in groupby(ordered, key=lambda shot: shot.person)]


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


def _shots(person: int, label: int, number: int, images: int, shift: float, seed: int) -> Iterator[Shot]:
    """The pictures of one person by one camera."""
    random = stream(seed, "walk", person, number)
    frame = int(random.integers(100, 90_000))
    sequence = 1 if label != DISTRACTOR else 1 + person - _FIRST_DISTRACTOR  # label 0 is shared: keep names apart
    asked = int(stream(seed, "query", person, number).integers(images))
    for index in range(images):
        frame += int(random.integers(8, 60))
        split = _split(label, is_query=index == asked)
        name = f"{FOLDERS[split]}/{label:04d}_c{number}s{sequence}_{frame:06d}_{index:02d}.jpg"
        yield Shot(name, split, person, label, number, index, frame, shift, seed)


def _split(label: int, *, is_query: bool) -> str:
    if label % 2 == 1:
        return "train"
    return "query" if is_query and label != DISTRACTOR else "gallery"


@lru_cache(maxsize=8)
def _figure(seed: int, person: int) -> Figure:
    return dress(identity(seed, person))


@lru_cache(maxsize=256)
def _camera(seed: int, number: int, shift: float) -> Camera:
    return camera(seed, number, shift=shift)


def _draw_one(shot: Shot) -> Drawing:
    taken_by = _camera(shot.seed, shot.camera, shot.shift)
    figure = _figure(shot.seed, shot.person)
    random = stream(shot.seed, "picture", shot.person, shot.camera, shot.number)
    yaw = _heading(shot, taken_by) + random.normal(0, 0.12)
    if random.random() < 0.12:  # turned aside
        yaw += random.uniform(-1.5, 1.5)
    passer_by = None
    if random.random() < _PASSED_BY:
        passer_by = _figure(shot.seed, _FIRST_PASSER_BY + int(random.integers(_PASSERS_BY)))
    taken = photograph(random, figure, taken_by, yaw=float(yaw), seed=shot.seed, passer_by=passer_by)
    file = io.BytesIO()
    taken.picture.save(file, "JPEG", quality=taken_by.quality)
    truth = Truth(taken.pose, figure.betas[0, :10], taken.camera, float(np.degrees(yaw) % 360))
    return shot, file.getvalue(), truth


def _heading(shot: Shot, taken_by: Camera) -> float:
    """Which way the person walks past this camera, radians: coming or going, the same in all their pictures."""
    random = stream(shot.seed, "heading", shot.person, shot.camera)
    return taken_by.headings[random.integers(2)] + float(random.normal(0, 0.35))
