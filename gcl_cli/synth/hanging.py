"""What hangs and so depends on the moment: skirts, coat tails, loose hems and a bag in the hand."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gcl_cli.synth.figures import Figure
from gcl_cli.synth.garments import Cover
from gcl_cli.synth.pieces import Piece, cord, grid_faces, piece, pillow
from gcl_cli.synth.template import load_template
from gcl_cli.synth.walking import bone

_AROUND = 24  # vertices of a ring
_SEAT = 0.90  # metres, on the template: where the trunk is widest
_CROTCH = 0.82  # metres: above it the trunk itself holds a hem out
_UP = np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True, eq=False)
class _Hips:
    """The posed legs and the directions that a skirt is laid out along."""

    joints: np.ndarray  # [3, 2, 3]: hip, knee, ankle of the left and right leg
    left: np.ndarray  # [3] unit vector, level
    front: np.ndarray  # [3] unit vector, level

    def legs_at(self, height: float) -> np.ndarray:
        """The points [2, 3] of both legs that lie at a height of the template."""
        hip, knee, ankle = (load_template().heads[bone(name), 2] for name in ("thighL", "shinL", "footL"))
        if height > knee:
            return self.joints[0] + (self.joints[1] - self.joints[0]) * ((hip - height) / (hip - knee))
        return self.joints[1] + (self.joints[2] - self.joints[1]) * min(1, (knee - height) / (knee - ankle))

    def spread(self, points: np.ndarray) -> np.ndarray:
        """Half the extent of points [N, 3] to the left and to the front: [2]."""
        axes = points @ np.stack([self.left, self.front], 1)
        return (axes.max(0) - axes.min(0)) / 2


@dataclass(frozen=True, eq=False)
class _Ring:
    """One ellipse of a tube of cloth."""

    height: float  # on the template: where its pattern is looked up
    centre: np.ndarray  # [3]
    radii: np.ndarray  # [2], to the left and to the front


def hanging_pieces(figure: Figure, vertices: np.ndarray, joints: np.ndarray) -> Iterator[Piece]:
    """What hangs from a posed, upright person: `vertices` [U, 3] of the figure and its bone heads `joints` [22, 3]."""
    top, bottom = figure.look.top, figure.look.bottom
    hips = _hips(joints)
    if bottom.is_skirt:
        yield _skirt(figure, vertices, hips, (1.03, bottom.hem), Cover.BOTTOM, ease=0.004, flare=bottom.flare + 0.02)
    if top.kind == "coat":
        yield _skirt(figure, vertices, hips, (1.05, top.tail), Cover.TOP, ease=0.02, flare=0.06)
    elif top.hangs_loose:
        over_skirt = 0.018 if bottom.is_skirt else 0
        heights = (1.07, top.hem - 0.03)
        yield _skirt(figure, vertices, hips, heights, Cover.TOP, ease=0.004 + over_skirt, flare=0.02 + over_skirt)
    if figure.look.bag.kind == "hand":
        yield from _bag_in_hand(figure, joints)


def _hips(joints: np.ndarray) -> _Hips:
    legs = np.stack([[joints[bone(f"{name}{side}")] for side in "LR"] for name in ("thigh", "shin", "foot")])
    front = np.cross(legs[0, 0] - legs[0, 1], _UP)
    front /= np.linalg.norm(front)
    return _Hips(legs, np.cross(_UP, front), front)


def _skirt(
    figure: Figure,
    vertices: np.ndarray,
    hips: _Hips,
    heights: tuple[float, float],
    cover: Cover,
    *,
    ease: float,
    flare: float,
) -> Piece:
    """A tube from the trunk at the first template height down to the second, wide enough for both legs (metres)."""
    high, low = heights
    waist = _ring_around(vertices, hips, high, 0.006 + ease)
    if low > _CROTCH:
        return _tube(figure, hips, [waist, _ring_around(vertices, hips, low, 0.006 + flare)], cover)
    legs = hips.legs_at(low)
    thickness = np.array([0.075, 0.085]) if low > 0.52 else np.array([0.055, 0.075])
    hem_radii = np.maximum(hips.spread(legs) + thickness + flare, 0.8 * waist.radii)
    seat = _ring_around(vertices, hips, _SEAT, 0.008 + ease)
    rings = [waist, seat, _Ring(low, legs.mean(0), hem_radii)]
    if low < 0.55:  # long: the thighs push it out on the way
        height = 0.5 * (_SEAT + low)
        thighs = hips.legs_at(height)
        radii = np.maximum(seat.radii, hips.spread(thighs) + np.array([0.085, 0.095]) + 0.5 * ease)
        rings.insert(2, _Ring(height, thighs.mean(0), radii))
    return _tube(figure, hips, rings, cover)


def _ring_around(vertices: np.ndarray, hips: _Hips, height: float, ease: float) -> _Ring:
    """A ring that stands `ease` metres off the posed trunk at a height of the template."""
    places = load_template().places
    trunk = vertices[: len(places)][(np.abs(places.height - height) < 0.025) & (places.arm < 0.3)]
    return _Ring(height, (trunk.max(0) + trunk.min(0)) / 2, hips.spread(trunk) + ease)


def _tube(figure: Figure, hips: _Hips, rings: list[_Ring], cover: Cover) -> Piece:
    """Cloth through the rings, with folds that deepen towards the hem."""
    heights = np.array([ring.height for ring in rings])
    rows = 5 * len(rings) - 4
    height = np.linspace(heights[0], heights[-1], rows)
    values = np.array([[*ring.centre, *ring.radii] for ring in rings])
    along = np.stack([np.interp(-height, -heights, column) for column in values.T], 1)  # [rows, 5]
    centre, radii = along[:, None, :3], along[:, None, 3:]
    angle = np.arange(_AROUND) * 2 * np.pi / _AROUND
    down = np.linspace(0, 1, rows)[:, None]
    phases = figure.look.phases
    fold = 1 + down * (0.05 * np.sin(7 * angle + phases[12]) + 0.03 * np.sin(11 * angle + phases[13]))
    sideways, forwards = ((_boxy(wave(angle)) * fold)[..., None] for wave in (np.cos, np.sin))
    vertices = centre + sideways * radii[..., :1] * hips.left + forwards * radii[..., 1:] * hips.front
    places = np.stack(np.broadcast_arrays(0.17 * np.cos(angle), -0.12 * np.sin(angle), height[:, None]), -1)
    return piece(vertices.reshape(-1, 3), grid_faces(rows, _AROUND, closed=True), cover, places.reshape(-1, 3))


def _boxy(values: np.ndarray) -> np.ndarray:
    """Cosines of an ellipse made those of a trunk, which is broader at its corners."""
    return np.sign(values) * np.abs(values) ** 0.88


def _bag_in_hand(figure: Figure, joints: np.ndarray) -> Iterator[Piece]:
    """A bag that hangs straight down from the fist by two handles."""
    bag = figure.look.bag
    wrist = joints[bone("handL" if bag.side > 0 else "handR")]
    radii = (0.055 * bag.size, 0.13 * bag.size, 0.15 * bag.size)
    grip = wrist + np.array([0.02 * bag.side, 0.10, -0.02])
    centre = grip + np.array([0, 0.09 + radii[1], 0])
    yield pillow(centre, radii, roundness=0.4, cover=Cover.BAG)
    top = centre[1] - 0.9 * radii[1]
    for side in (-1, 1):
        ends = [[grip[0] + 0.02 * side, top, grip[2] + 0.5 * radii[2] * end] for end in (-1, 1)]
        yield cord(np.array([ends[0], grip, ends[1]]), np.full(3, 0.008), Cover.STRAP)
