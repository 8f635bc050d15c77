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
from gcl_cli.commands import synth
from gcl_cli.commands.evaluate import command as evaluate
from gcl_cli.commands.evaluate import features
from gcl_cli.commands.evaluate import ram as memory
from gcl_cli.commands.evaluate import view_features as views
from gcl_cli.commands.gan_warmup import command as gan_warmup
from gcl_cli.commands.mesh import command as mesh
from gcl_cli.commands.render import command as render
from gcl_cli.commands.warmup import command as warmup
from gcl_cli.commands.warmup.command import Warmup
from gcl_cli.config import Architecture, EpochClusterSettings, EvaluateSettings, presets
from gcl_cli.datasets import market1501
from gcl_cli.errors import GclError
from gcl_cli.metrics.ranking import rank_features
from gcl_cli.people.turning import ShippedGenerator, turn_people
from gcl_cli.retrieval.distances import distances_by_looks
from gcl_cli.retrieval.ranked_lists import best_median_and_worst
from gcl_cli.session import Session
from gcl_cli.weights.shipped_generator import load_shipped_generator

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
VIEWS = {"views": True, "angles": (90, 180)}


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
    """A barely trained encoder and generator."""
    folder = tmp_path_factory.mktemp("work")
    given = options(folder)
    mesh.run(given, str(people), {"sheet": 0, "splits": ("train",)})
    render.run(given, "main", {"height": 64, "width": 32, "backend": "numpy"})
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


def test_views_are_mixed_into_the_embeddings_and_the_plain_figures_stand_beside(work, plain):
    found = measured(work, generator="gan-warmup/main", save_embeddings=True, view_weight=0.3, **VIEWS)
    assert found["generator"] == "gan-warmup/main" and "90, 180 degrees (weight 0.3)" in found["protocol"]
    assert found["without_views"] == {name: plain[name] for name in found["without_views"]}
    assert {"mAP", "rank_1", "mINP"} <= found["without_views"].keys()
    inputs = json.loads((work / "evaluate" / "warmup-main-views" / "manifest.json").read_text())["inputs"]
    assert {"gan-warmup/main", "warmup/main"} <= inputs.keys()
    rows, own = kept_rows(work, "warmup-main-views"), kept_rows(work, "kept")
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert np.abs(rows - own).max() > 1e-4 and (rows * own).sum(1).min() > 0.5


def test_the_generator_that_ships_draws_views_and_a_weight_of_nothing_changes_nothing(work, plain):
    found = measured(work, "nothing", view_weight=0.0, **VIEWS)
    assert found["generator"] == "shipped" and found["view_weight"] == 0
    assert found["without_views"] == {name: found[name] for name in found["without_views"]}
    chosen = measured(work, "chosen", **VIEWS)
    assert chosen["view_weight"] in views.WEIGHTS and "a weight chosen without labels" in chosen["protocol"]


def test_a_generator_without_views_is_refused(work):
    with pytest.raises(GclError, match="nothing is generated"):
        measured(work, generator="gan-warmup")


CLUSTERS = EpochClusterSettings(radius=0.5, k1=6, k2=3, min_samples=2)


def crowd(people: int = 12, pictures: int = 6, *, noise: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Who people are [N, 32], their unit rows under noise, and the cameras that took them."""
    rng = torch.Generator().manual_seed(0)
    who = torch.nn.functional.normalize(torch.randn(people, 32, generator=rng), dim=1).repeat_interleave(pictures, 0)
    rows = who + noise * torch.randn(who.shape, generator=rng)
    return who, torch.nn.functional.normalize(rows, dim=1), torch.arange(pictures).repeat(people)


def test_views_that_tell_who_people_are_count_and_those_of_anybody_do_not():
    who, own, cameras = crowd(noise=0.17)
    anybody = torch.nn.functional.normalize(torch.randn(own.shape, generator=torch.Generator().manual_seed(1)), dim=1)
    assert views.chosen_weight(own, who, cameras, CLUSTERS) >= 0.3
    assert views.chosen_weight(own, anybody, cameras, CLUSTERS) == 0


def test_where_nothing_clusters_views_do_not_count_which_is_said(monkeypatch):
    warned = []
    monkeypatch.setattr(console, "warn", warned.append)
    rows = torch.eye(3)
    assert views.chosen_weight(rows, rows, torch.tensor([1, 2, -1]), CLUSTERS) == 0
    assert "nothing to choose a weight by" in warned[0]


@pytest.mark.slow
def test_views_of_synthetic_people_never_make_retrieval_worse(tmp_path):
    """Whatever the eye: the weight is chosen from the pictures, and figures are those of a city nobody learned from."""
    folder = tmp_path / "people"
    synth.run(str(folder), {"ids": 16, "cameras": 3, "images": 2, "distractors": 0}, threads=1, restart=False)
    files = sorted(folder.rglob("*.jpg"))
    samples = [market1501.parse(file.name) for file in files]
    persons, cameras = (np.array([getattr(one, name) for one in samples]) for name in ("person", "camera"))
    drawn = turn_people(
        ShippedGenerator(load_shipped_generator(torch.device("cpu"))), files, (90, 180, 270), tell=False
    )
    for coarse in ((8, 4), (16, 8)):

        def eye(pictures, size=coarse):
            small = torch.nn.functional.interpolate(pictures.float() / 255 - 0.5, size, mode="area")
            return torch.nn.functional.normalize(small.flatten(1), dim=1)

        own = eye(drawn.photographs)
        of_views = eye(drawn.generated.flatten(0, 1)).unflatten(0, (-1, 3)).mean(1)
        weight = views.chosen_weight(own, of_views, torch.from_numpy(cameras), CLUSTERS)
        plain, fused = (
            rank_features(
                rows, rows, persons, cameras, persons, cameras, max_rank=1, average_precision="open-reid"
            ).mean_average_precision
            for rows in (own, views.mixed(own, of_views, weight))
        )  # fmt: skip
        assert fused >= plain


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
