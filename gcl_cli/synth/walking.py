"""How people stand and walk: rotation vectors of the body's bones before they turn to the camera."""

from functools import cache

import numpy as np

from gcl_cli.body.model import load_body
from gcl_cli.body.rotations import from_rotation_vector, to_rotation_vector
from gcl_cli.synth.identities import Identity

_STANDING, _PHONE, _CARRYING, _CALLING = 0.15, 0.10, 0.06, 0.04  # probabilities


@cache
def bone(name: str) -> int:
    """The row of a bone."""
    return load_body().bone_names.index(name)


def pose(random: np.random.Generator, look: Identity) -> np.ndarray:
    """One moment of a walk: rotation vectors [22, 3] float32 relative to the parent bones, camera axes.

    The pelvis only sways; the person still faces the viewer.
    """
    phase = random.uniform(0, 2 * np.pi)
    swing = random.uniform(0.25, 0.48) * _stride(look)  # of the hip, radians
    if random.random() < _STANDING:
        swing *= 0.15
    angles = np.zeros((22, 3), np.float32)  # of each bone about x, y and z, radians
    _move_legs(random, angles, phase, swing)
    _move_arms(random, angles, phase, swing)
    _use_hands(random, angles, look)
    _move_trunk(random, angles, 0.3 * swing * np.sin(phase))
    about_x, about_y, about_z = from_rotation_vector(angles.T[..., None] * np.eye(3, dtype=np.float32)[:, None])
    return to_rotation_vector(about_y @ about_x @ about_z)


def _stride(look: Identity) -> float:
    """How far the clothes let the legs swing, 1: freely."""
    if look.bottom.kind == "long skirt":
        return 0.62
    return 0.85 if look.bottom.kind == "skirt" or look.top.kind == "coat" else 1.0


def _move_legs(random: np.random.Generator, angles: np.ndarray, phase: float, swing: float) -> None:
    """Hips swing in opposite phase; the knee of the leg that comes forward bends most."""
    together = 0.11 + random.normal(0, 0.015)  # the rest pose stands with legs apart
    for side, sign in (("L", 1), ("R", -1)):
        forward, lifting = sign * np.sin(phase), sign * np.cos(phase)
        bend = 0.05 + 1.6 * swing * max(0, lifting) + 0.25 * swing * max(0, -forward)
        angles[bone(f"thigh{side}")] = -swing * forward - 0.04, 0, sign * together
        angles[bone(f"shin{side}")] = bend, 0, 0
        angles[bone(f"foot{side}")] = 0.6 * swing * max(0, -forward) - 0.06, 0, 0


def _move_arms(random: np.random.Generator, angles: np.ndarray, phase: float, swing: float) -> None:
    """Arms hang, palms to the thighs, and swing against the legs. The rest pose holds them half raised, elbows bent."""
    lowered, straightened = 0.56 + random.normal(0, 0.04), random.uniform(0.35, 0.65)
    for side, sign in (("L", 1), ("R", -1)):
        forward = -sign * np.sin(phase)
        angles[bone(f"uarm{side}")] = 0.14 - 0.9 * swing * forward, 0, sign * lowered
        angles[bone(f"farm{side}")] = straightened - 0.75 * swing * max(0, forward), 0, 0
        angles[bone(f"hand{side}")] = random.normal(0.1, 0.1), 0, 0


def _use_hands(random: np.random.Generator, angles: np.ndarray, look: Identity) -> None:
    """Sometimes a hand does something else than swing: a phone, something carried, a call, a bag."""
    kind = random.random()
    if kind < _PHONE:
        _raise_arm(angles, "R", upper=-0.35, fore=-1.3, inward=0.3)
    elif kind < _PHONE + _CARRYING:
        _raise_arm(angles, "L", upper=-0.25, fore=-1.0, inward=0.5)
        _raise_arm(angles, "R", upper=-0.25, fore=-1.0, inward=0.5)
    elif kind < _PHONE + _CARRYING + _CALLING:
        _raise_arm(angles, "L", upper=-0.2, fore=-2.0, inward=0.0)
    if look.bag.kind == "hand":
        side = "L" if look.bag.side > 0 else "R"
        _raise_arm(angles, side, upper=float(random.normal(0, 0.08)), fore=0.45, inward=0.0)


def _raise_arm(angles: np.ndarray, side: str, *, upper: float, fore: float, inward: float) -> None:
    """Set one arm: the upper arm at the body, swung by `upper`; the fore arm by `fore` and turned inward (radians)."""
    sign = 1 if side == "L" else -1
    angles[bone(f"uarm{side}")] = upper, 0, sign * 0.68
    angles[bone(f"farm{side}")] = fore, sign * inward, 0


def _move_trunk(random: np.random.Generator, angles: np.ndarray, twist: float) -> None:
    """The shoulders turn against the hips by `twist` radians; the head looks about."""
    angles[bone("pelvis")] = 0.02, 0.5 * twist, 0
    angles[bone("spine04")] = random.normal(-0.04, 0.03), -twist, 0
    angles[bone("spine01")] = random.normal(-0.03, 0.04), 0, 0
    angles[bone("neck")] = 0, random.normal(0, 0.15), 0
    angles[bone("head")] = random.normal(0, 0.12), random.normal(0, 0.2), 0
