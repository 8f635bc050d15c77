"""One crop: a person before a scene, a shadow, sometimes something in the way, through one camera."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from gcl_cli.synth.cameras import Camera, Exposure, develop, expose
from gcl_cli.synth.figures import Figure
from gcl_cli.synth.identities import Identity
from gcl_cli.synth.obstacles import put_obstacle
from gcl_cli.synth.posing import CANVAS, Framing, PosedFigure, frame_person, strike, weak_perspective
from gcl_cli.synth.scenes import background, scene
from gcl_cli.synth.shading import shade
from gcl_cli.synth.template import load_template
from gcl_cli.synth.walking import pose

Moment = Callable[[np.random.Generator, Identity], np.ndarray]  # the pose [22, 3] of a person, as `walking.pose` has it

_OBSTRUCTED = 0.10  # probability of something in the foreground


@dataclass(frozen=True, eq=False)
class Sitting:
    """All that it takes to photograph somebody again: at the same moment and place, by the same camera and light."""

    figure: Figure
    pose: np.ndarray  # [22, 3] as `walking.pose` has it: the pelvis is not turned to the camera yet
    yaw: float  # radians
    pitch: float  # radians
    taken_by: Camera
    framing: Framing
    place: np.ndarray  # [2H, 2W, 3] linear light of the empty scene
    exposure: Exposure
    seen: np.ndarray  # [2H, 2W] bool, where the person is, whatever is in front of them


@dataclass(frozen=True, eq=False)
class Photograph:
    """A finished crop and what is true of it."""

    picture: Image.Image
    pose: np.ndarray  # [22, 3] rotation vectors relative to the parent bones, camera axes
    camera: np.ndarray  # [3] weak perspective: scale (crop pixels a metre), tx, ty (crop pixels)
    occluded: float  # share of the person's pixels that something or somebody in front hides
    cut: float  # share of the body's vertices that lie outside of the crop
    second_person: float  # share of the crop that shows somebody else
    sitting: Sitting


def photograph(
    random: np.random.Generator, figure: Figure, taken_by: Camera,
    *, yaw: float, seed: int, passer_by: Figure | None, moment: Moment = pose,
) -> Photograph:  # fmt: skip
    """Photograph a person who is turned by `yaw` radians; `passer_by` is somebody else, partly in view.

    `seed` names the set, whose scenes are shared by its cameras; `moment` says how the person stands or walks.
    """
    pitch = float(np.clip(taken_by.pitch + random.normal(0, 0.03), 0, 0.6))
    held = moment(random, figure.look)
    posed = strike(figure, held, yaw=yaw, pitch=pitch)
    framing = frame_person(random, posed, taken_by)
    place = _ambience(random, taken_by, seed)
    light = place * (1 - _shadow(posed, framing, taken_by)[..., None])
    seen, colours = shade(posed, framing, taken_by)
    light[seen] = colours
    passing = np.zeros(CANVAS, bool)
    if passer_by is not None:
        other, before = _stand_beside(random, passer_by, posed, pitch)
        passing, colours = shade(other, framing, taken_by)
        nearest = np.full(len(colours), True) if before else ~seen[passing]
        passing[passing] = nearest
        light[passing] = colours[nearest]
    obstructed = random.random() < _OBSTRUCTED
    obstacle = put_obstacle(random, light, _strength(taken_by)) if obstructed else np.zeros(CANVAS, bool)
    body = posed.vertices[: len(load_template().places)]
    projected = framing.project(body)
    exposure = expose(random, taken_by)
    return Photograph(
        develop(random, light, taken_by, exposure),
        posed.pose,
        weak_perspective(body, projected),
        occluded=float((seen & (passing | obstacle)).sum() / max(1, seen.sum())),
        cut=float(1 - _inside(projected).mean()),
        second_person=float((passing & ~obstacle).mean()),
        sitting=Sitting(figure, held, yaw, pitch, taken_by, framing, place, exposure, seen),
    )


def _ambience(random: np.random.Generator, taken_by: Camera, seed: int) -> np.ndarray:
    """Linear light [H, W, 3] of the empty scene."""
    place = scene(seed, taken_by.scenes[random.integers(len(taken_by.scenes))])
    tint = 1 + random.normal(0, 0.06, 3)
    return background(random, place, CANVAS) * (tint * _strength(taken_by)).astype(np.float32)


def _strength(taken_by: Camera) -> float:
    """How bright white is that stands upright in the scene."""
    return 1.25 * (0.55 * taken_by.key + taken_by.ambient)


def _shadow(posed: PosedFigure, framing: Framing, taken_by: Camera) -> np.ndarray:
    """How much light [H, W] the person takes from the ground at the feet."""
    height, width = CANVAS
    levels = posed.vertices @ posed.up
    x, y, _ = framing.project(posed.vertices[levels < levels.min() + 0.05]).mean(0)
    rows = np.exp(-(((np.arange(height) - y) / (0.03 * height)) ** 2))
    columns = np.exp(-(((np.arange(width) - x + 0.125 * width * taken_by.light[0]) / (0.3 * width)) ** 2))
    return np.float32(0.55) * rows.astype(np.float32)[:, None] * columns.astype(np.float32)[None]


def _stand_beside(
    random: np.random.Generator, passer_by: Figure, person: PosedFigure, pitch: float
) -> tuple[PosedFigure, bool]:
    """Somebody else on the same ground, beside the person; and whether they stand before the person."""
    other = strike(passer_by, pose(random, passer_by.look), yaw=float(random.uniform(0, 2 * np.pi)), pitch=pitch)
    before = bool(random.random() < 0.2)
    nearer = random.uniform(0.3, 0.8) if before else -random.uniform(0.3, 2.5)
    aside = random.choice([-1, 1]) * (random.uniform(0.5, 0.75) if before else random.uniform(0.3, 0.7))
    along_ground = np.array([0, person.up[2], -person.up[1]], np.float32)  # level and away from the camera
    rise = (person.vertices @ person.up).min() - (other.vertices @ other.up).min()
    move = np.array([aside, 0, 0]) - nearer * along_ground + rise * person.up
    return replace(other, vertices=other.vertices + move.astype(np.float32)), before


def _inside(projected: np.ndarray) -> np.ndarray:
    """Which canvas points [N, 3] lie in the crop: [N]."""
    height, width = CANVAS
    x, y = projected[:, 0], projected[:, 1]
    return (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
