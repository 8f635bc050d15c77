"""How a safetensors file begins, for files that are written some rows at a time: the library writes whole ones only."""

import json
from collections.abc import Mapping

import numpy as np

_CODES = {"float32": "F32", "int32": "I32", "float16": "F16", "uint8": "U8"}
_ALIGNMENT = 8  # of the header's length: readers map the numbers as they lie


def tensor_head(
    shapes: Mapping[str, tuple[type[np.generic], tuple[int, ...]]], remarks: Mapping[str, str] | None = None
) -> tuple[bytes, dict[str, int]]:
    """The start of a file that holds arrays of these types and shapes in this order, and where each begins."""
    entries: dict[str, object] = {"__metadata__": dict(remarks)} if remarks else {}
    begins, position = {}, 0
    for name, (kind, shape) in shapes.items():
        begins[name], end = position, position + np.dtype(kind).itemsize * int(np.prod(shape))
        entries[name] = {"dtype": _CODES[np.dtype(kind).name], "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text, {name: 8 + len(text) + begin for name, begin in begins.items()}
