"""Meshes of any topology in an artifact: `<split>.vertices.safetensors`, written and read a few rows at a time."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from safetensors import safe_open

from gcl_cli.artifacts.formats import write_names
from gcl_cli.artifacts.tensor_head import tensor_head


@dataclass(frozen=True)
class VertexMeshes:
    """Meshes of N pictures by their vertices alone, all of one topology."""

    vertices: np.ndarray  # [N, V, 3] float16, metres about the middle of each mesh, camera axes
    camera: np.ndarray  # [N, 3] float32, weak perspective: scale (pixels a metre), tx, ty (crop pixels)
    status: np.ndarray  # [N] uint8: 0 ok, 2 fallback

    def __len__(self) -> int:
        return len(self.vertices)


def vertex_file(folder: Path, split: str) -> Path:
    """Where an artifact keeps meshes of another topology than gcl's own body."""
    return folder / f"{split}.vertices.safetensors"


def topology(faces: np.ndarray) -> str:
    """The identity of a topology: meshes of the same faces [F, 3] have the same."""
    return hashlib.sha256(np.ascontiguousarray(faces, "<i4").tobytes()).hexdigest()[:16]


def write_vertices(
    folder: Path, split: str, names: Sequence[str], faces: np.ndarray, parts: Iterable[VertexMeshes]
) -> np.ndarray:
    """Write `<split>.vertices.safetensors` and the names; `parts` are taken one by one. Returns the status [N]."""
    remaining = iter(parts)
    first = next(remaining)
    shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "camera": (np.float32, (len(names), 3)),
        "faces": (np.int32, faces.shape),
        "vertices": (np.float16, (len(names), *first.vertices.shape[1:])),
        "status": (np.uint8, (len(names),)),
    }
    header, places = tensor_head(shapes, {"topology": topology(faces)})
    camera, status, done = np.empty((len(names), 3), np.float32), np.empty(len(names), np.uint8), 0
    with vertex_file(folder, split).open("wb") as file:
        file.write(header)
        file.seek(places["vertices"])
        for part in chain([first], remaining):
            file.write(np.ascontiguousarray(part.vertices, np.float16).tobytes())
            camera[done : done + len(part)], status[done : done + len(part)] = part.camera, part.status
            done += len(part)
        for name, array in (("camera", camera), ("faces", faces.astype(np.int32)), ("status", status)):
            file.seek(places[name])
            file.write(array.tobytes())
    write_names(folder, split, names)
    return status


def read_vertices(folder: Path, split: str, rows: Sequence[int]) -> VertexMeshes:
    """Some rows of a vertex table; nothing else of it is read."""
    with safe_open(vertex_file(folder, split), framework="numpy") as file:
        columns = {name: file.get_slice(name) for name in VertexMeshes.__dataclass_fields__}
        return VertexMeshes(**{name: np.concatenate([c[r : r + 1] for r in rows]) for name, c in columns.items()})


def read_faces(folder: Path, split: str) -> np.ndarray:
    """The faces [F, 3] int32 of a vertex table."""
    with safe_open(vertex_file(folder, split), framework="numpy") as file:
        faces: np.ndarray = file.get_tensor("faces")
        return faces
