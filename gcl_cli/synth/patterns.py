"""The colour of every point of a dressed person, and the folds of the cloth."""

import numpy as np

from gcl_cli.synth.faces import paint_face
from gcl_cli.synth.garments import IS_CLOTH, Cover
from gcl_cli.synth.identities import SEAT, Bottom, Identity, Top
from gcl_cli.synth.template import Places

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
    """Uneven cloth and strands of hair."""
    cloth, hair = np.flatnonzero(IS_CLOTH[cover]), np.flatnonzero(cover == Cover.HAIR)
    colours[cloth] *= (1 + 0.06 * waves(positions[cloth], look.phases[6:], 60))[:, None]
    strands = positions[hair] * np.array([1, 1, 0.15], np.float32)  # they run down
    colours[hair] *= (1 + 0.25 * waves(strands, look.phases[9:], 110))[:, None]
