"""From naked skin to the surface that clothes show: relaxed hands, shoes instead of toes, straight trouser legs."""

import numpy as np

from gcl_cli.body.model import load_body
from gcl_cli.body.rasterizer import vertex_normals
from gcl_cli.synth.garments import Cover, covers
from gcl_cli.synth.identities import Identity
from gcl_cli.synth.patterns import waves
from gcl_cli.synth.template import load_template

_HAIR_THICKNESS = {"bald": 0.0, "buzz": 0.003, "short": 0.015, "medium": 0.03, "long": 0.025, "ponytail": 0.012}
_HAIR_THICKNESS |= {"bun": 0.012}
_KNUCKLES = 0.065  # metres from the wrist
_CURL = 14.0  # radians a metre: how much relaxed fingers bend
_CLOSED = 0.72  # width of a relaxed hand as a share of one with spread fingers
_LEG_LEVELS = np.array([0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.52, 0.62, 0.72])  # template heights, metres


def dressed_surface(look: Identity, skin: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """The vertices [V, 3] of skin and cloth at rest, of the naked `skin` [V, 3] and bone heads [22, 3], camera axes."""
    template, cover = load_template(), covers(look, load_template().places)
    shaped = _shod(_with_relaxed_hands(skin, heads), cover)
    outer = shaped + vertex_normals(shaped, load_body().faces) * _thickness(look, cover)[:, None]
    if look.bottom.kind in ("trousers", "jeans"):
        _straighten_legs(look, outer, skin, cover == Cover.BOTTOM)
    sole = (cover == Cover.SHOE) & (template.places.height < 0.012)
    outer[sole, 1] = skin[:, 1].max() + 0.012  # flat
    return outer.astype(np.float32)


def _with_relaxed_hands(skin: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """The skin [V, 3] with its fingers together and bent towards the palm, as of a hand that hangs."""
    names, places = load_body().bone_names, load_template().places
    relaxed = skin.copy()
    for side in "LR":
        wrist, elbow = heads[names.index(f"hand{side}")], heads[names.index(f"farm{side}")]
        hand = (places.hand > 0.5) & ((places.across > 0) == (side == "L"))
        points = skin[hand] - wrist
        thinnest = np.linalg.svd(points - points.mean(0), full_matrices=False)[2][2]
        along = _unit(wrist - elbow)
        palm = _unit(thinnest - (thinnest @ along) * along)
        palm *= -np.sign(palm[0]) * (1 if side == "L" else -1)  # towards the other hand
        across = np.cross(along, palm)
        length, depth, width = points @ along, points @ palm, points @ across
        bent = np.maximum(length - _KNUCKLES, 0)
        angle = np.minimum(_CURL * bent, 1.9)
        straight = np.minimum(length, _KNUCKLES)
        new_length = straight + np.sin(angle) / _CURL - depth * np.sin(angle)
        new_depth = (1 - np.cos(angle)) / _CURL + depth * np.cos(angle)
        middle = width.mean()
        closed = 1 - (1 - _CLOSED) * np.clip(length / 0.05, 0, 1)
        new_width = middle + (width - middle) * closed
        relaxed[hand] = wrist + new_length[:, None] * along + new_depth[:, None] * palm + new_width[:, None] * across
    return relaxed


def _shod(skin: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """The vertices [V, 3] with the feet smoothed where shoes hide the toes."""
    template = load_template()
    in_shoe = (cover == Cover.SHOE)[:, None]
    smoothed = np.stack([template.smooth(axis, times=12) for axis in skin.T], 1)
    return np.where(in_shoe, smoothed, skin).astype(np.float32)


def _straighten_legs(look: Identity, outer: np.ndarray, skin: np.ndarray, cloth: np.ndarray) -> None:
    """Let trousers hang from the knee instead of following calf and ankle: widen `outer` [V, 3] where `cloth` [V]."""
    places = load_template().places
    loose = look.bottom.looseness
    radius = np.interp(places.height, [0.06, 0.52, 0.72], [0.046 + 1.4 * loose, 0.056 + loose, 0.03])
    for side in (-1, 1):
        leg = cloth & (places.height < 0.72) & (places.across * side > 0)
        on_leg = (places.arm < 0.2) & (places.across * side > 0)
        levels = [skin[on_leg & (np.abs(places.height - level) < 0.035)] for level in _LEG_LEVELS]
        middles = np.array([(level.min(0) + level.max(0)) / 2 for level in levels])
        middles[:2] = middles[2]  # the foot reaches forward
        middle = np.stack([np.interp(places.height[leg], _LEG_LEVELS, middles[:, axis]) for axis in (0, 2)], 1)
        away = outer[leg][:, [0, 2]] - middle  # [M, 2]
        distance = np.maximum(np.linalg.norm(away, axis=1), 1e-4)
        widened = np.maximum(distance, radius[leg])
        points = outer[leg]
        points[:, [0, 2]] = middle + away * (widened / distance)[:, None]
        outer[leg] = points


def _thickness(look: Identity, cover: np.ndarray) -> np.ndarray:
    """Metres [V] by which clothes and hair stand off the skin, with a few folds."""
    template = load_template()
    places = template.places
    by_cover = np.zeros(len(Cover), np.float32)
    by_cover[[Cover.TOP, Cover.INNER, Cover.STRAP]] = look.top.looseness
    by_cover[Cover.BOTTOM] = look.bottom.looseness
    by_cover[Cover.SHOE] = 0.018
    by_cover[Cover.HAIR] = _HAIR_THICKNESS[look.head.hair]
    by_cover[Cover.HAT] = 0.028
    thickness = by_cover[cover]
    thickness[(cover == Cover.TOP) & places.on_arm()] *= 0.7
    thickness[(cover == Cover.HAIR) & (places.height < 1.63) & (places.back < -0.05)] = 0.006  # a beard
    thickness = template.smooth(thickness, times=2)
    cloth = (cover == Cover.TOP) | (cover == Cover.BOTTOM)
    folds = 0.006 * waves(places.positions(), look.phases[15:], 22)
    return (thickness + cloth * folds * np.minimum(1, thickness / 0.015)).astype(np.float32)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
