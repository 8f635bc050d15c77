"""Bodies of a mesh artifact as one file a picture, for other programs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gcl_cli import console
from gcl_cli.artifacts.formats import read_names
from gcl_cli.artifacts.mesh_files import Mesh, write_obj, write_ply
from gcl_cli.machine.processes import map_shared
from gcl_cli.people.bodies import read_bodies

EXPORT = "export"
FRAME = (
    "axes: x right, y down, z away from the viewer; unit: metre",
    "camera: crop pixel = scale * (x, y) + (tx, ty), from the upper left corner",
)
TOGETHER = 32  # bodies in memory at a time


@dataclass(frozen=True)
class Part:
    """Some rows of a mesh artifact and the names of their pictures."""

    folder: Path
    split: str
    rows: range
    names: tuple[str, ...]


def export_meshes(folder: Path, splits: tuple[str, ...], kind: str, *, processes: int) -> None:
    """Write `export/PICTURE.obj` (or .ply) for every picture; what is there already is kept.

    They are copies: not part of the artifact, whose identity stays the same with and without them.
    """
    parts = [part for split in splits for part in _parts(folder, split)]
    pictures = sum(len(part.names) for part in parts)
    size = export_part(kind, Part(folder, splits[0], range(1), parts[0].names[:1]))
    console.say(f"Exporting {pictures} meshes of {size / 1e6:.2f} MB: {pictures * size / 1e6:.0f} MB in all.")
    with console.meter(EXPORT, pictures) as meter:
        processes = min(processes, len(parts))
        for part, _ in zip(parts, map_shared(partial(export_part, kind), parts, processes=processes), strict=True):
            meter.advance(len(part.names))


def exported_file(folder: Path, name: str, kind: str) -> Path:
    """Where the mesh of a picture is exported to."""
    return folder / EXPORT / f"{name}.{kind}"


def export_part(kind: str, part: Part) -> int:
    """Write the files of some pictures that are not there yet; returns the size of the first one in bytes."""
    write: Callable[[Path, Mesh, tuple[str, ...]], None] = {"obj": write_obj, "ply": write_ply}[kind]
    files = {row: exported_file(part.folder, name, kind) for row, name in zip(part.rows, part.names, strict=True)}
    missing = [row for row, file in files.items() if not file.exists()]
    if missing:
        bodies = read_bodies(part.folder, part.split, missing)
        for row, vertices, camera in zip(missing, bodies.vertices, bodies.camera, strict=True):
            files[row].parent.mkdir(parents=True, exist_ok=True)
            temporary = files[row].with_suffix(".tmp")
            write(temporary, Mesh(vertices, bodies.faces, camera), FRAME)
            temporary.rename(files[row])
    return files[part.rows[0]].stat().st_size


def _parts(folder: Path, split: str) -> list[Part]:
    names = read_names(folder, split)
    return [
        Part(folder, split, range(start, min(start + TOGETHER, len(names))), tuple(names[start : start + TOGETHER]))
        for start in range(0, len(names), TOGETHER)
    ]
