"""`clusters.png`: the largest, the tightest and the most doubtful clusters, to look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gcl_cli.artifacts.sheets import write_sheet
from gcl_cli.clustering.cohesion import SUSPICIOUS, Cohesion
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.records import Sample

CLUSTERS, PICTURES = 4, 10  # rows of each kind, pictures of a row
HEIGHT, WIDTH, CAPTION = 160, 80, 12  # of a picture in pixels, and of the line below it
RED = (220, 30, 30)


def draw_clusters(path: Path, root: Path, samples: Sequence[Sample], labels: np.ndarray, found: Cohesion) -> None:
    """Write the sheet: a row a cluster, its most doubtful pictures last, their cameras below, suspicious ones framed.

    A row shows at most 10 pictures: of a larger cluster every so many, from the surest to the most doubtful.
    """
    rows = []
    for kind, clusters in _chosen(labels, found).items():
        for cluster in clusters:
            members = np.flatnonzero(labels == cluster)
            members = members[np.argsort(found.doubt[members], kind="stable")]
            shown = members[np.linspace(0, len(members) - 1, min(PICTURES, len(members))).round().astype(int)]
            text = f"{kind}\ncluster {cluster}\n{len(members)} pictures\n{_cameras(samples, members)}"
            text += f"\nmean distance\n  {found.tightness[cluster]:.2f}\nmean doubt {found.doubt[members].mean():.2f}"
            rows.append([_heading(text), *_tiles(root, [samples[row] for row in shown], found.doubt[shown])])
    write_sheet(path, rows)


def _chosen(labels: np.ndarray, found: Cohesion) -> dict[str, list[int]]:
    """The clusters to show, by why they are."""
    clustered = labels >= 0
    sizes = np.bincount(labels[clustered])
    doubt = np.bincount(labels[clustered], found.doubt[clustered]) / sizes
    orders = {"largest": -sizes, "tightest": found.tightness, "most doubtful": -doubt}
    return {kind: np.argsort(order, kind="stable")[:CLUSTERS].tolist() for kind, order in orders.items()}


def _cameras(samples: Sequence[Sample], members: np.ndarray) -> str:
    cameras = {samples[row].camera for row in members} - {None}
    return f"{len(cameras)} cameras" if len(cameras) != 1 else "1 camera"


def _tiles(root: Path, samples: Sequence[Sample], doubt: np.ndarray) -> list[np.ndarray]:
    """Pictures with the camera and the doubt below them: [160 + 12, 80, 3] uint8 each."""
    pictures = read_pictures(root, [sample.name for sample in samples], height=HEIGHT, width=WIDTH, threads=1)
    tiles = []
    for sample, picture, doubted in zip(samples, pictures.permute(0, 2, 3, 1).numpy(), doubt, strict=True):
        tile = Image.new("RGB", (WIDTH, HEIGHT + CAPTION), "white")
        tile.paste(Image.fromarray(picture), (0, 0))
        draw = ImageDraw.Draw(tile)
        colour = RED if doubted > SUSPICIOUS else (0, 0, 0)
        if doubted > SUSPICIOUS:
            draw.rectangle((0, 0, WIDTH - 1, HEIGHT - 1), outline=RED, width=3)
        camera = "" if sample.camera is None else f"c{sample.camera}  "
        draw.text((2, HEIGHT), f"{camera}{doubted:.2f}", fill=colour)
        tiles.append(np.asarray(tile))
    return tiles


def _heading(text: str) -> np.ndarray:
    tile = Image.new("RGB", (WIDTH, HEIGHT + CAPTION), "white")
    ImageDraw.Draw(tile).multiline_text((2, 2), text, fill="black", spacing=3)
    return np.asarray(tile)
