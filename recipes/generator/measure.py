"""How near the shipped generator, and painting alone, come to the truth of people that nobody learned from.

python recipes/generator/pairs.py FOLDER --seed 7003 --people 50 --sides 7 --everybody
python recipes/generator/measure.py FOLDER --judge WORK/warmup/main --sheet sheet.png
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F
from batches import Pairs
from learn import Part
from torch import Tensor

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.sheets import Cell, write_sheet
from gcl_cli.metrics.structural_similarity import similarity
from gcl_cli.networks.painted_generator import PaintedGenerator
from gcl_cli.people.painting import PaintedPeople, draw_people
from gcl_cli.training.drawn_views import resized_pictures
from gcl_cli.training.features import embed
from gcl_cli.weights.networks import load_encoder, read_encoder
from gcl_cli.weights.shipped_generator import load_shipped_generator

Judge = Callable[[Tensor], Tensor]
CPU = torch.device("cpu")
AHEAD = 90  # rows ahead, whose looks a person is given in the row "a stranger's code"
SHOWN = 20  # people of the sheet
UNSEEN = 0.05  # share of a body that the photograph shows below which a side is unseen


def main() -> None:
    """Print the table, and draw the sheet where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--judge", type=Path, help="WORK/STAGE/NAME of an encoder that saw none of these people")
    parser.add_argument("--weights", type=Path, help="finish.pt or colours.pt of learn.py [default: the shipped ones]")
    parser.add_argument(
        "--without", choices=get_args(Part), help="one row: of a training without it, which is not told it"
    )
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    pairs = Pairs(given.pairs)
    people, scene, truth = opened(pairs)
    generator = load_shipped_generator(CPU) if given.weights is None else trained(given.weights)
    judge = None if given.judge is None else judge_of(given.judge)
    for name, drawn in rows(generator, people) if given.without is None else ablated(generator, people, given.without):
        tell(name, figures(people, scene, truth, drawn, judge))
    if given.sheet is not None:
        draw_sheet(given.sheet, people, scene, truth, draw_people(generator, people))


def opened(pairs: Pairs) -> tuple[PaintedPeople, Tensor, Tensor]:
    """The people as the product paints them, their scenes [N, 3, H, W], and the truth [N, S, 4, H, W]; uint8."""
    parts = [pairs.parts[name] for name in sorted(pairs.parts)]

    def joined(name: str) -> Tensor:
        return torch.cat([part[name] for part in parts])

    angles = joined("angles")
    if not bool((angles == angles[0]).all()):
        raise SystemExit("measure people who were drawn from all sides: --sides 7")
    photographs, scene = joined("crop").movedim(-1, 1), joined("scene").movedim(-1, 1)
    people = PaintedPeople(
        tuple(angles[0].tolist()), photographs, joined("grey"), joined("painted").movedim(-1, 2), ("",) * len(angles)
    )
    return people, scene, joined("true").movedim(-1, 2)


def trained(file: Path) -> PaintedGenerator:
    """The generator of a training that is under way: the mean of its weights, where there is one."""
    state, generator = torch.load(file, weights_only=True), PaintedGenerator()
    generator.load_state_dict(state["averaged"] or state["networks"]["generator"])
    return generator.to(memory_format=torch.channels_last).eval()


def judge_of(folder: Path) -> Judge:
    """The embeddings of an artifact's encoder, of pictures at its own size."""
    artifact, architecture = read_encoder(WorkFolder(folder.parents[1]), f"{folder.parent.name}/{folder.name}")
    network, size = load_encoder(artifact, architecture, CPU), (architecture.height, architecture.width)
    return lambda pictures: embed(network, resized_pictures(pictures, size), precision="fp32")


def rows(generator: PaintedGenerator, people: PaintedPeople) -> Iterator[tuple[str, Tensor]]:
    """What is measured: a name, and everybody from all sides [N, S, 4, H, W] uint8."""
    yield "painted", people.painted[:, :, :4]
    yield "generator", draw_people(generator, people)
    strangers = (torch.arange(len(people)) + AHEAD) % len(people)
    yield "a stranger's code", draw_people(generator, people, strangers)
    blind = hidden(people, people.painted[:, :, 4:] > 127)
    yield "unseen hidden", draw_people(generator, blind)
    yield "  a stranger's code", draw_people(generator, blind, strangers)
    yield "no painted view", draw_people(generator, hidden(people, torch.zeros(1, dtype=torch.bool)))


def ablated(generator: PaintedGenerator, people: PaintedPeople, without: str) -> Iterator[tuple[str, Tensor]]:
    """The row of a training without something."""
    yield f"without {without}", draw_people(generator, NOT_TOLD.get(without, lambda people: people)(people))


def hidden(people: PaintedPeople, kept: Tensor) -> PaintedPeople:
    """The same people, of whose other sides no more is painted than is `kept`."""
    painted = people.painted * kept
    painted[:, 0] = people.painted[:, 0]
    return replace(people, painted=painted)


def told_all_is_seen(people: PaintedPeople) -> PaintedPeople:
    """The same people, of whom everything painted is said to be seen."""
    painted = torch.cat([people.painted[:, :, :4], people.painted[:, :, 3:4]], dim=2)
    return replace(people, painted=painted)


# People as a training knows them that was without something (see learn.py); the others know them as they are.
NOT_TOLD: dict[str, Callable[[PaintedPeople], PaintedPeople]] = {
    "painted": lambda people: hidden(people, torch.zeros(1, dtype=torch.bool)),
    "seen": told_all_is_seen,
    "code": lambda people: replace(people, photographs=torch.zeros_like(people.photographs)),
}


def figures(
    people: PaintedPeople, scene: Tensor, truth: Tensor, drawn: Tensor, judge: Judge | None
) -> dict[str, float]:
    """Means over people and turned sides."""
    alpha, true = truth[:, 1:, 3:].float() / 255, truth[:, 1:, :3]
    opacity = drawn[:, 1:, 3:].float() / 255
    composed = (opacity * drawn[:, 1:, :3] + (1 - opacity) * scene[:, None]).round()
    wrong = (alpha * (composed - true).abs() / 255).sum((2, 3, 4)) / (3 * alpha.sum((2, 3, 4)))
    both = ((opacity > 0.5) & (alpha > 0.5)).sum((2, 3, 4)).float()
    either = ((opacity > 0.5) | (alpha > 0.5)).sum((2, 3, 4)).float()
    pictures, wanted = composed.to(torch.uint8).flatten(0, 1), true.flatten(0, 1).contiguous()
    said = {
        "L1": wrong.mean().item(),
        "DSSIM": (1 - similarity(pictures, wanted).mean().item()) / 2,
        "IoU": (both / either).mean().item(),
    }
    if judge is None:
        return said
    cosines = F.cosine_similarity(judge(pictures), judge(wanted))
    by_side = cosines.view(len(people), -1)
    seen = (people.painted[:, 1:, 4] * (people.painted[:, 1:, 3] > 0)).float().mean((2, 3))
    unseen = seen / people.painted[:, 1:, 3].float().mean((2, 3)) < UNSEEN
    said |= {"cosine": by_side.mean().item(), "at 180": by_side[:, people.sides.index(180) - 1].mean().item()}
    return said | {"unseen sides": by_side[unseen].mean().item()}


def tell(name: str, said: dict[str, float]) -> None:
    """One row of the table."""
    print(f"{name:22}" + "  ".join(f"{key} {value:.3f}" for key, value in said.items()), flush=True)  # noqa: T201


def draw_sheet(path: Path, people: PaintedPeople, scene: Tensor, truth: Tensor, drawn: Tensor) -> None:
    """For some people three rows: painted, drawn, true."""
    lines = []
    for person in np.linspace(0, len(people) - 1, min(SHOWN, len(people))).astype(int):
        for views in (people.painted[person, :, :4], drawn[person], None):
            if views is None:
                shown = truth[person, :, :3].float()
            else:
                opacity = views[:, 3:].float() / 255
                shown = opacity * views[:, :3] + (1 - opacity) * scene[person]
            pictures = shown.round().to(torch.uint8).movedim(1, -1).numpy()
            photograph = people.photographs[person].movedim(0, -1).numpy()
            lines.append([Cell(picture) for picture in (photograph, *pictures[1:])])
    write_sheet(path, lines, headings=("photo", *map(str, people.sides[1:])))


if __name__ == "__main__":
    main()
