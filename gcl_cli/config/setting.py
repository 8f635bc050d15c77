"""What a group of settings is, and what a field says of itself."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator


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
