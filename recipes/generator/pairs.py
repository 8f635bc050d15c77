"""Draw what a generator of views learns from: synthetic people as the product sees them, and the truth of other sides.

For each person a crop with grain, JPEG and now and then a passer-by or an obstacle; what `gcl mesh` and `gcl render`
make of it: grey and painted views; and the same person in the estimated pose from those sides, with alpha. So what is
given and what should come out lie on each other though the mesh is wrong. Writes parts of 50 people; parts that are
there are not drawn again.

    python recipes/generator/pairs.py FOLDER --seed 7001 --people 6000 --sides 3
"""

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from gcl_cli.body.estimator import Estimator
from gcl_cli.body.model import load_body
from gcl_cli.body.painting import body_places, traced_views
from gcl_cli.body.person_gate import FALLBACK
from gcl_cli.body.rendering import render_views, turned_points, up_axis
from gcl_cli.body.rotations import from_rotation_vector
from gcl_cli.body.silhouette import Surface
from gcl_cli.config import MeshSettings
from gcl_cli.records import MeshEstimates
from gcl_cli.synth.cameras import HEIGHT, WIDTH, camera
from gcl_cli.synth.figures import Figure, dress
from gcl_cli.synth.identities import Identity, identity
from gcl_cli.synth.photograph import Photograph, photograph
from gcl_cli.synth.streams import stream
from gcl_cli.synth.turned import empty_scene, framed_like, heading, shares_of, strike_estimated, view

SIDES = tuple(range(45, 360, 45))
PART = 50  # people of a file, estimated together
CAMERAS, SHIFTS = 90, (0.65, 1.0)  # of the world that the people live in; how much its cameras differ
PASSED_BY, PASSERS_BY = 0.06, 40
MOTTLE = (0.1, 0.7)  # how strong blots are
NO_BAG_KEPT = 0.6  # share of people without a bag who are drawn: bags are what other sides get wrong most
OFF = 60.0  # degrees by which a heading may be wrong for its pair to teach anything


@dataclass(frozen=True)
class Plan:
    """What is drawn of everybody."""

    seed: int
    sides: int  # of each person, beside their own
    everybody: bool  # for tests: also who is estimated badly, and people with bags no oftener than others
    mottled: float = 0.0  # share of people whose clothes have blots of other colours


def main() -> None:
    """Write the parts that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=7001, help="of the world; never that of a set one measures on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--people", type=int, default=6000)
    parser.add_argument("--sides", type=int, default=3, help="of each person, drawn at random; 7: all")
    parser.add_argument("--everybody", action="store_true", help="for tests: whoever is estimated badly, too")
    parser.add_argument(
        "--mottled",
        type=float,
        default=0.0,
        help="share of people with blots on their clothes: what a photograph shows is then kept rather than guessed",
    )
    given = parser.parse_args()
    plan = Plan(given.seed, given.sides, given.everybody, given.mottled)
    given.folder.mkdir(parents=True, exist_ok=True)
    for first in range(given.first, given.first + given.people, PART):
        file = given.folder / f"{given.seed}_{first:06d}.npz"
        if not file.exists():
            pairs = draw_part(plan, range(first, min(first + PART, given.first + given.people)))
            unfinished = file.with_suffix(".part")
            with unfinished.open("wb") as opened:
                np.savez(opened, **pairs)
            unfinished.replace(file)
            print(file.name, len(pairs["person"]), flush=True)  # noqa: T201


def draw_part(plan: Plan, people: Sequence[int]) -> dict[str, np.ndarray]:
    """The pairs of some people, stacked by name (see `pairs_of`)."""
    taken = {person: take(plan, person) for person in people}
    taken = {person: shot for person, shot in taken.items() if shot is not None}
    crops = [shot[1] for shot in taken.values()]
    bodies = estimator()(crops)
    rows = [
        pairs_of(plan, person, shot, crop, bodies, row)
        for row, (person, (shot, crop)) in enumerate(taken.items())
        if plan.everybody or teaches(bodies, row, shot.sitting.yaw)
    ]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def take(plan: Plan, person: int) -> tuple[Photograph, np.ndarray] | None:
    """A photograph of the person, and its crop [HEIGHT, WIDTH, 3] uint8; None of who is left out."""
    random, look = stream(plan.seed, "pairs", person), _look(plan, person)
    if not plan.everybody and look.bag.kind == "none" and random.random() > NO_BAG_KEPT:
        return None
    taken_by = camera(plan.seed, 1 + person % CAMERAS, shift=SHIFTS[person % 2])
    other = _passer_by(plan.seed, int(random.integers(PASSERS_BY))) if random.random() < PASSED_BY else None
    yaw = float(random.uniform(0, 2 * np.pi))
    shot = photograph(random, dress(look), taken_by, yaw=yaw, seed=plan.seed, passer_by=other)
    file = io.BytesIO()
    shot.picture.save(file, "JPEG", quality=taken_by.quality)
    file.seek(0)
    return shot, np.asarray(Image.open(file).convert("RGB"))


def _look(plan: Plan, person: int) -> Identity:
    blots, look = stream(plan.seed, "blots", person), identity(plan.seed, person)
    return replace(look, mottle=float(blots.uniform(*MOTTLE))) if blots.random() < plan.mottled else look


@cache
def _passer_by(seed: int, number: int) -> Figure:
    return dress(identity(seed, 20_000_000 + number))


def teaches(bodies: MeshEstimates, row: int, yaw: float) -> bool:
    """Whether an estimated body is near enough to the person."""
    return bool(bodies.status[row] != FALLBACK) and heading_error(bodies.pose[row], yaw) <= OFF


def heading_error(pose: np.ndarray, yaw: float) -> float:
    """Degrees between the heading of a pose [22, 3] and `yaw` in radians."""
    off = np.rad2deg(heading(from_rotation_vector(pose[0])) - yaw)
    return float(abs((off + 180) % 360 - 180))


def pairs_of(
    plan: Plan, person: int, shot: Photograph, crop: np.ndarray, bodies: MeshEstimates, row: int
) -> dict[str, np.ndarray]:
    """One person's pairs: A views, the first of them as photographed.

    crop, scene: [H, W, 3]; own_alpha: [H, W]; angles: [A]; grey: [A, H, W]; painted: [A, H, W, 5] (colour, opacity,
    seen); true: [A, H, W, 4] (colour before the scene, alpha); all uint8 but angles.
    """
    turns = stream(plan.seed, "sides", person).choice(SIDES, plan.sides, replace=False)
    angles = (0, *sorted(turns.tolist()))
    pose, seen_by = bodies.pose[row], bodies.camera[row]
    vertices = skinned(pose)
    sitting, up = shot.sitting, up_axis(load_body(), vertices)
    given = {"up": up, "recentre": True}
    grey, _ = render_views(surface(), vertices, seen_by, (HEIGHT, WIDTH), angles, height=HEIGHT, width=WIDTH, **given)
    painted = traced_views(crop, surface(), vertices, seen_by, (HEIGHT, WIDTH), angles, places=body_places(), **given)
    goals, _ = turned_points(vertices, seen_by, (HEIGHT, WIDTH), angles, height=HEIGHT, width=WIDTH, **given)
    own_alpha = shares_of(sitting)
    true = [np.dstack([crop, own_alpha])]
    for angle, goal in zip(angles[1:], goals[1:], strict=True):
        posed = strike_estimated(sitting, pose, vertices, angle)
        true.append(view(sitting, posed, framed_like(sitting, posed, goal)))
    return {
        "person": np.array(person), "status": bodies.status[row],
        "off": np.float32(heading_error(pose, sitting.yaw)),
        "has_bag": np.array(sitting.figure.look.bag.kind != "none"),
        "crop": crop, "scene": empty_scene(sitting), "own_alpha": own_alpha, "angles": np.array(angles, np.int16),
        "grey": grey, "painted": painted, "true": np.stack(true),
    }  # fmt: skip


def skinned(pose: np.ndarray) -> np.ndarray:
    """The vertices [V, 3] of the mean body in a pose [22, 3]: shapes are not estimated."""
    body, betas = load_body(), np.zeros((1, 10), np.float32)
    rotations = body.world_rotations(pose[None])
    vertices: np.ndarray = body.skin(rotations, body.place(rotations, betas), betas)[0]
    return vertices


@cache
def surface() -> Surface:
    """The body's."""
    return Surface.of(load_body().faces)


@cache
def estimator() -> Estimator:
    """The product's own."""
    settings = MeshSettings()
    return Estimator(
        minimum_score=settings.score_threshold,
        minimum_visibility=settings.visibility_threshold,
        minimum_overlap=settings.overlap_threshold,
        minimum_height=settings.height_threshold,
    )


if __name__ == "__main__":
    main()
