"""Which garment covers a point of the body: predicates on its place on the template."""

from enum import IntEnum

import numpy as np

from gcl_cli.synth.identities import SEAT, Bag, Head, Identity, Top
from gcl_cli.synth.template import Places


class Cover(IntEnum):
    """What is seen at a point."""

    SKIN = 0
    HAIR = 1
    TOP = 2
    BOTTOM = 3
    SHOE = 4
    SOCK = 5
    INNER = 6  # what an open jacket shows
    BAG = 7
    HAT = 8
    STRAP = 9
    TIGHTS = 10


IS_CLOTH = np.isin(list(Cover), (Cover.TOP, Cover.BOTTOM, Cover.INNER))  # [11], looked up by cover
IS_GLOSSY = np.isin(list(Cover), (Cover.SHOE, Cover.HAIR, Cover.BAG, Cover.SKIN))  # [11]
_LOW_NECKLINES = ("tank", "tee", "shirt")
_HIGH_COLLARS = ("hoodie", "coat")


def covers(look: Identity, places: Places) -> np.ndarray:
    """The Cover [N] int8 of every place: a function of the place alone, so of neither shape nor pose."""
    found = np.full(len(places), Cover.SKIN, np.int8)
    _cover_legs(look, places, found)
    _cover_trunk(look, places, found)
    _cover_head(look.head, places, found)
    _cover_straps(look.bag, places, found)
    return found


def neckline(top: Top, places: Places) -> np.ndarray:
    """The height [N] at which the garment ends below the neck; it dips in front."""
    dip = 1.0 if top.kind in _LOW_NECKLINES else 0.4
    beside = np.maximum(0, 0.09 - np.abs(places.across))
    scoop = np.where(places.back < -0.02, -0.02 - 0.25 * dip * beside, 0)
    return scoop + (1.485 if top.kind == "tank" else 1.515)


def _cover_legs(look: Identity, places: Places, found: np.ndarray) -> None:
    bottom, shoes, height = look.bottom, look.shoes, places.height
    leg = ~places.on_arm() & (height < look.waist)
    found[leg & (height > (SEAT if bottom.is_skirt else bottom.hem))] = Cover.BOTTOM
    bare = leg & (found == Cover.SKIN)
    if bottom.tights is not None:
        found[bare] = Cover.TIGHTS
    elif bottom.kind == "shorts":
        found[bare & (height < 0.15)] = Cover.SOCK
    collar = shoes.height + 0.25 * np.clip(-places.back, 0, 0.08)  # higher on the instep
    over_trousers = bottom.kind in ("jeans", "leggings") or bottom.is_skirt or bottom.hem > shoes.height
    ends = collar if over_trousers else np.minimum(collar, bottom.hem + 0.25 * np.clip(-places.back, 0, 0.08))
    found[leg & (height < ends)] = Cover.SHOE


def _cover_trunk(look: Identity, places: Places, found: np.ndarray) -> None:
    top = look.top
    across, height = np.abs(places.across), places.height
    arm, head = places.on_arm(), places.head > 0.5
    trunk = ~arm & ~head & (height >= look.waist)
    covered = trunk & (height < neckline(top, places))
    if top.kind != "tank":
        covered |= arm & (places.along_arm < top.sleeve) & (places.hand < 0.5)
    else:
        covered &= across < 0.135 + 0.5 * np.clip(1.40 - height, 0, 1)
    if top.kind in _HIGH_COLLARS:
        covered |= trunk & (height < 1.555)
    found[covered] = Cover.TOP
    if top.open_front:
        gap = 0.008 if top.kind == "hoodie" else 0.05 + 0.05 * np.clip((height - 0.96) / 0.5, 0, 1)
        found[covered & trunk & (places.back < 0) & (across < gap)] = Cover.INNER


def _cover_head(head: Head, places: Places, found: np.ndarray) -> None:
    across, back, height = np.abs(places.across), places.back, places.height
    skull = (places.head > 0.5) | (height > 1.56)
    hairline = 1.752 - 9 * across**2 - (0.022 if head.fringe else 0)  # falls from the middle of the forehead
    temples = back > -0.028 - 0.045 * np.clip((height - 1.645) / 0.07, 0, 1)
    nape = 1.625 if head.hair in ("buzz", "short") else 1.61
    hair = skull & (height > 1.60) & ((height > hairline) | (temples & (height > nape)))
    if head.hair not in ("long", "medium"):
        hair &= ~((across > 0.077) & (height > 1.650) & (height < 1.712) & (np.abs(back - 0.005) < 0.028))  # ears
    if head.hair != "bald":
        found[hair] = Cover.HAIR
    if head.beard:
        found[skull & (back < -0.06) & (height > 1.575) & (height < 1.625)] = Cover.HAIR
    if head.hat != "none":
        found[skull & (height > 1.71)] = Cover.HAT


def _cover_straps(bag: Bag, places: Places, found: np.ndarray) -> None:
    across, height = places.across, places.height
    dressed = ((found == Cover.TOP) | (found == Cover.INNER)) & ~places.on_arm()
    if bag.kind == "backpack":
        side = np.abs(across)
        found[dressed & (places.back < 0.05) & (side > 0.085) & (side < 0.125) & (height > 1.19)] = Cover.STRAP
    elif bag.kind == "shoulder":
        off_the_strap = 0.72 * bag.side * across - 0.45 * (1.43 - height) + 0.02
        found[dressed & (np.abs(off_the_strap) < 0.018) & (height > 0.96)] = Cover.STRAP
