"""The colour of every point of a dressed person, and the folds of the cloth."""

import numpy as np

from gcl_cli.synth.garments import IS_CLOTH, Cover
from gcl_cli.synth.identities import SEAT, Bottom, Identity, Top
from gcl_cli.synth.template import Places

_EYE, _BROW, _NOSTRILS, _MOUTH, _CHEEK = (0.0315, 1.696), (0.034, 1.721), (0.0, 1.645), (0.0, 1.626), (0.045, 1.660)
_EYE_WHITE = np.array([0.72, 0.70, 0.68], np.float32)
_IRIS = np.array([0.10, 0.07, 0.06], np.float32)
_RED_OF_LIPS = np.array([0.86, 0.55, 0.55], np.float32)
_RED_OF_CHEEKS = np.array([1.02, 0.96, 0.95], np.float32)


def paint_face(look: Identity, colours: np.ndarray, cover: np.ndarray, places: Places) -> None:
    """Paint into `colours` [N, 3] where bare skin of the face is seen.

    Features are a little larger than life: at 128 rows a face is a dozen pixels wide, and smaller ones would vanish.
    """
    bare = (cover == Cover.SKIN) & (places.head > 0.5) & (places.back < -0.02)
    rows = np.nonzero(bare & (places.height > 1.56))[0]
    side, height = np.abs(places.across[rows]), places.height[rows]
    face = colours[rows]
    face *= _shade(side, height)[:, None]
    face[_inside(side, height, _CHEEK, 0.022, 0.016)] *= _RED_OF_CHEEKS
    face[_inside(side, height, _NOSTRILS, 0.016, 0.005)] *= np.float32(0.62)
    face[_inside(side, height, _MOUTH, 0.026, 0.0065)] *= _RED_OF_LIPS * np.float32(0.8)
    skin, hair = np.array([look.skin, look.head.hair_colour])
    face[_inside(side, height, _BROW, 0.019, 0.005)] = np.minimum(0.8 * hair, 0.75 * skin)
    face[_inside(side, height, _EYE, 0.018, 0.0085)] = 0.5 * skin
    face[_inside(side, height, _EYE, 0.014, 0.0060)] = _EYE_WHITE
    face[_inside(side, height, _EYE, 0.0075, 0.0075)] = _IRIS
    colours[rows] = face


def _shade(side: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Darkening [N] of the eye sockets, under the lower lip and under the chin."""
    sockets = np.exp(-(((side - _EYE[0]) / 0.022) ** 2) - ((height - 1.703) / 0.014) ** 2)
    below_lip = np.exp(-((side / 0.022) ** 2) - ((height - 1.612) / 0.006) ** 2)
    below_chin = np.clip((1.590 - height) / 0.02, 0, 1)
    return (1 - 0.28 * sockets - 0.15 * below_lip - 0.25 * below_chin).astype(np.float32)


def _inside(
    side: np.ndarray, height: np.ndarray, middle: tuple[float, float], half_width: float, half_height: float
) -> np.ndarray:
    """Whether points [N] lie in an ellipse about `middle`, mirrored to both halves of the face."""
    return ((side - middle[0]) / half_width) ** 2 + ((height - middle[1]) / half_height) ** 2 < 1


_WAVES = np.array([[1.0, 0.3, 0.2], [-0.4, 0.5, 1.0], [0.2, -1.0, 0.7]], np.float32) * [[1.0], [1.3], [0.8]]

_THIRDS = np.full(3, 1 / 3, np.float32)


def waves(positions: np.ndarray, phases: tuple[float, ...], frequency: float) -> np.ndarray:
    """The mean [N] of three sines along different directions of the positions [N, 3]; in [-1, 1]."""
    angles = positions @ np.array(_WAVES.T * frequency, np.float32) + np.array(phases[:3], np.float32)
    return np.sin(angles) @ _THIRDS


def albedo(look: Identity, cover: np.ndarray, places: Places) -> np.ndarray:
    """The colour [N, 3] as displayed, in [0, 1], of points with their Cover [N] and places [N]."""
    colours = _plain_colours(look)[cover]
    positions = places.positions()
    for garment, painted in ((Cover.TOP, _paint_top), (Cover.BOTTOM, _paint_bottom)):
        chosen = np.nonzero(cover == garment)[0]
        colours[chosen] = painted(look, colours[chosen], places.at(chosen), positions[chosen])
    if look.shoes.white_sole:
        colours[(cover == Cover.SHOE) & (places.height < 0.015)] = 0.9
    paint_face(look, colours, cover, places)
    _weave(look, colours, cover, positions)
    return np.clip(colours, 0.01, 1)


def folds(look: Identity, cover: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """How much the folds of cloth tilt the surface normal [N, 3] at positions [N, 3]."""
    tilts = np.zeros((len(positions), 3), np.float32)
    cloth = np.flatnonzero(IS_CLOTH[cover])
    on_cloth = positions[cloth]
    directions = ((38, 18), (33, 20), (45, 16))  # frequency and first phase
    tilts[cloth] = np.stack([waves(on_cloth, look.phases[first:], frequency) for frequency, first in directions], 1)
    return np.float32(2.2 * look.wrinkles) * tilts


def _plain_colours(look: Identity) -> np.ndarray:
    """One colour [11, 3] for each Cover."""
    by_cover = {
        Cover.SKIN: look.skin,
        Cover.HAIR: look.head.hair_colour,
        Cover.TOP: look.top.colour,
        Cover.BOTTOM: look.bottom.colour,
        Cover.SHOE: look.shoes.colour,
        Cover.SOCK: look.shoes.sock_colour,
        Cover.INNER: look.top.inner_colour,
        Cover.BAG: look.bag.colour,
        Cover.HAT: look.head.hat_colour,
        Cover.STRAP: tuple(0.8 * channel for channel in look.bag.colour),
        Cover.TIGHTS: look.bottom.tights or look.skin,
    }
    return np.array([by_cover[cover] for cover in Cover], np.float32)


def _paint_top(look: Identity, colours: np.ndarray, places: Places, positions: np.ndarray) -> np.ndarray:
    """The pattern of the upper garment over its plain `colours` [N, 3]; sleeves carry it around the arm."""
    top, arm = look.top, places.on_arm()
    second = np.array(top.second_colour, np.float32)
    down = np.where(arm, 0.81 + 0.55 * places.along_arm, places.height)
    around = np.where(arm, 0.05 * np.arctan2(places.back, places.height - 0.81), places.across)
    if top.pattern == "checks":
        colours = _checks(
            colours, second, np.sin(3.2 * top.pattern_frequency * down), around, 3.2 * top.pattern_frequency
        )
    elif top.pattern != "plain":
        colours[_second_colour_of_top(look, places, positions, down, around)] = second
    if top.cuffs:
        colours[arm & (places.along_arm > 0.75 * top.sleeve)] = second
    return colours


def _second_colour_of_top(
    look: Identity, places: Places, positions: np.ndarray, down: np.ndarray, around: np.ndarray
) -> np.ndarray:
    """Where [N] the pattern shows the second colour; `down` and `around` [N] are metres along the cloth."""
    top, arm, frequency = look.top, places.on_arm(), look.top.pattern_frequency
    if top.pattern == "horizontal stripes":
        return np.sin(4.2 * frequency * down) > 0.1
    if top.pattern == "vertical stripes":
        return np.sin(5 * frequency * around) > 0.35
    if top.pattern == "print":
        return waves(positions, look.phases, 2.2 * frequency) > 0.25
    if top.pattern == "block":
        return down < 1.23 if top.pattern_variant < 0.5 else down > 1.26
    if top.pattern == "yoke":
        return arm
    if top.pattern == "chest bar":
        return ~arm & (np.abs(down - 1.28) < 0.045)
    return ~arm & _logo(top, places)


def _logo(top: Top, places: Places) -> np.ndarray:
    """An ellipse on the chest and, for half of the people, a bar on the back: [N]."""
    front = places.back < -0.02
    badge = (places.across / 0.085) ** 2 + ((places.height - 1.28) / 0.06) ** 2 < 1
    bar = (np.abs(places.across) < 0.1) & (np.abs(places.height - 1.31) < 0.025)
    return np.where(front, badge, bar & (top.pattern_variant < 0.5))


def _paint_bottom(look: Identity, colours: np.ndarray, places: Places, positions: np.ndarray) -> np.ndarray:
    bottom: Bottom = look.bottom
    second, height = np.array(bottom.second_colour, np.float32), places.height
    if bottom.pattern == "side stripe":
        seam = 0.15 + 0.05 * np.clip(SEAT - height, 0, 1)
        width = 0.02 if bottom.is_skirt else 0.035
        colours[(np.abs(places.across) > seam) & (np.abs(places.back) < width)] = second
    elif bottom.pattern == "checks":
        colours = _checks(colours, second, np.sin(70 * height), places.across, 70)
    elif bottom.pattern == "print":
        colours[waves(positions, look.phases[3:], 35) > 0.3] = second
    if bottom.kind == "jeans":  # worn pale on the thighs
        colours *= (1 + 0.22 * np.exp(-(((height - 0.71) / 0.14) ** 2)) * (places.back < 0))[:, None]
    return colours


def _checks(
    colours: np.ndarray, second: np.ndarray, rows: np.ndarray, around: np.ndarray, frequency: float
) -> np.ndarray:
    """Two crossing sets of bands: where both meet the second colour, where one runs the mixture."""
    crossed = (rows > 0).astype(np.int8) + (np.sin(frequency * around) > 0)
    return colours + (crossed / np.float32(2))[:, None] * (second - colours)


def _weave(look: Identity, colours: np.ndarray, cover: np.ndarray, positions: np.ndarray) -> None:
    """Uneven cloth, strands of hair, and blots."""
    cloth, hair = np.flatnonzero(IS_CLOTH[cover]), np.flatnonzero(cover == Cover.HAIR)
    colours[cloth] *= (1 + 0.06 * waves(positions[cloth], look.phases[6:], 60))[:, None]
    strands = positions[hair] * np.array([1, 1, 0.15], np.float32)  # they run down
    colours[hair] *= (1 + 0.25 * waves(strands, look.phases[9:], 110))[:, None]
    if look.mottle:
        sizes = 15 + 6 * np.array(look.phases[18:])  # radians a metre: blots of a foot to a finger
        blots = [
            waves(positions[cloth], look.phases[first:], size)
            for first, size in zip(range(0, 18, 3), sizes, strict=True)
        ]
        colours[cloth] *= np.exp(look.mottle * (np.stack(blots[:3], 1) + np.stack(blots[3:], 1)))
