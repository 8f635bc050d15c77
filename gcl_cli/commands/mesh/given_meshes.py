"""Meshes that another program made, in the place of gcl's own estimates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np

from gcl_cli.artifacts.mesh_files import Mesh, read_archive_row, read_npz, read_obj, unpack_archive, write_npz
from gcl_cli.artifacts.pairing import base, owners
from gcl_cli.artifacts.picture_lists import fingerprint
from gcl_cli.artifacts.vertex_tables import VertexMeshes
from gcl_cli.body.person_gate import FALLBACK, OK
from gcl_cli.datasets.decoding import picture_sizes
from gcl_cli.errors import GclError
from gcl_cli.people.shards import Shard

READERS = {".obj": read_obj, ".npz": read_npz}
SUFFIXES = {*READERS, ".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
FILLED = 0.96  # the share of the crop that a mesh without a camera fills
TYPICAL_OF = 16  # meshes that the stand-in is chosen from
STAND_IN = "stand_in.npz"


@dataclass(frozen=True)
class Place:
    """Where one mesh lies: a file, or a row of an archive that was unpacked to a folder."""

    path: Path
    row: int | None = None

    def read(self) -> Mesh:
        """The mesh; GclError when it is none."""
        return READERS[self.path.suffix](self.path) if self.row is None else read_archive_row(self.path, self.row)


@dataclass(frozen=True)
class GivenShard(Shard):
    """Some pictures of a split and their meshes, where they have one."""

    places: tuple[Place | None, ...]


@dataclass(frozen=True)
class GivenMeshes:
    """The meshes under `--meshes`; `digest` identifies their files."""

    path: Path
    digest: str
    files: tuple[str, ...]  # relative to `path`; none: `path` is an archive

    def places(self, scratch: Path) -> dict[str, Place]:
        """Every mesh by the name that it was given; an archive is unpacked to `scratch` first."""
        if self.files:
            return {name: Place(self.path / name) for name in self.files}
        return {name: Place(scratch, row) for row, name in enumerate(unpack_archive(self.path, scratch))}


@dataclass(frozen=True)
class Pairs:
    """Which mesh belongs to which picture."""

    places: dict[str, Place]  # picture -> its mesh
    unused: list[str]  # meshes that belong to no picture

    def shard(self, plain: Shard) -> GivenShard:
        """A shard with the meshes of its pictures."""
        return GivenShard(plain.split, plain.number, plain.names, tuple(self.places.get(name) for name in plain.names))


def open_given(path: Path) -> GivenMeshes:
    """The folder of meshes or the archive at `path`; GclError when it is neither."""
    if path.is_file() and path.suffix == ".npz":
        return GivenMeshes(path, fingerprint(path.parent, {"meshes": [path.name]}), ())
    found = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.suffix in READERS and p.is_file())
    if not found:
        raise GclError(
            f"--meshes {path}: there are no .obj or .npz files.",
            "Name a folder with a mesh file for each picture, or one .npz with vertices, faces and names.",
        )
    return GivenMeshes(path, fingerprint(path, {"meshes": found}), tuple(found))


def paired(pictures: Iterable[str], places: dict[str, Place]) -> Pairs:
    """Pair by names; meshes may leave the pictures' suffixes and folders out where the rest is unique.

    Raises GclError when two meshes claim one picture.
    """
    mesh_of: dict[str, str] = {}
    keys = (_name, _stem, lambda name: base(_name(name)), lambda name: base(_stem(name)))
    for mesh, (picture, _) in owners(places, list(pictures), keys).items():
        if picture in mesh_of:
            raise GclError(f"{picture} has two meshes: {mesh_of[picture]} and {mesh}.", "Remove one of them.")
        mesh_of[picture] = mesh
    return Pairs({p: places[mesh] for p, mesh in mesh_of.items()}, sorted(places.keys() - mesh_of.values()))


def _name(name: str) -> str:
    """A picture's name as it is, a mesh's without its own suffix: `a/b.jpg.obj` -> `a/b.jpg`."""
    return name.removesuffix(PurePosixPath(name).suffix) if PurePosixPath(name).suffix in READERS else name


def _stem(name: str) -> str:
    """A name without the suffixes of pictures and meshes: `a/b.jpg.obj` -> `a/b`."""
    while PurePosixPath(name).suffix.lower() in SUFFIXES:
        name = name[: -len(PurePosixPath(name).suffix)]
    return name


def write_stand_in(folder: Path, places: Sequence[Place]) -> Mesh:
    """Choose the most typical of the given meshes for pictures that have none: the one closest to their mean.

    It is left in `folder` for `read_given`; its faces are the topology that all meshes must have.
    """
    spread = np.unique(np.linspace(0, len(places) - 1, min(TYPICAL_OF, len(places))).round().astype(int))
    meshes = [places[index].read() for index in spread]
    for mesh, index in zip(meshes, spread, strict=True):
        _refuse_other_topology(mesh, meshes[0], places[index])
    centred = np.stack([mesh.vertices - _middle(mesh.vertices) for mesh in meshes])  # [M, V, 3]
    typical = np.square(centred - centred.mean(axis=0)).sum(axis=(1, 2)).argmin()
    stand_in = Mesh(meshes[typical].vertices, meshes[typical].faces)
    write_npz(folder / STAND_IN, stand_in)
    return stand_in


def read_given(root: Path, scratch: Path, axes: str, shard: GivenShard) -> VertexMeshes:
    """The meshes of a shard's pictures, each about its middle, with a camera; the stand-in where there is none."""
    stand_in = _stand_in(scratch / STAND_IN)
    vertices, cameras = [], []
    for place, size in zip(shard.places, picture_sizes(root, shard.names), strict=True):
        mesh = stand_in if place is None else place.read()
        _refuse_other_topology(mesh, stand_in, place)
        points = mesh.vertices if axes == "y-down" else mesh.vertices * np.array([1, -1, -1], np.float32)
        camera = filling_camera(points, size) if mesh.camera is None else mesh.camera
        middle = _middle(points)
        vertices.append(_in_half_precision(points - middle, place))
        cameras.append(camera + np.array([0, *(camera[0] * middle[:2])], np.float32))
    status = np.array([FALLBACK if place is None else OK for place in shard.places], np.uint8)
    return VertexMeshes(np.stack(vertices), np.stack(cameras), status)


def filling_camera(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The camera [3] in which the bounding box of `points` [V, 3] fills a crop of `size` (height, width)."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    crop = np.array([size[1], size[0]], np.float32)
    scale = FILLED * np.min(crop / np.maximum(high - low, 1e-6))
    return np.array([scale, *(crop / 2 - scale * (low + high) / 2)], np.float32)


def _middle(points: np.ndarray) -> np.ndarray:
    """The middle [3] of the bounding box of `points` [V, 3]: half precision is finest around it."""
    return (points.min(axis=0) + points.max(axis=0)) / 2


def _in_half_precision(points: np.ndarray, place: Place | None) -> np.ndarray:
    """`points` [V, 3] as they are stored; GclError where they are too far apart for that."""
    if np.abs(points).max() > np.finfo(np.float16).max:
        raise GclError(
            f"{place.path if place else 'A mesh'} is {2 * np.abs(points).max():.0f} metres large.",
            "Give meshes of people, in metres.",
        )
    return points.astype(np.float16)


def _refuse_other_topology(mesh: Mesh, first: Mesh, place: Place | None) -> None:
    if mesh.vertices.shape != first.vertices.shape or not np.array_equal(mesh.faces, first.faces):
        raise GclError(
            f"{place.path if place else 'A mesh'} has other faces than the meshes before it.",
            "Give meshes of one topology; those of another in a run of their own (--name NAME).",
        )


@cache
def _stand_in(path: Path) -> Mesh:
    return read_npz(path)
