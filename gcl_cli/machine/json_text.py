"""Values as JSON that every reader takes."""

import json
import math
from typing import Any


def json_text(value: Any, *, indent: int | None = None, alphabet: str = "utf-8") -> str:
    """JSON of a value. What is no number (NaN, infinity) is null: JSON has no word for it.

    alphabet: letters that it lacks are escaped, all that are not ASCII then.
    """
    text = json.dumps(finite(value), indent=indent, ensure_ascii=False)
    try:
        text.encode(alphabet)
    except UnicodeEncodeError:
        return json.dumps(finite(value), indent=indent)
    return text


def finite(value: Any) -> Any:
    """The same value with None in the place of NaN and infinities, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
