"""Procedural street scenes that the pictures' backgrounds are cut from."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from gcl_cli.synth.palette import CLOTHS, Colour
from gcl_cli.synth.streams import stream

SCENES = 10  # shared by all cameras: a private scene for each would make the camera's bias far stronger
HEIGHT, WIDTH = 384, 1024

_GROUNDS: tuple[Colour, ...] = (
    (0.45, 0.44, 0.42),
    (0.56, 0.48, 0.38),
    (0.33, 0.42, 0.24),
    (0.68, 0.66, 0.62),
    (0.33, 0.32, 0.36),
    (0.60, 0.42, 0.34),
    (0.50, 0.52, 0.58),
    (0.27, 0.27, 0.29),
)
_WALLS: tuple[Colour, ...] = (
    (0.55, 0.50, 0.45),
    (0.60, 0.40, 0.33),
    (0.65, 0.66, 0.68),
    (0.40, 0.45, 0.50),
    (0.70, 0.66, 0.55),
    (0.30, 0.36, 0.25),
)
_LEAF, _GAP = np.array([[0.20, 0.33, 0.15], [0.33, 0.42, 0.22]], np.float32)
_LINEAR = np.linspace(0, 1, 256, dtype=np.float32) ** np.float32(2.2)  # light of each displayed level
_CLUTTER_COLOURS = np.array(list(CLOTHS.values()), np.float32)


@dataclass(frozen=True, eq=False)
class Scene:
    """One place: a wall or hedge, the ground before it, and what stands about."""

    picture: Image.Image  # HEIGHT x WIDTH, RGB
    horizon: int  # the row where wall and ground meet


@lru_cache(maxsize=4 * SCENES)
def scene(seed: int, number: int) -> Scene:
    """Scene `number` of the set with this seed, painted once."""
    random = stream(seed, "scene", number)
    horizon = int(HEIGHT * random.uniform(0.18, 0.42))
    coarse = cloudiness(random, octaves=5, persistence=0.55)
    fine = cloudiness(random, octaves=7, persistence=1.3)
    colours = _wall(random, horizon, coarse)
    colours[horizon + 1 :] = _ground(random, number, horizon, coarse)[horizon + 1 :]
    for _ in range(int(random.integers(8, 20))):
        _put_clutter(random, colours, horizon, fine)
    picture = Image.fromarray((np.clip(colours, 0, 1) * 255).astype(np.uint8))
    return Scene(picture.filter(ImageFilter.GaussianBlur(1.2)), horizon)


def background(random: np.random.Generator, place: Scene, size: tuple[int, int]) -> np.ndarray:
    """Linear light [height, width, 3] in [0, 1] of a cut-out of the scene; `size` is (height, width) in pixels."""
    height, width = size
    cut_width = int(random.uniform(90, 190))
    cut_height = min(2 * cut_width, HEIGHT)
    left = int(random.integers(0, WIDTH - cut_width))
    top = int(np.clip(place.horizon - cut_height * random.uniform(0.15, 0.45), 0, HEIGHT - cut_height))
    box = (left, top, left + cut_width, top + cut_height)
    cut = place.picture.resize((width, height), Image.Resampling.BILINEAR, box=box)
    return _LINEAR[np.asarray(cut)]


def cloudiness(random: np.random.Generator, octaves: int, persistence: float) -> np.ndarray:
    """Smooth noise [HEIGHT, WIDTH] in [0, 1]: random grids of doubling fineness, each `persistence` as strong."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    strength, strengths = 1.0, 0.0
    for octave in range(octaves):
        shift = octaves + 1 - octave
        grid = random.random((max(2, HEIGHT >> shift), max(2, WIDTH >> shift)), np.float32)
        total += strength * np.asarray(Image.fromarray(grid).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        strengths += strength
        strength *= persistence
    return total / strengths


def _wall(random: np.random.Generator, horizon: int, coarse: np.ndarray) -> np.ndarray:
    """The upper part [HEIGHT, WIDTH, 3]: bricks, windows, foliage or ribbed metal, as displayed."""
    colour = np.array(_WALLS[random.integers(len(_WALLS))], np.float32) * random.uniform(0.7, 1.15)
    wall = colour * (0.75 + 0.5 * coarse)[..., None]
    kind = random.integers(4)
    row, column = np.arange(HEIGHT)[:, None], np.arange(WIDTH)[None]
    if kind == 0:
        wall[(row % 12 < 2) | ((column + row // 12 % 2 * 15) % 30 < 2)] *= 0.72
    elif kind == 1:
        for _ in range(26):
            left, top = random.integers(0, WIDTH - 50), random.integers(0, max(1, horizon - 5))
            width, height = random.integers(16, 60), random.integers(20, 70)
            glass = np.array([0.18, 0.22, 0.28], np.float32) * random.uniform(0.6, 2.6)
            wall[top : top + height, left : left + width] = glass
    elif kind == 2:
        leaves = cloudiness(random, octaves=6, persistence=0.8)[..., None] > 0.5
        wall = np.where(leaves, _LEAF, _GAP) * (0.5 + coarse)[..., None]
    else:
        wall *= (1 + 0.2 * np.sin(column / random.uniform(10, 40), dtype=np.float32))[..., None]
    return wall


def _ground(random: np.random.Generator, number: int, horizon: int, coarse: np.ndarray) -> np.ndarray:
    """The lower part [HEIGHT, WIDTH, 3], often tiled in perspective, as displayed."""
    shade = (random.integers(len(_GROUNDS)) + number) % len(_GROUNDS)
    colour = np.array(_GROUNDS[shade], np.float32) * random.uniform(0.85, 1.15)
    rough = cloudiness(random, octaves=6, persistence=0.8)
    ground = colour * (0.7 + 0.3 * rough + 0.35 * coarse)[..., None]
    if random.random() < 0.6:
        nearness = np.maximum(np.arange(HEIGHT)[:, None] - horizon + 8, 1) / (HEIGHT - horizon)
        across = np.floor((np.arange(WIDTH)[None] - WIDTH / 2) / (60 * nearness) + 100)
        ground[(np.floor(6 / nearness) % 2) == (across % 2)] *= random.uniform(0.82, 0.97)
    return ground


def _put_clutter(random: np.random.Generator, colours: np.ndarray, horizon: int, fine: np.ndarray) -> None:
    """Paint one pole, box, shrub or kerb into `colours` [HEIGHT, WIDTH, 3]."""
    left = int(random.integers(0, WIDTH - 60))
    colour = _CLUTTER_COLOURS[random.integers(len(_CLUTTER_COLOURS))] * random.uniform(0.5, 1)
    kind = random.integers(4)
    if kind == 0:
        bottom, width = horizon + random.integers(10, 60), random.integers(3, 9)
        colours[max(0, horizon - 90) : bottom, left : left + width] = colour * 0.6
    elif kind == 1:
        top, height, width = horizon - random.integers(0, 25), random.integers(25, 60), random.integers(40, 120)
        colours[top : top + height, left : left + width] = colour
    elif kind == 2:
        radius, middle = random.integers(15, 50), horizon - random.integers(-10, 30)
        row, column = np.arange(HEIGHT)[:, None], np.arange(WIDTH)[None]
        inside = (row - middle) ** 2 + ((column - left) * 0.8) ** 2 < radius**2 * (0.2 + 1.6 * fine)
        green = np.array([0.2 + 0.12 * random.random(), 0.27, 0.12]) * random.uniform(0.6, 1.3)
        colours[inside] = green * (0.15 + 1.9 * fine[inside])[:, None]
    else:
        top, height = horizon + random.integers(0, 80), random.integers(3, 8)
        colours[top : top + height] *= random.uniform(0.75, 1.3)
