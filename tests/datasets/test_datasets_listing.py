"""What lies below a folder: nothing is passed over in silence, and gcl's own pictures are nobody's."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.sheets import Cell, marked, save_drawing, write_sheet
from gcl_cli.commands.search.index import list_pictures
from gcl_cli.datasets.catalogue import open_dataset
from gcl_cli.datasets.listing import find_pictures
from gcl_cli.errors import GclError
from gcl_cli.people.data import open_data
from gcl_cli.session import Session

CROP = np.arange(32 * 16 * 3, dtype=np.uint8).reshape(32, 16, 3)


def crop(path: Path, kind: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(CROP).save(path, kind)
    return path


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "GIF"])
@pytest.mark.parametrize("name", ["a", "a.jpe", "a.jfif", "a.jpg_large", "a.jpg?w=200", "a.img", "a.JPG "])
def test_a_picture_is_one_by_its_content_whatever_its_name_ends_in(tmp_path, kind, name):
    crop(tmp_path / name, kind)
    found = find_pictures(tmp_path)
    assert found.names == found.unnamed == (name,)
    assert any("without an ending of a picture" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("name", "content"),
    [("notes.txt", b"BM is the beginning of this text"), ("Thumbs.db", b"\xd0\xcf\x11\xe0"), ("a.json", b"{}"),
     ("empty", b""), ("labels.csv", b"name,label\n"), ("weights", b"PK\3\4")],
)  # fmt: skip
def test_other_files_are_none(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert find_pictures(tmp_path).names == () and find_pictures(tmp_path).remarks == ()


@pytest.mark.parametrize("name", ["a.jpg~", "a.jpg.bak", "a.jpg.part", "a.png.crdownload", "a.jpg.orig"])
def test_copies_and_halves_that_programs_leave_are_counted_and_not_used(tmp_path, name):
    crop(tmp_path / name, "JPEG")
    found = find_pictures(tmp_path)
    assert (found.names, found.aside) == ((), (name,)) and name in found.remarks[0]


@pytest.mark.parametrize("head", [b"II*\0", b"MM\0*", b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypavif", b"\xff\x0a"])
def test_other_formats_without_an_ending_are_counted(tmp_path, head):
    (tmp_path / "photo").write_bytes(head + bytes(100))
    assert find_pictures(tmp_path).foreign == ("photo",)


@pytest.mark.parametrize("folder", ["__MACOSX", "@eaDir", "lost+found", ".cache"])
def test_what_systems_keep_beside_pictures_is_nobody(tmp_path, folder):
    crop(tmp_path / folder / "thumbnail.jpg")
    assert find_pictures(tmp_path).names == ()


def draw(root: Path) -> list[str]:
    """Pictures of every kind that commands draw, where people might have them."""
    write_sheet(root / "sheet.png", [[Cell(CROP)]])
    write_sheet(root / "ranked.png", [[Cell(CROP), Cell(CROP)]], titles=["a"])
    save_drawing(root / "views/a/090.PNG", Image.fromarray(CROP))
    exported = root / "export/train/render_90/0001_c1s1_000001_00.jpg"  # a PNG by the name of the picture it shows
    crop(exported, "PNG")
    exported.write_bytes(marked(exported.read_bytes()))
    shutil.copy(root / "sheet.png", root / "a copy of it.png")
    return ["a copy of it.png", "export/train/render_90/0001_c1s1_000001_00.jpg", "ranked.png", "sheet.png",
            "views/a/090.PNG"]  # fmt: skip


def test_what_gcl_drew_is_no_picture_of_a_data_set_nor_found_by_a_search(tmp_path, capsys):
    crop(tmp_path / "person.png"), crop(tmp_path / "other.jpg")
    drawn = draw(tmp_path)
    assert list_pictures(tmp_path).names == ("other.jpg", "person.png")
    dataset = open_dataset(tmp_path, allow_subset=False)
    assert [sample.name for sample in dataset.splits["train"]] == ["other.jpg", "person.png"]
    assert find_pictures(tmp_path).drawn == tuple(drawn)
    assert any(remark.startswith("5 work folders and drawings of gcl's own") for remark in dataset.remarks)
    assert set(drawn) < set(find_pictures(tmp_path, drawings=True).names)  # for who measures drawings


def test_a_marked_picture_is_the_same_picture(tmp_path):
    plain = crop(tmp_path / "plain.png").read_bytes()
    (tmp_path / "marked.png").write_bytes(marked(plain))
    with Image.open(tmp_path / "marked.png") as picture:
        np.testing.assert_array_equal(np.array(picture), CROP)
        assert picture.info["Software"] == "gcl-cli"


@pytest.mark.parametrize("where", ["work", "runs/one", "."])
def test_a_work_folder_among_the_pictures_changes_nothing(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        crop(tmp_path / f"{number}.jpg")
    options = Session(work=where)
    before = open_data(options, ".")
    write_sheet(WorkFolder(Path(where)).root / "mesh/main/overlay.png", [[Cell(CROP)]])
    assert open_data(options, ".").digest == open_data(options, None).digest == before.digest
    assert find_pictures(tmp_path).names == ("0.jpg", "1.jpg", "2.jpg")


def test_a_work_folder_itself_is_no_data_set(tmp_path):
    open_data(Session(work=str(tmp_path / "work")), str(crop(tmp_path / "crops/a.jpg").parent))
    write_sheet(tmp_path / "work/mesh/main/overlay.png", [[Cell(CROP)]])
    with pytest.raises(GclError, match=r"holds no pictures\. 1 work folders and drawings of gcl's own"):
        open_dataset(tmp_path / "work", allow_subset=False)
