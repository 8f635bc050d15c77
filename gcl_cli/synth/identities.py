"""What one person looks like: a frozen record, drawn from the seed and the person's number alone."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gcl_cli.synth.palette import (
    CLOTHS,
    DARK_SOCK,
    DENIMS,
    HAIRS,
    LOWER_SHARES,
    NYLON,
    SHOE_SHARES,
    SKINS,
    UPPER_SHARES,
    WHITE_SOCK,
    Colour,
    cloth,
    contrasting_cloth,
    jittered,
    one_of,
    set_off,
)
from gcl_cli.synth.streams import chosen, stream

# Heights are metres above the soles of the template body: ankle .07, knee .52, hip .95, waist 1.05, shoulder 1.44,
# neck 1.54, top of the head 1.80. A position along the arm runs from 0 (shoulder) to 1 (wrist).
SEAT = 0.81
TUCKED = 1.02  # where a garment vanishes into a skirt
FULL_SLEEVE = 1.05


@dataclass(frozen=True)
class Head:
    """Hair, beard and hat."""

    hair: str  # "bald", "buzz", "short", "medium", "long", "ponytail" or "bun"
    hair_colour: Colour
    fringe: bool  # hair on the forehead
    beard: bool
    hat: str  # "none", "cap", "beanie" or "brim"
    hat_colour: Colour


@dataclass(frozen=True)
class Top:
    """What is worn above the waist."""

    kind: str  # a key of TOPS
    colour: Colour
    second_colour: Colour
    inner_colour: Colour  # seen where the front is open
    pattern: str
    pattern_frequency: float  # radians a metre, scaled by each pattern
    pattern_variant: float  # in [0, 1)
    open_front: bool
    sleeve: float  # where the sleeve ends along the arm
    cuffs: bool  # the last quarter of the sleeve in the second colour
    hem: float  # height
    tail: float  # height where a coat's tail ends
    looseness: float  # metres between skin and cloth

    @property
    def hangs_loose(self) -> bool:
        """Whether the cloth hangs free of the trunk below the waist."""
        return self.looseness > 0.02


@dataclass(frozen=True)
class Bottom:
    """What is worn below the waist."""

    kind: str  # "trousers", "jeans", "shorts", "leggings", "skirt" or "long skirt"
    colour: Colour
    second_colour: Colour
    pattern: str
    hem: float  # height
    looseness: float  # metres
    flare: float  # metres that a skirt widens
    tights: Colour | None  # colour of the legs under a skirt; None: bare

    @property
    def is_skirt(self) -> bool:
        """Whether one tube of cloth goes around both legs."""
        return self.kind in ("skirt", "long skirt")


@dataclass(frozen=True)
class Shoes:
    """Shoes and socks."""

    colour: Colour
    white_sole: bool
    height: float
    sock_colour: Colour


@dataclass(frozen=True)
class Bag:
    """A bag and how it is carried."""

    kind: str  # "none", "backpack", "shoulder" or "hand"
    colour: Colour
    side: int  # +1: the person's left, -1: the right
    size: float  # 1: average


@dataclass(frozen=True)
class Identity:
    """Everything that stays the same in every picture of a person."""

    phenotype: tuple[tuple[str, float], ...]  # of the body model, each in [0, 1]
    skin: Colour
    head: Head
    top: Top
    bottom: Bottom
    shoes: Shoes
    bag: Bag
    phases: tuple[float, ...]  # 24 phases of folds and prints, radians
    wrinkles: float  # how much folds tilt the surface of cloth
    mottle: float = 0.0  # how strongly blots of other colours lie on cloth, in logarithms; nobody's but where asked for

    @property
    def waist(self) -> float:
        """The height where the upper garment ends: a close one is tucked into a skirt."""
        return max(self.top.hem, TUCKED) if self.bottom.is_skirt and not self.top.hangs_loose else self.top.hem

    def described(self) -> dict[str, Any]:
        """All of it in plain values, rounded to 4 decimals: what the truth says of a person."""
        described: dict[str, Any] = _rounded(asdict(self) | {"phenotype": dict(self.phenotype)})
        return described


@dataclass(frozen=True)
class Cut:
    """The ranges that one kind of upper garment is drawn from."""

    sleeve: tuple[float, float]
    hem: tuple[float, float]
    looseness: tuple[float, float]
    opens: float  # probability of an open front


TOPS: dict[str, Cut] = {
    "tee": Cut((0.28, 0.50), (0.91, 1.01), (0.008, 0.030), 0.0),
    "long sleeve": Cut((FULL_SLEEVE, FULL_SLEEVE), (0.91, 1.01), (0.006, 0.022), 0.0),
    "jacket": Cut((FULL_SLEEVE, FULL_SLEEVE), (0.89, 0.98), (0.020, 0.040), 0.55),
    "hoodie": Cut((FULL_SLEEVE, FULL_SLEEVE), (0.89, 0.96), (0.022, 0.042), 0.55),
    "tank": Cut((-0.05, -0.05), (0.93, 1.03), (0.005, 0.015), 0.0),
    "coat": Cut((FULL_SLEEVE, FULL_SLEEVE), (1.01, 1.01), (0.025, 0.040), 0.55),
    "shirt": Cut((0.45, FULL_SLEEVE), (0.91, 1.06), (0.010, 0.025), 0.0),
}
_TOP_SHARES = {"tee": 30.0, "long sleeve": 15, "jacket": 17, "hoodie": 10, "tank": 7, "coat": 9, "shirt": 12}
_PATTERN_SHARES = {"plain": 36.0, "horizontal stripes": 10, "vertical stripes": 4, "checks": 9, "logo": 15}
_PATTERN_SHARES |= {"block": 8, "print": 6, "yoke": 5, "chest bar": 7}
_OUTER_PATTERN_SHARES = {"plain": 70.0, "checks": 10, "block": 10, "yoke": 10}

_BOTTOMS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {  # hem, looseness
    "trousers": ((0.06, 0.06), (0.012, 0.030)),
    "jeans": ((0.07, 0.07), (0.005, 0.018)),
    "shorts": ((0.51, 0.69), (0.020, 0.035)),
    "leggings": ((0.09, 0.09), (0.002, 0.002)),
    "skirt": ((0.48, 0.69), (0.0, 0.0)),
    "long skirt": ((0.13, 0.31), (0.0, 0.0)),
}
_WOMENS_BOTTOMS = {"trousers": 24.0, "jeans": 28, "shorts": 12, "skirt": 18, "leggings": 12, "long skirt": 6}
_MENS_BOTTOMS = {"trousers": 42.0, "jeans": 36, "shorts": 22}
_BOTTOM_PATTERN_SHARES = {"plain": 78.0, "side stripe": 10, "checks": 6, "print": 6}
_WOMENS_HAIR = {"long": 35.0, "ponytail": 25, "bun": 10, "short": 10, "medium": 20}
_MENS_HAIR = {"short": 50.0, "buzz": 22, "bald": 8, "medium": 20}
_HAT_SHARES = {"none": 82.0, "cap": 9, "beanie": 5, "brim": 4}
_BAG_SHARES = {"none": 45.0, "backpack": 25, "shoulder": 18, "hand": 12}


def identity(seed: int, person: int) -> Identity:
    """The look of one person, a function of the seed and the person's number alone."""
    random = stream(seed, "identity", person)
    woman = bool(random.random() < 0.5)
    phenotype, skin = _phenotype(random, woman), one_of(random, SKINS, 0.015)
    return Identity(
        phenotype=phenotype,
        skin=skin,
        head=_head(random, woman, skin, fringe=bool(stream(seed, "fringe", person).random() < 0.35)),
        top=_top(random),
        bottom=_bottom(random, woman),
        shoes=_shoes(random),
        bag=_bag(random),
        phases=tuple(random.uniform(0, 2 * np.pi, 24).tolist()),
        wrinkles=float(random.uniform(0.03, 0.09)),
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, tuple | list) else value


def _phenotype(random: np.random.Generator, woman: bool) -> tuple[tuple[str, float], ...]:
    ranges = {"age": (0.55, 0.90), "muscle": (0.30, 0.75), "weight": (0.25, 0.85), "height": (0.27, 0.49)}
    ranges["proportions"] = (0.4, 0.8)
    gender = float(np.clip((0.88 if woman else 0.12) + random.normal(0, 0.06), 0, 1))
    return (("gender", gender), *((name, float(random.uniform(*span))) for name, span in ranges.items()))


def _head(random: np.random.Generator, woman: bool, skin: Colour, fringe: bool) -> Head:
    return Head(
        hair=chosen(random, _WOMENS_HAIR if woman else _MENS_HAIR),
        hair_colour=set_off(one_of(random, HAIRS, 0.03), skin),
        fringe=fringe,
        beard=bool(random.random() < 0.25) and not woman,
        hat=chosen(random, _HAT_SHARES),
        hat_colour=cloth(random, dict.fromkeys(CLOTHS, 1.0)),
    )


def _top(random: np.random.Generator) -> Top:
    kind = chosen(random, _TOP_SHARES)
    cut = TOPS[kind]
    colour = cloth(random, UPPER_SHARES)
    shirt_with_full_sleeves = kind == "shirt" and random.random() < 0.5
    return Top(
        kind=kind,
        colour=colour,
        second_colour=contrasting_cloth(random, colour),
        inner_colour=cloth(random, UPPER_SHARES),
        pattern=chosen(random, _OUTER_PATTERN_SHARES if kind in ("jacket", "coat") else _PATTERN_SHARES),
        pattern_frequency=float(random.uniform(12, 30)),
        pattern_variant=float(random.random()),
        open_front=bool(random.random() < cut.opens),
        sleeve=cut.sleeve[shirt_with_full_sleeves] if kind == "shirt" else float(random.uniform(*cut.sleeve)),
        cuffs=bool(random.random() < 0.12),
        hem=float(random.uniform(*cut.hem)),
        tail=SEAT + float(random.uniform(-0.35, -0.02)),
        looseness=float(random.uniform(*cut.looseness)),
    )


def _bottom(random: np.random.Generator, woman: bool) -> Bottom:
    kind = chosen(random, _WOMENS_BOTTOMS if woman else _MENS_BOTTOMS)
    hem, looseness = _BOTTOMS[kind]
    colour = one_of(random, DENIMS, 0.05) if kind == "jeans" else cloth(random, LOWER_SHARES)
    return Bottom(
        kind=kind,
        colour=colour,
        second_colour=contrasting_cloth(random, colour),
        pattern=chosen(random, _BOTTOM_PATTERN_SHARES),
        hem=float(random.uniform(*hem)),
        looseness=float(random.uniform(*looseness)),
        flare=float(random.uniform(0, 0.09)),
        tights=jittered(random, NYLON, 0.05) if kind == "skirt" and random.random() < 0.35 else None,
    )


def _shoes(random: np.random.Generator) -> Shoes:
    return Shoes(
        colour=cloth(random, SHOE_SHARES),
        white_sole=bool(random.random() < 0.5),
        height=0.19 if random.random() < 0.12 else 0.075,
        sock_colour=jittered(random, WHITE_SOCK if random.random() < 0.6 else DARK_SOCK, 0.05),
    )


def _bag(random: np.random.Generator) -> Bag:
    return Bag(
        kind=chosen(random, _BAG_SHARES),
        colour=cloth(random, UPPER_SHARES),
        side=int(random.choice([-1, 1])),
        size=float(random.uniform(0.8, 1.25)),
    )
