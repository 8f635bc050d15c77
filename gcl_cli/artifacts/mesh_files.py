"""Single meshes as files that other programs know: Wavefront .obj, binary .ply, numpy's .npz."""

import errno
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from trimesh.exchange.obj import export_obj
from trimesh.exchange.ply import export_ply

from gcl_cli.errors import GclError

_CAMERA = "camera"  # of a remark: `# camera SCALE TX TY`
_ARCHIVE = ("vertices.npy", "faces.npy", "camera.npy")
LARGEST = 1 << 28  # bytes of one mesh; a body of 10,000 vertices has less than one hundredth of it
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TIGHTEST = 100  # times smaller that packing makes real meshes at most
_PLY_END = b"end_header\n"
_CAMERA_REMARK = re.compile(rf"^# {_CAMERA} (.*)$", re.MULTILINE)
_VERTEX_OR_FACE = re.compile(r"^[vf] .*$", re.MULTILINE)
_TEXTURE_AND_NORMAL = re.compile(r"/\S*")  # of a corner: `7/1/7` is vertex 7
_NUMBER_ZERO = re.compile(r"^f.* 0(?!\S)", re.MULTILINE)


@dataclass(frozen=True)
class Mesh:
    """One mesh, and its weak-perspective camera where it is known."""

    vertices: np.ndarray  # [V, 3] float32
    faces: np.ndarray  # [F, 3] int32, counter-clockwise seen from outside
    camera: np.ndarray | None = None  # [3] float32: crop pixel = scale * xy + (tx, ty)


def write_obj(path: Path, mesh: Mesh, remarks: Iterable[str] = ()) -> None:
    """Write a Wavefront file; the camera and the remarks become comments."""
    header = "\n# ".join([*_camera_remark(mesh), *remarks])
    text = export_obj(_as_trimesh(mesh), include_normals=False, digits=5, header=header)
    path.write_text(f"{text}\n", encoding="utf-8")


def write_ply(path: Path, mesh: Mesh, remarks: Iterable[str] = ()) -> None:
    """Write a binary little-endian .ply; the camera and the remarks become comments."""
    content = export_ply(_as_trimesh(mesh), vertex_normal=False)
    comments = "".join(f"comment {remark}\n" for remark in [*_camera_remark(mesh), *remarks])
    path.write_bytes(content.replace(_PLY_END, comments.encode() + _PLY_END, 1))


def read_obj(path: Path) -> Mesh:
    """The mesh of a Wavefront file; polygons are cut into triangles, all but vertices and faces is left out.

    A comment `# camera SCALE TX TY`, as `write_obj` leaves it, is its camera. Raises GclError for anything else.
    """
    with _readable(path):
        _refuse_large(path, path.stat().st_size)
        text = path.read_text(encoding="utf-8")
        plain = _TEXTURE_AND_NORMAL.sub("", "\n".join(_VERTEX_OR_FACE.findall(text)))
        if _NUMBER_ZERO.search(plain):
            raise _unreadable(path, "a face names vertex 0, and they are counted from 1")
        found = trimesh.load_mesh(io.StringIO(plain), file_type="obj", process=False, maintain_order=True)
        remark = _CAMERA_REMARK.search(text)
        camera = np.array(remark[1].split(), np.float32) if remark else None
        return _checked(path, found.vertices.astype(np.float32), found.faces.astype(np.int32), camera)


def read_npz(path: Path) -> Mesh:
    """The mesh of an .npz: `vertices` [V, 3] (or [1, V, 3]), `faces` [F, 3] and, if it is known, `camera` [3]."""
    with _readable(path):
        _refuse_large(path, _refuse_bomb(path))
        with np.load(path, allow_pickle=False) as file:
            camera = file[_CAMERA].reshape(-1).astype(np.float32) if _CAMERA in file else None
            vertices = file["vertices"].astype(np.float32)
            vertices = vertices[0] if vertices.ndim == 3 and len(vertices) == 1 else vertices
            return _checked(path, vertices, file["faces"].astype(np.int32), camera)


def write_npz(path: Path, mesh: Mesh) -> None:
    """Write what `read_npz` reads; the same mesh gives the same bytes, whatever the clock says."""
    arrays = {"vertices": mesh.vertices, "faces": mesh.faces} | ({} if mesh.camera is None else {_CAMERA: mesh.camera})
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():  # np.savez fails before 1980 and after 2107, which no archive can say
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def unpack_archive(path: Path, folder: Path) -> list[str]:
    """Unpack an .npz of many meshes, so that its rows can be read one by one; returns its `names`.

    path: `vertices` [N, V, 3], `faces` [F, 3], `names` [N] and, if they are known, `camera` [N, 3]. Raises GclError
    when something is missing, or does not fit the rest.
    """
    with _readable(path):
        _refuse_bomb(path)
        with zipfile.ZipFile(path) as file:
            file.extractall(folder, [part for part in _ARCHIVE if part in file.namelist()])
        with np.load(path, allow_pickle=False) as arrays:
            names = [str(name) for name in arrays["names"].tolist()]
        rows = {len(_array(folder, part)) for part in ("vertices", _CAMERA) if (folder / f"{part}.npy").exists()}
        _array(folder, "faces")
    if rows != {len(names)}:
        raise _unreadable(path, f"it has {len(names)} names and arrays of {sorted(rows)} rows")
    return names


def read_archive_row(folder: Path, row: int) -> Mesh:
    """One mesh of an archive that `unpack_archive` unpacked to `folder`."""
    with _readable(folder):
        camera = _array(folder, _CAMERA)[row].astype(np.float32) if (folder / f"{_CAMERA}.npy").exists() else None
        vertices = _array(folder, "vertices")[row].astype(np.float32)
        return _checked(folder, vertices, _array(folder, "faces").astype(np.int32), camera)


def _array(folder: Path, name: str) -> np.ndarray:
    array: np.ndarray = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return array


def _as_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def _camera_remark(mesh: Mesh) -> list[str]:
    return [] if mesh.camera is None else [" ".join([_CAMERA, *(f"{number:.6g}" for number in mesh.camera)])]


def _checked(path: Path, vertices: np.ndarray, faces: np.ndarray, camera: np.ndarray | None) -> Mesh:
    for name, array, fewest in (("vertices", vertices, 3), ("faces", faces, 1)):
        if array.ndim != 2 or array.shape[1] != 3 or len(array) < fewest:
            raise _unreadable(path, f"its {name} have the shape {array.shape}, not [number, 3]")
    if not np.isfinite(vertices).all() or (camera is not None and not np.isfinite(camera).all()):
        raise _unreadable(path, "it holds numbers that are not finite")
    if camera is not None and camera.shape != (3,):
        raise _unreadable(path, f"its camera has {camera.size} numbers, not 3 (scale, tx, ty)")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise _unreadable(path, f"its faces name a vertex that is not among its {len(vertices)}")
    return Mesh(vertices, faces, camera)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever readers say of a file as a GclError: any bytes can lie there, so any exception can come."""
    try:
        yield
    except GclError:
        raise
    except Exception as problem:
        if isinstance(problem, OSError) and problem.errno in _NO_ROOM:
            raise  # of the disk that it is unpacked to
        raise _unreadable(path, str(problem) or type(problem).__name__) from problem


def _refuse_bomb(path: Path) -> int:
    """The bytes that an archive unpacks to; GclError where they are many more than real meshes would."""
    with zipfile.ZipFile(path) as archive:
        content, packed = sum(part.file_size for part in archive.infolist()), path.stat().st_size
    if content > TIGHTEST * packed:
        raise _unreadable(path, f"its {packed:,} bytes unpack to {content:,}, as no mesh does")
    return content


def _refuse_large(path: Path, size: int) -> None:
    if size > LARGEST:
        raise _unreadable(path, f"it has {size:,} bytes, more than any body needs ({LARGEST:,})")


def _unreadable(path: Path, problem: str) -> GclError:
    return GclError(
        f"The mesh {path} cannot be read: {problem}.",
        "Give .obj files, or .npz files with vertices [V, 3] and faces [F, 3]; or leave it out.",
    )
