"""The embedding as a flat map: near on it means alike to the encoder, mostly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from gcl_cli.commands.report.album import Album, Picture
from gcl_cli.commands.report.embedded import Embedded
from gcl_cli.config import ReportSettings
from gcl_cli.errors import GclError
from gcl_cli.records import Sample

WIDTH, HEIGHT, MARGIN = 720, 460, 12  # of the map
COLOURS = 8
LEAST = 5  # pictures that make a map
PERPLEXITY = 30.0


@dataclass(frozen=True)
class Point:
    """A picture on the map."""

    x: float
    y: float
    picture: Picture
    caption: str
    camera_colour: int | None  # None: unknown
    cluster_colour: int | None  # None: of no cluster, or not clustered


@dataclass(frozen=True)
class Atlas:
    """The map, and what can be said of the embedding without it."""

    encoder: str
    method: str
    pictures: int
    of: int
    cameras: tuple[tuple[int, int], ...]  # camera and its colour
    clustered: bool
    said: str
    points: tuple[Point, ...]


def draw_atlas(embedded: Embedded, clusters: Mapping[str, int], settings: ReportSettings, album: Album) -> Atlas:
    """The map of the embedded pictures. clusters: by name, -1 = none; empty where nothing was clustered."""
    samples = embedded.samples
    if len(samples) < LEAST:
        raise GclError(f"{len(samples)} pictures make no map.", f"Use --set pictures={LEAST} or more.")
    places = _on_page(flattened(embedded.features, method=settings.map, seed=settings.seed))
    cameras = sorted({sample.camera for sample in samples if sample.camera is not None})
    colours = {camera: place % COLOURS for place, camera in enumerate(cameras)}
    points = tuple(
        _point(sample, x, y, colours, clusters.get(sample.name), album, settings)
        for sample, (x, y) in zip(samples, places.tolist(), strict=True)
    )
    title = {"tsne": "t-SNE", "pca": "principal components"}[settings.map]
    said = _in_words(embedded, clusters)
    return Atlas(
        embedded.encoder, title, len(samples), embedded.of, tuple(colours.items()), bool(clusters), said, points
    )


def flattened(features: np.ndarray, *, method: Literal["tsne", "pca"], seed: int) -> np.ndarray:
    """Places [M, 2] of features [M, D]: two principal components, or t-SNE (van der Maaten and Hinton 2008)."""
    centred = features.astype(np.float64)
    if method == "pca":
        places: np.ndarray = PCA(2, svd_solver="full").fit_transform(centred)
        return places
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    return np.asarray(TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(centred))


def _on_page(places: np.ndarray) -> np.ndarray:
    low, high = places.min(axis=0), places.max(axis=0)
    size = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    spread: np.ndarray = (MARGIN + (places - low) / np.maximum(high - low, 1e-12) * size).round(1)
    return spread


def _point(
    sample: Sample, x: float, y: float, colours: Mapping[int, int], cluster: int | None, album: Album,
    settings: ReportSettings,
) -> Point:  # fmt: skip
    words = [sample.name]
    words += [] if sample.camera is None else [f"camera {sample.camera}"]
    words += [] if cluster is None else ["no cluster" if cluster < 0 else f"cluster {cluster}"]
    return Point(
        x, y, album.photograph(sample.name, sample.name, height=min(settings.thumbnail, 96)), ", ".join(words),
        None if sample.camera is None else colours[sample.camera],
        None if cluster is None or cluster < 0 else cluster % COLOURS,
    )  # fmt: skip


def _in_words(embedded: Embedded, clusters: Mapping[str, int]) -> str:
    """How many pictures have a nearest one that shares their camera, and their cluster."""
    cosines = embedded.features @ embedded.features.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = cosines.argmax(axis=1)
    said = []
    cameras = np.array([-1 if sample.camera is None else sample.camera for sample in embedded.samples])
    labels = np.array([clusters.get(sample.name, -1) for sample in embedded.samples])
    for word, values in (("camera", cameras), ("cluster", labels)):
        known = values >= 0
        if known.any():
            said.append(f"{100 * (values[nearest] == values)[known].mean():.0f} % of the same {word}")
    return f"The nearest picture, in the embedding itself, is in {' and in '.join(said)}." if said else ""
