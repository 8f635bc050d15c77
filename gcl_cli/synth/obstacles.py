"""What stands between camera and person now and then: a wall, a railing, a car, a pole, a plant."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from gcl_cli.synth.palette import CLOTHS

_PAINTS = np.array(list(CLOTHS.values()), np.float32)
_STEEL = np.array([0.42, 0.43, 0.45], np.float32)
_LEAVES = np.array([[0.16, 0.29, 0.12], [0.27, 0.40, 0.17], [0.36, 0.45, 0.24]], np.float32)
_GLASS = np.array([0.12, 0.15, 0.18], np.float32)


class _Easel:
    """A sheet of the canvas' size to paint on, in displayed colours; what is painted hides what lies behind."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.colours = Image.new("RGB", (width, height))
        self.hidden = Image.new("1", (width, height))
        self._brushes = ImageDraw.Draw(self.colours), ImageDraw.Draw(self.hidden)

    def paint(self, shape: str, points: list[tuple[float, float]], colour: np.ndarray) -> None:
        """Fill a "polygon", "ellipse" or "rectangle"; points (x, y) are shares of width and height."""
        red, green, blue = (np.clip(colour, 0, 1) * 255).astype(int).tolist()
        pixels = [(x * self.width, y * self.height) for x, y in points]
        for brush, fill in zip(self._brushes, ((red, green, blue), 1), strict=True):
            getattr(brush, shape)(pixels, fill=fill)


def put_obstacle(random: np.random.Generator, light: np.ndarray, strength: float) -> np.ndarray:
    """Paint one obstacle into linear light [H, W, 3] that is `strength` bright; returns where it is, bool [H, W]."""
    height, width = light.shape[:2]
    easel = _Easel(height, width)
    _KINDS[random.integers(len(_KINDS))](random, easel)
    if random.random() < 0.5:
        easel.colours = easel.colours.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        easel.hidden = easel.hidden.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    hidden = np.asarray(easel.hidden)
    shown = np.asarray(easel.colours, np.float32)[hidden] / 255
    light[hidden] = np.float32(strength) * shown ** np.float32(2.2)
    return hidden


def _wall(random: np.random.Generator, easel: _Easel) -> None:
    colour = 0.4 * _paint(random) + 0.6 * random.uniform(0.3, 0.65)
    top = random.uniform(0.68, 0.86)
    easel.paint("rectangle", [(0, top), (1, 1)], colour)
    easel.paint("rectangle", [(0, top), (1, top + 0.012)], 1.25 * colour)
    for joint in np.arange(random.uniform(-0.4, 0), 1, 0.45):
        easel.paint("rectangle", [(joint, top + 0.02), (joint + 0.01, 1)], 0.8 * colour)


def _railing(random: np.random.Generator, easel: _Easel) -> None:
    colour = (_STEEL if random.random() < 0.5 else _paint(random)) * random.uniform(0.5, 1.2)
    top, bars, thick = random.uniform(0.52, 0.68), int(random.integers(2, 5)), random.uniform(0.008, 0.016)
    for bar in range(bars):
        middle = top + bar * (0.95 - top) / bars
        easel.paint("rectangle", [(0, middle), (1, middle + thick)], colour * (1.15 if bar == 0 else 1))
    gap, post = random.uniform(0.35, 0.9), random.uniform(-0.1, 0.3)
    while post < 1:
        easel.paint("rectangle", [(post, top), (post + 2.5 * thick, 1)], 0.85 * colour)
        post += gap


def _car(random: np.random.Generator, easel: _Easel) -> None:
    """The hood of a parked car that comes in from the left, lower corner, with its windscreen and a lamp."""
    colour = _paint(random)
    hood, reach = random.uniform(0.74, 0.84), random.uniform(0.55, 1.05)
    screen = [(-0.1, hood - 0.17), (0.10 * reach, hood - 0.15), (0.30 * reach, hood + 0.01), (-0.1, hood + 0.01)]
    easel.paint("polygon", screen, _GLASS * random.uniform(0.8, 2.2))
    body = [(-0.1, hood - 0.015), (0.3 * reach, hood), (0.8 * reach, hood + 0.035), (reach, hood + 0.09), (reach, 1)]
    easel.paint("polygon", [*body, (-0.1, 1)], colour)
    easel.paint("polygon", [(-0.1, hood - 0.015), (0.3 * reach, hood), (0.8 * reach, hood + 0.03), (-0.1, hood + 0.02)],
                1.3 * colour)  # fmt: skip
    easel.paint("ellipse", [(0.84 * reach, hood + 0.075), (0.97 * reach, hood + 0.11)], np.full(3, 0.85))
    easel.paint("ellipse", [(0.35 * reach, 0.93), (0.70 * reach, 1.13)], np.full(3, 0.05))


def _pole(random: np.random.Generator, easel: _Easel) -> None:
    colour = (_STEEL if random.random() < 0.6 else _paint(random)) * random.uniform(0.5, 1.1)
    width = random.uniform(0.05, 0.16)
    left = random.uniform(-0.02, 0.30)
    for strip, bright in enumerate((0.7, 0.95, 1.1, 1.0, 0.8, 0.6)):  # round
        edge = left + strip * width / 6
        easel.paint("rectangle", [(edge, 0), (edge + width / 6, 1)], bright * colour)


def _plant(random: np.random.Generator, easel: _Easel) -> None:
    middle, top, wide = random.uniform(-0.05, 0.45), random.uniform(0.55, 0.75), random.uniform(0.15, 0.35)
    for _ in range(90):
        height = random.triangular(top, 1.0, 1.05)
        across = middle + wide * random.normal(0, 0.45)
        size, slant = random.uniform(0.02, 0.05), random.uniform(-0.06, 0.06)
        leaf = [(across - 0.5 * size, height), (across + slant, height - 1.1 * size), (across + 0.5 * size, height)]
        leaf.append((across - slant, height + 0.7 * size))
        easel.paint("polygon", leaf, _LEAVES[random.integers(len(_LEAVES))] * random.uniform(0.6, 1.2))


def _paint(random: np.random.Generator) -> np.ndarray:
    colour: np.ndarray = _PAINTS[random.integers(len(_PAINTS))] * random.uniform(0.7, 1.0)
    return colour


_KINDS: tuple[Callable[[np.random.Generator, _Easel], None], ...] = (_wall, _railing, _car, _pole, _plant)
