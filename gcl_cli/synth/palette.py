"""The colours people come in: skins, hairs and a few muted cloths that identities have to share."""

import numpy as np

from gcl_cli.synth.streams import chosen

Colour = tuple[float, float, float]  # red, green, blue as displayed, each in [0, 1]

SKINS: tuple[Colour, ...] = (
    (0.914, 0.745, 0.647),
    (0.863, 0.675, 0.549),
    (0.776, 0.580, 0.451),
    (0.647, 0.451, 0.322),
    (0.471, 0.314, 0.220),
    (0.329, 0.220, 0.165),
    (0.941, 0.804, 0.706),
)
HAIRS: tuple[Colour, ...] = (
    (0.098, 0.078, 0.071),
    (0.176, 0.118, 0.086),
    (0.314, 0.216, 0.137),
    (0.471, 0.333, 0.196),
    (0.725, 0.588, 0.373),
    (0.510, 0.235, 0.137),
    (0.588, 0.588, 0.588),
    (0.235, 0.176, 0.149),
)
CLOTHS: dict[str, Colour] = {
    "black": (0.110, 0.110, 0.125),
    "charcoal": (0.235, 0.243, 0.267),
    "grey": (0.431, 0.439, 0.455),
    "silver": (0.690, 0.698, 0.706),
    "white": (0.922, 0.922, 0.910),
    "navy": (0.125, 0.165, 0.306),
    "blue": (0.212, 0.322, 0.549),
    "sky": (0.471, 0.608, 0.784),
    "maroon": (0.588, 0.157, 0.176),
    "red": (0.784, 0.235, 0.216),
    "forest": (0.275, 0.373, 0.235),
    "olive": (0.431, 0.510, 0.275),
    "brown": (0.471, 0.333, 0.216),
    "tan": (0.725, 0.627, 0.471),
    "cream": (0.882, 0.804, 0.647),
    "purple": (0.431, 0.235, 0.431),
    "pink": (0.843, 0.510, 0.588),
    "mustard": (0.882, 0.706, 0.235),
    "orange": (0.843, 0.471, 0.196),
    "teal": (0.235, 0.510, 0.510),
}
DENIMS: tuple[Colour, ...] = (
    (0.157, 0.204, 0.329),
    (0.275, 0.361, 0.510),
    (0.431, 0.529, 0.667),
    (0.118, 0.133, 0.180),
)
NYLON: Colour = (0.06, 0.06, 0.07)
WHITE_SOCK: Colour = (0.85, 0.85, 0.85)
DARK_SOCK: Colour = (0.10, 0.10, 0.10)

# How often a cloth is worn, in the order of CLOTHS: dark and neutral above all, so that colours alone tell few apart.
_UPPER = (40, 18, 13, 13, 34, 23, 13, 9, 9, 9, 6, 3, 6, 6, 6, 3, 6, 3, 3, 6)
_LOWER = (53, 23, 13, 3, 6, 53, 34, 6, 1, 0.6, 1.9, 1, 4.3, 6, 1.9, 0.4, 0.4, 0.15, 0.15, 0.4)
UPPER_SHARES: dict[str, float] = dict(zip(CLOTHS, _UPPER, strict=True))
LOWER_SHARES: dict[str, float] = dict(zip(CLOTHS, _LOWER, strict=True))
SHOE_SHARES: dict[str, float] = {"black": 3, "charcoal": 1, "white": 3, "navy": 1, "maroon": 1, "red": 1, "brown": 2}


def jittered(random: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """The colour with its brightness and hue moved a little: `spread` is a standard deviation in [0, 1]."""
    brightness = 1 + random.normal(0, 1.5 * spread)
    moved = np.clip(np.array(colour) * brightness + random.normal(0, 0.6 * spread, 3), 0.02, 1)
    return float(moved[0]), float(moved[1]), float(moved[2])


def cloth(random: np.random.Generator, shares: dict[str, float]) -> Colour:
    """A cloth colour drawn by its share and jittered by 5 %."""
    return jittered(random, CLOTHS[chosen(random, shares)], 0.05)


def contrasting_cloth(random: np.random.Generator, first: Colour) -> Colour:
    """A cloth colour that is told apart from `first` at a glance: the L1 distance is above .5."""
    while True:
        second = cloth(random, UPPER_SHARES)
        if np.abs(np.subtract(second, first)).sum() > 0.5:
            return second


def set_off(hair: Colour, skin: Colour) -> Colour:
    """The hair colour, darkened where it is so near the skin's that the back of a head would pass for a face."""
    if np.abs(np.subtract(hair, skin)).sum() > 0.5:
        return hair
    red, green, blue = hair
    return 0.4 * red, 0.4 * green, 0.4 * blue


def one_of(random: np.random.Generator, colours: tuple[Colour, ...], spread: float) -> Colour:
    """One of the colours, all as likely, jittered."""
    return jittered(random, colours[random.integers(len(colours))], spread)
