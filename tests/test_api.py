"""The commands as Python functions."""

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from types import EllipsisType
from typing import Any, Literal, get_args, get_origin

import pytest
from mypy import api as mypy
from typer.main import get_command
from typer.testing import CliRunner

import gcl_cli
from gcl_cli import GclError, api
from gcl_cli.cli import app
from gcl_cli.config.setting import typed_text
from gcl_cli.config.stages import STAGE_SETTINGS

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = get_command(app).commands
OF_THE_ENVIRONMENT = {"work": "GCL_WORK", "data_root": "GCL_DATA"}


def function_of(command: str) -> Any:
    return getattr(api, command.replace("-", "_"))


def typed_parameters(command: str) -> dict[str, Any]:
    """What is typed for a command, by the name that Python gives it."""
    found = {}
    for parameter in COMMANDS[command].params:
        word = max(parameter.opts, key=len).lstrip("-").replace("-", "_")
        name = parameter.name if parameter.param_type_name == "argument" else word
        found["from_" if name == "from" else name] = parameter
    return {name: parameter for name, parameter in found.items() if name not in ("help", "json")}


def settings_of(command: str) -> dict[str, Any]:
    return getattr(COMMANDS[command].callback, "settings", {})


def test_every_command_is_a_function():
    assert set(api.__all__) == {name.replace("-", "_") for name in COMMANDS} | {"GclError"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_function_has_the_arguments_and_options_of_its_command(command):
    function, typed = function_of(command), typed_parameters(command)
    parameters = inspect.signature(function).parameters
    assert parameters.keys() == typed.keys()
    said, shown = function.__doc__, inspect.getdoc(COMMANDS[command].callback)
    assert re.split("[.;]", said)[0] == re.split("[.;]", shown)[0]
    for name, parameter in parameters.items():
        positional = typed[name].param_type_name == "argument"
        assert (parameter.kind is parameter.KEYWORD_ONLY) == (not positional)
        assert (parameter.default is parameter.empty) == (positional and typed[name].required)
        if name in settings_of(command):
            assert parameter.default is ...
        elif name in OF_THE_ENVIRONMENT:
            assert parameter.default is None and typed[name].envvar == OF_THE_ENVIRONMENT[name]
        elif parameter.default is not parameter.empty:
            assert parameter.default == typed[name].default


@pytest.mark.parametrize("command", COMMANDS)
def test_the_types_of_a_function_are_those_of_its_command(command):
    own = inspect.signature(COMMANDS[command].callback).parameters
    for name, parameter in inspect.signature(function_of(command)).parameters.items():
        option = typed_parameters(command)[name]
        if name in settings_of(command):
            assert alternatives(parameter.annotation) == alternatives(settings_of(command)[name].annotation)
            assert EllipsisType in get_args(parameter.annotation)
        elif name not in OF_THE_ENVIRONMENT and option.nargs != -1 and not option.multiple:
            assert alternatives(parameter.annotation) == alternatives(get_args(own[option.name].annotation)[0])


def alternatives(annotation: Any) -> set[Any]:
    """What a value may be; a path is as good as its text, and any sequence as good as a tuple."""
    if get_origin(annotation) is tuple:
        return {Sequence[get_args(annotation)[0]]}
    union = not isinstance(annotation, type) and get_origin(annotation) not in (Sequence, Literal)
    found = set(get_args(annotation)) if union else {annotation}
    return found - {PathLike[str], EllipsisType}


def test_the_package_and_its_api_import_nothing_heavy():
    code = (
        "import sys, gcl_cli\nfrom gcl_cli import GclError, api\nfrom gcl_cli.api import joint, mesh, synth\n"
        "print([m for m in ('torch', 'numpy', 'PIL', 'scipy', 'rich.console') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "[]", ran.stdout + ran.stderr


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What commands hand to their pages, instead of running them; in an empty folder."""
    seen = []

    def record(*arguments, **keywords):
        seen.append((arguments, keywords))
        return {"figures": len(seen), "problems": 0, "leftovers": [], "bytes": 0}

    for command in COMMANDS:
        monkeypatch.setattr(page_of(command), "run", record)
    monkeypatch.setattr(page_of("gen-metrics"), "run_folders", record)
    monkeypatch.chdir(tmp_path)
    for variable in OF_THE_ENVIRONMENT.values():
        monkeypatch.delenv(variable, raising=False)
    return seen


def page_of(command: str) -> Any:
    page = importlib.import_module(f"gcl_cli.commands.{command.replace('-', '_')}")
    return importlib.import_module(f"{page.__name__}.command") if hasattr(page, "__path__") else page


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("everything", [False, True])
def test_a_function_does_what_its_command_does(command, everything, calls, capfd):
    words, arguments, named = [], [], {}
    for name, parameter in typed_parameters(command).items():
        value = some_value(command, name, parameter)
        if parameter.param_type_name == "argument":
            if everything or parameter.required:
                arguments += value if isinstance(value, list) else [value]
                named[name] = value
        elif everything:
            named[name] = value
            words += as_typed(parameter, value)
    ran = CliRunner().invoke(app, [command, *words, *arguments])
    assert ran.exit_code == 0, ran.output
    capfd.readouterr()
    result = function_of(command)(**named)
    assert len(calls) == 2 and calls[0] == calls[1]
    assert result["figures"] == 2 and capfd.readouterr() == ("", "")


def some_value(command: str, name: str, parameter: Any) -> Any:
    """A value of a parameter that differs from its default where it can."""
    if name == "set":
        return {"joint.epochs": 3} if command == "run" else unnamed_setting(command)
    if parameter.nargs == -1 or getattr(parameter, "multiple", False):
        return ["a", "b"]
    setting = settings_of(command).get(name)
    default = setting.default if setting else None
    typed = inspect.signature(COMMANDS[command].callback).parameters[parameter.name].annotation
    kinds = alternatives(setting.annotation if setting else get_args(typed)[0])
    for kind in kinds:
        if get_origin(kind) is Literal:
            return get_args(kind)[0 if name == "method" else -1]  # other methods lack settings that are options
    if bool in kinds:
        return not default
    return default if default is not None else 180 if int in kinds else 0.5 if float in kinds else "a"


def unnamed_setting(command: str) -> dict[str, Any]:
    """A setting without an option of its own, or any where there is none, with its default."""
    fields = STAGE_SETTINGS[command].model_fields
    name = next((name for name in fields if name not in settings_of(command)), next(iter(fields)))
    return {name: fields[name].default}


def as_typed(option: Any, value: Any) -> list[str]:
    word = max(option.opts, key=len)
    if isinstance(value, bool):
        return [word if value else option.secondary_opts[0]]
    if isinstance(value, dict):
        return [f"{word}={name}={typed_text(item)}" for name, item in value.items()]
    return [f"{word}={typed_text(item)}" for item in (value if isinstance(value, list) else [value])]


def test_python_values_mean_what_their_texts_mean(calls):
    words = (
        "joint --epochs 3 --radius none --losses gan,vi --no-camera-aware --threads 2 --restart "
        "--set temperature=0.25 --set decay_at=0.5,0.75 --set exclude_self=false --work w"
    )
    assert CliRunner().invoke(app, words.split()).exit_code == 0
    api.joint(
        epochs=3, radius=None, losses=("gan", "vi"), camera_aware=False, threads=2, restart=True, init=None,
        set={"temperature": 0.25, "decay-at": [0.5, 0.75], "exclude_self": False}, work=Path("w"), iterations=...,
    )  # fmt: skip
    assert calls[0] == calls[1]
    assert CliRunner().invoke(app, ["mesh", "d", "--meshes", "m", "--splits", "query,train"]).exit_code == 0
    api.mesh(Path("d"), meshes=Path("m"), splits=["query", "train"])
    assert calls[2] == calls[3]


def test_arguments_are_positional_and_may_begin_with_a_dash(calls):
    api.search("crops", ["a.jpg", "-b.jpg"], from_behind=True, top=3)
    api.search(gallery="crops", image="a.jpg")
    (_, gallery, images, to, chosen), _ = calls[0]
    assert (gallery, images, to, chosen) == ("crops", ["a.jpg", "-b.jpg"], "search", {"top": 3, "angle": 180})
    assert calls[1][0][2] == ["a.jpg"] and calls[1][0][4] == {}


def test_the_environment_counts_as_on_the_command_line(calls, monkeypatch):
    monkeypatch.setenv("GCL_WORK", "elsewhere")
    monkeypatch.setenv("GCL_DATA", "sets")
    api.cluster()
    api.cluster(work="here", data_root="there")
    assert [(options.work, options.data_root) for (options, *_), _ in calls] == [
        ("elsewhere", "sets"),
        ("here", "there"),
    ]


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ({"epochs": 0}, "epochs: must be at least 1"),
        ({"epochs": None}, "epochs: .*found none"),
        ({"threads": 0}, "threads: must be at least 1"),
        ({"threads": "two"}, "threads: must be a whole number"),
        ({"set": {"nope": 1}}, "nope is no setting of gcl joint"),
        ({"set": ["temperature"]}, "set: must be a dict"),
        ({"set": {"temperature": -1}}, "temperature: must be greater than 0"),
        ({"restart": "yes"}, "restart: must be true or false"),
        ({"parity": "refrence"}, "parity: must be 'none' or 'reference'"),
        ({"work": 3}, "work: must be a text"),
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
    with pytest.raises(AttributeError, match="jiont"):
        _ = api.jiont


def test_a_setting_of_another_method_and_a_step_that_there_is_not_are_told(calls):
    with pytest.raises(GclError, match="--clustering means nothing to this method of gcl warmup"):
        api.warmup("d", method="mmcl", clustering="dbscan")
    with pytest.raises(GclError, match="jiont is no step"):
        api.run("d", set={"jiont.epochs": 3})
    with pytest.raises(GclError, match="epochs: must be at least 1"):
        api.run("d", set={"joint.epochs": 0})
    assert calls == []


CALLS = {  # what a user writes -> what a type checker says of it
    "reveal_type(api.joint(epochs=3, radius=None, losses=['gan'], set={'k1': 9}, work=Path('w')))": r"dict\[str, Any\]",
    "api.joint(epochs='x')": '"epochs" to "joint" has incompatible type "str"',
    "api.joint(epoch=3)": 'Unexpected keyword argument "epoch"',
    "api.mesh(splits=['trian'])": "'trian'",
    "api.search()": 'Missing positional arguments "gallery", "image"',
    "api.jiont()": 'has no attribute "jiont"',
}


def test_a_type_checker_knows_what_a_function_takes_and_returns(tmp_path):
    file = tmp_path / "calls.py"
    file.write_text("\n".join(["from pathlib import Path", "from gcl_cli import api", *CALLS]))
    sources = [str(path) for path in (*(ROOT / "gcl_cli" / "api").glob("*.py"), file)]
    told = mypy.run(["--config-file=", f"--cache-dir={os.devnull}", "--follow-imports=skip", *sources])[0]
    said = re.findall(r"calls\.py:(\d+): (?:error|note): (?!.* defined in )(.*)", told)
    for (number, line), (at, expected) in zip(said, enumerate(CALLS.values(), 3), strict=True):
        assert int(number) == at and re.search(expected, line), told


def test_an_interruption_and_a_bug_stay_what_they_are(calls, monkeypatch):
    for kind in (KeyboardInterrupt, ZeroDivisionError):

        def broken(*_, kind=kind, **__):
            raise kind

        monkeypatch.setattr(page_of("cluster"), "run", broken)
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
