"""What the shell offers at Tab: the values of settings, their names for `--set`, the artifacts of the work folder."""

import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from gcl_cli.config.stages import CHAIN, STAGE_SETTINGS

WEIGHTS = ("imagenet", "imagenet-v2")  # what `--init` takes beside files


def choices(annotation: Any) -> list[str]:
    """The words that a field of a setting's type takes; empty where they cannot be listed."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return [str(value) for value in arguments]
    if origin in (tuple, types.UnionType, typing.Union):
        return list(dict.fromkeys(word for one in arguments for word in choices(one)))
    return {bool: ["true", "false"], type(None): ["none"]}.get(annotation, [])


def of_values(annotation: Any, *more: str) -> Callable[[str], list[str]]:
    """Completes the value of a setting of this type, the last one of a list; `more` are words it takes as well."""
    return lambda incomplete: [*_values(annotation, incomplete), *more]


def of_settings(stages: Iterable[str]) -> Callable[[str], list[str]]:
    """Completes `KEY=VALUE` of the settings of any of `stages`."""
    fields = {name: info.annotation for stage in stages for name, info in STAGE_SETTINGS[stage].model_fields.items()}
    return lambda incomplete: _settings(fields, incomplete)


def of_chain(incomplete: str) -> list[str]:
    """Completes `STAGE.KEY=VALUE` of `gcl run`."""
    stage, dot, rest = incomplete.partition(".")
    if not dot:
        return [f"{one}." for one in CHAIN]
    return [f"{stage}.{word}" for word in of_settings([stage])(rest)] if stage in STAGE_SETTINGS else []


def of_artifacts(stages: Iterable[str], *more: str) -> Callable[[Any], list[str]]:
    """Completes the name of a finished artifact of these stages in the work folder; `more` can be named as well."""

    def complete(ctx: Any) -> list[str]:
        work = Path(ctx.params.get("work") or "work")
        found = [path.parent for stage in stages for path in work.glob(f"{stage}/*/manifest.json")]
        return [f"{path.parent.name}/{path.name}" for path in sorted(found)] + list(more)

    return complete


def _values(annotation: Any, incomplete: str) -> list[str]:
    before = incomplete.rpartition(",")[0] if typing.get_origin(annotation) is tuple else ""
    given = before.split(",")
    return [f"{before},{word}" if before else word for word in choices(annotation) if word not in given]


def _settings(fields: dict[str, Any], incomplete: str) -> list[str]:
    name, equals, value = incomplete.partition("=")
    if not equals:
        return [f"{field}=" for field in fields]
    return [f"{name}={word}" for word in _values(fields.get(name.replace("-", "_")), value)]
