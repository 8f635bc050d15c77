"""The file formats of the artifacts (design: a public interface, read by other tools too)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from gcl_cli.artifacts.files import read_json, write_json
from gcl_cli.artifacts.tables import read_table, write_table
from gcl_cli.errors import GclError
from gcl_cli.records import MeshEstimates

if TYPE_CHECKING:  # imported where it is used: processes that share work on meshes do without
    from torch import Tensor

MESH_COLUMNS = ("pose", "betas", "camera", "landmarks", "score", "status")


def unusable(path: Path, problem: str) -> GclError:
    """What to say of a file of an artifact that is not as its stage writes it."""
    return GclError(f"{path} is damaged: {problem}.", f"Delete {path.parent} and make it again.")


def write_names(folder: Path, split: str, names: Sequence[str]) -> None:
    """The names of the rows of a split, in order."""
    write_json(folder / f"{split}.names.json", list(names))


def read_names(folder: Path, split: str) -> list[str]:
    """The names of the rows of a split, in order."""
    path = folder / f"{split}.names.json"
    try:
        names = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise unusable(path, str(error)) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise unusable(path, "it is no list of names")
    return names


def write_meshes(folder: Path, split: str, names: Sequence[str], meshes: MeshEstimates) -> None:
    """`<split>.safetensors` with one row a picture, and the names."""
    save_file(
        {column: np.ascontiguousarray(getattr(meshes, column)) for column in MESH_COLUMNS},
        folder / f"{split}.safetensors",
    )
    write_names(folder, split, names)


def read_meshes(folder: Path, split: str) -> tuple[list[str], MeshEstimates]:
    """Names and estimates of a split; GclError when the split was not estimated."""
    path = folder / f"{split}.safetensors"
    if not path.exists():
        raise GclError(f"{folder} has no meshes of the {split} pictures.", f"gcl mesh --splits {split} --restart")
    names = read_names(folder, split)
    try:
        meshes = MeshEstimates(**load_file(path))
    except (SafetensorError, TypeError) as error:  # TypeError: other columns
        raise unusable(path, str(error)) from error
    if {len(getattr(meshes, column)) for column in MESH_COLUMNS} != {len(names)}:
        raise unusable(path, f"it has not one row for each of {len(names)} names")
    return names, meshes


def read_mesh_rows(folder: Path, split: str, rows: Sequence[int]) -> MeshEstimates:
    """Some rows of the estimates of a split; nothing else of the file is read."""
    with safe_open(folder / f"{split}.safetensors", framework="numpy") as file:
        columns = {name: file.get_slice(name) for name in MESH_COLUMNS}
        return MeshEstimates(**{name: np.concatenate([c[r : r + 1] for r in rows]) for name, c in columns.items()})


def join_meshes(parts: Sequence[MeshEstimates]) -> MeshEstimates:
    """Several tables, one after the other."""
    return MeshEstimates(**{column: np.concatenate([getattr(p, column) for p in parts]) for column in MESH_COLUMNS})


def write_truth(folder: Path, names: Sequence[str], columns: dict[str, np.ndarray]) -> None:
    """`truth.safetensors` of a synthetic set, one row a picture, and the names."""
    save_file({name: np.ascontiguousarray(column) for name, column in columns.items()}, folder / "truth.safetensors")
    write_names(folder, "truth", names)


def write_labels(
    path: Path, names: Sequence[str], labels: np.ndarray, doubt: np.ndarray | None = None,
    confidence: np.ndarray | None = None, cameras: Sequence[int | None] | None = None,
) -> None:  # fmt: skip
    """`labels.csv`: name, label (-1 = noise), and where known the doubt about it, the confidence in it, and the camera.

    Doubt and confidence are empty for noise.
    """
    columns: dict[str, Sequence[Any]] = {"name": names, "label": labels.tolist()}
    for title, numbers in (("doubt", doubt), ("confidence", confidence)):
        if numbers is not None:
            columns[title] = ["" if np.isnan(one) else f"{one:.4f}" for one in numbers.tolist()]
    if cameras is not None:
        columns["camera"] = ["" if camera is None else camera for camera in cameras]
    write_table(path, tuple(columns), zip(*columns.values(), strict=True))


def read_labels(path: Path) -> tuple[list[str], Tensor]:
    """Names and labels of `labels.csv`."""
    import torch

    rows = read_table(path)
    return [row["name"] for row in rows], torch.tensor([int(row["label"]) for row in rows])
