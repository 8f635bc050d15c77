"""What every function of `gcl_cli.api` does first: look at what it was given."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from os import PathLike
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from gcl_cli.artifacts.storage import storage_in_words
from gcl_cli.cli.options import setting_named, validated
from gcl_cli.config import Settings
from gcl_cli.config.setting import refused
from gcl_cli.errors import GclError

if TYPE_CHECKING:  # it brings numpy, which `import gcl_cli.api` does without
    from gcl_cli.session import Session

Unset = EllipsisType  # the default of a setting: left to the preset
Place = str | PathLike[str]  # a file or folder, or the name of one
More = Mapping[str, Any] | None  # settings without a parameter of their own
Result = dict[str, Any]  # what `--json` prints
Chosen = dict[str, Any]  # settings by name, in their own types: only what the caller gave
_ENVIRONMENT = {"work": "GCL_WORK", "data_root": "GCL_DATA"}


@contextmanager
def checked(
    function: Callable[..., Result], given: Mapping[str, Any],
    model: type[Settings] | Mapping[str, type[Settings]] | None = None,
) -> Iterator[tuple["Session", Chosen]]:  # fmt: skip
    """Where and how a command works, and the settings chosen for it; what a disk refuses inside is told in words.

    given: what `function` was called with, by name: its `locals()` at the beginning.
    model: the settings of the command; where it has a `method`, those of each.
    GclError for a value that its annotation or its setting does not allow.
    """
    parameters, chosen = inspect.signature(function).parameters.values(), {}
    for parameter in parameters:
        if parameter.default is not ...:
            _require(function, parameter, given[parameter.name])
        elif given[parameter.name] is not ...:
            chosen[parameter.name] = given[parameter.name]
    if isinstance(model, Mapping):
        model = model[given["method"]]
    if model is not None:
        chosen = settings(_command(function), model, chosen, given["set"])
    session = _session(given)
    with storage_in_words(_written(given, session.work)):
        yield session, chosen


def _command(function: Callable[..., Result]) -> str:
    return function.__name__.replace("_", "-")


def _require(function: Callable[..., Result], parameter: inspect.Parameter, value: Any) -> None:
    """GclError for a value that is not of the annotated type."""
    try:
        TypeAdapter(parameter.annotation).validate_python(value, strict=True)
    except ValidationError as error:
        told = refused(error, _command(function), {parameter.name: value}, name=parameter.name)
        raise GclError(told.problem, f"See help(gcl_cli.api.{function.__name__})") from error


def settings(stage: str, model: type[Settings], own: Chosen, more: More) -> Chosen:
    """Settings given by parameters of their own and by `set`, in the types of `model`; GclError for a bad one."""
    named = {setting_named(stage, model, name): value for name, value in (more or {}).items()}
    return validated(stage, model, {name: _plain(value) for name, value in (own | named).items()})


def _session(given: Mapping[str, Any]) -> "Session":
    """Where and how a command works; what was not given is as the environment says, else the default."""
    from gcl_cli.session import Session

    if (threads := given.get("threads")) is not None and threads < 1:
        raise GclError(f"threads: must be at least 1 (found {threads}).", "Leave it out to use all cores.")
    around = {name: text for name, variable in _ENVIRONMENT.items() if (text := os.environ.get(variable))}
    told = {field.name: value for field in fields(Session) if (value := given.get(field.name)) is not None}
    return Session(**{name: _plain(value) for name, value in (around | told).items()})


def _plain(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, PathLike) else value


def _written(given: Mapping[str, Any], work: str) -> list[str]:
    """Where a command writes."""
    places = [work if name == "work" else given[name] for name in ("work", "to", "folder") if name in given]
    return [os.fspath(place) for place in places if place is not None]


def path(place: Place | None) -> str | None:
    """A file or folder as a command takes it."""
    return None if place is None else os.fspath(place)


def paths(places: Place | Sequence[Place] | None) -> list[str]:
    """One file or several, as a command takes several."""
    several = [places] if isinstance(places, str | PathLike) else places or []
    return [os.fspath(place) for place in several]
