"""A config model -> Typer options: the only reflection in the project."""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import typer
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from gcl_cli.cli import completion
from gcl_cli.cli.failures import errors_told
from gcl_cli.config import Settings
from gcl_cli.config.presets import PRESETS
from gcl_cli.config.setting import refused, typed_text
from gcl_cli.config.stages import STAGE_SETTINGS
from gcl_cli.errors import GclError, did_you_mean

Data = Annotated[str | None, typer.Argument(metavar="DATA", help="folder of person crops, or the name of a data set")]
Preset = Annotated[Literal["paper", "small", "tiny"], typer.Option(help="size of networks and schedules")]
_ENCODERS = completion.of_artifacts(("joint", "warmup"))
_SHIPPED_TOO = completion.of_artifacts(("joint", "gan-warmup"), "shipped")
Encoder = Annotated[
    str | None,
    typer.Option(metavar="STAGE[/NAME]", autocompletion=_ENCODERS, help="whose encoder to use [default: the latest]"),
]
Init = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME", autocompletion=lambda: list(completion.WEIGHTS),
        help="encoder from a weight file, imagenet or imagenet-v2 instead",
    ),
]  # fmt: skip
InitGan = Annotated[
    list[str] | None, typer.Option(metavar="FILE", help="weight file of generator or discriminator to start from")
]


def _generator(unnamed: str) -> Any:
    return typer.Option(
        "--generator", metavar="STAGE[/NAME]", autocompletion=_SHIPPED_TOO,
        help=f"whose, or shipped: gcl's own [default: {unnamed}]",
    )  # fmt: skip


MeasuredGenerator = Annotated[str | None, _generator("the latest")]
ViewGenerator = Annotated[str | None, _generator("shipped")]
Method = Annotated[
    Literal["cluster-contrast", "jvtc", "mmcl", "act", "supervised"],
    typer.Option(help="how the encoder learns; options show cluster-contrast's defaults"),
]
Parity = Annotated[
    Literal["none", "reference"],
    typer.Option(help="settings that reproduce where GCL's published code left its paper; for --preset paper"),
]
Source = Annotated[str | None, typer.Option(metavar="DATA", help="labelled data set to learn from first")]
Validation = Annotated[
    str | None, typer.Option(metavar="DATA", help="labelled pictures of other people, which then select the epoch")
]
CamStyle = Annotated[
    str | None, typer.Option(metavar="DIR", help="camera-styled pictures, for jvtc, mmcl [default: augmented copies]")
]
Board = Annotated[bool, typer.Option("--tensorboard", help="show the training in TensorBoard too")]
AllowSubset = Annotated[
    bool, typer.Option("--allow-subset", help="take a data set as it is: other counts, pictures left out as unclear")
]
CameraFrom = Annotated[
    str | None,
    typer.Option(metavar="folder|REGEX|none", help="what of a picture's path is its camera [default: its name says]"),
]
PersonFrom = Annotated[
    str | None, typer.Option(metavar="folder|REGEX", help="the same of the person, where one must be known")
]
AsJson = Annotated[
    bool | None,
    typer.Option("--json/--table", help="how to print the result [default: tables on a terminal, JSON elsewhere]"),
]
_RUN: dict[str, Any] = {
    "work": (Annotated[str, typer.Option(envvar="GCL_WORK", metavar="DIR", help="work folder")], "work"),
    "name": (Annotated[str, typer.Option(metavar="NAME", help="name of what is written, among its kind")], "main"),
    "restart": (
        Annotated[bool, typer.Option("--restart", help="drop what an earlier run left under this name")],
        False,
    ),
    "data_root": (
        Annotated[str, typer.Option(envvar="GCL_DATA", metavar="DIR", help="where data set names lie")],
        "data",
    ),
    "device": (Annotated[str, typer.Option(metavar="auto|cpu|cuda|...", help="device of the networks")], "auto"),
    "threads": (
        Annotated[
            int | None, typer.Option(min=1, metavar="INTEGER", help="CPU threads or processes [default: all cores]")
        ],
        None,
    ),
}


def with_settings(
    stage: str,
    model: type[Settings],
    *,
    without: tuple[str, ...] = (),
    methods: Mapping[str, type[Settings]] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `model`, `--set`, and the ones that all commands share.

    The command receives them as `chosen` (only what the user set, validated by the stage) and `run` (a dict of
    session.Session). A GclError ends it with two lines and exit code 2.
    without: shared options that make no sense for this command.
    methods: for a command with an argument `method`, the settings of each; `model` is then the one whose options and
    defaults are shown.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        fields = {name: info for name, info in model.model_fields.items() if _extra(info).get("option")}
        shared = {name: pair for name, pair in _RUN.items() if name not in without}

        @functools.wraps(command)
        def wrapper(**values: Any) -> None:
            chosen = {name: value for name in fields if (value := values.pop(name)) is not None}
            run = {name: values.pop(name) for name in shared}
            more = values.pop("set_more") or []
            checked = methods[values["method"]] if methods else model
            with errors_told(stage, folders=_written(values | run)):
                command(**values, chosen=validated(stage, checked, chosen, more), run=run)

        own = [p for p in inspect.signature(command).parameters.values() if p.name not in ("chosen", "run")]
        options = [_parameter(name, _annotation(stage, name, info), None) for name, info in fields.items()]
        options += [_parameter("set_more", _set_more([stage, *(f"{stage}-{name}" for name in methods or ())]), None)]
        options += [_parameter(name, annotation, default) for name, (annotation, default) in shared.items()]
        wrapper.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        wrapper.settings = fields  # type: ignore[attr-defined]
        return wrapper

    return decorate


def with_shared(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command that has no settings of its own some of the shared options, as `run`; errors as above."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(**values: Any) -> None:
            run = {name: values.pop(name) for name in names}
            with errors_told(command.__name__, folders=_written(values | run)):
                command(**values, run=run)

        own = [p for p in inspect.signature(command).parameters.values() if p.name != "run"]
        options = [_parameter(name, *_RUN[name]) for name in names]
        wrapper.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _written(values: Mapping[str, Any]) -> list[str]:
    """Where a command writes."""
    return [str(values[name]) for name in ("work", "to", "folder") if values.get(name)]


def validated(stage: str, model: type[Settings], chosen: dict[str, Any], more: Sequence[str] = ()) -> dict[str, Any]:
    """What the user chose, by option or `--set`, in the types of `model`; GclError for an unknown name or bad value."""
    for name in chosen.keys() - model.model_fields.keys():
        raise GclError(f"--{name.replace('_', '-')} means nothing to this method of gcl {stage}.", "Leave it out.")
    for pair in more:
        name, equals, text = pair.partition("=")
        name = setting_named(stage, model, name)
        if not equals:
            raise GclError(f"--set {pair}: the value is missing.", f"Write --set {name}=VALUE")
        chosen[name] = text
    return {name: _typed(stage, model, name, value) for name, value in chosen.items()}


def setting_named(stage: str, model: type[Settings], said: str) -> str:
    """The name of a setting, as `model` has it; GclError where it has none of that name."""
    name = said.strip().replace("-", "_")
    if name not in model.model_fields:
        alike = did_you_mean(name, model.model_fields)
        raise GclError(f"{name} is no setting of gcl {stage}.", f"{alike} All of them: gcl config {stage}".strip())
    return name


def _typed(stage: str, model: type[Settings], name: str, value: Any) -> Any:
    """One setting in its own type and within its limits; how settings go together is known where the preset is."""
    info = model.model_fields[name]
    kind: Any = Annotated[info.annotation, info]
    reads: TypeAdapter[Any] = TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))
    try:
        return reads.validate_python(_value(value, info))
    except ValidationError as error:
        raise refused(error, stage, {name: value}, name=name) from error


def validated_by_stage(pairs: list[str], stages: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What `--set STAGE.KEY=VALUE` chooses for each stage; GclError for an unknown stage or name, or a bad value."""
    by_stage: dict[str, list[str]] = {}
    for pair in pairs:
        stage, setting = in_stage(pair, stages)
        by_stage.setdefault(stage, []).append(setting)
    return {stage: validated(stage, STAGE_SETTINGS[stage], {}, settings) for stage, settings in by_stage.items()}


def in_stage(said: str, stages: tuple[str, ...]) -> tuple[str, str]:
    """The stage of `STAGE.KEY...` and what follows the dot; GclError for an unknown stage."""
    stage, dot, setting = said.partition(".")
    known = f"Write STAGE.KEY=VALUE; stages: {', '.join(stages)}"
    if not dot:
        raise GclError(f"--set {said}: the stage is missing.", known)
    if stage not in stages:
        raise GclError(f"--set {said}: {stage} is no step.", f"{did_you_mean(stage, stages)} {known}".strip())
    return stage, setting


def _extra(info: FieldInfo) -> dict[str, Any]:
    extra = info.json_schema_extra
    return extra if isinstance(extra, dict) else {}


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _annotation(stage: str, name: str, info: FieldInfo) -> Any:
    """The Typer annotation of one field: unset is None, so that a preset's value can stand in."""
    option = "--" + name.replace("_", "-")
    text = f"{info.description} {_default(stage, name, info)}"
    if info.annotation is bool:
        return Annotated[bool | None, typer.Option(f"{option}/--no-{option[2:]}", help=text)]
    more = (*completion.WEIGHTS, "none") if name == "init" else ()
    complete, metavar = completion.of_values(info.annotation, *more), _metavar(info.annotation)
    return Annotated[str | None, typer.Option(option, metavar=metavar, autocompletion=complete, help=text)]


def _set_more(stages: Sequence[str]) -> Any:
    complete = completion.of_settings(one for one in stages if one in STAGE_SETTINGS)
    words = "any other setting (repeatable)"
    return Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", autocompletion=complete, help=words)]


def _default(stage: str, name: str, info: FieldInfo) -> str:
    """`[default: 20; tiny: 6] (paper 4.1)`."""
    shown = [f"default: {typed_text(info.default)}"]
    for preset, stages in PRESETS.items():
        value = stages.get(stage, {}).get(name, info.default)
        if value != info.default:
            shown.append(f"{preset}: {typed_text(value)}")
    place = _extra(info).get("paper")
    return f"[{'; '.join(shown)}]" + (f" (paper {place})" if place else "")


def _metavar(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "|".join(map(str, arguments))
    if origin is tuple:
        return f"{_metavar(arguments[0])},..."
    if origin in (types.UnionType, typing.Union):
        return f"{_metavar(arguments[0])}|none"
    return {int: "INTEGER", float: "NUMBER"}.get(annotation, "TEXT")


def _value(text: Any, info: FieldInfo) -> Any:
    """A command-line text in the shape that the field's type reads."""
    if not isinstance(text, str):
        return text
    if text.lower() == "none" and type(None) in typing.get_args(info.annotation):
        return None
    if typing.get_origin(info.annotation) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text
