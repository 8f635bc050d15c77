"""`gcl views`: this person from seven sides."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from using_artifacts import SMALL, make_encoder, make_generator, make_people

from gcl_cli import console
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.view_store import ViewStore
from gcl_cli.cli.options import validated
from gcl_cli.commands import views
from gcl_cli.commands.mesh import command as mesh
from gcl_cli.commands.render import command as render
from gcl_cli.config import ViewsSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.errors import GclError
from gcl_cli.people.given_files import folder_names
from gcl_cli.people.turning import open_view_generator
from gcl_cli.session import Session
from gcl_cli.training.generation import generate

TRAINED = "gan-warmup/main"
SIDES = (45, 90, 135, 180, 225, 270, 315)


def options(work: Path) -> Session:
    return Session(work=str(work), device="cpu", threads=1)


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    return make_people(tmp_path_factory.mktemp("views") / "people")


@pytest.fixture(scope="module")
def work(tmp_path_factory, people) -> Path:
    """Networks, and the training pictures' bodies and views as the chain makes them."""
    folder = tmp_path_factory.mktemp("views-work")
    make_generator(folder, make_encoder(folder, seed=1))
    mesh.run(options(folder), str(people), {"sheet": 0})
    render.run(options(folder), "main", {"height": 96, "width": 48, "backend": "numpy", "turn": "camera"})
    return folder


@pytest.fixture
def warned(monkeypatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(console, "warn", lines.append)
    return lines


def test_views_of_a_training_picture_are_those_that_the_chain_generates(work, people, tmp_path):
    store = ViewStore(work / "render" / "main", "train", (0, *SIDES), (SMALL.height, SMALL.width))
    root = people / "bounding_box_train"
    name = Path(store.names[3]).name
    result = views.run(options(work), [str(root / name)], str(tmp_path / "out"), TRAINED, {})
    assert result["generator"] == TRAINED
    photograph = read_pictures(root, [name], height=SMALL.height, width=SMALL.width, threads=1)
    networks = open_view_generator(WorkFolder(work), TRAINED, torch.device("cpu")).networks

    class OwnRow:
        angles = store.angles

        def __call__(self, rows, angle_index):
            return store(rows + 3, angle_index)

    wanted = generate(networks, photograph, OwnRow(), torch.zeros(7, dtype=torch.long), torch.arange(1, 8))
    folder = Path(result["people"][0]["views"])
    for angle, picture in zip(SIDES, wanted, strict=True):
        found = np.asarray(Image.open(folder / f"{angle:03d}.png"))
        assert np.array_equal(found, picture.permute(1, 2, 0).numpy()), angle


def test_who_has_trained_nothing_gets_views_by_the_shipped_generator(people, tmp_path, capsys):
    file = sorted((people / "query").glob("*.jpg"))[0]
    result = views.run(options(tmp_path / "nothing"), [str(file)], str(tmp_path / "out"), None, {"angles": (0, 180)})
    assert result["generator"] == "shipped"
    assert "the generator that ships with gcl" in capsys.readouterr().err
    own, back = (np.asarray(Image.open(tmp_path / "out" / file.stem / f"{n}.png"), float) for n in ("000", "180"))
    photograph = np.asarray(Image.open(file).convert("RGB"), float)
    assert own.shape == photograph.shape == (128, 64, 3)
    assert np.abs(own - photograph).mean() < np.abs(back - photograph).mean()
    assert not (tmp_path / "nothing").exists()
    named = views.run(
        options(tmp_path / "nothing"), [str(file)], str(tmp_path / "again"), "shipped", {"angles": (180,)}
    )
    assert named["generator"] == "shipped"
    assert (tmp_path / "again" / file.stem / "180.png").read_bytes() == (
        tmp_path / "out" / file.stem / "180.png"
    ).read_bytes()


def test_without_a_backdrop_people_are_cut_out_and_a_trained_generator_cannot(work, people, tmp_path):
    file = str(sorted((people / "query").glob("*.jpg"))[0])
    wish = {"angles": (0, 90), "backdrop": "none"}
    (row,) = views.run(options(work), [file], str(tmp_path / "out"), None, wish)["people"]
    for name in ("000.png", "090.png"):
        picture = Image.open(Path(row["views"]) / name)
        assert picture.mode == "RGBA"
        assert 0.05 < (np.asarray(picture)[..., 3] > 128).mean() < 0.8
    with pytest.raises(GclError, match="gan-warmup/main draws whole pictures"):
        views.run(options(work), [file], str(tmp_path / "none"), TRAINED, wish)


def test_several_pictures_are_told_apart_and_drawn_on_one_sheet(work, people, tmp_path):
    files = sorted((people / "query").glob("*.jpg"))[:2]
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / files[0].name
    twin.write_bytes(files[1].read_bytes())
    result = views.run(
        options(work), [str(f) for f in (*files, twin)], str(tmp_path / "out"), TRAINED, {"angles": (0, 30)}
    )
    folders = [Path(row["views"]) for row in result["people"]]
    assert [folder.name for folder in folders] == [files[0].stem, files[1].stem, f"{files[0].stem}-2"]
    assert all(sorted(p.name for p in folder.iterdir()) == ["000.png", "030.png"] for folder in folders)
    assert Image.open(result["sheet"]).width > 3 * 32 * 4  # a photograph and two views, four times as large
    first, second, third = (np.asarray(Image.open(folder / "030.png")) for folder in folders)
    assert np.array_equal(second, third) and not np.array_equal(first, second)


def test_views_of_another_picture_of_that_name_are_never_overwritten(work, people, tmp_path):
    one, other, *_ = sorted((people / "query").glob("*.jpg"))
    photos = [tmp_path / "a" / "photo.jpg", tmp_path / "b" / "photo.jpg"]
    for photo, source in zip(photos, (one, other), strict=True):
        photo.parent.mkdir()
        photo.write_bytes(source.read_bytes())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sheet.png").write_bytes(one.read_bytes())  # somebody's photograph

    def made(photo):
        result = views.run(options(work), [str(photo)], str(tmp_path / "out"), None, {"angles": (0,)})
        return Path(result["people"][0]["views"]).name, Path(result["sheet"]).name

    assert made(photos[0]) == ("photo", "sheet-2.png")
    kept = (tmp_path / "out" / "photo" / "000.png").read_bytes()
    assert made(photos[1]) == ("photo-2", "sheet-3.png")
    assert made(photos[0]) == ("photo", "sheet-2.png")  # its own, again
    assert (tmp_path / "out" / "photo" / "000.png").read_bytes() == kept
    assert (tmp_path / "out" / "sheet.png").read_bytes() == one.read_bytes()


def test_a_picture_without_a_person_is_said_to_have_a_standing_body(work, tmp_path, warned):
    Image.new("RGB", (64, 128), "black").save(tmp_path / "night.png")
    result = views.run(options(work), [str(tmp_path / "night.png")], str(tmp_path / "out"), None, {"angles": (90,)})
    assert result["people"][0]["body"] == "fallback"
    assert any("night.png: no body was found" in line for line in warned)


def test_a_doubtful_body_is_named(work, people, tmp_path, warned, monkeypatch):
    monkeypatch.setattr("gcl_cli.people.painting.STATUS", ("low_confidence",) * 3)
    file = sorted((people / "query").glob("*.jpg"))[0]
    views.run(options(work), [str(file)], str(tmp_path / "out"), None, {"angles": (90,)})
    assert warned == [f"{file}: the body is doubtful, and so are the views."]


def test_a_generator_of_bodies_drawn_elsewhere_is_warned_of(people, tmp_path, warned):
    make_generator(tmp_path / "work", make_encoder(tmp_path / "work", seed=1))
    file = sorted((people / "query").glob("*.jpg"))[0]
    views.run(options(tmp_path / "work"), [str(file)], str(tmp_path / "out"), TRAINED, {"angles": (90,)})
    assert "learned from bodies drawn elsewhere" in warned[0]


def test_what_cannot_be_done_is_said_before_anything_is_made(work, people, tmp_path):
    picture = sorted((people / "query").glob("*.jpg"))[0]
    (tmp_path / "file").write_text("")
    sheet = tmp_path / "sheet.png"
    Image.new("RGB", (64, 128)).save(sheet)
    for images, to, problem in (
        ([str(people)], "out", "is a folder"),
        ([str(tmp_path / "none.jpg")], "out", "no picture"),
        ([str(picture)], "file", "is no folder for results"),
    ):
        with pytest.raises(GclError, match=problem):
            views.run(options(work), images, str(tmp_path / to), None, {})
    with pytest.raises(GclError, match="gan-warmup/main does not exist") as raised:
        views.run(options(tmp_path / "empty"), [str(picture)], str(tmp_path / "out"), TRAINED, {})
    assert "gcl gan-warmup" in raised.value.fix


@pytest.mark.parametrize("angles", ["360", "-1", "90,90"])
def test_an_angle_is_within_one_turn_and_named_once(angles):
    with pytest.raises(GclError):
        settings_for(ViewsSettings, "views", "paper", validated("views", ViewsSettings, {"angles": angles}, []))


def test_derived_names_are_safe_and_never_the_same():
    files = [
        Path(n) for n in ("a b/../x.jpg", "<script>.jpg", "...jpg.png", "X.png", "x.jpeg", "?.png", "é" * 99 + ".png")
    ]
    names = folder_names(files)
    assert names[:6] == ["x", "script", "jpg", "X-2", "x-3", "picture"] and names[6] == "é" * 60
    assert len({name.casefold() for name in names}) == len(names)
    assert folder_names([Path("a.jpg"), Path("b/a.jpg"), Path("a-2.jpg")]) == ["a", "a-2", "a-2-2"]
