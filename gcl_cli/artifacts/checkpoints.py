"""Training state on disk: tensors in safetensors, the rest in JSON; no pickle."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gcl_cli.artifacts.files import flush, read_json, write_json

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
    flush(temporary)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    flush(folder)
    for old in _finished(folder)[:-KEPT]:
        shutil.rmtree(old)


def load_checkpoint(folder: Path, *, passed_over: Callable[[Path], None] | None = None) -> dict[str, Any] | None:
    """The newest state in `folder`, or None.

    passed_over: is told of newer ones whose files are cut short or gone (a full disk, a machine that lost power);
    without it they are an error.
    """
    for path in reversed(_finished(folder)):
        try:
            tensors = load_file(path / "tensors.safetensors")
            state: dict[str, Any] = _join(read_json(path / "tree.json"), tensors)
        except (OSError, ValueError, KeyError, SafetensorError):  # ValueError: half a JSON file
            if passed_over is None:
                raise
            passed_over(path)
        else:
            return state
    return None


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
    return {"value": value}


def _join(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _join(item, tensors) for key, item in content}
    if kind == "list":
        return [_join(item, tensors) for item in content]
    return content
