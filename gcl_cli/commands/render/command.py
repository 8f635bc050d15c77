"""`gcl render`: bodies, or pictures rendered elsewhere -> grey pictures from several sides, and how to paint them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.formats import read_names, write_names
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import MANIFEST, Artifact, read_artifact
from gcl_cli.artifacts.picture_lists import fingerprint
from gcl_cli.artifacts.run import Run
from gcl_cli.artifacts.sheets import Cell, write_sheet
from gcl_cli.artifacts.view_folders import ViewFiles, find_views
from gcl_cli.artifacts.view_store import FLOW, FlowStore, ViewStore, ViewWriter, has_views
from gcl_cli.body.painting import sampled
from gcl_cli.body.pyrender_backend import choose_backend
from gcl_cli.commands.render.drawing import PAINTED_SPLIT, DrawnViews, MeshRows, draw_bodies
from gcl_cli.commands.render.kept_views import KeptViews
from gcl_cli.commands.render.published_views import GivenViews, export_views, read_given
from gcl_cli.config import RenderSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.datasets.decoding import read_crop, resized
from gcl_cli.errors import GclError, first_few
from gcl_cli.following.loop import complete_already
from gcl_cli.machine.processes import map_shared
from gcl_cli.people.data import WorkData, open_data
from gcl_cli.people.kept_rows import kept_rows
from gcl_cli.session import Session

TOGETHER = 16  # pictures a work unit
NAMED = 10  # pictures or files without a counterpart that are named
SHEET_PEOPLE = 4


@dataclass(frozen=True)
class Source:
    """Where the views come from."""

    config: dict[str, Any]
    inputs: dict[str, str]
    splits: Mapping[str, Sequence[str]]  # the pictures of every split
    parts: Callable[[str, Sequence[str]], list[Any]]  # the work units of some pictures of a split
    make: Callable[[Any], list[DrawnViews]]  # the views of a work unit; must pickle
    root: Path  # the data set
    remark: str
    also: tuple[str, ...] = ()  # kinds of views beside the grey ones
    result: dict[str, Any] = field(default_factory=dict)


def run(session: Session, meshes: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """Draw every body of every estimated split, or import; returns counts and the share of clipped pictures."""
    settings = settings_for(RenderSettings, "render", "paper", chosen)
    data = open_data(session, None)
    work = session.folder
    wanted = f"render/{session.name}"
    if set(chosen) == {"export_png"} and (work.artifact(wanted) / MANIFEST).exists() and not session.restart:
        artifact = read_artifact(work, wanted)  # whatever its settings are
        return {**artifact.manifest.result, **_export(artifact, str(settings.export_png))}
    source = _imported(data, settings) if settings.import_from else _drawn(data, work, meshes, settings)
    job = Run(work, "render", session.name, source.config, source.inputs)
    result = complete_already(job, restart=session.restart)
    if result is None:
        result = _make(job, source, settings, session)
    if settings.export_png:
        result = {**result, **_export(read_artifact(work, wanted), settings.export_png)}
    return result


def _drawn(data: WorkData, work: WorkFolder, meshes: str, settings: RenderSettings) -> Source:
    """The bodies of a mesh artifact."""
    artifact = read_artifact(work, f"mesh/{meshes}")
    backend, reason = choose_backend(settings.backend)
    named = {split: tuple(read_names(artifact.folder, split)) for split in artifact.config["splits"]}

    def parts(split: str, names: Sequence[str]) -> list[MeshRows]:
        row_of = {name: row for row, name in enumerate(named[split])}
        cuts = [tuple(names[i : i + TOGETHER]) for i in range(0, len(names), TOGETHER)]
        return [MeshRows(artifact.folder, split, tuple(row_of[name] for name in cut), cut) for cut in cuts]

    own = settings.model_dump(exclude={"import_from", "on_missing", "export_png"})
    painted = {"painted": "flows"} if settings.paint_height else {}  # earlier versions, which do not say so: colours
    return Source(
        {"meshes": artifact.reference, **own, "backend": backend, **painted},
        {"dataset": data.digest, artifact.reference: artifact.manifest.digest},
        named, parts, partial(draw_bodies, data.root, settings, backend), data.root,
        f"Drawing with {backend}: {reason}",
        also=(FLOW,) if settings.paint_height else (),
    )  # fmt: skip


def _imported(data: WorkData, settings: RenderSettings) -> Source:
    """The files of another program; GclError when none is of a picture, or --set on_missing=error says so."""
    root = Path(str(settings.import_from))
    named = {split: [sample.name for sample in samples] for split, samples in data.dataset.splits.items()}
    found = find_views(root, named, settings.angles)
    named = {split: named[split] for split in found.of}
    _tell_unpaired(root, found, settings)

    def parts(split: str, names: Sequence[str]) -> list[GivenViews]:
        cuts = [tuple(names[i : i + TOGETHER]) for i in range(0, len(names), TOGETHER)]
        return [GivenViews(names, tuple(found.of[split].get(name) for name in names)) for names in cuts]

    files = [file for views in found.of.values() for paths in views.values() for file in paths]
    digest = fingerprint(root, {"views": sorted(file.relative_to(root).as_posix() for file in files)})
    kinds = {"pictures_without_views": found.missing, "files_without_picture": found.unused}
    unpaired = {kind: {"number": len(names), "first": list(names[:NAMED])} for kind, names in kinds.items()}
    own = settings.model_dump(exclude={"backend", "turn", "paint_height", "export_png"})
    return Source(
        {**own, "import_from": str(root.resolve())}, {"dataset": data.digest, "views": digest},
        named, parts, partial(read_given, data.root, settings), data.root,
        f"Taking the pictures in {root}", result=unpaired,
    )  # fmt: skip


def _tell_unpaired(root: Path, found: ViewFiles, settings: RenderSettings) -> None:
    if not any(found.of.values()):
        raise GclError(
            f"No picture in {root} has the name of one of the data set (the first is {(*found.unused, 'none')[0]}).",
            "Name them as the pictures of the data set are named.",
        )
    if found.missing and settings.on_missing == "error":
        raise GclError(
            f"{len(found.missing)} pictures have no views in {root}: {first_few(found.missing, NAMED)}.",
            "Add them, or use --set on_missing=fallback.",
        )
    if found.missing:
        console.warn(
            f"{len(found.missing)} pictures have no views and get a standing body: {first_few(found.missing, NAMED)}"
        )
    if found.unused:
        console.warn(f"{len(found.unused)} files belong to no picture: {first_few(found.unused, NAMED)}")


def _make(job: Run, source: Source, settings: RenderSettings, session: Session) -> dict[str, Any]:
    """Fill and publish the artifact; returns its result."""
    console.say(source.remark)
    with job.begin(restart=session.restart):
        kept = {split: _kept(job, source, split, settings) for split in source.splits}
        rows = [_make_split(job, source, kept[split], session) for split in source.splits]
        _draw_sheet(job, next(iter(source.splits)), settings, source.root)
        new = sum(len(names) - len(kept[split].rows) for split, names in source.splits.items())
        source.result.update({"new_pictures": new} if job.takes_over else {})
        return job.publish({"views": rows, **source.result, "sheet": str(job.final / "sheet.png")}).manifest.result


def _kept(job: Run, source: Source, split: str, settings: RenderSettings) -> KeptViews:
    """What an earlier artifact has of the pictures that are still the same; nothing of views that were given."""
    kinds = ("", *(source.also if split == PAINTED_SPLIT else ()))
    whole = not settings.import_from and all(has_views(job.final, split, kind) for kind in kinds)
    rows = kept_rows(job.work, job.takes_over if whole else None, source.inputs["dataset"], split)
    return KeptViews(
        job.final, split, settings, kinds, {name: rows[name] for name in source.splits[split] if name in rows}
    )


def _make_split(job: Run, source: Source, kept: KeptViews, session: Session) -> dict[str, Any]:
    """Write one split into the job's folder; returns its row of the result."""
    split, names, begun = kept.split, source.splits[kept.split], time.perf_counter()
    parts = source.parts(split, [name for name in names if name not in kept.rows])
    drawn = chain.from_iterable(map_shared(source.make, parts, processes=max(min(session.processes, len(parts)), 1)))
    clipped = np.zeros(len(kept.settings.angles))
    with ExitStack() as files:
        writers = [files.enter_context(ViewWriter(job.folder, f"{split}{kind}")) for kind in kept.kinds]
        meter = files.enter_context(console.meter(f"render {split}", len(names), len(kept.rows)))
        for name in names:
            views = kept.of(name) if name in kept.rows else next(drawn)
            clipped += views.clipped
            for writer, pictures in zip(writers, (views.grey, views.flows), strict=False):
                writer.add(pictures)
            if name not in kept.rows:
                meter.advance()
    write_names(job.folder, split, names)
    made = (len(names) - len(kept.rows)) * len(clipped) * len(writers)
    shares = {str(angle): float(share) for angle, share in zip(kept.settings.angles, clipped / len(names), strict=True)}
    return {
        "split": split, "pictures": len(names), "megabytes": sum(writer.size for writer in writers) / 1e6,
        "views_per_second": round(made / (time.perf_counter() - begun), 1), "clipped": shares,
    }  # fmt: skip


def _draw_sheet(job: Run, split: str, settings: RenderSettings, root: Path) -> None:
    """sheet.png: some people of the data set `root` from all sides."""
    store = ViewStore(job.folder, split, settings.angles, (settings.height, settings.width))
    rows = np.unique(np.linspace(0, len(store.names) - 1, min(SHEET_PEOPLE, len(store.names))).round().astype(int))
    kinds: dict[str, Callable[[int, int], np.ndarray]] = {"body": store.picture}
    if has_views(job.folder, split, FLOW):
        flows = FlowStore(job.folder, split, settings.angles)
        kinds["painted"] = lambda row, angle: _painted(read_crop(root, store.names[row]), flows.flow(row, angle))
    sheet, titles = [], []
    for row in rows.tolist():
        for kind, picture in kinds.items():
            sheet.append([Cell(picture(row, angle)) for angle in range(len(settings.angles))])
            titles.append(f"{kind}: {store.names[row]}")
    headings = [f"{angle}°" for angle in settings.angles]
    write_sheet(job.folder / "sheet.png", sheet, titles=titles, headings=headings)


def _painted(crop: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """A crop [h, w, 3] painted by a flow [4, H, W], before white: [H, W, 3]."""
    view = sampled(resized(crop, *flow.shape[1:]), flow)
    opacity = view[..., 3:4] / 255
    return np.rint(view[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)


def _export(artifact: Artifact, target: str) -> dict[str, Any]:
    """Write the views of a finished artifact as files; returns where and how many."""
    angles, size = tuple(artifact.config["angles"]), (artifact.config["height"], artifact.config["width"])
    splits = [row["split"] for row in artifact.manifest.result["views"]]
    stores = {split: ViewStore(artifact.folder, split, angles, size) for split in splits}
    return {"export": target, "files": export_views(stores, Path(target))}
