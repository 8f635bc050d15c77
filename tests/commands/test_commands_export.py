"""`gcl export`: the encoder for other programs."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from using_artifacts import SMALL, make_encoder

from gcl_cli.artifacts.weights import read_architecture
from gcl_cli.commands.export import command as export
from gcl_cli.commands.export import onnx_file
from gcl_cli.errors import GclError
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.session import Session
from gcl_cli.training.features import embed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "using.md"


def options(work: Path) -> Session:
    return Session(work=str(work), threads=1)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export-work")
    make_encoder(folder, seed=3)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory, work) -> tuple[Path, dict]:
    """The ONNX file in its folder, and what the command says."""
    folder = tmp_path_factory.mktemp("home") / "export"
    return folder, export.run(options(work), str(folder), None, {})


def encoder_of(work: Path) -> IdentityEncoder:
    encoder = IdentityEncoder(SMALL)
    encoder.load_state_dict(load_file(work / "warmup" / "main" / "identity_encoder.safetensors"))
    return encoder


def pictures_of(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, SMALL.height, SMALL.width, 3), np.uint8)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_onnxruntime_gives_the_embeddings_of_torch_for_any_batch(exported, work, count):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(exported[0] / "warmup-main.onnx"))
    pictures = pictures_of(count)
    (found,) = session.run(None, {"pictures": pictures})
    wanted = embed(encoder_of(work), torch.from_numpy(pictures).permute(0, 3, 1, 2), precision="fp32").numpy()
    assert found.shape == wanted.shape and np.abs(found - wanted).max() < 1e-4
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_file_is_one_whole_and_says_what_it_is_but_not_where_it_was_made(exported):
    import onnx

    folder, result = exported
    assert sorted(path.name for path in folder.iterdir()) == ["warmup-main.json", "warmup-main.onnx"]
    assert result["largest_difference_from_torch"] < 1e-4 and result["encoder"] == "warmup/main"
    model = onnx.load(folder / "warmup-main.onnx")
    onnx.checker.check_model(model)
    assert {item.key: item.value for item in model.metadata_props}["gcl_encoder"] == "warmup/main"
    assert str(Path(__file__).resolve().parents[2]).encode() not in (folder / "warmup-main.onnx").read_bytes()
    described = json.loads((folder / "warmup-main.json").read_text())
    assert (described["height"], described["width"], described["embedding_size"]) == (64, 32, 128)
    assert described["architecture"]["trunk_width"] == 16


def test_the_loading_example_of_the_docs_runs(exported, monkeypatch):
    from PIL import Image

    folder, _ = exported
    monkeypatch.chdir(folder.parent)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (150, 70, 3), np.uint8)).save("person.jpg")
    (example,) = re.findall(
        r"```python\n(import numpy, onnxruntime.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert "export/joint-main.onnx" in example
    names: dict = {}
    exec(example.replace("joint-main", "warmup-main"), names)
    assert names["embedding"].shape == (1, 128)


def test_a_network_that_differs_is_refused_and_nothing_is_written(work, tmp_path, monkeypatch):
    real = onnx_file.largest_difference

    def of_another_network(content, network, pictures):
        other = IdentityEncoder(SMALL)
        return real(content, type(network)(other), pictures)

    monkeypatch.setattr(onnx_file, "largest_difference", of_another_network)
    with pytest.raises(GclError, match="differs from torch"):
        export.run(options(work), str(tmp_path / "out"), None, {})
    assert not (tmp_path / "out").exists()


def test_without_the_extra_the_pip_command_is_told(work, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(GclError, match="need onnxscript") as raised:
        export.run(options(work), str(tmp_path / "out"), None, {})
    assert "pip install 'gcl-cli[export]'" in raised.value.fix


def test_safetensors_hold_the_encoder_and_need_no_extra(work, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    result = export.run(options(work), str(tmp_path / "out"), "warmup", {"format": "safetensors"})
    path = Path(result["file"])
    assert path == tmp_path / "out" / "warmup-main.safetensors" and read_architecture(path) == SMALL
    found = load_file(path)
    assert all(torch.equal(found[name], tensor) for name, tensor in encoder_of(work).state_dict().items())
    assert json.loads(path.with_suffix(".json").read_text())["mean"] == [0.485, 0.456, 0.406]


def test_pictures_for_the_check_are_dark_and_bright_smooth_and_rough():
    pictures = onnx_file.check_pictures(3, 64, 32).float()
    assert pictures.min() == 0 and pictures.max() == 255
    steps = pictures.diff(dim=1).abs().mean(dim=(1, 2, 3))
    assert steps[0] < 5 < 30 < steps[2]
