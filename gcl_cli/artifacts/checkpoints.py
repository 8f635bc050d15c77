"""Training state on disk: tensors in safetensors, the rest in JSON; no pickle."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gcl_cli.artifacts.files import read_json, write_json
from gcl_cli.artifacts.seals import is_whole, seal_folder
from gcl_cli.errors import GclError
from gcl_cli.machine.system import flush

KEPT = 2


def save_checkpoint(folder: Path, number: int, state: dict[str, Any]) -> None:
    """Write state number `number` (steps done) beside the last one, atomically; older ones go.

    state: nested dicts and lists of tensors, numbers, strings, booleans and None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target, temporary = folder / f"{number:09d}", folder / f"{number:09d}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    tensors: dict[str, torch.Tensor] = {}
    tree = _split(state, tensors)
    save_file(tensors, temporary / "tensors.safetensors")
    write_json(temporary / "tree.json", tree)
    flush(temporary / "tensors.safetensors")
    seal_folder(temporary)
    flush(temporary)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    flush(folder)
    for old in _finished(folder)[:-KEPT]:
        shutil.rmtree(old)


def load_checkpoint(folder: Path, *, passed_over: Callable[[Path], None] | None = None) -> dict[str, Any] | None:
    """The newest state in `folder`, or None.

    passed_over: is told of newer ones whose files are not what was written (a full disk, a machine that lost power, a
    bit that changed); without it they are a GclError.
    """
    for path in reversed(_finished(folder)):
        state = _load(path)
        if state is not None:
            return state
        if passed_over is None:
            raise GclError(f"{path} is damaged: it is not what was written.", "Delete it: the one before takes over.")
        passed_over(path)
    return None


def _load(path: Path) -> dict[str, Any] | None:
    """The state in one folder; None where its files are not what was written."""
    if not is_whole(path):
        return None
    try:
        state = _join(read_json(path / "tree.json"), load_file(path / "tensors.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError):  # no tree
        return None
    return state if isinstance(state, dict) else None


def newest_checkpoint(folder: Path) -> int | None:
    """The number of the newest state in `folder`, or None."""
    finished = _finished(folder)
    return int(finished[-1].name) if finished else None


def _finished(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*") if p.is_dir() and p.suffix != ".tmp")


def _split(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The JSON-able form of `value`; its tensors go to `tensors`, numbered (paths of keys could coincide).

    Dicts become lists of [key, value] pairs, so that integer keys (optimizer states) survive JSON.
    """
    if isinstance(value, torch.Tensor):
        number = str(len(tensors))
        tensors[number] = value.detach().cpu().contiguous().clone()
        return {"tensor": number}
    if isinstance(value, dict):
        return {"dict": [[key, _split(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_split(item, tensors) for item in value]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return {"value": value}


def _join(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _join(item, tensors) for key, item in content}
    if kind == "list":
        return [_join(item, tensors) for item in content]
    if kind == "float":
        return float(content)
    return content
