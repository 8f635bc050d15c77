"""`gcl search`: this person in any folder."""

import csv
import json
import os
import shutil
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from using_artifacts import make_encoder, make_generator, make_people

from gcl_cli.artifacts.embeddings import EmbeddingTable, read_embedding_table, write_embedding_table
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.commands import views
from gcl_cli.commands.search import command as search
from gcl_cli.commands.search import graph
from gcl_cli.commands.search import index as index_module
from gcl_cli.commands.search.index import index_run, list_pictures, update_index
from gcl_cli.config import Architecture, SearchSettings, with_view_from_behind
from gcl_cli.errors import GclError
from gcl_cli.retrieval import nearest
from gcl_cli.retrieval.nearest import nearest_rows
from gcl_cli.session import Session

NASTY = ("<script>alert(1)<", "script>.jpg"), ("sub", '"><img src=x onerror=1>&amp;.jpg'), ("javascript:alert(1).jpg",)


# --- the ranking ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**32 - 1), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_the_nearest_rows_are_those_of_a_full_stable_sort(rows, top, seed, block):
    rng = np.random.default_rng(seed)
    queries, gallery = (rng.integers(-1, 2, (n, 3)).astype(np.float32) for n in (2, rows))  # many ties
    left_out = [None, int(rng.integers(rows))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "BLOCK", block)
        found = nearest_rows(queries, gallery, top=top, left_out=left_out)
    for query, left, (places, cosines) in zip(queries, left_out, found, strict=True):
        values = [sum(float(a) * float(b) for a, b in zip(query, row, strict=True)) for row in gallery]
        wanted = sorted((row for row in range(rows) if row != left), key=lambda row: -values[row])[:top]
        assert places.tolist() == wanted and cosines.tolist() == [values[row] for row in wanted]


@pytest.mark.slow
def test_a_hundred_thousand_pictures_are_searched_within_a_second(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((100_000, 512), dtype=np.float32)
    stamps = np.zeros((len(rows), 2), np.int64)
    write_embedding_table(tmp_path, [f"{n}.jpg" for n in range(len(rows))], stamps, [rows], size=512)
    begun = time.process_time()
    table = read_embedding_table(tmp_path)
    ((places, _),) = nearest_rows(rows[7:8], table.embeddings, top=20, left_out=[None])
    assert time.process_time() - begun < 1
    assert places[0] == 7


# --- the index --------------------------------------------------------------------------------------------------------


class Embedder:
    """Stands in for an encoder: a picture's row is its bytes; remembers what it was asked for."""

    def __init__(self, root: Path, stop_at: int | None = None) -> None:
        self.root, self.stop_at = root, stop_at
        self.asked: list[str] = []

    def __call__(self, names):
        if self.stop_at is not None and len(self.asked) >= self.stop_at:
            raise KeyboardInterrupt
        self.asked += names
        return np.array([list((self.root / name).read_bytes()) for name in names], np.float32)


@pytest.fixture
def gallery(tmp_path) -> Path:
    """Five "pictures" of three bytes."""
    (tmp_path / "gallery" / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "b.jpg", "c.png", "sub/d.jpg", "sub/e.webp")):
        (tmp_path / "gallery" / name).write_bytes(bytes([number, 0, 1]))
    return tmp_path / "gallery"


def updated(gallery: Path, embedder: Embedder, *, encoder: str = "digest", restart: bool = False):
    listing = list_pictures(gallery)
    job = index_run(WorkFolder(gallery.parent / "work"), listing, "warmup/main", {"warmup/main": encoder})
    found = update_index(job, listing, embedder, restart=restart)
    assert found.table.names == list(listing.names) and np.array_equal(found.table.stamps, listing.stamps)
    assert found.table.embeddings.tolist() == [list((gallery / n).read_bytes()) for n in listing.names]
    return found


def test_only_new_and_changed_pictures_are_embedded_and_what_is_gone_is_forgotten(gallery):
    embedder = Embedder(gallery)
    first = updated(gallery, embedder)
    assert (first.embedded, first.removed) == (5, 0) and len(embedder.asked) == 5
    assert updated(gallery, embedder).embedded == 0 and len(embedder.asked) == 5
    (gallery / "a.jpg").unlink()
    (gallery / "b.jpg").write_bytes(bytes([9, 9, 9]))
    os.utime(gallery / "b.jpg", ns=(1, 1))  # the same size, another time
    (gallery / "aa.jpg").write_bytes(bytes([7, 7, 7]))
    embedder = Embedder(gallery)
    second = updated(gallery, embedder)
    assert sorted(embedder.asked) == ["aa.jpg", "b.jpg"] and (second.embedded, second.removed) == (2, 2)
    assert first.reference == second.reference
    (gallery / "b.jpg").unlink()
    assert updated(gallery, Embedder(gallery)).embedded == 0


def test_interrupted_indexing_goes_on_even_when_the_folder_changed_meanwhile(gallery, monkeypatch):
    monkeypatch.setattr(index_module, "CHUNK", 2)
    with pytest.raises(KeyboardInterrupt):
        updated(gallery, Embedder(gallery, stop_at=4))
    (gallery / "0.jpg").write_bytes(bytes([5, 5, 5]))
    (gallery / "a.jpg").unlink()
    embedder = Embedder(gallery)
    updated(gallery, embedder)
    assert sorted(embedder.asked) == ["0.jpg", "sub/e.webp"]
    assert not list((gallery.parent / "work" / "search").glob("*.partial"))


def test_an_index_of_another_state_of_the_encoder_is_never_used(gallery, monkeypatch):
    monkeypatch.setattr(index_module, "CHUNK", 2)
    updated(gallery, Embedder(gallery))
    with pytest.raises(KeyboardInterrupt):
        updated(gallery, Embedder(gallery, stop_at=2), encoder="second")
    assert updated(gallery, Embedder(gallery), encoder="third").embedded == 5
    assert updated(gallery, Embedder(gallery), encoder="third", restart=True).embedded == 5


def test_the_index_stays_on_the_disk_in_a_format_that_others_read(gallery):
    found = updated(gallery, Embedder(gallery))
    assert isinstance(found.table.embeddings, np.memmap)
    folder = gallery.parent / "work" / found.reference
    assert np.array_equal(load_file(folder / "gallery.embeddings.safetensors")["embeddings"], found.table.embeddings)
    assert json.loads((folder / "manifest.json").read_text())["result"] == {"pictures": 5}


def test_each_folder_has_an_index_of_its_own(gallery):
    shutil.copytree(gallery, gallery.parent / "more" / "gallery")
    one, other = (updated_name(folder) for folder in (gallery, gallery.parent / "more" / "gallery"))
    assert one != other and one.startswith("gallery-")


def updated_name(folder: Path) -> str:
    return index_run(WorkFolder(folder), list_pictures(folder), "warmup/main", {}).name


# --- the command ------------------------------------------------------------------------------------------------------


def table_of(rows: np.ndarray) -> EmbeddingTable:
    return EmbeddingTable([str(row) for row in range(len(rows))], np.zeros((len(rows), 2), np.int64), rows)


def test_a_graph_leads_to_nearly_all_nearest_rows_and_lists_them_by_their_exact_cosines(gallery):
    embedder = Embedder(gallery)
    updated(gallery, embedder)
    index = index_run(WorkFolder(gallery.parent / "work"), list_pictures(gallery), "warmup/main", {})
    rows = np.random.default_rng(5).standard_normal((3000, 32), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries, left_out = rows[:40], list(range(40))
    wanted = nearest_rows(queries, rows, top=10, left_out=left_out)
    found = graph.near_rows(index, table_of(rows), queries, top=10, left_out=left_out, threads=1)
    for row, (near, cosines) in enumerate(found):
        assert row not in near and (np.diff(cosines) <= 0).all()
        np.testing.assert_allclose(cosines, rows[near] @ queries[row], atol=1e-6)
    shared = [len(set(near) & set(best)) for (near, _), (best, _) in zip(found, wanted, strict=True)]
    assert np.mean(shared) > 9.5

    made = index.final.with_name(f"{index.name}-graph") / graph.GRAPH
    before = made.stat().st_mtime_ns
    graph.near_rows(index, table_of(rows), queries[:1], top=1, left_out=[None], threads=1)
    assert made.stat().st_mtime_ns == before  # built once
    (gallery / "new.jpg").write_bytes(b"new")
    updated(gallery, embedder)
    graph.near_rows(index, table_of(rows), queries[:1], top=1, left_out=[None], threads=1)
    assert made.stat().st_mtime_ns != before  # of another state of the index


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A work folder with untrained networks, a gallery with names from hell, and a query that is a copy of one."""
    root = tmp_path_factory.mktemp("search")
    make_generator(root / "work", make_encoder(root / "work", seed=1))
    people = sorted((make_people(root / "people") / "bounding_box_test").glob("*.jpg"))
    (root / "gallery").mkdir()
    for path in people[1:]:
        shutil.copy(path, root / "gallery" / path.name)
    for source, parts in zip(people[:3], NASTY, strict=True):
        target = root.joinpath("gallery", *parts)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(source, target)
    shutil.copy(people[0], root / "query & <b>.jpg")
    return root


def searched(prepared: Path, to: Path, images: list[Path], generator: str | None = None, **chosen):
    run = Session(work=str(prepared / "work"), device="cpu", threads=1)
    return search.run(
        run, str(prepared / "gallery"), [str(i) for i in images], str(to), chosen, generator=generator
    )  # fmt: skip


class Page(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_a_copy_of_the_query_comes_first_and_the_files_agree(prepared, tmp_path):
    result = searched(prepared, tmp_path / "out", [prepared / "query & <b>.jpg"], top=5)
    rows = result["matches"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0]["picture"] == "/".join(NASTY[0]) and rows[0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert sorted((row["similarity"] for row in rows), reverse=True) == [row["similarity"] for row in rows]
    assert json.loads((tmp_path / "out" / "search.json").read_text())["matches"] == rows
    with (tmp_path / "out" / "search.csv").open(newline="") as file:
        assert [row["picture"] for row in csv.DictReader(file)] == [row["picture"] for row in rows]


def test_no_name_of_a_file_becomes_a_part_of_the_page(prepared, tmp_path):
    result = searched(prepared, tmp_path / "out", [prepared / "query & <b>.jpg"], top=50)
    page = Page(Path(result["page"]).read_text(encoding="utf-8"))
    kinds = Counter(tag for tag, _ in page.elements)
    assert kinds["script"] == kinds["iframe"] == 0 and kinds["b"] == len(result["matches"])
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "img":
            assert attributes["src"].startswith("data:image/jpeg;base64,") and attributes["alt"]
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert all(":" not in link for link in links)  # relative, whatever the file is called
    found = {(tmp_path / "out" / unquote(link)).resolve() for link in links}
    assert found == {path.resolve() for path in (prepared / "gallery").rglob("*.jpg")}
    assert "<script>alert(1)</script>.jpg" in page.text and "query & <b>.jpg" in page.text


@pytest.fixture(scope="module")
def named(prepared) -> Path:
    """A gallery whose names all tell their cameras."""
    folder = prepared / "named"
    folder.mkdir()
    for path in sorted((prepared / "people" / "bounding_box_test").glob("*.jpg")):
        shutil.copy(path, folder / path.name)
    return folder


def searched_by(prepared: Path, folder: Path, to: Path, query: Path, **chosen):
    run = Session(work=str(prepared / "work"), device="cpu", threads=1)
    return search.run(run, str(folder), [str(query)], str(to), chosen)


def test_neighbours_and_even_cameras_rank_as_the_formula_says_and_it_is_told(prepared, named, tmp_path):
    query = sorted(named.glob("*.jpg"))[0]
    plain = searched_by(prepared, named, tmp_path / "plain", query, top=50)
    assert "embeddings" not in plain and "centralise_k" not in plain
    found = searched_by(prepared, named, tmp_path, query, even_cameras=True, centralise=True, centralise_k=2, top=50)
    assert found["centralise_k"] == 2 and "mutual nearest neighbours" in found["embeddings"]
    assert json.loads((tmp_path / "search.json").read_text())["even_cameras"] is True
    table = read_embedding_table(prepared / "work" / found["index"])
    rows = np.concatenate([table.embeddings[:1], table.embeddings]).astype(np.float64)  # the query is the first of them
    cameras = np.array([int(name.partition("_c")[2][0]) for name in [table.names[0], *table.names]])
    for camera in np.unique(cameras):
        rows[cameras == camera] -= rows[cameras == camera].mean(0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    alike = np.where(cameras[:, None] == cameras, -2, rows @ rows.T)
    listed = np.zeros_like(alike, dtype=bool)
    np.put_along_axis(listed, np.argsort(-alike, axis=1, kind="stable")[:, :2], True, axis=1)
    rows = rows + (listed & listed.T) @ rows
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = {name: float(rows[0] @ row) for name, row in zip(table.names[1:], rows[2:], strict=True)}
    assert {m["picture"]: m["similarity"] for m in found["matches"]} == pytest.approx(cosines, abs=1e-5)
    assert found["index"] == plain["index"] and found["embedded"] == 0  # the same index serves both


def test_mirrored_pictures_have_an_index_of_their_own(prepared, named, tmp_path):
    query = prepared / "query & <b>.jpg"
    plain, flipped = (searched_by(prepared, named, tmp_path / str(flip), query, flip=flip) for flip in (False, True))
    assert plain["index"] != flipped["index"] and flipped["flip"] and "mirrored" in flipped["embeddings"]
    assert flipped["matches"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert searched_by(prepared, named, tmp_path / "again", query, flip=True)["embedded"] == 0


def test_cameras_that_no_name_tells_are_refused_and_larger_folders_too(prepared, named, tmp_path):
    query = sorted(named.glob("*.jpg"))[0]
    with pytest.raises(GclError, match=r"camera of 3 of \d+ pictures is unknown") as raised:
        searched_by(prepared, prepared / "gallery", tmp_path, query, even_cameras=True)
    assert "Leave --even-cameras out" in raised.value.fix
    searched_by(prepared, prepared / "gallery", tmp_path, query, centralise=True)  # does without
    with pytest.raises(GclError, match="are too many") as raised:
        searched_by(prepared, named, tmp_path, query, centralise=True, exact_to=3)
    assert "--set exact_to=" in raised.value.fix


def test_a_query_from_the_gallery_is_not_its_own_match(prepared, tmp_path):
    query = sorted((prepared / "gallery").glob("0*.jpg"))[0]
    other = prepared / "query & <b>.jpg"
    result = searched(prepared, tmp_path, [query, other], top=50)
    names = {str(path): [r["picture"] for r in result["matches"] if r["query"] == str(path)] for path in (query, other)}
    assert query.name not in names[str(query)] and query.name in names[str(other)]
    assert len(names[str(query)]) == len(names[str(other)]) - 1 == result["pictures"] - 1


def test_too_many_pictures_to_compare_are_found_through_the_graph_or_one_by_one_with_a_word(
    prepared, tmp_path, capsys, monkeypatch
):
    query = [sorted((prepared / "gallery").rglob("*.jpg"))[0]]
    exact = searched(prepared, tmp_path / "a", query, top=3)["matches"]
    assert searched(prepared, tmp_path / "b", query, top=3, exact_to=2)["matches"] == exact
    monkeypatch.setattr(graph, "find_spec", lambda _: None)
    capsys.readouterr()
    assert searched(prepared, tmp_path / "c", query, top=3, exact_to=2)["matches"] == exact
    assert 'pip install "gcl-cli[usearch]"' in capsys.readouterr().err


def test_from_behind_searches_by_the_view_that_gcl_views_makes(prepared, tmp_path):
    query = prepared / "query & <b>.jpg"
    found = searched(prepared, tmp_path / "out", [query], "gan-warmup/main", angle=180, view_weight=1)
    run = Session(work=str(prepared / "work"), device="cpu", threads=1)
    made = views.run(run, [str(query)], str(tmp_path / "views"), "gan-warmup/main", {"angles": (180,)})
    view = Path(made["people"][0]["views"]) / "180.png"
    wanted = searched(prepared, tmp_path / "again", [view])
    drop = [{k: v for k, v in row.items() if k != "query"} for row in found["matches"]]
    assert drop == [{k: v for k, v in row.items() if k != "query"} for row in wanted["matches"]]
    assert (found["angle"] == 180 and wanted["angle"] is None and found["embedded"] == 0) or wanted["embedded"] == 0
    assert "generated view" in Path(found["page"]).read_text()
    assert "generated view" not in Path(wanted["page"]).read_text()


def test_a_photograph_and_its_view_ask_together(prepared, tmp_path):
    query = [prepared / "query & <b>.jpg"]

    def similar(folder: str, **changed) -> dict[str, float]:
        found = searched(prepared, tmp_path / folder, query, top=99, **changed)
        return {row["picture"]: row["similarity"] for row in found["matches"]}

    plain, view = similar("plain"), similar("view", angle=180, view_weight=1)
    assert similar("none", angle=180, view_weight=0) == plain
    both = similar("both", angle=180, view_weight=0.5)
    pictures = sorted(plain)
    sums = np.array([plain[name] + view[name] for name in pictures])
    found = np.array([both[name] for name in pictures])
    np.testing.assert_allclose(found / found.max(), sums / sums.max(), atol=1e-4)


def test_the_shipped_generator_serves_an_encoder_of_any_size(prepared, tmp_path):
    found = searched(prepared, tmp_path / "out", [prepared / "query & <b>.jpg"], angle=180)
    assert found["generator"] == "shipped"
    assert "shipped" in Path(found["page"]).read_text()
    assert searched(prepared, tmp_path / "plain", [prepared / "query & <b>.jpg"])["generator"] is None


def test_from_behind_is_an_angle_and_contradicts_another():
    assert with_view_from_behind({"top": 3}) == {"top": 3, "angle": 180}
    assert with_view_from_behind({"angle": 180}) == {"angle": 180}
    with pytest.raises(GclError, match="--from-behind"):
        with_view_from_behind({"angle": 90})
    assert SearchSettings().angle is None


def test_what_cannot_be_searched_is_said(prepared, tmp_path):
    run = Session(work=str(prepared / "work"), device="cpu", threads=1, data_root=str(tmp_path))
    query = str(prepared / "query & <b>.jpg")
    (tmp_path / "empty").mkdir()
    for folder, images, problem in (
        (str(tmp_path / "empty"), [query], "holds no pictures"),
        ("nowhere", [query], "no data set 'nowhere'"),
        (str(prepared / "gallery"), ["none.jpg"], "no picture none.jpg"),
    ):
        with pytest.raises(GclError, match=problem):
            search.run(run, folder, images, str(tmp_path / "out"), {})


def test_generator_and_encoder_of_different_sizes_are_refused(prepared, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(prepared / "work", work)
    other = work / "other"
    make_encoder(other, seed=1, architecture=Architecture(trunk="resnet18", trunk_width=16, height=96, width=32))
    (work / "joint").mkdir()
    shutil.copytree(other / "warmup" / "main", work / "joint" / "main")
    run = Session(work=str(work), device="cpu", threads=1)
    with pytest.raises(GclError, match=r"64x32 pixels; .* reads 96x32"):
        search.run(
            run, str(prepared / "gallery"), [str(prepared / "query & <b>.jpg")], str(tmp_path / "out"), {"angle": 90},
            encoder="joint/main", generator="gan-warmup/main",
        )  # fmt: skip
