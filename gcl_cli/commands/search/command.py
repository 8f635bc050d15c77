"""`gcl search`: a folder of pictures, and pictures of people to find in it -> ranked lists."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts.embeddings import EmbeddingTable
from gcl_cli.artifacts.run import Run
from gcl_cli.body.rotations import normalise
from gcl_cli.commands.search import graph
from gcl_cli.commands.search.answers import meaning, with_answers
from gcl_cli.commands.search.index import Index, Listing, index_run, list_pictures, update_index
from gcl_cli.commands.search.page import Found, Match, asked, asked_before, match_rows, write_found, write_page
from gcl_cli.config import SearchSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.datasets import dukemtmc, market1501
from gcl_cli.datasets.catalogue import resolve
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.errors import GclError
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.crops import crop_notes
from gcl_cli.people.given_files import free_name, picture_files, target_folder
from gcl_cli.people.turning import ShippedGenerator, open_view_generator, turn_people
from gcl_cli.retrieval.likeness import read_likeness
from gcl_cli.retrieval.nearest import nearest_rows
from gcl_cli.retrieval.whole_gallery import in_words, lean_on_gallery, require_cameras, uses_gallery
from gcl_cli.session import Session
from gcl_cli.training.drawn_views import resized_pictures
from gcl_cli.training.features import embed
from gcl_cli.weights.shipped_generator import SHIPPED
from gcl_cli.weights.starting_weights import OpenedEncoder, open_encoder


def run(
    session: Session,
    gallery: str,
    images: Sequence[str],
    to: str,
    chosen: dict[str, Any],
    *,
    encoder: str | None = None,
    init: str | None = None,
    generator: str | None = None,
) -> dict[str, Any]:
    """Rank the pictures of `gallery` for each of `images`; returns the ranked lists, and writes them into `to`.

    The folder is indexed once: afterwards only pictures that are new or have changed are embedded.
    """
    settings = settings_for(SearchSettings, "search", "paper", chosen)
    files, folder = picture_files(images), target_folder(to)
    listing = list_pictures(resolve(gallery, Path(session.data_root)))
    source = open_encoder(work := session.folder, encoder=encoder, init=init, stages=("joint", "warmup"))
    known = read_likeness(work, settings.clusters, source.reference, source.inputs) if settings.unknown else None
    load = cache(lambda: source.load(session.open_device()))
    drawn_by, turned = _turned(session, files, settings.angle, generator, source) if settings.angle else (None, None)
    cameras = _cameras(files, listing, settings)
    job = index_run(work, listing, source.reference, source.inputs, flip=settings.flip)
    of = _embedding(load, source, listing.root, session, flip=settings.flip)
    index = update_index(job, listing, of, restart=session.restart)
    queries = _query_embeddings(load, source, files, turned, settings, session)
    left_out = [_row_of(file, listing) for file in files]
    said = _said(settings, meaning(work, settings, source), drawn_by) | _notes(files, turned)  # and what is found out
    nearest = _nearest(job, index.table, queries, cameras, settings, left_out, session, said)
    found = [
        Found(str(file), None if turned is None else turned[i].permute(1, 2, 0).numpy(), _matches(listing, *nearest[i]))
        for i, file in enumerate(files)
    ]
    found, answers = with_answers(found, known, len(listing), settings.false_accepts)
    about = {
        "encoder": source.reference, "gallery": str(listing.root), "index": index.reference, "pictures": len(listing),
        "embedded": index.embedded, "removed": index.removed, "angle": settings.angle, **said, **answers,
    }  # fmt: skip
    return {**about, **_write(folder, found, listing, about), "matches": match_rows(found)}


def refresh(session: Session, gallery: str, *, encoder: str | None, init: str | None, flip: bool) -> Index:
    """Bring the index of a folder that was searched before up to date."""
    listing = list_pictures(Path(gallery))
    source = open_encoder(session.folder, encoder=encoder, init=init, stages=())
    load = cache(lambda: source.load(session.open_device()))
    job = index_run(session.folder, listing, source.reference, source.inputs, flip=flip)
    return update_index(job, listing, _embedding(load, source, listing.root, session, flip=flip), restart=False)


def _nearest(
    job: Run,
    table: EmbeddingTable,
    queries: np.ndarray,
    cameras: Tensor,
    settings: SearchSettings,
    left_out: list[int | None],
    session: Session,
    said: dict[str, Any],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The rows most like each query, best first, and their cosines: exact, unless there are too many for that.

    What is found out on the way joins `said`.
    """
    if uses_gallery(settings):
        return _nearest_leaning(table, queries, cameras, settings, left_out, said)
    if len(table) > settings.exact_to:
        if graph.is_installed():
            threads = session.processes
            return graph.near_rows(job, table, queries, top=settings.top, left_out=left_out, threads=threads)
        console.say(
            f"{len(table):,} pictures are compared one by one. Sooner, through a graph that misses a few: "
            'pip install "gcl-cli[usearch]"'
        )
    return nearest_rows(queries, table.embeddings, top=settings.top, left_out=left_out)


def _nearest_leaning(
    table: EmbeddingTable,
    queries: np.ndarray,
    cameras: Tensor,
    settings: SearchSettings,
    left_out: list[int | None],
    said: dict[str, Any],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The rows most like each query once all of them lean on each other; what was found out on the way joins `said`."""
    if len(table) > settings.exact_to:
        raise GclError(
            f"--even-cameras and --centralise compare all pictures with each other: {len(table):,} are too many.",
            f"Leave them out, or allow the hours that it takes: --set exact_to={len(table)}",
        )
    rows = torch.from_numpy(np.array(table.embeddings))  # in memory: the table lies on the disk
    query, gallery, found = lean_on_gallery(torch.from_numpy(queries), rows, cameras, settings)
    said |= found
    return nearest_rows(query.numpy(), gallery.numpy(), top=settings.top, left_out=left_out)


def _cameras(files: Sequence[Path], listing: Listing, settings: SearchSettings) -> Tensor:
    """The cameras [Q + N] that the names of queries and gallery tell, -1 where they do not."""
    names = [*map(str, files), *listing.names]
    read = (market1501.parse(name) or dukemtmc.parse(name) for name in names)
    cameras = torch.tensor([-1 if sample is None or sample.camera is None else sample.camera for sample in read])
    require_cameras(cameras, names, settings)
    return cameras


def _said(settings: SearchSettings, similarity: str, generator: str | None) -> dict[str, Any]:
    """What a similarity stands for, who drew views, and what of the settings changed the embeddings, in words, too."""
    said = {"similarity": similarity, "generator": generator}
    chosen = {name: True for name in ("flip", "even_cameras", "centralise") if getattr(settings, name)}
    return said | ({**chosen, "embeddings": f"unit embeddings{in_words(settings)}"} if chosen else {})


def _embedding(
    load: Callable[[], IdentityEncoder], source: OpenedEncoder, root: Path, session: Session, *, flip: bool
) -> Callable[[Sequence[str]], np.ndarray]:
    """The function that embeds pictures below `root`: their names -> unit rows [M, D] float32."""

    def embeddings(names: Sequence[str]) -> np.ndarray:
        pictures = read_pictures(
            root, names,
            height=source.architecture.height, width=source.architecture.width, threads=session.processes,
        )  # fmt: skip
        return embed(load(), pictures, precision="fp32", flip=flip).cpu().numpy()

    return embeddings


def _turned(
    session: Session, files: Sequence[Path], angle: int, generator: str | None, source: OpenedEncoder
) -> tuple[str, Tensor]:
    """Which generator drew, and the people on `files` as it sees them from `angle`: [N, 3, H, W] uint8."""
    opened = open_view_generator(session.folder, generator, session.open_device())
    views, wanted = turn_people(opened, files, (angle,)).generated[:, 0], source.architecture
    if isinstance(opened, ShippedGenerator):
        return opened.reference, resized_pictures(views, (wanted.height, wanted.width))
    if views.shape[2:] != (wanted.height, wanted.width):
        raise GclError(
            f"The generator makes pictures of {views.shape[2]}x{views.shape[3]} pixels; {source.reference} reads "
            f"{wanted.height}x{wanted.width} pixels.",
            f"Choose --encoder and --generator of one preset, or --generator {SHIPPED}.",
        )
    return opened.reference, views


def _query_embeddings(
    load: Callable[[], IdentityEncoder],
    source: OpenedEncoder,
    files: Sequence[Path],
    turned: Tensor | None,
    settings: SearchSettings,
    session: Session,
) -> np.ndarray:
    """Unit rows [Q, D] of the queries: of the photographs, and by `view_weight` of the views `turned` [Q, 3, H, W].

    GclError when the encoder gives no numbers.
    """
    flip, weight = settings.flip, settings.view_weight
    rows = _embedding(load, source, Path(), session, flip=flip)([str(file) for file in files])
    if turned is not None:
        of_views = embed(load(), turned, precision="fp32", flip=flip).cpu().numpy()
        rows = normalise((1 - weight) * rows + weight * of_views)
    if not np.isfinite(rows).all():
        raise GclError(f"{source.reference} gives no numbers: its weights have diverged.", "Choose another --encoder.")
    return rows


def _notes(files: Sequence[Path], turned: torch.Tensor | None) -> dict[str, Any]:
    """`notes`: which queries are hardly the crop of one person, which is told; turning them has told of it already."""
    notes = crop_notes(files) if turned is None else {}
    for name, note in notes.items():
        console.warn(f"{name}: {note}.")
    return {"notes": notes} if notes else {}


def _row_of(file: Path, listing: Listing) -> int | None:
    """The row of a query that is itself in the gallery: it is not listed as its own match."""
    path, root = file.resolve(), listing.root.resolve()
    if not path.is_relative_to(root):
        return None
    name = path.relative_to(root).as_posix()
    return listing.names.index(name) if name in listing.names else None


def _matches(listing: Listing, rows: np.ndarray, cosines: np.ndarray) -> tuple[Match, ...]:
    pairs = zip(rows.tolist(), cosines.tolist(), strict=True)
    return tuple(Match(rank, listing.names[row], round(cosine, 6)) for rank, (row, cosine) in enumerate(pairs, start=1))


def _write(folder: Path, found: list[Found], listing: Listing, about: dict[str, Any]) -> dict[str, str]:
    """The page and the tables; returns where the page is."""
    mine = asked(about, [one.query for one in found])
    name = free_name("search", mine, lambda name: asked_before(folder / f"{name}.json"))
    write_found(folder, name, found, about)
    write_page(folder / f"{name}.html", found, listing.root, about)
    return {"page": str(folder / f"{name}.html")}
