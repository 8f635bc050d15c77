"""The commands as Python functions."""

import inspect
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import gcl_cli
from gcl_cli import GclError, api
from gcl_cli.cli import app
from gcl_cli.commands.cluster import command as cluster_stage
from gcl_cli.commands.joint import command as joint_stage
from gcl_cli.commands.search import command as search_stage

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = get_command(app).commands


@pytest.mark.parametrize("command", COMMANDS)
def test_a_function_has_the_arguments_and_options_of_its_command(command):
    typed = set()
    for parameter in COMMANDS[command].params:
        word = max(parameter.opts, key=len).lstrip("-").replace("-", "_")
        typed.add(parameter.name if parameter.param_type_name == "argument" else word)
    function = getattr(api, command.replace("-", "_"))
    signature = inspect.signature(function)
    assert {name.rstrip("_") for name in signature.parameters} == typed - {"help", "json"}
    assert function.__doc__ == inspect.getdoc(COMMANDS[command].callback)
    assert function.__name__ in dir(api)
    for name, parameter in signature.parameters.items():
        assert (parameter.kind is parameter.KEYWORD_ONLY) == (name not in positional(command))


def positional(command: str) -> set[str]:
    return {p.name for p in COMMANDS[command].params if p.param_type_name == "argument"}


def test_the_package_and_its_api_import_nothing_heavy():
    code = (
        "import sys, gcl_cli\nfrom gcl_cli import GclError, api\nfrom gcl_cli.api import joint, mesh, synth\n"
        "print([m for m in ('torch', 'numpy', 'PIL', 'scipy', 'rich.console') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "[]", ran.stdout + ran.stderr


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What commands hand to their stages, instead of running them; in an empty folder."""
    seen = []

    def record(*arguments, **keywords):
        seen.append((arguments, keywords))
        return {"figures": len(seen)}

    for stage in (joint_stage, cluster_stage, search_stage):
        monkeypatch.setattr(stage, "run", record)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GCL_WORK", raising=False)
    return seen


def test_python_values_mean_what_their_texts_mean(calls, capfd):
    words = (
        "joint --epochs 3 --radius none --losses gan,vi --no-camera-aware --threads 2 --restart "
        "--set temperature=0.25 --set decay_at=0.5,0.75 --set exclude_self=false --work w"
    )
    assert CliRunner().invoke(app, words.split()).exit_code == 0
    result = api.joint(
        epochs=3, radius=None, losses=("gan", "vi"), camera_aware=False, threads=2, restart=True, init=None,
        set={"temperature": 0.25, "decay_at": (0.5, 0.75), "exclude_self": False}, work=Path("w"), iterations=...,
    )  # fmt: skip
    assert calls[0] == calls[1] and result == {"figures": 2}
    assert capfd.readouterr().out == ""


def test_arguments_are_positional_and_may_begin_with_a_dash(calls):
    api.search("crops", ["a.jpg", "-b.jpg"], from_behind=True, top=3)
    api.search(gallery="crops", image="a.jpg")
    (_, gallery, images, to, chosen), _ = calls[0]
    assert (gallery, images, to, chosen) == ("crops", ["a.jpg", "-b.jpg"], "search", {"top": 3, "angle": 180})
    assert calls[1][0][2] == ["a.jpg"] and calls[1][0][4] == {}


def test_the_environment_counts_as_on_the_command_line(calls, monkeypatch):
    monkeypatch.setenv("GCL_WORK", "elsewhere")
    api.cluster()
    assert calls[0][0][0].work == "elsewhere"


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ({"epochs": 0}, "epochs: .* at least 1"),
        ({"epochs": None}, "epochs: .*found none"),
        ({"threads": 0}, "threads"),
        ({"set": {"nope": 1}}, "nope is no setting of gcl joint"),
        ({"restart": "yes"}, "--restart is True or False"),
        ({"set": ["temperature"]}, "the value is missing"),
    ],
)
def test_what_a_user_can_mend_is_raised_and_not_printed(calls, capfd, named, problem):
    with pytest.raises(GclError, match=problem) as raised:
        api.joint(**named)
    assert raised.value.fix and calls == []
    assert capfd.readouterr() == ("", "")


def test_a_wrong_name_is_an_error_of_python(calls):
    with pytest.raises(TypeError, match="epoch"):
        api.joint(epoch=3)
    with pytest.raises(TypeError, match="gallery"):
        api.search()
    with pytest.raises(AttributeError, match="no command 'jiont'"):
        _ = api.jiont
    with pytest.raises(ImportError):
        from gcl_cli.api import jiont  # noqa: F401


def test_an_interruption_and_a_bug_stay_what_they_are(calls, monkeypatch):
    for kind in (KeyboardInterrupt, ZeroDivisionError):

        def broken(*_, kind=kind, **__):
            raise kind

        monkeypatch.setattr(cluster_stage, "run", broken)
        with pytest.raises(kind):
            api.cluster()


def test_two_commands_from_files_to_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GCL_WORK", raising=False)
    made = api.synth("people", ids=2, cameras=2, images=2, distractors=0, threads=1)
    assert made and (tmp_path / "people" / "bounding_box_train").is_dir()
    found = api.mesh(tmp_path / "people", splits=("train",), threads=1, set={"sheet": 0})
    assert sum(found["status"]["train"].values()) == 4
    assert found == json.loads((tmp_path / "work" / "mesh" / "main" / "manifest.json").read_text())["result"]
    with pytest.raises(GclError, match="other settings"):
        api.mesh(splits=("query",), threads=1)


def test_the_package_says_that_it_is_typed():
    assert (Path(gcl_cli.__file__).parent / "py.typed").exists()
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert "py.typed" in data["gcl_cli"]
    assert issubclass(gcl_cli.GclError, Exception) and gcl_cli.__version__
