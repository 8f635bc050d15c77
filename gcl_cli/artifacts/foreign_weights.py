"""Weight files made elsewhere: read as data, never executed."""

import re
import zipfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import safe_globals

from gcl_cli.errors import GclError

SUFFIXES = (".pth", ".pt", ".tar", ".bin", ".ckpt", ".safetensors")  # usual ones; content decides
_OF_TORCH = (b"PK\x03\x04", b"\x80")  # an archive, or a pickle as torch wrote it until 2020
DEEPEST = 6  # dictionaries within each other; weights lie at 1 to 3
# Beside tensors, checkpoints like to carry an epoch's best figure and the parsed options. Both are plain data.
_SCALAR, _ARRAY = np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0]
_PLAIN: list[Any] = [
    Namespace, np.ndarray, np.dtype, *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")},
    _SCALAR, (_SCALAR, "numpy.core.multiarray.scalar"), _ARRAY, (_ARRAY, "numpy.core.multiarray._reconstruct"),
]  # fmt: skip
MOST_UNPACKED = 4  # times the size of an archive


def made_here(path: Path) -> bool:
    """Whether a gcl command wrote this weight file: its header then says the architecture."""
    if not _is_safetensors(path):
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return "architecture" in (file.metadata() or {})
    except SafetensorError as error:
        raise _unreadable(path, "it is no whole safetensors file") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every dense tensor of a weight file, under its path through nested dictionaries (`state_dict.conv1.weight`).

    In the file's order; what an optimizer keeps is left out. Nothing in the file is executed: what is more than
    tensors and plain values is refused. Raises GclError that says what to do.
    """
    try:
        content = load_file(path) if _is_safetensors(path) else _load_torch(path)
    except SafetensorError as error:
        raise _unreadable(path, "it is no whole safetensors file") from error
    tensors = dict(_walk(content, "", 0, set()))
    if not tensors:
        raise GclError(f"{path} holds no tensors by name.", "Give a file with a network's state dict.")
    if any(t.numel() * t.element_size() > t.untyped_storage().nbytes() for t in tensors.values()):
        raise _unreadable(path, "it has tensors that are larger than what it holds")
    return tensors


def _is_safetensors(path: Path) -> bool:
    """Whether a file is of that kind by its content; names like model.pth.tar-60 say nothing.

    Where the content is neither that nor torch's, the name says what it was meant to be.
    """
    named = path.suffix == ".safetensors"
    if not path.is_file():
        return named
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size - 8:
        return True
    return named and not head.startswith(_OF_TORCH)


def _load_torch(path: Path) -> Any:
    _refuse_bomb(path)
    try:
        with safe_globals(_PLAIN), path.open("rb") as file:  # of a path, torch would judge the name
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # any bytes can lie here, so any exception can come; each means: not readable as data
        raise _refusal(path, str(error)) from error


def _refuse_bomb(path: Path) -> None:
    """GclError for an archive that unpacks to many times its size: torch.save compresses nothing but small texts."""
    try:
        with zipfile.ZipFile(path) as archive:
            content = sum(part.file_size for part in archive.infolist())
    except Exception:  # no archive, or a broken one: torch.load says so
        return
    if content > MOST_UNPACKED * path.stat().st_size:
        raise _unreadable(path, f"its {path.stat().st_size:,} bytes unpack to {content:,}")


def _refusal(path: Path, message: str) -> GclError:
    """Our own words: torch's advise to load the file by executing it."""
    needed = re.search(r"GLOBAL ([\w.]+)", message)
    if needed or "TorchScript" in message:
        what = f"code ({needed[1]})" if needed else "a compiled program"
        return GclError(
            f"{path} holds {what} beside tensors. It is not executed: a weight file from elsewhere could do anything.",
            "Where you trust its origin, write the tensors alone: torch.save(model.state_dict(), 'weights.pth')",
        )
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
    return _unreadable(path, "it is a web page" if start.startswith(b"<") else "it is no whole file of torch.save")


def _unreadable(path: Path, reason: str) -> GclError:
    return GclError(f"{path} cannot be read as weights: {reason}.", "Fetch the whole file again.")


def _walk(value: Any, name: str, depth: int, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    """Each dictionary is gone through once, however often it is named."""
    if isinstance(value, Tensor):
        if value.layout == torch.strided and not value.is_quantized and name:
            yield name, value.detach()
    elif isinstance(value, Mapping) and depth < DEEPEST and id(value) not in seen:
        seen.add(id(value))
        for key, inner in value.items():
            if not str(key).lower().startswith("optim"):
                yield from _walk(inner, f"{name}.{key}" if name else str(key), depth + 1, seen)
