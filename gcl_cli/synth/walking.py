"""How people stand and walk: rotation vectors of the body's bones before they turn to the camera."""

from functools import cache
from typing import NamedTuple

import numpy as np

from gcl_cli.body.model import load_body
from gcl_cli.body.rotations import from_rotation_vector, to_rotation_vector
from gcl_cli.synth.identities import Identity
from gcl_cli.synth.streams import chosen

_STANDING = 0.15  # probability
BUSY = 0.10  # probability that hands do more than swing: a wrist is then well above the hip as often as in photographs


class Arm(NamedTuple):
    """How one arm is held, radians from the rest pose: half raised at the side, elbow bent."""

    swung: float  # the upper arm about the axis from side to side; below 0: forward
    lowered: float  # the upper arm towards the body; .68: at it
    bent: float  # the fore arm; below 0: up, .5: straight
    inward: float  # the fore arm turned towards the other arm


CARRIED = Arm(swung=0.0, lowered=0.68, bent=0.45, inward=0.0)  # with a bag in the hand
# What busy hands do: how often, and the arms that do it, the nearer one first.
GESTURES: dict[str, tuple[float, tuple[Arm, ...]]] = {
    "phone": (0.250, (Arm(swung=-0.45, lowered=0.68, bent=0.0, inward=0.8),)),
    "carrying": (0.150, (Arm(swung=-0.45, lowered=0.68, bent=0.35, inward=0.8),) * 2),
    "folded": (
        0.100,
        (
            Arm(swung=-0.45, lowered=0.8, bent=0.4, inward=1.6),
            Arm(swung=-0.30, lowered=0.8, bent=0.4, inward=1.4),
        ),
    ),
    "calling": (0.100, (Arm(swung=-1.1, lowered=0.25, bent=-1.5, inward=1.4),)),
    "pocket": (0.125, (Arm(swung=0.0, lowered=0.6, bent=0.4, inward=-0.2),)),
    "strap": (0.100, (Arm(swung=-0.15, lowered=0.68, bent=-1.0, inward=1.6),)),
    "free": (0.175, ()),  # one arm or both, anyhow
}


@cache
def bone(name: str) -> int:
    """The row of a bone."""
    return load_body().bone_names.index(name)


def pose(random: np.random.Generator, look: Identity, *, busy: float = BUSY) -> np.ndarray:
    """One moment of a walk: rotation vectors [22, 3] float32 relative to the parent bones, camera axes.

    The pelvis only sways; the person still faces the viewer. `busy` is the probability of a gesture.
    """
    phase = random.uniform(0, 2 * np.pi)
    swing = random.uniform(0.12, 0.48) * _stride(look)  # of the hip, radians
    if random.random() < _STANDING:
        swing *= 0.15
    angles = np.zeros((22, 3), np.float32)  # of each bone about x, y and z, radians
    _move_legs(random, angles, phase, swing)
    _move_arms(random, angles, phase, swing)
    _use_hands(random, angles, look, busy)
    _move_trunk(random, angles, 0.3 * swing * np.sin(phase))
    return rotation_vectors(angles)


def rotation_vectors(angles: np.ndarray) -> np.ndarray:
    """The rotation vectors [22, 3] of bones turned by `angles` [22, 3] about z, then x, then y."""
    about_x, about_y, about_z = from_rotation_vector(angles.T[..., None] * np.eye(3, dtype=np.float32)[:, None])
    return to_rotation_vector(about_y @ about_x @ about_z)


def _stride(look: Identity) -> float:
    """How far the clothes let the legs swing, 1: freely."""
    if look.bottom.kind == "long skirt":
        return 0.62
    return 0.85 if look.bottom.kind == "skirt" or look.top.kind == "coat" else 1.0


def _move_legs(random: np.random.Generator, angles: np.ndarray, phase: float, swing: float) -> None:
    """Hips swing in opposite phase; the knee of the leg that comes forward bends most."""
    together = 0.11 + random.normal(0, 0.03)  # the rest pose stands with legs apart
    for side, sign in (("L", 1), ("R", -1)):
        forward, lifting = sign * np.sin(phase), sign * np.cos(phase)
        bend = 0.05 + 1.6 * swing * max(0, lifting) + 0.25 * swing * max(0, -forward)
        angles[bone(f"thigh{side}")] = -swing * forward - 0.04, 0, sign * together
        angles[bone(f"shin{side}")] = bend, 0, 0
        angles[bone(f"foot{side}")] = 0.6 * swing * max(0, -forward) - 0.06, 0, 0


def _move_arms(random: np.random.Generator, angles: np.ndarray, phase: float, swing: float) -> None:
    """Arms hang, palms to the thighs, and swing against the legs. The rest pose holds them half raised, elbows bent."""
    lowered, straightened = 0.56 + random.normal(0, 0.06), random.uniform(0.2, 0.65)
    for side, sign in (("L", 1), ("R", -1)):
        forward = -sign * np.sin(phase)
        angles[bone(f"uarm{side}")] = 0.14 - 0.9 * swing * forward, 0, sign * lowered
        angles[bone(f"farm{side}")] = straightened - 0.75 * swing * max(0, forward), 0, 0
        angles[bone(f"hand{side}")] = random.normal(0.1, 0.1), 0, 0


def _use_hands(random: np.random.Generator, angles: np.ndarray, look: Identity, busy: float) -> None:
    """Sometimes a hand does something else than swing: a phone, something carried, a call, a bag."""
    gesture = chosen(random, {"none": 1 - busy} | {name: busy * share for name, (share, _) in GESTURES.items()})
    sides = "LR" if random.random() < 0.5 else "RL"
    arms = _any_arms(random) if gesture == "free" else GESTURES.get(gesture, (0.0, ()))[1]
    for side, arm in zip(sides, arms, strict=False):
        hold(angles, side, arm)
    if look.bag.kind == "hand":
        hold(angles, "L" if look.bag.side > 0 else "R", CARRIED._replace(swung=float(random.normal(0, 0.08))))


def _any_arms(random: np.random.Generator) -> tuple[Arm, ...]:
    """One arm or two that do anything before or beside the body."""
    arms = (Arm(*random.uniform([-1.2, 0.3, -1.6, -0.2], [0.4, 0.75, 0.4, 1.2])) for _ in range(random.integers(1, 3)))
    # A fore arm that turns in behind the belly would go through it.
    return tuple(arm if arm.swung < -0.1 else arm._replace(inward=min(arm.inward, 0.1)) for arm in arms)


def hold(angles: np.ndarray, side: str, arm: Arm) -> None:
    """Set the `arm` of one side ("L" or "R") in the bones' angles [22, 3]."""
    sign = 1 if side == "L" else -1
    angles[bone(f"uarm{side}")] = arm.swung, 0, sign * arm.lowered
    angles[bone(f"farm{side}")] = arm.bent, sign * arm.inward, 0


def _move_trunk(random: np.random.Generator, angles: np.ndarray, twist: float) -> None:
    """The shoulders turn against the hips by `twist` radians; the head looks about."""
    angles[bone("pelvis")] = 0.02, 0.5 * twist, 0
    angles[bone("spine04")] = random.normal(-0.04, 0.05), -twist, 0
    angles[bone("spine01")] = random.normal(-0.03, 0.04), 0, 0
    angles[bone("neck")] = 0, random.normal(0, 0.15), 0
    angles[bone("head")] = random.normal(0, 0.12), random.normal(0, 0.2), 0
