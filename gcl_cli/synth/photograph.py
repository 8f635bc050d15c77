"""One crop: a person before a scene, a shadow, sometimes something in the way, through one camera."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from gcl_cli.synth.cameras import Camera, develop
from gcl_cli.synth.figures import Figure
from gcl_cli.synth.framing import CANVAS, Framing, frame_person, weak_perspective
from gcl_cli.synth.palette import CLOTHS
from gcl_cli.synth.posing import PosedFigure, strike
from gcl_cli.synth.scenes import background, scene
from gcl_cli.synth.shading import shade
from gcl_cli.synth.template import load_template
from gcl_cli.synth.walking import pose

_OCCLUDED = 0.08  # probability of something in the foreground
_OBSTACLE_COLOURS = np.array(list(CLOTHS.values()), np.float32) ** 2.2 * 0.6


@dataclass(frozen=True, eq=False)
class Photograph:
    """A finished crop and what is true of it."""

    picture: Image.Image
    pose: np.ndarray  # [22, 3] rotation vectors relative to the parent bones, camera axes
    camera: np.ndarray  # [3] weak perspective: scale (crop pixels a metre), tx, ty (crop pixels)


def photograph(
    random: np.random.Generator, figure: Figure, taken_by: Camera, *, yaw: float, seed: int, passer_by: Figure | None
) -> Photograph:
    """Photograph a person who is turned by `yaw` radians; `passer_by` is somebody else, partly in view.

    `seed` names the set, whose scenes are shared by its cameras.
    """
    pitch = float(np.clip(taken_by.pitch + random.normal(0, 0.03), 0, 0.6))
    posed = strike(figure, pose(random, figure.look), yaw=yaw, pitch=pitch)
    framing = frame_person(random, posed, taken_by)
    light = _ambience(random, taken_by, seed)
    light *= 1 - _shadow(posed, framing, taken_by)[..., None]
    before = False
    if passer_by is not None:
        other, before = _stand_beside(random, passer_by, posed, pitch)
        layers = [posed, other] if before else [other, posed]
    else:
        layers = [posed]
    for layer in layers:
        seen, colours = shade(layer, framing, taken_by)
        light[seen] = colours
    if random.random() < _OCCLUDED:
        _put_obstacle(random, light)
    body = posed.vertices[: len(load_template().places)]
    camera = weak_perspective(body, framing.project(body))
    return Photograph(develop(random, light, taken_by), posed.pose, camera)


def _ambience(random: np.random.Generator, taken_by: Camera, seed: int) -> np.ndarray:
    """Linear light [H, W, 3] of the empty scene."""
    place = scene(seed, taken_by.scenes[random.integers(len(taken_by.scenes))])
    tint = 1 + random.normal(0, 0.06, 3)
    strength = 1.25 * (0.55 * taken_by.key + taken_by.ambient)
    return background(random, place, CANVAS) * (tint * strength).astype(np.float32)


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


def _put_obstacle(random: np.random.Generator, light: np.ndarray) -> None:
    """Cover the legs with a low wall, or one side with a post, in linear light [H, W, 3]."""
    height, width = CANVAS
    colour = _OBSTACLE_COLOURS[random.integers(len(_OBSTACLE_COLOURS))] * random.uniform(0.8, 1.2)
    kind = random.random()
    if kind < 0.5:
        top = int(height * random.uniform(0.68, 0.86))
        light[top:] = colour
        light[top : top + 3] *= 1.4
    else:
        reach = max(1, int(width * random.uniform(0.04, 0.22)))
        columns = slice(0, reach) if kind < 0.75 else slice(width - reach, width)
        light[:, columns] = colour * np.linspace(1.2, 0.8, reach, dtype=np.float32)[:, None]
