"""The bodies of a mesh artifact as vertices, whoever estimated them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from gcl_cli.artifacts.formats import read_mesh_rows
from gcl_cli.artifacts.vertex_tables import read_faces, read_vertices, vertex_file
from gcl_cli.body.model import load_body
from gcl_cli.errors import GclError

STATUS = ("ok", "low_confidence", "fallback")


@dataclass(frozen=True)
class PosedBodies:
    """Meshes of B pictures, all of one topology; camera axes: x right, y down, z away from the viewer."""

    vertices: np.ndarray  # [B, V, 3] float32, metres
    faces: np.ndarray  # [F, 3] int32, counter-clockwise seen from outside
    camera: np.ndarray  # [B, 3] float32, weak perspective: crop pixel = scale * xy + (tx, ty)
    own: bool  # of the topology of `body.model.load_body()`

    def __len__(self) -> int:
        return len(self.vertices)


def read_bodies(folder: Path, split: str, rows: Sequence[int]) -> PosedBodies:
    """The bodies of some rows of a mesh artifact; reads no others, so that memory does not grow with their number.

    Estimates of pose are put into vertices; meshes that were made elsewhere (`gcl mesh --meshes`) are vertices
    already. Raises GclError when the split has no meshes.
    """
    if vertex_file(folder, split).exists():
        found = read_vertices(folder, split, rows)
        return PosedBodies(found.vertices.astype(np.float32), read_faces(folder, split), found.camera, own=False)
    _table(folder, split)
    meshes, body = read_mesh_rows(folder, split, rows), load_body()
    rotations = body.world_rotations(meshes.pose)
    vertices = body.skin(rotations, body.place(rotations, meshes.betas), meshes.betas)
    return PosedBodies(vertices, body.faces, meshes.camera, own=True)


def read_status(folder: Path, split: str) -> np.ndarray:
    """How far each mesh of a split is to be trusted: [N] uint8, 0 ok, 1 low confidence, 2 fallback."""
    with safe_open(_table(folder, split), framework="numpy") as file:
        status: np.ndarray = file.get_tensor("status")
        return status


def _table(folder: Path, split: str) -> Path:
    path = vertex_file(folder, split)
    path = path if path.exists() else folder / f"{split}.safetensors"
    if not path.exists():
        raise GclError(f"{folder} has no meshes of the {split} pictures.", f"gcl mesh --splits {split} --restart")
    return path
