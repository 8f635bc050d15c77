"""One picture of the chain from a finished quickstart: crop, mesh, new sides; painted, shipped and trained views.

    python recipes/chain_picture.py quickstart docs/chain.png

Where a painted generator was trained, which began as the one that ships, its views stand alone.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from gcl_cli.artifacts.formats import read_meshes
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.sheets import Cell, write_sheet
from gcl_cli.body.model import load_body
from gcl_cli.body.overlay import overlay
from gcl_cli.datasets.decoding import read_crop
from gcl_cli.people.data import open_data, training_set
from gcl_cli.people.painting import before_own_backdrops, draw_people, paint_people
from gcl_cli.people.rendered_views import open_views, require_flows, require_structures
from gcl_cli.session import Session
from gcl_cli.training.drawn_views import resized_pictures
from gcl_cli.training.generation import generate
from gcl_cli.training.novel_views import painted_people
from gcl_cli.training.painting import Painting
from gcl_cli.weights.networks import has_painter, load_encoder, load_gan, read_encoder
from gcl_cli.weights.shipped_generator import SIZE, load_shipped_generator

PEOPLE = 4
ANGLES = (2, 4, 6)  # indices of 90, 180 and 270 degrees
HEIGHT = 256  # of a picture on the sheet


def main(folder: Path, target: Path) -> None:
    """Draw `target` from the work folder of a quickstart in `folder`."""
    session = Session(work=str(folder / "work"))
    work, data = session.folder, open_data(session, None)
    source, architecture = read_encoder(work, "joint/main")
    networks = {"identity_encoder": load_encoder(source, architecture, torch.device("cpu"))}
    networks |= load_gan(source, architecture, torch.device("cpu"))
    render, views = open_views(work, data, architecture)
    own = has_painter(source)
    told = require_structures(render, (architecture.height, architecture.width)) if own else views
    pictures = training_set(data, architecture, session).pictures
    paint = Painting(require_flows(render), pictures)
    rows = np.linspace(0, len(views.names) - 1, PEOPLE + 2).round().astype(int)[1:-1]
    turns = torch.tensor(ANGLES)
    shipped = drawn_by_what_ships(
        data.root, [views.names[row] for row in rows], (architecture.height, architecture.width)
    )
    sheet = []
    for row, of_shipped in zip(rows, shipped, strict=True):
        same = torch.full((len(turns),), int(row))
        painted = painted_people(pictures, paint, same, turns)
        others = [] if own else [of_shipped]
        made = torch.cat([painted, *others, generate(networks, pictures, told, same, turns)])
        crop = read_crop(data.root, views.names[row])
        drawn = [views.picture(int(row), angle) for angle in ANGLES]
        new = [picture.permute(1, 2, 0).numpy() for picture in made]
        sheet.append([Cell(picture) for picture in (crop, _mesh_on(crop, work, row), *drawn, *new)])
    heads = ("90°", "painted: 90°", *(() if own else ("shipped: 90°",)), "trained: 90°")
    captions = ("picture", "body", *(caption for head in heads for caption in (head, "180°", "270°")))
    write_sheet(target, sheet, headings=captions, height=HEIGHT)


def drawn_by_what_ships(root: Path, names: list[str], size: tuple[int, int]) -> torch.Tensor:
    """The people of some pictures from 90, 180 and 270 degrees, [N, 3, 3, H, W] uint8."""
    people = paint_people(root, names, tuple(int(45 * index) for index in ANGLES), SIZE)
    made = before_own_backdrops(people, draw_people(load_shipped_generator(torch.device("cpu")), people))[:, 1:]
    return resized_pictures(made.flatten(0, 1), size).unflatten(0, made.shape[:2])


def _mesh_on(crop: np.ndarray, work: WorkFolder, row: int) -> np.ndarray:
    _, meshes = read_meshes(read_artifact(work, "mesh/main").folder, "train")
    body, pose, betas = load_body(), meshes.pose[[row]], meshes.betas[[row]]
    rotations = body.world_rotations(pose)
    vertices = body.skin(rotations, body.place(rotations, betas), betas)[0]
    return overlay(crop, body, vertices, meshes.camera[row])


main(Path(sys.argv[1]), Path(sys.argv[2]))
