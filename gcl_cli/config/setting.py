"""What a group of settings is, and what a field says of itself."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gcl_cli.errors import GclError

_WHOLE, _NUMBER, _TRUTH = "must be a whole number", "must be a number", "must be true or false"
_WORDS = {  # kind of a pydantic error -> what to say; in braces: what the error knows
    "greater_than": "must be greater than {gt:g}", "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}", "less_than_equal": "must be at most {le:g}",
    "int_parsing": _WHOLE, "int_type": _WHOLE, "int_from_float": _WHOLE, "int_parsing_size": "is too large",
    "float_parsing": _NUMBER, "float_type": _NUMBER, "finite_number": "must be a finite number",
    "bool_parsing": _TRUTH, "bool_type": _TRUTH, "literal_error": "must be {expected}", "value_error": "{error}",
    "missing": "needs more values", "too_short": "needs at least {min_length}", "too_long": "has too many values",
    "string_type": "must be a text", "tuple_type": "must be a list with commas",
    "dict_type": "must be a dict",
}  # fmt: skip


class Settings(BaseModel):
    """A group of settings: frozen, and no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)

    @field_validator("angles", "splits", "measures", "losses", check_fields=False)
    @classmethod
    def _named_once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if not values or len(set(values)) < len(values):
            raise ValueError("name at least one, and none twice")
        return values


def setting(default: Any, description: str, *, paper: str = "", option: bool = False, **limits: Any) -> Any:
    """A field with its meaning, its place in the paper, and whether it is a command-line option of its own."""
    return Field(default, description=description, json_schema_extra={"paper": paper, "option": option}, **limits)


def typed_text(value: Any) -> str:
    """A value as one types it: lists with commas, `none`, true and false in small letters."""
    if isinstance(value, list | tuple):
        return ",".join(map(typed_text, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def refused(error: ValidationError, stage: str, chosen: Mapping[str, Any], *, name: str = "") -> GclError:
    """The first of the errors in words: which setting of a command, what is wrong, what was found, where to look.

    chosen: what the user chose, by name; name: the setting that was looked at, where the error does not know.
    """
    first = error.errors()[0]
    name = name or (str(first["loc"][0]) if first["loc"] else "")
    words = _WORDS.get(first["type"])
    said = first["msg"] if words is None else words.format(**first.get("ctx", {}))
    found = f" (found {typed_text(chosen[name])})" if name in chosen else ""
    command = "warmup" if stage.startswith("warmup-") else stage
    option = f"{name.replace('_', '-')}: " if name else ""
    return GclError(f"{option}{said}{found}.", f"See gcl {command} --help, or all settings: gcl config {stage}")
