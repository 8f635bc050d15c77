"""`gcl mesh`: shared, interrupted, exported, and with meshes that were made elsewhere."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from own_peak import PEAK
from PIL import Image, ImageDraw
from safetensors.numpy import load_file

from gcl_cli import console
from gcl_cli.artifacts.mesh_files import Mesh, read_obj, write_npz, write_obj
from gcl_cli.body import estimator
from gcl_cli.body.landmark_network import TorchLandmarkRunner
from gcl_cli.body.model import load_body
from gcl_cli.commands.mesh import command as mesh
from gcl_cli.commands.mesh.given_meshes import FILLED, Place, filling_camera, paired
from gcl_cli.config import MeshSettings
from gcl_cli.errors import GclError
from gcl_cli.people import estimating, shards
from gcl_cli.people.bodies import read_bodies, read_status
from gcl_cli.session import Session

ROOT = Path(__file__).resolve().parents[2]
PICTURES = 12


def figure(seed: int) -> Image.Image:
    """Somebody, roughly: head, shirt, trousers on grass."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (48, 128), tuple(rng.integers(90, 160, 3).tolist()))
    draw, lean = ImageDraw.Draw(picture), int(rng.integers(-4, 5))
    skin, shirt, trousers = ((200, 160, 130), *(tuple(rng.integers(0, 255, 3).tolist()) for _ in range(2)))
    draw.ellipse((18 + lean, 4, 30 + lean, 22), fill=skin)
    draw.rectangle((13 + lean, 23, 35 + lean, 66), fill=shirt)
    for left, right in ((14, 22), (26, 34)):
        draw.polygon([(left, 66), (right, 66), (right - lean, 122), (left - lean, 122)], fill=trousers)
    return picture


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    for number in range(PICTURES):
        (folder / f"camera{number % 2}").mkdir(exist_ok=True)
        figure(number).save(folder / f"camera{number % 2}" / f"{number:02d}.jpg", quality=95)
    return folder


def names(data: Path) -> list[str]:
    return sorted(path.relative_to(data).as_posix() for path in data.rglob("*.jpg"))


def options(work: Path, **changed) -> Session:
    return Session(**{"work": str(work), "device": "cpu", "threads": 1} | changed)


@pytest.fixture(scope="module")
def made(data, tmp_path_factory) -> Path:
    """The folder of a finished artifact with exported meshes."""
    work = tmp_path_factory.mktemp("work")
    mesh.run(options(work), str(data), {"export": "obj"})
    return work / "mesh" / "main"


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


# --- processes and interruptions --------------------------------------------------------------------------------------

DRIVER = """
import sys, time
from gcl_cli import console
from gcl_cli.session import Session
from gcl_cli.commands.mesh import command as mesh
from gcl_cli.people import shards
shards.SIZE = 2
console.Meter.advance = lambda *_: time.sleep(600)  # the first shard is written: wait for the end
if __name__ == "__main__":
    mesh.run(Session(work=sys.argv[1], device="cpu", threads=2), sys.argv[2], {})
"""


def start(tmp_path: Path, work: Path, data: Path) -> subprocess.Popen:
    (tmp_path / "driver.py").write_text(DRIVER)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py"), str(work), str(data)], env=environment, stderr=subprocess.DEVNULL
    )


def children(process: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: int) -> bool:
    state = Path(f"/proc/{process}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_a_run_that_was_killed_goes_on_and_ends_with_the_bytes_of_an_unbroken_one(data, made, tmp_path):
    """Two processes share the work; kill -9 of the first ends the others too, and what they had done is kept."""
    work = tmp_path / "work"
    process = start(tmp_path, work, data)
    done = work / "mesh" / "main.partial" / "shards"
    while not list(done.glob("train-??????")):
        assert process.poll() is None
        time.sleep(0.01)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = sorted(path.name for path in done.glob("train-??????"))
    assert kept == ["train-000000"] and not (work / "mesh" / "main").exists()
    give_up = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert workers and not any(map(alive, workers))
    made_now = []
    make = mesh.estimate_shard
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SIZE", 2)
        patch.setattr(mesh, "estimate_shard", lambda *given: made_now.append(given[-1].number) or make(*given))
        mesh.run(options(work), str(data), {})
    assert made_now == list(range(1, PICTURES // 2))
    assert manifest(work / "mesh" / "main")["outputs"] == manifest(made)["outputs"]


def test_processes_that_share_work_on_meshes_do_without_torch():
    modules = (
        "people.estimating", "people.bodies", "people.shards", "machine.processes",
        "commands.mesh.given_meshes", "commands.mesh.mesh_export",
    )  # fmt: skip
    code = f"import sys\nfor name in {modules}: __import__('gcl_cli.' + name)\nprint('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


def test_a_process_opens_the_estimator_once(data, tmp_path, monkeypatch):
    opened = []
    open_network = estimator._landmark_network
    monkeypatch.setattr(estimator, "_landmark_network", lambda device: opened.append(device) or open_network(device))
    monkeypatch.setattr(shards, "SIZE", 4)
    estimating.open_estimator.cache_clear()
    mesh.run(options(tmp_path), str(data), {"sheet": 0})
    assert opened == ["cpu"]


MEASURED = """
import sys
import numpy as np
from gcl_cli.body import estimator
from gcl_cli.body.landmarks import NetworkOutput
from gcl_cli.session import Session
from gcl_cli.commands.mesh import command as mesh

def network(inputs):
    count = len(inputs)
    landmarks = np.random.default_rng(0).uniform(60, 200, (count, 39, 5)).astype(np.float32)
    world = np.random.default_rng(1).normal(size=(count, 39, 3)).astype(np.float32)
    heatmap = np.full((count, 64, 64, 39), -9, np.float32)
    return NetworkOutput(landmarks, world, np.ones(count), np.zeros((count, 256, 256), np.float32), heatmap)

estimator._landmark_network = lambda device: network
mesh.run(Session(work=sys.argv[1], device="cpu", threads=1), sys.argv[2], {})
print(peak())
"""


@pytest.mark.slow
def test_memory_stays_the_same_for_ten_times_as_many_pictures(tmp_path):
    peaks = []
    for count in (128, 1280):
        folder = tmp_path / str(count)
        (folder / "pictures").mkdir(parents=True)
        content = (figure(0).save(folder / "one.jpg"), (folder / "one.jpg").read_bytes())[1]
        for number in range(count):
            (folder / "pictures" / f"{number:05d}.jpg").write_bytes(content)
        command = [sys.executable, "-c", PEAK + MEASURED, str(folder / "work"), str(folder / "pictures")]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout) / 1e6)
    assert peaks[1] - peaks[0] < 20, peaks  # MB; the table itself has 1 MB


# --- devices ----------------------------------------------------------------------------------------------------------


def test_the_port_in_batches_finds_the_same_bodies_through_the_stage(data, made, tmp_path, monkeypatch):
    monkeypatch.setattr(estimator, "_landmark_network", lambda device: TorchLandmarkRunner("cpu"))
    estimating.open_estimator.cache_clear()
    mesh.run(options(tmp_path), str(data), {"sheet": 0})
    estimating.open_estimator.cache_clear()
    found, expected = (load_file(folder / "train.safetensors") for folder in (tmp_path / "mesh" / "main", made))
    assert np.abs(found["landmarks"][..., :2] - expected["landmarks"][..., :2]).max() < 0.01  # pixels
    assert np.array_equal(found["status"], expected["status"])
    np.testing.assert_allclose(found["camera"], expected["camera"], atol=0.02)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what the test says it lacks")
def test_a_device_that_is_not_there_is_named(data, tmp_path):
    with pytest.raises(GclError, match="--device cuda cannot be used") as raised:
        mesh.run(options(tmp_path, device="cuda"), str(data), {})
    assert "--device cpu" in raised.value.fix
    assert not list((tmp_path / "mesh").glob("*"))


# --- what it says -----------------------------------------------------------------------------------------------------


def test_every_picture_has_a_row_and_counts_say_how_good_it_is(data, made):
    table, result = load_file(made / "train.safetensors"), manifest(made)["result"]
    assert json.loads((made / "train.names.json").read_text()) == names(data)
    assert sum(result["status"]["train"].values()) == len(table["status"]) == PICTURES
    assert result["status"]["train"]["ok"] == (read_status(made, "train") == 0).sum()
    assert result["sheet"] == str(made / "overlay.png") and (made / "overlay.png").exists()


def test_pictures_without_anybody_stop_the_run_when_told_to(tmp_path):
    (tmp_path / "data").mkdir()
    for number in range(2):
        Image.new("RGB", (48, 128), (120, 120, 120)).save(tmp_path / "data" / f"{number}.png")
    with pytest.raises(GclError, match=r"No body was found in 0\.png") as raised:
        mesh.run(options(tmp_path / "work"), str(tmp_path / "data"), {"on_missing": "error"})
    assert "--on-missing fallback" in raised.value.fix


# --- export -----------------------------------------------------------------------------------------------------------


def test_exported_meshes_mirror_the_pictures_and_hold_vertices_and_camera(data, made):
    bodies, body = read_bodies(made, "train", range(PICTURES)), load_body()
    for row, name in enumerate(names(data)):
        exported = read_obj(made / "export" / f"{name}.obj")
        np.testing.assert_allclose(exported.vertices, bodies.vertices[row], atol=1e-5)
        np.testing.assert_allclose(exported.camera, bodies.camera[row], rtol=1e-4)
        assert np.array_equal(exported.faces, body.faces)


def test_an_export_can_follow_later_and_leaves_the_artifact_as_it_is(data, made, monkeypatch):
    said, before = [], manifest(made)
    monkeypatch.setattr(console, "say", said.append)
    written = (made / "export" / f"{names(data)[0]}.obj").stat().st_mtime_ns
    for kind in ("ply", "obj"):
        result = mesh.run(options(made.parents[1]), str(data), {"export": kind})
        assert result["export"] == str(made / "export")
    assert manifest(made) == before and "export" not in before["config"]
    assert (made / "export" / f"{names(data)[0]}.obj").stat().st_mtime_ns == written
    assert len(list((made / "export").rglob("*.ply"))) == PICTURES
    assert any(f"Exporting {PICTURES} meshes of 0.17 MB: 2 MB in all." in line for line in said)


# --- meshes that were made elsewhere ----------------------------------------------------------------------------------


def test_meshes_taken_back_from_an_export_are_the_same_bodies(data, made, tmp_path):
    result = mesh.run(options(tmp_path), str(data), {"meshes": str(made / "export")})
    assert result["status"]["train"] == {"ok": PICTURES, "low_confidence": 0, "fallback": 0}
    folder = tmp_path / "mesh" / "main"
    own, taken = (read_bodies(place, "train", [0, 7]) for place in (made, folder))
    assert own.own and not taken.own and np.array_equal(own.faces, taken.faces)
    pixels = [b.camera[:, None, :1] * b.vertices[..., :2] + b.camera[:, None, 1:] for b in (own, taken)]
    np.testing.assert_allclose(*pixels, atol=0.1)  # half precision
    assert (folder / "overlay.png").exists() and len(read_status(folder, "train")) == PICTURES


SQUARE = Mesh(
    np.array([[-1, -2, 5], [1, -2, 5], [1, 2, 5.5], [-1, 2, 5.5]], np.float32),
    np.array([[0, 1, 2], [0, 2, 3]], np.int32),
)


@pytest.fixture
def given(data, tmp_path) -> Path:
    """Wavefront files for all pictures but the first two, and one for nobody."""
    folder = tmp_path / "given"
    for name in [*names(data)[2:], "camera9/stranger.jpg"]:
        file = (folder / name).with_suffix(".obj")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_obj(file, SQUARE)
    return folder


def test_what_has_no_counterpart_is_told_both_ways_and_gets_a_stand_in(data, given, tmp_path, monkeypatch):
    warned = []
    monkeypatch.setattr(console, "warn", warned.append)
    result = mesh.run(options(tmp_path), str(data), {"meshes": str(given)})
    assert result["pictures_without_mesh"] == {"number": 2, "first": names(data)[:2]}
    assert result["meshes_without_picture"] == {"number": 1, "first": ["camera9/stranger.obj"]}
    assert result["status"]["train"] == {"ok": PICTURES - 2, "low_confidence": 0, "fallback": 2}
    assert any(names(data)[0] in line for line in warned) and any("stranger" in line for line in warned)
    assert manifest(tmp_path / "mesh" / "main")["result"] == result
    assert read_status(tmp_path / "mesh" / "main", "train").tolist() == [2, 2] + [0] * (PICTURES - 2)


def test_a_mesh_without_camera_fills_the_crop_and_stands_in_the_middle_of_its_table(data, given, tmp_path):
    mesh.run(options(tmp_path), str(data), {"meshes": str(given)})
    bodies = read_bodies(tmp_path / "mesh" / "main", "train", [3])
    np.testing.assert_allclose(bodies.vertices[0], SQUARE.vertices - [0, 0, 5.25], atol=1e-3)
    pixels = bodies.camera[0, 0] * bodies.vertices[0, :, :2] + bodies.camera[0, 1:]
    np.testing.assert_allclose(pixels.mean(axis=0), [24, 64], atol=0.1)
    assert np.ptp(pixels, axis=0).tolist() == pytest.approx([FILLED * 48, 2 * FILLED * 48], abs=0.1)


def test_the_camera_is_limited_by_the_narrower_side():
    wide = np.array([[0, 0, 0], [4, 1, 0]], np.float32)
    expected = [FILLED * 10, 20 - FILLED * 20, 50 - FILLED * 5]
    assert filling_camera(wide, (100, 40)).tolist() == pytest.approx(expected, abs=1e-4)


def test_meshes_with_y_up_are_turned_over_not_mirrored(data, given, tmp_path):
    for axes in ("y-down", "y-up"):
        mesh.run(options(tmp_path, name=axes), str(data), {"meshes": str(given), "mesh_axes": axes})
    down, up = (read_bodies(tmp_path / "mesh" / axes, "train", [4]).vertices[0] for axes in ("y-down", "y-up"))
    np.testing.assert_allclose(up, down * [1, -1, -1], atol=1e-6)


@pytest.mark.parametrize("archive", [True, False])
def test_numpy_files_are_read_one_for_all_or_one_each(data, tmp_path, archive):
    vertices = np.random.default_rng(0).normal(size=(PICTURES, 4, 3)).astype(np.float32)
    camera = np.tile(np.array([20, 24, 64], np.float32), (PICTURES, 1))
    order = np.random.default_rng(1).permutation(PICTURES)
    if archive:
        given = tmp_path / "all.npz"
        mine = np.array([names(data)[row] for row in order])
        np.savez(given, vertices=vertices[order], faces=SQUARE.faces, names=mine, camera=camera)
    else:
        given = tmp_path / "each"
        given.mkdir()
        for row, name in enumerate(names(data)):
            write_npz(given / f"{Path(name).stem}.npz", Mesh(vertices[row], SQUARE.faces, camera[row]))
    mesh.run(options(tmp_path, threads=2), str(data), {"meshes": str(given)})
    bodies = read_bodies(tmp_path / "mesh" / "main", "train", range(PICTURES))
    pixels = bodies.camera[:, None, :1] * bodies.vertices[..., :2] + bodies.camera[:, None, 1:]
    np.testing.assert_allclose(pixels, 20 * vertices[..., :2] + [24, 64], atol=0.05)


def test_other_meshes_under_the_same_name_are_refused(data, given, tmp_path):
    mesh.run(options(tmp_path), str(data), {"meshes": str(given)})
    write_obj(given / "camera0" / "00.obj", SQUARE)
    with pytest.raises(GclError, match="was made with other settings or inputs"):
        mesh.run(options(tmp_path), str(data), {"meshes": str(given)})


def test_meshes_that_cannot_serve_are_refused_with_a_way_out(data, given, tmp_path):
    with pytest.raises(GclError, match="2 pictures have no mesh") as raised:
        mesh.run(options(tmp_path / "a"), str(data), {"meshes": str(given), "on_missing": "error"})
    assert "--on-missing fallback" in raised.value.fix
    write_obj(given / "camera1" / "11.obj", Mesh(SQUARE.vertices, SQUARE.faces[:1]))
    with pytest.raises(GclError, match="other faces"):
        mesh.run(options(tmp_path / "b"), str(data), {"meshes": str(given)})
    with pytest.raises(GclError, match=r"no \.obj or \.npz files"):
        mesh.run(options(tmp_path / "c"), str(data), {"meshes": str(data)})
    (tmp_path / "strange").mkdir()
    write_obj(tmp_path / "strange" / "x.obj", SQUARE)
    with pytest.raises(GclError, match="no mesh has the name of a picture") as raised:
        mesh.run(options(tmp_path / "d"), str(data), {"meshes": str(tmp_path / "strange")})
    assert "00.obj" in raised.value.fix


def test_names_pair_with_and_without_folders_and_suffixes():
    pictures = ["train/a.jpg", "train/b.jpg", "query/b.jpg", "query/c.d.png"]
    places = {name: Place(Path(name)) for name in ("a.obj", "query/b.jpg.obj", "b.npz", "deep/c.d.npz")}
    pairs = paired(pictures, places)
    assert {picture: place.path.as_posix() for picture, place in pairs.places.items()} == {
        "train/a.jpg": "a.obj", "query/b.jpg": "query/b.jpg.obj", "query/c.d.png": "deep/c.d.npz",
    }  # fmt: skip
    assert pairs.unused == ["b.npz"]  # whose?
    with pytest.raises(GclError, match="two meshes"):
        paired(pictures, {name: Place(Path(name)) for name in ("a.obj", "train/a.npz")})


def test_settings_name_axes_and_kinds_as_the_help_does():
    assert MeshSettings(meshes="folder", mesh_axes="y-up", export="ply").export == "ply"
