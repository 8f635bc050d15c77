"""What messages tell to type can be typed: every command, option and setting that a GclError names is there."""

import ast
import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18
from typer.main import get_command

import gcl_cli
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.cli import app
from gcl_cli.commands.gan_warmup.starting_gan import gan_digests
from gcl_cli.config.stages import STAGE_SETTINGS
from gcl_cli.errors import GclError
from gcl_cli.weights.starting_weights import open_encoder, read_start

# Options of torchrun and pip.
OTHERS = {
    "--help",
    "--force-reinstall",
    "--no-deps",
    "--nproc-per-node",
    "--rdzv-endpoint",
    "--upgrade",
}
COMMANDS = get_command(app).commands
SETTINGS = {name for model in STAGE_SETTINGS.values() for name in model.model_fields}


@cache
def remedies() -> list[tuple[str, str]]:
    """(file, text) of the second argument of every GclError; what is filled in stands as X."""
    found = []
    for path in Path(gcl_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("GclError", "note", "problem") and node.args:
                found += [(path.name, _text(argument)) for argument in node.args[1:]]
    return found


def _text(node: ast.AST) -> str:
    """The text of a literal, however it is put together."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.BinOp | ast.IfExp | ast.BoolOp):
        return " ".join(_text(part) for part in ast.iter_child_nodes(node))
    return "X"


def options_of(name: str) -> set[str]:
    return {word for parameter in COMMANDS[name].params for word in (*parameter.opts, *parameter.secondary_opts)}


def test_there_are_remedies_to_look_at():
    assert len(remedies()) > 150


def test_every_option_that_a_message_names_is_one():
    known = OTHERS.union(*map(options_of, COMMANDS))
    for file, text in remedies():
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text):
            assert option in known, (file, text)


def test_every_setting_that_a_message_names_is_one():
    for file, text in remedies():
        for key in re.findall(r"--set (?:[a-z-]+\.)?([a-z_]+)=", text):
            assert key in SETTINGS, (file, text)


def test_every_command_that_a_message_names_has_the_options_that_follow_it():
    seen = 0
    for file, text in remedies():
        for command, rest in re.findall(r"\bgcl ([a-z][a-z-]+)((?: [^;:,()]*)?)", text):
            if command not in COMMANDS:
                continue
            seen += 1
            rest = re.split(r"\bgcl\b|\. |\bor\b|\band\b", rest)[0]
            for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", rest):
                assert option in options_of(command), (file, text)
    assert seen > 20


@pytest.fixture
def moco(tmp_path):
    """A file of two encoders, as contrastive learners leave it."""
    torch.manual_seed(0)
    one = {name: tensor for name, tensor in resnet18().state_dict().items() if not name.startswith("fc")}
    both = {f"module.encoder_q.{name}": tensor for name, tensor in one.items()}
    both |= {f"module.encoder_k.{name}": tensor * 2 for name, tensor in one.items()}
    torch.save({"state_dict": both, "epoch": 200, "arch": "resnet18"}, tmp_path / "moco v2.pth")
    return tmp_path / "moco v2.pth"


def test_of_two_encoders_the_one_that_the_message_names_is_taken(moco, tmp_path):
    work = WorkFolder(tmp_path / "work")
    with pytest.raises(GclError, match="holds 2 encoders") as caught:
        read_start(work, str(moco))
    words = shlex.split(caught.value.fix)  # as a shell reads it
    typed = [word for before, word in pairwise(words) if before == "--init"]
    assert len(typed) == 2
    tensors = [read_start(work, one).tensors["trunk.conv1.weight"] for one in typed]
    assert not torch.equal(*tensors)
    assert len({read_start(work, one).inputs["init"] for one in typed}) == 2


def test_a_file_given_as_an_artifact_is_taken_as_the_message_says(moco, tmp_path):
    work = WorkFolder(tmp_path / "work")
    part = f"{moco}::state_dict.module.encoder_q"
    with pytest.raises(GclError, match="is a file") as caught:
        open_encoder(work, encoder=part, init=None, stages=("warmup",))
    words = shlex.split(caught.value.fix)
    assert open_encoder(work, encoder=None, init=words[words.index("--init") + 1], stages=()).reference == part


def test_a_missing_file_is_told_by_both_options(tmp_path):
    with pytest.raises(GclError, match="there is no such file"):
        gan_digests([str(tmp_path / "none.pth")])
    with pytest.raises(GclError, match="there is no such file"):
        read_start(WorkFolder(tmp_path), "~/none.pth")
