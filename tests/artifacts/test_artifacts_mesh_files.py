"""Single mesh files, and tables of meshes of any topology."""

import json
import struct
import time
import zipfile

import numpy as np
import pytest
import trimesh
from safetensors.numpy import load_file

from gcl_cli.artifacts.formats import read_names
from gcl_cli.artifacts.mesh_files import (
    Mesh,
    read_archive_row,
    read_npz,
    read_obj,
    unpack_archive,
    write_npz,
    write_obj,
    write_ply,
)
from gcl_cli.artifacts.vertex_tables import VertexMeshes, read_faces, read_vertices, topology, write_vertices
from gcl_cli.errors import GclError

TETRAHEDRON = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], np.int32)


def mesh(seed: int = 0, camera: bool = True) -> Mesh:
    rng = np.random.default_rng(seed)
    return Mesh(
        rng.normal(size=(4, 3)).astype(np.float32), TETRAHEDRON, np.array([50.5, 32, 64.25], np.float32) * camera
    )


@pytest.mark.parametrize(("kind", "write"), [("obj", write_obj), ("ply", write_ply)])
def test_exported_meshes_are_what_other_programs_read(tmp_path, kind, write):
    write(tmp_path / f"one.{kind}", mesh(), ("unit: metre",))
    found = trimesh.load(tmp_path / f"one.{kind}", process=False)
    np.testing.assert_allclose(found.vertices, mesh().vertices, atol=1e-5)
    assert np.array_equal(found.faces, TETRAHEDRON)
    head = (tmp_path / f"one.{kind}").read_bytes()[:300]
    assert b"camera 50.5 32 64.25" in head and b"unit: metre" in head


def test_meshes_come_back_with_their_camera(tmp_path):
    write_obj(tmp_path / "one.obj", mesh())
    write_npz(tmp_path / "one.npz", mesh())
    for found in (read_obj(tmp_path / "one.obj"), read_npz(tmp_path / "one.npz")):
        np.testing.assert_allclose(found.vertices, mesh().vertices, atol=1e-5)
        assert np.array_equal(found.faces, TETRAHEDRON) and found.camera.tolist() == [50.5, 32, 64.25]
        assert (found.vertices.dtype, found.faces.dtype) == (np.float32, np.int32)


def test_wavefront_files_of_other_programs_are_read(tmp_path):
    """Colours, texture and normal numbers, polygons, groups, materials, corners counted backwards, spaces at ends."""
    (tmp_path / "other.obj").write_text(
        "# made elsewhere\nmtllib a.mtl\no person\nv 0 0 0 .5 .5 .5\nv 1 0 0 .5 .5 .5\nvn 0 0 1\nv 1 1 0 1 1 1\n"
        "v 0 1 0 1 1 1 \nvt 0 0\ng body\nf 1/1/1 2/1/1 3/1/1 4/1/1 \nusemtl a\nf 1//1 3//1 2//1\ns off\n"
        "f 4 3 1\nusemtl b\nf -1 -2 -4\n"
    )
    found = read_obj(tmp_path / "other.obj")
    assert found.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]] and found.camera is None
    assert sorted(found.faces.tolist()) == [[0, 1, 2], [0, 2, 1], [2, 3, 0], [3, 2, 0], [3, 2, 0]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read"),
        ("v 0 0 0\nv 0 0 1\nv 0 1 0\n", "cannot be read"),
        ("v 0 0 0\nv 0 0 1\nv 0 1 0\nf 1 2 4\n", "index 3 is out of bounds"),
        ("v 0 0 0\nv 0 0 1\nv 0 1 0\nf -1 -2 -4\n", "index -4 is out of bounds"),
        ("v 0 0 0\nv 0 0 1\nv 0 1 0\nf 1 0/1 2\n", "counted from 1"),
        ("v 0 0 0\nv 0 0 1\nv 0 nan 0\nf 1 2 3\n", "not finite"),
        ("v 0 0 0\nv 0 0 x\nv 0 1 0\nf 1 2 3\n", "cannot be read"),
        ("v 0 0 0\nv 0 0 1\nv 0 1 0\nf 1 2 3\n# camera 1 2\n", "2 numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_a_broken_mesh_is_named(tmp_path, text, problem):
    (tmp_path / "broken.obj").write_text(text)
    with pytest.raises(GclError, match=problem) as raised:
        read_obj(tmp_path / "broken.obj")
    assert "broken.obj" in raised.value.problem and ".obj" in raised.value.fix


def test_objects_in_an_archive_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "evil.npz", vertices=np.array([{}], dtype=object), faces=TETRAHEDRON, names=np.array(["a"]))
    for read in (read_npz, lambda path: unpack_archive(path, tmp_path / "scratch")):
        with pytest.raises(GclError, match="cannot be read"):
            read(tmp_path / "evil.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_of_an_archive_are_read_one_by_one(tmp_path, save):
    vertices = np.random.default_rng(1).normal(size=(3, 4, 3))
    camera = np.arange(9.0).reshape(3, 3) + 1
    save(tmp_path / "all.npz", vertices=vertices, faces=TETRAHEDRON, names=np.array(["a", "b", "c"]), camera=camera)
    assert unpack_archive(tmp_path / "all.npz", tmp_path / "scratch") == ["a", "b", "c"]
    found = read_archive_row(tmp_path / "scratch", 1)
    np.testing.assert_allclose(found.vertices, vertices[1], rtol=1e-6)
    assert found.camera.tolist() == [4, 5, 6] and np.array_equal(found.faces, TETRAHEDRON)


def test_an_archive_with_fewer_names_than_meshes_is_refused(tmp_path):
    np.savez(tmp_path / "all.npz", vertices=np.zeros((3, 4, 3)), faces=TETRAHEDRON, names=np.array(["a", "b"]))
    with pytest.raises(GclError, match="2 names and arrays of \\[3\\] rows"):
        unpack_archive(tmp_path / "all.npz", tmp_path / "scratch")
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    with pytest.raises(GclError, match="cannot be read"):
        unpack_archive(tmp_path / "empty.npz", tmp_path / "scratch2")


def some_meshes(seed: int, count: int) -> VertexMeshes:
    rng = np.random.default_rng(seed)
    return VertexMeshes(
        rng.normal(size=(count, 4, 3)).astype(np.float16),
        rng.normal(size=(count, 3)).astype(np.float32),
        rng.integers(0, 3, count).astype(np.uint8),
    )


@pytest.mark.parametrize("counts", [(1,), (3, 2), (1, 1, 5)])
def test_a_table_written_part_by_part_is_a_plain_safetensors_file(tmp_path, counts):
    parts = [some_meshes(seed, count) for seed, count in enumerate(counts)]
    names = [f"{row}.jpg" for row in range(sum(counts))]
    status = write_vertices(tmp_path, "train", names, TETRAHEDRON, iter(parts))
    found = load_file(tmp_path / "train.vertices.safetensors")
    for column in ("vertices", "camera", "status"):
        assert np.array_equal(found[column], np.concatenate([getattr(part, column) for part in parts]))
    assert np.array_equal(found["faces"], TETRAHEDRON) and np.array_equal(found["status"], status)
    assert read_names(tmp_path, "train") == names
    data = (tmp_path / "train.vertices.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    assert header["__metadata__"] == {"topology": topology(TETRAHEDRON)}


def test_rows_of_a_table_come_in_the_order_that_is_asked_for(tmp_path):
    table = some_meshes(0, 6)
    write_vertices(tmp_path, "train", list("abcdef"), TETRAHEDRON, [table])
    found = read_vertices(tmp_path, "train", [4, 0, 4])
    assert np.array_equal(found.vertices, table.vertices[[4, 0, 4]])
    assert (
        np.array_equal(found.camera, table.camera[[4, 0, 4]])
        and found.status.tolist() == table.status[[4, 0, 4]].tolist()
    )
    assert np.array_equal(read_faces(tmp_path, "train"), TETRAHEDRON)


@pytest.mark.parametrize("year", [1970, 1979, 2108, 2400])
def test_an_npz_is_written_whatever_the_clock_says(tmp_path, monkeypatch, year):
    write_npz(tmp_path / "now.npz", mesh())
    monkeypatch.setattr(time, "time", lambda: (year - 1970) * 365.25 * 86_400)
    write_npz(tmp_path / "then.npz", mesh())
    assert (tmp_path / "then.npz").read_bytes() == (tmp_path / "now.npz").read_bytes()
    assert np.array_equal(read_npz(tmp_path / "then.npz").vertices, mesh().vertices)
