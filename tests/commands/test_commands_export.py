"""`gcl export`: the encoder for other programs."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from using_artifacts import SMALL, make_encoder

from gcl_cli.artifacts.files import sha256
from gcl_cli.artifacts.weights import read_architecture
from gcl_cli.commands import synth
from gcl_cli.commands.export import card, forms, int8, onnx_file
from gcl_cli.commands.export import command as export
from gcl_cli.commands.export.int8 import _labelled, split_training
from gcl_cli.config import Architecture, ExportSettings
from gcl_cli.errors import GclError
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.people.data import open_data
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
    assert sorted(path.name for path in folder.iterdir()) == [
        "warmup-main.json",
        "warmup-main.md",
        "warmup-main.onnx",
    ]
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
        return real(content, forms.EncoderFor(other, forms.PLAIN, SMALL.height, SMALL.width), pictures)

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
    pictures = forms.check_pictures(3, 64, 32).float()
    assert pictures.min() == 0 and pictures.max() == 255
    steps = pictures.diff(dim=1).abs().mean(dim=(1, 2, 3))
    assert steps[0] < 5 < 30 < steps[2]


@pytest.fixture(scope="module")
def with_people(tmp_path_factory) -> tuple[Path, Path]:
    """A work folder with an encoder and a synthetic set, and the set."""
    folder = tmp_path_factory.mktemp("export-people")
    people = folder / "people"
    synth.run(str(people), {"ids": 6, "cameras": 2, "images": 2, "distractors": 0}, threads=1, restart=False)
    open_data(options(folder / "work"), str(people))
    make_encoder(folder / "work", seed=3)
    return folder / "work", people


def crops_of(people: Path, count: int) -> list[Path]:
    return sorted((people / "bounding_box_test").glob("*.jpg"))[:count]


def test_boxmot_is_given_what_it_feeds_and_eight_bits_cost_what_is_said(with_people, tmp_path):
    """Its contract, as of 25.0.0: the first input and output, NCHW float32, RGB by ImageNet's mean, a free batch."""
    import onnxruntime
    from PIL import Image

    work, people = with_people
    said = export.run(options(work), str(tmp_path), None, {"format": "boxmot", "int8": True, "calibration": 8})
    sessions = [onnxruntime.InferenceSession(said[key]) for key in ("file", "int8_file")]
    for session in sessions:
        (taken,), (given,) = session.get_inputs(), session.get_outputs()
        assert (taken.name, taken.type, taken.shape) == ("images", "tensor(float)", ["batch", 3, 256, 128])
        assert (given.name, given.shape) == ("output0", ["batch", 128])
    small = [np.asarray(Image.open(path).resize((32, 64), Image.Resampling.BICUBIC)) for path in crops_of(people, 3)]
    batch = np.stack(small).transpose(0, 3, 1, 2) / 255
    batch = (batch - np.array(said["mean"])[:, None, None]) / np.array(said["std"])[:, None, None]
    fed = batch.repeat(4, axis=2).repeat(4, axis=3).astype(np.float32)  # each pixel 4 x 4 times: shrunk, it is itself
    exact, eight = (session.run(None, {"images": fed})[0] for session in sessions)
    wanted = embed(encoder_of(work), torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2), precision="fp32").numpy()
    assert np.abs(exact - wanted).max() < 1e-5
    assert 0.9 < (exact * eight).sum(1).min() < 0.99999
    lost = said["int8"]
    assert lost["megabytes"] < 0.4 * said["megabytes"] and 0 <= lost["same_nearest"] <= 1
    assert (lost["queries"], lost["gallery"]) == (6, 6) and {"fp32", "int8"} <= lost.keys()
    card = Path(said["card"]).read_text()
    assert f"mAP {lost['fp32']['mAP']:.1f} % in 32 bits" in " ".join(card.split())


def test_ultralytics_is_given_colours_from_0_to_1(with_people, tmp_path):
    """Its contract, as of 8.4.190: the size from the file, RGB / 255, the first output is the embedding."""
    import onnxruntime

    work, _ = with_people
    said = export.run(options(work), str(tmp_path), None, {"format": "ultralytics"})
    pictures = pictures_of(2)
    session = onnxruntime.InferenceSession(said["file"])
    assert session.get_inputs()[0].shape == ["batch", 3, 256, 128]
    fed = (pictures.transpose(0, 3, 1, 2) / 255).repeat(4, axis=2).repeat(4, axis=3).astype(np.float32)
    wanted = embed(encoder_of(work), torch.from_numpy(pictures).permute(0, 3, 1, 2), precision="fp32").numpy()
    assert np.abs(session.run(None, {session.get_inputs()[0].name: fed})[0] - wanted).max() < 1e-5


def test_the_folder_for_reid_holds_a_module_its_preprocessing_and_a_loader(with_people, tmp_path):
    work, _ = with_people
    said = export.run(options(work), str(tmp_path), None, {"format": "reid"})
    folder = tmp_path / "warmup-main-reid"
    assert sorted(path.name for path in folder.iterdir()) == ["load.py", "network.pt", "preprocessing.json"]
    preprocessing = json.loads((folder / "preprocessing.json").read_text())
    assert preprocessing["input_size"] == [64, 32] and preprocessing["interpolation"] == "bicubic"
    compile((folder / "load.py").read_text(), "load.py", "exec")
    network = torch.jit.load(said["file"]).eval()
    pictures = torch.from_numpy(pictures_of(5)).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(preprocessing[key])[:, None, None] for key in ("mean", "std"))
    wanted = embed(encoder_of(work), pictures, precision="fp32")
    assert torch.allclose(network((pictures / 255 - mean) / std), wanted, atol=1e-5)
    assert sha256(folder / "network.pt") in Path(said["card"]).read_text()


@pytest.mark.parametrize(
    ("form", "size", "wanted"),
    [
        ("onnx", (128, 64), (128, 64)), ("boxmot", (128, 64), (256, 128)), ("boxmot", (256, 128), (256, 128)),
        ("ultralytics", (384, 128), (384, 128)), ("boxmot", (160, 64), (160, 64)),
    ],
)  # fmt: skip
def test_a_tracker_s_file_takes_the_usual_size_where_the_network_s_divides_it(form, size, wanted):
    assert forms.FORMS[form].size(*size) == wanted


def test_the_card_names_what_went_in_its_terms_and_what_it_is_not_for(with_people, tmp_path):
    work, _ = with_people
    said = export.run(options(work), str(tmp_path), None, {"format": "safetensors"})
    card = Path(said["card"]).read_text()
    assert f"`warmup-main.safetensors`, sha256 {sha256(Path(said['file']))}" in card
    assert "## What it is not for" in card and "None were measured in this work folder" in card
    headings = [line for line in card.splitlines() if line.startswith("#")]
    assert headings == [
        "# warmup/main", "## How to use it", "## What went into the weights", "## Figures", "## What it is not for",
    ]  # fmt: skip


@pytest.mark.parametrize("terms", [*card.DATA_TERMS.values(), card.INIT_TERMS])
def test_the_card_leaves_the_terms_of_published_sets_to_their_publishers(terms):
    assert terms.endswith("check the terms with the publisher") and not re.search(r"licen|CC BY|BSD|commercial", terms)


def test_int8_is_refused_where_there_is_no_onnx_or_no_set(work, tmp_path):
    with pytest.raises(GclError, match="--int8 is of ONNX files"):
        export.run(options(work), str(tmp_path), None, {"format": "reid", "int8": True})
    with pytest.raises(GclError, match="has no data set yet"):
        export.run(options(work), str(tmp_path), None, {"int8": True})
    assert not list(tmp_path.iterdir())


def test_calibration_and_measure_do_not_share_pictures_while_there_are_enough(with_people, monkeypatch):
    data = open_data(options(with_people[0]), None)
    calibration, measured = split_training(data, ExportSettings(calibration=8))
    assert len(calibration) == 8 and len(measured) == 12  # four would be too few to have ten neighbours
    monkeypatch.setattr(int8, "NEAR", 3)
    calibration, measured = split_training(data, ExportSettings(calibration=8))
    assert len(measured) == 4 and not set(calibration) & set(measured)
    monkeypatch.setattr(int8, "NEAR", 12)
    with pytest.raises(GclError, match="needs more than 12 training pictures; there are 12"):
        split_training(data, ExportSettings(calibration=8))
    query, gallery = _labelled(data, 1000)
    assert {s.person for s in query} <= {s.person for s in gallery}
    fewer, _ = _labelled(data, 1)
    assert len({s.person for s in fewer}) == 1 and len(query) > len(fewer)


@pytest.mark.parametrize("trunk", ["efficientnet-lite0", "timm:test_vit"])
@pytest.mark.slow
def test_encoders_on_other_trunks_are_exported_too(trunk):
    encoder = IdentityEncoder(Architecture(trunk=trunk, height=64, width=32))
    initialise(encoder, torch.Generator().manual_seed(0))
    network, pictures = forms.EncoderFor(encoder, forms.PLAIN, 64, 32), forms.check_pictures(3, 64, 32)
    content, difference = onnx_file.onnx_bytes(network, pictures, forms.PLAIN, {})
    assert len(content) > 0 and difference <= onnx_file.TOLERANCE
