"""Hair, hats and bags: pieces that are built once and move with a bone."""

from collections.abc import Iterator

import numpy as np

from gcl_cli.body.model import load_body
from gcl_cli.synth.garments import Cover
from gcl_cli.synth.identities import Identity
from gcl_cli.synth.pieces import Piece, cord, grid_faces, piece, pillow
from gcl_cli.synth.template import load_template


def worn_pieces(look: Identity, skin: np.ndarray, heads: np.ndarray) -> Iterator[tuple[Piece, np.ndarray]]:
    """What the person wears on head and trunk, each with its bone weights [U, 22].

    skin: [V, 3] the body's vertices at rest; heads: [22, 3] its bone heads.
    """
    top = skin[:, 1].min()
    neck_back = heads[load_body().bone_names.index("head"), 2]
    if look.head.hair in ("long", "medium"):
        yield _falling_hair(look, top, neck_back, heads)
    for shape in _head_pieces(look, top, neck_back):
        yield shape, _bound_to("head", len(shape.vertices))
    if look.bag.kind == "backpack":
        for part in _backpack(look, skin, heads):
            yield part, _bound_to("spine01", len(part.vertices))
    elif look.bag.kind == "shoulder":
        bag = _shoulder_bag(look, skin)
        yield bag, _bound_to("pelvis", len(bag.vertices))


def _bound_to(bone: str, vertices: int) -> np.ndarray:
    weights = np.zeros((vertices, len(load_body().bone_names)), np.float32)
    weights[:, load_body().bone_names.index(bone)] = 1
    return weights


def _falling_hair(look: Identity, top: float, neck_back: float, heads: np.ndarray) -> tuple[Piece, np.ndarray]:
    """An open shell of strands from the crown down the neck; its lower end follows the back instead of the head."""
    rows, columns = 9, 16
    length = 0.36 if look.head.hair == "long" else 0.20
    around = np.linspace(-0.35, np.pi + 0.35, columns)[None]
    down = np.linspace(0, 1, rows)[:, None]
    radius = (0.088 + 0.012 * np.sin(3.1 * down)) * (1 + 0.04 * np.sin(9 * around + look.phases[1]))
    right = np.cos(around) * radius * (0.95 + 0.25 * down)
    away = np.sin(around) * radius * (1 + 0.15 * down) + neck_back + 0.055
    below = top + 0.06 + length * down + 0 * around
    vertices = np.stack([right, below, away], -1).reshape(-1, 3)
    shell = piece(vertices, grid_faces(rows, columns, closed=False), Cover.HAIR)
    head_height = heads[load_body().bone_names.index("head"), 1]
    with_head = np.clip((head_height + 0.18 - vertices[:, 1]) / 0.18, 0, 1)[:, None]
    weights = _bound_to("head", len(vertices)) * with_head + _bound_to("spine01", len(vertices)) * (1 - with_head)
    return shell, weights


def _head_pieces(look: Identity, top: float, neck_back: float) -> Iterator[Piece]:
    if look.head.hair == "ponytail":
        yield _ponytail(top, neck_back)
    elif look.head.hair == "bun":
        yield pillow(np.array([0, top + 0.06, neck_back + 0.13]), (0.045, 0.045, 0.045), roundness=1, cover=Cover.HAIR)
    if look.head.hat == "cap":
        yield pillow(np.array([0, top + 0.075, neck_back - 0.07]), (0.085, 0.008, 0.13), roundness=1, cover=Cover.HAT)
    elif look.head.hat == "brim":
        yield pillow(np.array([0, top + 0.075, neck_back + 0.02]), (0.165, 0.012, 0.18), roundness=1, cover=Cover.HAT)


def _ponytail(top: float, neck_back: float) -> Piece:
    """Hair tied at the back of the head, from where it leaves the head to its thin end between the shoulders."""
    down = np.array([0.095, 0.085, 0.11, 0.17, 0.25, 0.33])
    away = np.array([0.07, 0.115, 0.142, 0.148, 0.140, 0.130])
    path = np.stack([np.zeros(6), top + down, neck_back + away], 1)
    return cord(path, np.array([0.016, 0.022, 0.032, 0.036, 0.030, 0.008]), Cover.HAIR)


def _backpack(look: Identity, skin: np.ndarray, heads: np.ndarray) -> Iterator[Piece]:
    """The bag and the pocket on its back."""
    places = load_template().places
    spine = (np.abs(places.across) < 0.05) & (np.abs(places.height - 1.31) < 0.05)
    size = look.bag.size
    behind = skin[spine, 2].max() + 0.075 * size + look.top.looseness
    height = heads[load_body().bone_names.index("spine01"), 1] + 0.05
    radii = (0.145 * size, 0.21 * size, 0.085 * size)
    yield pillow(np.array([0, height, behind]), radii, roundness=0.45, cover=Cover.BAG)
    pocket = np.array([0, height + 0.45 * radii[1], behind + 0.75 * radii[2]])
    yield pillow(pocket, (0.7 * radii[0], 0.38 * radii[1], 0.5 * radii[2]), roundness=0.5, cover=Cover.STRAP)


def _shoulder_bag(look: Identity, skin: np.ndarray) -> Piece:
    places = load_template().places
    hips = (np.abs(places.height - 0.91) < 0.04) & (places.arm < 0.2)
    beside = np.abs(skin[hips, 0]).max() + 0.06
    size = look.bag.size
    radii = (0.055 * size, 0.12 * size, 0.15 * size)
    return pillow(np.array([look.bag.side * beside, 0.06, 0.03]), radii, roundness=0.4, cover=Cover.BAG)
