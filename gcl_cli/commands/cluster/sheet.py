"""`clusters.png`: the largest, the tightest and the most doubtful clusters, to look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gcl_cli.artifacts.sheets import WRONG, Cell, write_sheet
from gcl_cli.clustering.cohesion import SUSPICIOUS, Cohesion
from gcl_cli.datasets.decoding import read_crop
from gcl_cli.records import Sample

CLUSTERS, PICTURES = 4, 10  # rows of each kind, pictures of a row
HEIGHT = 160  # of a picture in pixels


def draw_clusters(
    path: Path, root: Path, samples: Sequence[Sample], labels: np.ndarray, found: Cohesion, numbers: np.ndarray
) -> None:
    """Write the sheet: a row a cluster, its most doubtful pictures last, their cameras below, suspicious ones framed.

    A row shows at most 10 pictures: of a larger cluster every so many, from the surest to the most doubtful. numbers:
    [K] what the clusters are called.
    """
    rows, titles = [], []
    for kind, clusters in _chosen(labels, found).items():
        for cluster in clusters:
            members = np.flatnonzero(labels == cluster)
            members = members[np.argsort(found.doubt[members], kind="stable")]
            shown = members[np.linspace(0, len(members) - 1, min(PICTURES, len(members))).round().astype(int)]
            titles.append(
                f"{kind}: cluster {numbers[cluster]}, {len(members)} pictures, {_cameras(samples, members)}, "
                f"mean distance {found.tightness[cluster]:.2f}, mean doubt {found.doubt[members].mean():.2f} "
                "(below: camera, doubt)"
            )
            rows.append([_cell(root, samples[row], found.doubt[row]) for row in shown])
    write_sheet(path, rows, titles=titles, legend=[(WRONG, "nearer to another cluster")], height=HEIGHT)


def _chosen(labels: np.ndarray, found: Cohesion) -> dict[str, list[int]]:
    """The clusters to show, each once, by why they are."""
    clustered = labels >= 0
    sizes = np.bincount(labels[clustered])
    doubt = np.bincount(labels[clustered], found.doubt[clustered]) / sizes
    orders = {"largest": -sizes, "tightest": found.tightness, "most doubtful": -doubt}
    chosen: dict[str, list[int]] = {}
    for kind, order in orders.items():
        shown = {cluster for clusters in chosen.values() for cluster in clusters}
        chosen[kind] = [row for row in np.argsort(order, kind="stable").tolist() if row not in shown][:CLUSTERS]
    return chosen


def _cameras(samples: Sequence[Sample], members: np.ndarray) -> str:
    cameras = {samples[row].camera for row in members} - {None}
    return "cameras unknown" if not cameras else f"{len(cameras)} cameras" if len(cameras) > 1 else "1 camera"


def _cell(root: Path, sample: Sample, doubt: float) -> Cell:
    """A picture with its camera and its doubt below it, framed if it is suspicious."""
    camera = "" if sample.camera is None else f"cam {sample.camera}, "
    return Cell(read_crop(root, sample.name), f"{camera}{doubt:.2f}", WRONG if doubt > SUSPICIOUS else None)
