"""`gcl render`: bodies to pictures, pictures to files and back."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gcl_cli import console
from gcl_cli.artifacts.formats import read_names, write_meshes
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import Run
from gcl_cli.artifacts.vertex_tables import VertexMeshes, write_vertices
from gcl_cli.artifacts.view_store import FLOW, FlowStore, ViewStore
from gcl_cli.body.estimator import fallback_pose
from gcl_cli.body.model import load_body
from gcl_cli.commands.render import command as render
from gcl_cli.errors import GclError
from gcl_cli.people.bodies import read_bodies
from gcl_cli.people.data import open_data
from gcl_cli.records import SUBPIXELS, MeshEstimates
from gcl_cli.session import Session

EIGHT = tuple(range(0, 360, 45))
SMALL = {"height": 64, "width": 32, "backend": "numpy"}
PICTURES = {"train": 5, "query": 1, "gallery": 2}
FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


def options(work: Path, **changed: Any) -> Session:
    return Session(**{"work": str(work), "threads": 1} | changed)


def make_data(root: Path) -> Path:
    """Blank crops in Market-1501 layout."""
    for split, count in PICTURES.items():
        (root / FOLDERS[split]).mkdir(parents=True)
        for number in range(count):
            person = {"train": 1, "query": 2, "gallery": 2}[split] + 2 * number
            name = f"{person:04d}_c{1 + (split == 'gallery')}s1_{number:06d}_00.jpg"
            Image.new("RGB", (64, 128)).save(root / FOLDERS[split] / name)
    return root


def bodies(count: int) -> MeshEstimates:
    """People who stand and lean a little, each in another direction."""
    pose, camera = fallback_pose(128, 64)
    poses = np.stack([pose] * count)
    poses[:, 0] = np.random.default_rng(0).normal(0, 0.2, (count, 3))
    return MeshEstimates(
        pose=poses, betas=np.zeros((count, 10), np.float32), camera=np.stack([camera] * count),
        landmarks=np.zeros((count, 33, 3), np.float32), score=np.ones(count, np.float32),
        status=np.zeros(count, np.uint8),
    )  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A work folder with a data set and its meshes."""
    root = tmp_path_factory.mktemp("render")
    data = open_data(options(root / "work"), str(make_data(root / "data")))
    job = Run(WorkFolder(root / "work"), "mesh", "main", {"splits": list(PICTURES)}, {"dataset": data.digest})
    with job.begin(restart=False):
        for split, count in PICTURES.items():
            write_meshes(job.folder, split, [sample.name for sample in data.split(split)], bodies(count))
        job.publish({})
    return root / "work"


@pytest.fixture
def work(prepared, tmp_path) -> Path:
    shutil.copytree(prepared, tmp_path / "work")
    return tmp_path / "work"


def stored(work: Path, split: str, name: str = "main", size: tuple[int, int] = (64, 32)) -> np.ndarray:
    """All pictures of a split [N, angles, H, W]."""
    folder = work / "render" / name
    angles = tuple(json.loads((folder / "manifest.json").read_text())["config"]["angles"])
    store = ViewStore(folder, split, angles, size)
    return np.stack([[store.picture(row, a) for a in range(len(angles))] for row in range(len(store.names))])


def test_every_split_is_drawn_and_the_clipped_share_of_every_angle_told(work):
    result = render.run(options(work), "main", SMALL)
    assert [(row["split"], row["pictures"]) for row in result["views"]] == list(PICTURES.items())
    for row in result["views"]:
        pictures = stored(work, row["split"])
        assert pictures.shape == (PICTURES[row["split"]], 8, 64, 32)
        sides = (pictures[:, :, 0], pictures[:, :, -1], pictures[..., 0], pictures[..., -1])
        touching = np.any([(side != 255).any(axis=-1) for side in sides], axis=0).mean(axis=0)
        assert row["clipped"] == pytest.approx(dict(zip(map(str, EIGHT), touching, strict=True)))
        assert row["views_per_second"] > 0
    assert (work / "render" / "main" / "sheet.png").exists()


def test_several_processes_draw_what_one_draws(work, monkeypatch):
    monkeypatch.setattr(render, "TOGETHER", 2)
    render.run(options(work), "main", SMALL | {"angles": (0, 90)})
    render.run(options(work, name="two", threads=2), "main", SMALL | {"angles": (0, 90)})
    assert np.array_equal(stored(work, "train"), stored(work, "train", "two"))


def test_where_painted_people_take_their_colours_from_is_stored_beside_the_grey_views(work):
    render.run(options(work), "main", SMALL | {"paint_height": 32})
    store, everybody = FlowStore(work / "render" / "main", "train", EIGHT), torch.arange(5)
    for flow in store(everybody, torch.tensor([0, 1, 2, 4, 7])):
        assert flow.shape == (4, 32, 16)
        assert 0.02 < (flow[2] > 127).float().mean() < 0.6  # a person in the middle of nothing
        assert (flow[:, flow[2] == 0] == 0).all()
        assert (flow[0] <= 15 * SUBPIXELS).all() and (flow[1] <= 31 * SUBPIXELS).all(), "from inside the crop"
    own, behind = store(everybody, torch.zeros(5).long()), store(everybody, torch.full((5,), 4))
    assert torch.equal(own[:, 3] == 255, own[:, 2] > 0)
    columns = SUBPIXELS * torch.arange(16).expand(5, 32, -1)
    assert torch.equal(own[:, 0], columns * (own[:, 2] > 0)), "as photographed, everything comes from where it is"
    assert behind[:, 3].float().mean() < 0.3 * own[:, 3].float().mean(), "the front hardly shows anything of a back"


def test_what_an_earlier_version_painted_is_not_taken_for_what_this_one_would(work, monkeypatch):
    def before(*given):
        source = drawn(*given)
        del source.config["painted"]
        return source

    drawn = render._drawn
    with monkeypatch.context() as earlier:
        earlier.setattr(render, "_drawn", before)
        render.run(options(work), "main", SMALL)
    with pytest.raises(GclError, match="painted: absent -> flows") as raised:
        render.run(options(work), "main", SMALL)
    assert "--restart" in raised.value.fix
    assert render.run(options(work, restart=True), "main", SMALL)["views"]


def test_nothing_is_painted_where_nobody_asks_for_it(work):
    render.run(options(work), "main", SMALL | {"paint_height": 0})
    assert not (work / "render" / "main" / f"train{FLOW}.pngs").exists()
    assert (work / "render" / "main" / "sheet.png").exists()


def test_any_angles_are_drawn_and_equal_those_of_the_full_circle(work):
    render.run(options(work), "main", SMALL)
    render.run(options(work, name="some"), "main", SMALL | {"angles": (0, 270, 17)})
    full, some = stored(work, "train"), stored(work, "train", "some")
    assert some.shape[1] == 3 and np.array_equal(some[:, 1], full[:, EIGHT.index(270)])
    assert (some[:, 2] != full[:, 0]).any()


def test_the_published_convention_is_an_option(work):
    render.run(options(work), "main", SMALL)
    render.run(options(work, name="published"), "main", SMALL | {"turn": "camera", "recentre": False})
    ours, published = stored(work, "train"), stored(work, "train", "published")
    assert np.array_equal(ours[:, 0], published[:, 0])
    assert (ours[:, 2] != published[:, 2]).any()


def test_meshes_of_another_topology_are_drawn_alike(work):
    """The same bodies as bare vertices, in another order and without a few faces: nothing of gcl's body is known."""
    render.run(options(work), "main", SMALL)
    folder = work / "mesh" / "other.partial"
    job = Run(WorkFolder(work), "mesh", "other", {"splits": ["train"]}, {})
    names = read_names(work / "mesh" / "main", "train")
    known = read_bodies(work / "mesh" / "main", "train", range(len(names)))
    order = np.random.default_rng(0).permutation(known.vertices.shape[1])
    faces = np.argsort(order)[load_body().faces][::-1].astype(np.int32)
    with job.begin(restart=False):
        meshes = VertexMeshes(known.vertices[:, order].astype(np.float16), known.camera, np.zeros(5, np.uint8))
        write_vertices(folder, "train", names, faces, [meshes])
        job.publish({})
    render.run(options(work, name="other"), "other", SMALL)
    ours, theirs = stored(work, "train"), stored(work, "train", "other")
    assert np.abs(ours[:, 0].astype(int) - theirs[:, 0]).mean() < 1
    overlap = ((ours != 255) & (theirs != 255)).sum(axis=(2, 3)) / ((ours != 255) | (theirs != 255)).sum(axis=(2, 3))
    assert overlap.min() > 0.8  # the long axis stands for the up axis


# ---- files in the published layout


def test_exported_and_imported_pictures_are_the_same_pixels(work, tmp_path):
    made = render.run(options(work), "main", SMALL | {"export_png": str(tmp_path / "out")})
    assert made["files"] == 8 * 8 and made["export"] == str(tmp_path / "out")
    first = read_names(work / "render" / "main", "train")[0].rpartition("/")[2]
    assert (tmp_path / "out" / "train" / "render" / first).exists()
    assert len(list((tmp_path / "out" / "test" / "render_315").iterdir())) == 3
    with Image.open(tmp_path / "out" / "train" / "render_90" / first) as picture:
        assert picture.format == "PNG" and np.array_equal(np.asarray(picture), stored(work, "train")[0, 2])
    taken = render.run(
        options(work, name="taken"), "main", {"import_from": str(tmp_path / "out"), "height": 64, "width": 32}
    )
    assert taken["pictures_without_views"]["number"] == taken["files_without_picture"]["number"] == 0
    for split, row in zip(PICTURES, taken["views"], strict=True):
        assert np.array_equal(stored(work, split), stored(work, split, "taken"))
        assert row["clipped"] == next(r["clipped"] for r in made["views"] if r["split"] == split)


def test_a_finished_artifact_is_exported_without_naming_its_settings_again(work, tmp_path):
    render.run(options(work), "main", SMALL | {"angles": (0, 90)})
    written = (work / "render" / "main" / "manifest.json").stat().st_mtime_ns
    assert render.run(options(work), "main", {"export_png": str(tmp_path / "out")})["files"] == 16
    assert (work / "render" / "main" / "manifest.json").stat().st_mtime_ns == written
    assert not (tmp_path / "out" / "train" / "render_45").exists()


@pytest.fixture
def published(work, tmp_path) -> Path:
    render.run(options(work), "main", SMALL | {"export_png": str(tmp_path / "published")})
    shutil.rmtree(work / "render")
    return tmp_path / "published"


def import_(work: Path, folder: Path, **chosen: Any) -> dict[str, Any]:
    return render.run(options(work), "main", {"import_from": str(folder), "height": 64, "width": 32, **chosen})


def test_pictures_without_views_and_views_without_pictures_are_named_and_counted(work, published, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(console, "warn", said.append)
    names = read_names(work / "mesh" / "main", "train")
    gone = published / "train" / "render_45" / names[1].rpartition("/")[2]
    gone.rename(gone.with_name("0999_c1s1_000000_00.jpg"))
    result = import_(work, published)
    assert result["pictures_without_views"] == {"number": 1, "first": [names[1]]}
    # its other seven angles are taken by nobody but belong to a picture
    assert result["files_without_picture"] == {"number": 1, "first": ["train/render_45/0999_c1s1_000000_00.jpg"]}
    assert any(names[1] in line for line in said) and any("0999" in line for line in said)
    standing = stored(work, "train")[1]
    assert len(standing) == 8 and 0.1 < (standing != 255).mean() < 0.6


def test_missing_views_stop_the_import_when_asked_to(work, published):
    shutil.rmtree(published / "test" / "render_90")
    with pytest.raises(GclError, match="render_90 does not exist") as caught:
        import_(work, published)
    assert "--angles" in caught.value.fix
    assert import_(work, published, angles=(0, 180))["views"][0]["pictures"] == 5
    next((published / "train" / "render").iterdir()).unlink()
    with pytest.raises(GclError, match="1 pictures have no views"):
        import_(work, published, angles=(0, 180), on_missing="error")


def test_a_folder_of_something_else_is_refused(work, published, tmp_path):
    with pytest.raises(GclError, match="found published/test, published/train"):
        import_(work, published.parent)
    with pytest.raises(GclError, match="no such folder"):
        import_(work, tmp_path / "nowhere")
    for folder in (published / "train").iterdir():
        for number, file in enumerate(sorted(folder.iterdir())):
            file.rename(folder / f"other{number}.jpg")
    shutil.rmtree(published / "test")
    with pytest.raises(GclError, match=r"No picture in .*/other0\.jpg"):
        import_(work, published)


def test_jpeg_pictures_of_another_size_are_resized_and_turned_grey(work, published):
    for file in published.rglob("*.jpg"):
        with Image.open(file) as picture:
            large = picture.convert("RGB").resize((64, 128))
        large.save(file, "JPEG", quality=95)
    before = render.run(options(work, name="drawn"), "main", SMALL)
    import_(work, published)
    ours, theirs = stored(work, "train", "drawn"), stored(work, "train")
    assert before["views"][0]["pictures"] == 5 and theirs.shape == ours.shape
    assert np.abs(ours.astype(int) - theirs).mean() < 4


def test_a_broken_file_is_named(work, published):
    broken = next((published / "train" / "render_45").iterdir())
    broken.write_bytes(b"no picture")
    with pytest.raises(GclError, match=broken.name):
        import_(work, published)
