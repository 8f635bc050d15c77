"""What one call wrote, another one for something else leaves alone."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gcl_cli.commands.export.command import _encoder_of
from gcl_cli.commands.search import index
from gcl_cli.commands.search.page import Found, Match, asked, asked_before, write_found
from gcl_cli.people.given_files import free_name
from gcl_cli.weights.given_weights import given_weights


def test_a_search_takes_the_place_of_its_own_answer_alone(tmp_path):
    def written(gallery, *queries):
        about = {"gallery": gallery}
        name = free_name("search", asked(about, list(queries)), lambda name: asked_before(tmp_path / f"{name}.json"))
        write_found(tmp_path, name, [Found(query, None, (Match(1, "x.jpg", 0.5),)) for query in queries], about)
        return name

    assert [written("crops", "a.jpg"), written("crops", "b.jpg"), written("more", "a.jpg")] == [
        "search", "search-2", "search-3",
    ]  # fmt: skip
    assert written("crops", "b.jpg") == "search-2"
    (tmp_path / "search.json").write_text("[]")  # somebody else's
    assert written("crops", "a.jpg") == "search-4"


def test_an_export_of_another_encoder_of_that_name_gets_a_number(tmp_path):
    (tmp_path / "init-model.json").write_text(json.dumps({"encoder": "a/model.pth"}))
    names = [
        free_name("init-model", encoder, lambda name: _encoder_of(tmp_path / f"{name}.json"))
        for encoder in ("a/model.pth", "b/model.pth")
    ]
    assert names == ["init-model", "init-model-2"]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("model.pth", "model"), ("model.v1.pth", "model.v1"), ("model.v2.pth", "model.v2"), ("best.pth.tar", "best"),
        ("weights", "weights"), ("epoch=3-mAP=0.8.ckpt", "epoch=3-mAP=0.8"),
    ],
)  # fmt: skip
def test_weight_files_lend_their_whole_name_without_its_usual_ending(tmp_path, name, label):
    torch.save({"q.x": torch.ones(1), "k.x": torch.zeros(1)}, tmp_path / name)
    whole, part = given_weights(str(tmp_path / name)), given_weights(f"{tmp_path / name}::q")
    assert whole.label == label and whole.part == ""
    assert part.label == f"{label}-q" and list(part.tensors()) == ["q.x"]
    assert part.digest != whole.digest


def test_a_file_whose_name_holds_the_sign_is_taken_whole_and_the_home_folder_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save({"x": torch.ones(1)}, tmp_path / "a::b")
    torch.save({"b.x": torch.ones(1)}, tmp_path / "a")
    assert given_weights("~/a::b").path == Path(tmp_path / "a::b")
    (tmp_path / "a::b").unlink()
    assert given_weights("~/a::b").part == "b"
    assert given_weights("~/none::b") is None and given_weights("::b") is None


@pytest.mark.parametrize("seconds", [-(2**31), -1, 0, 315_532_799, 2**32, 2**34 - 1])
def test_pictures_of_any_date_are_listed(tmp_path, monkeypatch, seconds):
    (tmp_path / "x.jpg").write_bytes(b"x")
    state = list((tmp_path / "x.jpg").stat())
    found = os.stat_result([*state, *([None] * 3)], {"st_mtime_ns": seconds * 10**9})
    monkeypatch.setattr(index, "os", SimpleNamespace(stat=lambda path: found))
    assert index.list_pictures(tmp_path).stamps.shape == (1, 2)
