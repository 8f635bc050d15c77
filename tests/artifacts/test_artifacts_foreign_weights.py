import ast
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import gcl_cli
from gcl_cli.artifacts.foreign_weights import made_here, read_tensors
from gcl_cli.errors import GclError


class Evil:
    """What a hostile checkpoint looks like: unpickling it runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class Evaluated(Evil):
    def __reduce__(self):
        return eval, (f"__import__('os').system({self.command!r})",)


@pytest.mark.parametrize("kind", [Evil, Evaluated])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["weights.pth", "model_best.pth.tar", "pytorch_model.bin"])
def test_code_in_a_weight_file_is_refused_and_never_runs(tmp_path, kind, zipped, name):
    trace = tmp_path / "trace"
    content = {"state_dict": {"conv1.weight": torch.ones(2)}, "extra": kind(f"touch {trace}")}
    torch.save(content, tmp_path / name, _use_new_zipfile_serialization=zipped)
    with pytest.raises(GclError, match="not executed") as caught:
        read_tensors(tmp_path / name)
    assert not trace.exists()
    assert "torch.save(model.state_dict()" in caught.value.fix and "weights_only" not in str(caught.value)
    torch.load(tmp_path / name, weights_only=False)  # the trap would have worked
    assert trace.exists()


def test_a_pickled_module_is_refused_and_the_fix_writes_its_tensors(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pth")
    with pytest.raises(GclError, match=r"torch\.nn\.modules\.linear\.Linear") as caught:
        read_tensors(tmp_path / "whole.pth")
    assert "state_dict()" in caught.value.fix


@pytest.mark.filterwarnings("ignore")
def test_a_compiled_program_is_refused(tmp_path):
    torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "script.pt"))
    with pytest.raises(GclError, match="compiled program"):
        read_tensors(tmp_path / "script.pt")


def test_a_page_of_the_web_is_named_as_one(tmp_path):
    (tmp_path / "weights.pth").write_text("\n<!DOCTYPE html><html>Sign in to download</html>")
    with pytest.raises(GclError, match="it is a web page") as caught:
        read_tensors(tmp_path / "weights.pth")
    assert "Fetch" in caught.value.fix


@pytest.mark.parametrize("kept", [0, 1, 30, 400, -6])
@pytest.mark.parametrize("form", ["zipped", "legacy", "safetensors"])
def test_half_a_file_is_refused(tmp_path, form, kept):
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth")
    if form == "safetensors":
        save_file({"x": torch.ones(500)}, path)
    else:
        torch.save({"x": torch.ones(500)}, path, _use_new_zipfile_serialization=form == "zipped")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(GclError, match="cannot be read as weights"):
        read_tensors(path)


@pytest.mark.parametrize("name", ["objects.npz", "objects.pth", "objects.bin"])
def test_objects_of_numpy_are_refused(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        np.savez(file, weights=np.array([{"a": 1}, Evil(f"touch {tmp_path}/trace")], dtype=object))
    with pytest.raises(GclError, match=r"no weight file by its name|cannot be read as weights"):
        read_tensors(tmp_path / name)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "content", [{}, {"epoch": 3}, torch.ones(3), [torch.ones(3)], {"optimizer": {"m": torch.ones(1)}}]
)
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "none.pth")
    with pytest.raises(GclError, match="holds no tensors by name"):
        read_tensors(tmp_path / "none.pth")


def test_nested_dictionaries_become_dotted_names_in_the_file_s_order_without_the_optimizer(tmp_path):
    content = {
        "state_dict": {"z.weight": nn.Parameter(torch.ones(2)), "a": torch.zeros(1, dtype=torch.float16)},
        "net": {"encoder": {0: torch.arange(3)}},
        "optimizer_state": {"state": {0: {"exp_avg": torch.ones(9)}}},
        "best_mAP": np.float64(0.5), "epoch": np.int64(3), "history": np.ones(4), "sparse": torch.eye(2).to_sparse(),
    }  # fmt: skip
    torch.save(content, tmp_path / "w.pth.tar")
    found = read_tensors(tmp_path / "w.pth.tar")
    assert list(found) == ["state_dict.z.weight", "state_dict.a", "net.encoder.0"]
    assert not found["state_dict.z.weight"].requires_grad and found["net.encoder.0"].tolist() == [0, 1, 2]


def test_a_dictionary_that_holds_itself_ends(tmp_path):
    loop = {"w": torch.ones(1)}
    loop["again"] = loop
    torch.save(loop, tmp_path / "loop.pth")
    assert set(read_tensors(tmp_path / "loop.pth")) >= {"w"}


@pytest.mark.parametrize(
    "name", ["model.pth.tar-60", "osnet_x1_0_market", "best.model", "a.safetensors", "a.pth.tar.1"]
)
@pytest.mark.parametrize("old_form", [False, True])
def test_what_a_weight_file_is_its_content_says_not_its_name(tmp_path, name, old_form):
    tensors = {"state_dict": {"conv1.weight": torch.ones(2)}, "epoch": 60}
    torch.save(tensors, tmp_path / name, _use_new_zipfile_serialization=not old_form)
    assert read_tensors(tmp_path / name)["state_dict.conv1.weight"].tolist() == [1, 1]
    assert not made_here(tmp_path / name)
    save_file({"x": torch.zeros(3)}, tmp_path / name, metadata={"architecture": "{}"})
    assert read_tensors(tmp_path / name)["x"].tolist() == [0, 0, 0] and made_here(tmp_path / name)
    (tmp_path / name).write_bytes(b"<!doctype html>")
    with pytest.raises(GclError, match="cannot be read as weights"):
        read_tensors(tmp_path / name)


def test_safetensors_are_read_and_ours_are_told_from_others(tmp_path):
    save_file({"conv1.weight": torch.ones(2)}, tmp_path / "timm.safetensors")
    save_file({"x": torch.ones(2)}, tmp_path / "gcl.safetensors", metadata={"architecture": "{}"})
    assert read_tensors(tmp_path / "timm.safetensors")["conv1.weight"].tolist() == [1, 1]
    assert not made_here(tmp_path / "timm.safetensors") and made_here(tmp_path / "gcl.safetensors")
    torch.save({"x": torch.ones(2)}, tmp_path / "any.safetensors.pth")
    assert not made_here(tmp_path / "any.safetensors.pth")


@pytest.mark.parametrize("name", ["weights", "model.v2", "w.PTH", "iter.pth.20240101", "w.safetensors"])
def test_a_file_is_read_by_what_it_is_whatever_it_is_called(tmp_path, name):
    for zipped in (True, False):
        torch.save({"conv1.weight": torch.ones(2)}, tmp_path / name, _use_new_zipfile_serialization=zipped)
        assert read_tensors(tmp_path / name)["conv1.weight"].tolist() == [1, 1]
    save_file({"x": torch.ones(2)}, tmp_path / name, metadata={"architecture": "{}"})
    assert read_tensors(tmp_path / name)["x"].tolist() == [1, 1] and made_here(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "pointer of Git LFS"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"), (b"\x08\x07\x12\x07pytorch" + bytes(99), "ONNX"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "a picture"), (b"\x1f\x8b" + bytes(99), "compressed"), (b"", "no whole file"),
    ],
)  # fmt: skip
def test_other_files_are_named_for_what_they_are(tmp_path, content, what):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(GclError, match=what):
        read_tensors(tmp_path / "weights.pth")


def test_a_folder_is_no_weight_file(tmp_path):
    with pytest.raises(GclError, match="is a folder"):
        read_tensors(tmp_path)


def test_torch_load_stands_in_one_place_and_only_for_weights():
    root, found = Path(gcl_cli.__file__).parent, []
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
                found.append(path.name)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert "weights_only=True" in [ast.unparse(keyword) for keyword in node.keywords]
    assert found == ["foreign_weights.py"]
