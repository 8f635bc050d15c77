"""`gcl evaluate` with all that can be added to it, from files to files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from gcl_cli import console
from gcl_cli.artifacts.sheets import FRAME, LINE, RIGHT, WRONG
from gcl_cli.commands.evaluate import command as evaluate
from gcl_cli.commands.evaluate import features
from gcl_cli.commands.evaluate import ram as memory
from gcl_cli.commands.evaluate import view_features as views
from gcl_cli.commands.gan_warmup import command as gan_warmup
from gcl_cli.commands.mesh import command as mesh
from gcl_cli.commands.render import command as render
from gcl_cli.commands.warmup import command as warmup
from gcl_cli.commands.warmup.command import Warmup
from gcl_cli.config import Architecture, EvaluateSettings, presets
from gcl_cli.errors import GclError
from gcl_cli.retrieval.distances import distances_by_looks
from gcl_cli.retrieval.ranked_lists import best_median_and_worst
from gcl_cli.session import Session

SMALL = {
    "architecture": {
        "trunk": "resnet18", "trunk_width": 16, "height": 64, "width": 32, "generator_width": 4,
        "modulation_width": 16, "discriminator_width": 4, "discriminator_scales": 2, "padding": "zeros",
    },
    "warmup": {"epochs": 1, "iterations": 1, "people": 2, "pictures": 2, "batchnorm_groups": 1, "init": "none",
               "radius": 0.5, "k1": 4, "k2": 2, "min_samples": 2, "precision": "fp32"},
    "gan-warmup": {"epochs": 1, "reconstruction_epochs": 0, "iterations": 1, "batch_size": 4},
}  # fmt: skip
FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
VIEWS = {"views": True, "angles": (90, 180), "views_from": "test"}


def write(path: Path, person: int, camera: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    clothes = np.random.default_rng(person).integers(30, 226, (2, 1, 3)).repeat(32, 0).repeat(32, 1)
    noise = np.random.default_rng([person, camera]).integers(-20, 20, (64, 32, 3))
    Image.fromarray((clothes + noise).astype(np.uint8)).save(path, quality=95)


@pytest.fixture(scope="module", autouse=True)
def small_preset():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "tiny", SMALL)
        yield


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    """Four people to train with and four to test with, in three cameras, and one who was seen by camera 1 alone."""
    root = tmp_path_factory.mktemp("data") / "people"
    for person in range(1, 9):
        for camera in (1, 2, 3):
            split = "train" if person % 2 else ("query" if camera == 1 else "gallery")
            write(
                root / FOLDERS[split] / f"{person:04d}_c{camera}s1_{1000 * person + camera:06d}_00.jpg", person, camera
            )
    write(root / "query" / "0020_c1s1_020001_00.jpg", 20, 1)
    write(root / "bounding_box_test" / "0020_c1s1_020002_00.jpg", 20, 1)
    return root


def options(work: Path, **changed) -> Session:
    return Session(**{"work": str(work), "device": "cpu", "threads": 1} | changed)


@pytest.fixture(scope="module")
def work(tmp_path_factory, people) -> Path:
    """A barely trained encoder and generator, and bodies of all splits: of query and gallery under a name of theirs."""
    folder = tmp_path_factory.mktemp("work")
    given = options(folder)
    for splits, name in ((("train",), "main"), (("query", "gallery"), "test")):
        own = options(folder, name=name)
        mesh.run(own, str(people), {"sheet": 0, "splits": splits})
        render.run(own, name, {"height": 64, "width": 32, "backend": "numpy"})
    warmup.run(given, str(people), Warmup("cluster-contrast", "tiny"))
    gan_warmup.run(given, None, {})
    return folder


def measured(work: Path, name: str = "main", generator: str | None = None, **chosen) -> dict:
    return evaluate.run(options(work, name=name), None, "warmup/main", chosen, generator=generator)


@pytest.fixture(scope="module")
def plain(work) -> dict:
    return measured(work)


def test_a_query_without_a_match_is_counted_and_named(plain):
    assert (plain["queries"], plain["skipped_queries"]) == (4, 1)
    assert plain["skipped_names"] == ["query/0020_c1s1_020001_00.jpg"]


def test_intervals_hold_the_figures_and_both_conventions_are_named(plain):
    assert set(plain["intervals"]) == {"mAP", "rank_1", "rank_5", "rank_10", "rank_20", "mINP"}
    assert all(low <= plain[name] <= high for name, (low, high) in plain["intervals"].items())
    assert plain["mAP_by_convention"]["open-reid"] == plain["mAP"] >= plain["mAP_by_convention"]["market"]
    for words in ("open-reid", "the earlier", "bootstrap", "seed 7", "Euclidean", "camera pairs"):
        assert words in plain["protocol"]


def test_every_pair_of_cameras_has_a_row(plain):
    pairs = [(row["query_camera"], row["gallery_camera"], row["queries"]) for row in plain["camera_pairs"]]
    assert pairs == [(1, 2, 4), (1, 3, 4)]


def test_the_result_is_the_file_and_settings_without_a_say_are_left_out(work, plain):
    folder = work / "evaluate" / "warmup-main"
    found = json.loads((folder / "result.json").read_text())
    assert found | {"sheet": plain["sheet"]} == plain  # where the picture lies is no part of the measure
    assert not {"rerank", "rerank_k1", "views", "angles", "expansion", "temporal", "memory", "ranked"} & plain.keys()
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json", "metrics.jsonl", "ranked.png", "result.json"
    ]  # fmt: skip


def test_embeddings_are_kept_where_asked_for_and_are_the_same_in_pieces(work, monkeypatch):
    measured(work, "kept", save_embeddings=True)
    monkeypatch.setattr(features, "CHUNK", 3)
    measured(work, "pieces", save_embeddings=True)
    for split, count in (("query", 5), ("gallery", 9)):
        first, second = (
            load_file(work / "evaluate" / name / f"{split}.embeddings.safetensors")["embeddings"]
            for name in ("kept", "pieces")
        )
        assert first.shape[0] == count and np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(first, second, atol=1e-6)
        assert len(json.loads((work / "evaluate" / "kept" / f"{split}.names.json").read_text())) == count


def test_re_ranking_stands_beside_and_lambda_one_changes_nothing(work, plain):
    found = measured(work, rerank=True, rerank_k1=4, rerank_k2=2)
    assert (work / "evaluate" / "warmup-main-rerank").exists() and "k1 4, k2 2, lambda 0.3" in found["protocol"]
    same = measured(work, "one", rerank=True, rerank_lambda=1.0)
    figures = ("mAP", "rank_1", "rank_5", "mINP", "intervals", "camera_pairs")
    assert {name: same[name] for name in figures} == {name: plain[name] for name in figures}


def test_query_expansion_is_off_until_asked_for(work, plain):
    assert EvaluateSettings().expansion == 0 and "nearest" not in plain["protocol"]
    found = measured(work, expansion=2)
    assert found["expansion"] == 2 and "2 nearest gallery pictures" in found["protocol"]
    assert (work / "evaluate" / "warmup-main-expansion").exists()


def test_two_distances_at_once_are_refused():
    with pytest.raises(ValueError, match="choose one"):
        EvaluateSettings(temporal=True, rerank=True)
    with pytest.raises(ValueError, match="choose one"):
        EvaluateSettings(views=True, flip=True)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def kept_rows(work: Path, name: str) -> np.ndarray:
    """The embeddings that an evaluation kept, queries first."""
    return np.concatenate(
        [
            load_file(work / "evaluate" / name / f"{s}.embeddings.safetensors")["embeddings"]
            for s in ("query", "gallery")
        ]
    )


def test_answers_that_use_the_gallery_are_told_apart_and_are_those_of_the_formula(work, plain, monkeypatch):
    compared = []
    spy = lambda query, gallery: compared.append((query, gallery)) or distances_by_looks(query, gallery)  # noqa: E731
    monkeypatch.setattr(evaluate, "distances_by_looks", spy)
    found = measured(work, even_cameras=True, centralise=True, centralise_k=2, save_embeddings=True)
    name = "warmup-main-even-cameras-centralise"
    assert found["centralise_k"] == 2 and found["neighbours_added"] > 0 and not {"flip", "rerank"} & found.keys()
    for words in ("camera's mean", "camera numbers used", "mutual nearest neighbours", "lists of 2", "no labels"):
        assert words in found["protocol"] and words not in plain["protocol"]
    rows = kept_rows(work, name)
    assert np.array_equal(rows, kept_rows(work, "kept"))  # what is kept is what was embedded
    names = [
        n for s in ("query", "gallery") for n in json.loads((work / "evaluate" / name / f"{s}.names.json").read_text())
    ]
    cameras = np.array([int(n.partition("_c")[2][0]) for n in names])
    for camera in (1, 2, 3):
        rows[cameras == camera] -= rows[cameras == camera].mean(0)
    rows = unit(rows)
    alike = np.where(cameras[:, None] == cameras, -2, rows @ rows.T)
    lists = np.argsort(-alike, axis=1, kind="stable")[:, :2]
    listed = np.zeros_like(alike, dtype=bool)
    np.put_along_axis(listed, lists, True, axis=1)
    expected = unit(rows + (listed & listed.T) @ rows)
    np.testing.assert_allclose(np.concatenate(compared[0]), expected, atol=1e-5)


def test_the_mirrored_picture_is_averaged_in(work, plain):
    found = measured(work, flip=True, save_embeddings=True)
    assert found["flip"] and "mirrored" in found["protocol"] and "mirrored" not in plain["protocol"]
    rows, own = kept_rows(work, "warmup-main-flip"), kept_rows(work, "kept")
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert np.abs(rows - own).max() > 1e-4 and (rows * own).sum(1).min() > 0.5


def test_views_are_averaged_into_the_embeddings(work, plain):
    found = measured(work, save_embeddings=True, **VIEWS)
    assert found["generator"] == "gan-warmup/main" and "90, 180 degrees" in found["protocol"]
    folder = work / "evaluate" / "warmup-main-views"
    inputs = json.loads((folder / "manifest.json").read_text())["inputs"]
    assert {"gan-warmup/main", "render/test", "warmup/main"} <= inputs.keys()
    averaged = load_file(folder / "gallery.embeddings.safetensors")["embeddings"]
    np.testing.assert_allclose(np.linalg.norm(averaged, axis=1), 1, atol=1e-6)
    own = load_file(work / "evaluate" / "kept" / "gallery.embeddings.safetensors")["embeddings"]
    assert np.abs(averaged - own).max() > 1e-4


def test_views_of_a_chunk_are_those_of_its_own_pictures(monkeypatch):
    """Pictures 10 to 14 of a split, two at a time: a view is the row and the turn of the body that it was made from."""
    turns = torch.tensor([2, 1])

    def drawn(rows, turn):
        return torch.stack([rows.float(), turn.float()], dim=1)

    monkeypatch.setattr(views, "BATCH", 2)
    monkeypatch.setattr(views, "generate", lambda _, pictures, bodies, rows, turn: bodies(rows, turn))
    monkeypatch.setattr(views, "embed", lambda _, rows, precision: rows.clone())
    store = type("Store", (), {"angles": (0, 90, 180), "__call__": staticmethod(drawn)})()
    found = views.view_embedder(None, {}, store, turns)(torch.zeros(5, 2), 10)
    expected = torch.tensor([[2.0 * row, 3.0] for row in range(10, 15)])  # both turns, 2 and 1, and zeros
    torch.testing.assert_close(found, torch.nn.functional.normalize(expected, dim=1))


def test_bodies_of_training_pictures_alone_are_refused_with_the_commands_to_type(work):
    with pytest.raises(GclError, match="not of query and gallery") as caught:
        measured(work, views=True)
    assert "gcl mesh --splits query,gallery --name test" in caught.value.fix
    with pytest.raises(GclError, match="nothing is generated"):
        measured(work, generator="gan-warmup")


def test_the_sheet_frames_right_and_wrong_pictures_of_every_query_shown(work, plain):
    sheet = np.asarray(Image.open(work / "evaluate" / "warmup-main" / "ranked.png"))
    colours, counts = np.unique(sheet.reshape(-1, 3), axis=0, return_counts=True)
    found = dict(zip(map(tuple, colours.tolist()), counts.tolist(), strict=True))
    # 4 valid queries: all are among the worst five; 8 or 9 pictures without the same person's own camera
    frame = 2 * FRAME * (64 + 2 * FRAME) + 2 * FRAME * 128  # pixels of one frame
    key = (LINE - 2) ** 2 - (LINE - 2 - 2 * FRAME) ** 2  # that of the legend
    right, wrong = found[RIGHT.colour], found[WRONG.colour]
    written = right - 4 * 2 * frame - key  # two right pictures for each of the four queries, with captions
    assert 0 < written < 4 * 2 * 300
    assert wrong > 0 and wrong % frame != 0  # dashed
    measured(work, "bare", ranked=0)
    assert not (work / "evaluate" / "bare" / "ranked.png").exists()


def test_what_does_not_fit_is_refused_before_any_work_and_what_fits_is_told(work, monkeypatch):
    said = []
    monkeypatch.setattr(console, "say", said.append)
    measured(work, "told")
    assert any(line.startswith("Memory: about 0.6 GB") for line in said)
    with pytest.raises(GclError, match=r"need 0\.6 GB of memory; 0\.1 GB are free") as caught:
        measured(work, "large", memory=0.1)
    assert "--set memory=GB" in caught.value.fix and not (work / "evaluate" / "large.partial").exists()


def test_a_tight_memory_makes_the_blocks_smaller():
    sizes = (500, 1_000_000, 512, Architecture())
    plenty, tight = EvaluateSettings(memory=8), EvaluateSettings(memory=3.8)
    assert memory.plan_memory(*sizes, plenty) == 256
    assert 16 <= memory.plan_memory(*sizes, tight) < 256
    with pytest.raises(GclError, match="gallery pictures of 512 numbers need") as caught:
        memory.plan_memory(*sizes, EvaluateSettings(memory=2))
    fits = int(caught.value.fix.split("about ")[1].split(" ")[0].replace(",", ""))
    assert memory.plan_memory(500, fits, 512, sizes[3], EvaluateSettings(memory=2)) >= 16


def test_best_median_and_worst_are_by_average_precision_and_never_the_same():
    precision = np.array([0.9, np.nan, 0.1, 0.5, 0.3, 0.7, 0.2])
    best, median, worst = best_median_and_worst(precision, 2)
    assert (best.tolist(), median.tolist(), worst.tolist()) == ([0, 5], [4, 3], [2, 6])
    best, median, worst = best_median_and_worst(precision, 1)
    assert (best.tolist(), median.tolist(), worst.tolist()) == ([0], [4], [2])
    best, median, worst = best_median_and_worst(precision[:3], 5)
    assert (best.tolist(), median.tolist(), worst.tolist()) == ([], [], [2, 0])


def test_ranking_torch_rows_is_the_same_at_any_number_at_once():
    rows = torch.nn.functional.normalize(torch.randn(30, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    distances = distances_by_looks(rows[:11], rows[11:])
    whole = np.concatenate(list(distances.blocks(11)))
    np.testing.assert_allclose(np.concatenate(list(distances.blocks(3))), whole, atol=1e-6)
    np.testing.assert_allclose(whole, -(rows[:11] @ rows[11:].T).numpy(), atol=1e-6)
