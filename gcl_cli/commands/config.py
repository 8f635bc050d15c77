"""`gcl config`: every setting of every command, with its default, range, meaning, and place in the paper."""

import types
import typing
from typing import Any, Literal

from pydantic.fields import FieldInfo

from gcl_cli import console
from gcl_cli.config import Settings
from gcl_cli.config.parity import REFERENCE
from gcl_cli.config.presets import PRESETS, settings_for
from gcl_cli.config.setting import typed_text
from gcl_cli.config.stages import PARITY, STAGE_SETTINGS
from gcl_cli.errors import GclError, did_you_mean

WORDS = {int: "integer", float: "number", bool: "true or false", str: "text"}
SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "multiple of"}


def run(stage: str | None) -> dict[str, list[dict[str, Any]]]:
    """The settings of one command, or of all; a warm-up method is called `warmup-METHOD`, `warmup` stands for all.

    `parity`: the departures of the published code, and the settings by which `--parity reference` follows them.
    """
    if stage == PARITY:
        return {PARITY: [{"row": name, **row._asdict()} for name, row in REFERENCE.items()]}
    chosen = [key for key in STAGE_SETTINGS if stage in (None, key) or (stage == "warmup" and key.startswith("warmup"))]
    if not chosen:
        names = [*STAGE_SETTINGS, PARITY]
        alike = did_you_mean(stage or "", names)
        raise GclError(f"There are no settings of {stage!r}.", f"{alike} Name one of: {', '.join(names)}".strip())
    return {key: _rows(key) for key in chosen}


def show(result: dict[str, list[dict[str, Any]]]) -> None:
    """The same on the screen, in groups of settings that belong together, a command's own first."""
    if PARITY in result:
        console.show_sections(
            {"Where the published code departs from the paper": list(map(_departure, result[PARITY]))}
        )
    for key, rows in result.items():
        if key != PARITY:
            groups = dict.fromkeys(row["group"] for row in reversed(rows))
            sections = {group: [_line(row) for row in rows if row["group"] == group] for group in groups}
            console.show_sections({f"gcl {key.replace('warmup-', 'warmup --method ')}": [], **sections})


def _departure(row: dict[str, Any]) -> tuple[str, str, str]:
    said = [
        f"{command}: {name}={typed_text(value)}"
        for command, chosen in row["settings"].items()
        for name, value in chosen.items()
    ]
    return row["row"], "", f"{row['what']} ({'; '.join(said) or row['reason']})"


def _line(row: dict[str, Any]) -> tuple[str, str, str]:
    """`--batch-size`, `16`, `pictures a step (integer >= 2; tiny: 8; paper 4.2)`."""
    others = [f"{preset}: {typed_text(value)}" for preset, value in row["presets"].items()]
    facts = [row["range"], *others, *([f"paper {row['paper']}"] if row["paper"] else [])]
    return (
        row["type"].removeprefix("--set ").rstrip("="),
        typed_text(row["default"]),
        f"{row['meaning']} ({'; '.join(facts)})",
    )


def _rows(key: str) -> list[dict[str, Any]]:
    model = STAGE_SETTINGS[key]
    usual = model().model_dump(mode="json")
    presets = {preset: _of_preset(model, key, preset) for preset in PRESETS}
    return [
        {
            "setting": name, "group": _group(model, name), "default": usual[name],
            "presets": {preset: found[name] for preset, found in presets.items() if found[name] != usual[name]},
            "range": allowed(info), "meaning": info.description, "paper": _extra(info, "paper") or None,
            "type": f"--{name.replace('_', '-')}" if _extra(info, "option") else f"--set {name}=",
        }
        for name, info in model.model_fields.items()
    ]  # fmt: skip


def _group(model: type[Settings], name: str) -> str:
    """What the settings have in common that were introduced with this one."""
    owner = [kind for kind in model.__mro__ if name in vars(kind).get("__annotations__", {})][-1]
    return (owner.__doc__ or "").strip().splitlines()[0]


def _of_preset(model: type[Settings], key: str, preset: str) -> dict[str, Any]:
    """All values that a preset leads to, networks included."""
    found: dict[str, Any] = settings_for(model, key, preset, {}).model_dump(mode="json")
    return found


def allowed(info: FieldInfo) -> str:
    """What may be typed, in words: `integer >= 1`, `number > 0, <= 1, or none`, `dbscan or hdbscan`."""
    limits = [
        f"{sign} {getattr(limit, name)}"
        for limit in info.metadata
        for name, sign in SIGNS.items()
        if getattr(limit, name, None) is not None
    ]
    kind, *others = _kinds(info.annotation)
    return " ".join([kind, ", ".join(limits)]).strip() + "".join(f", or {other}" for other in others)


def _kinds(annotation: Any) -> list[str]:
    """The kinds of value that an annotation allows, in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        *rest, last = map(str, arguments)
        return [f"{', '.join(rest)} or {last}" if rest else last]
    if origin is tuple:
        many = f"{len(arguments)} of" if ... not in arguments else "list of"
        return [f"{many} {_kinds(arguments[0])[0]}"]
    if origin in (types.UnionType, typing.Union):
        return [kind for argument in arguments for kind in _kinds(argument)]
    return ["none" if annotation is type(None) else WORDS[annotation]]


def _extra(info: FieldInfo, key: str) -> Any:
    return info.json_schema_extra.get(key) if isinstance(info.json_schema_extra, dict) else None
