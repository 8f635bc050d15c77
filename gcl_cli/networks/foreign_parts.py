"""Several networks in one file: told apart by the start of their tensors' names, and one of them chosen."""

from collections.abc import Mapping, Sequence
from shlex import quote

from torch import Tensor

from gcl_cli.errors import GclError

CHOICE = "::"  # between a file and the part of it that is meant, as in `moco.pth::state_dict.module.encoder_q`


def parts_apart(names: Sequence[str]) -> list[str]:
    """Dotted names without the end that all share: what tells them apart, and what `only_below` then keeps of each.

    `q.base`, `k.base` -> `q`, `k`. Nothing is cut where one would be left with no name.
    """
    split = [name.rstrip(".").split(".") for name in names]
    while len({parts[-1] for parts in split}) == 1 and min(map(len, split)) > 1:
        split = [parts[:-1] for parts in split]
    return [".".join(parts) for parts in split]


def only_below(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `part.`, all where it is empty; GclError where there are none."""
    start = f"{part.rstrip('.')}." if part else ""
    found = {name: tensor for name, tensor in tensors.items() if name.startswith(start)}
    if not found:
        beginnings = dict.fromkeys(name.rpartition(".")[0] or name for name in tensors)
        raise GclError(
            f"The file has no tensors below {part!r}.",
            f"Names in it begin like these: {', '.join(list(beginnings)[:8])}",
        )
    return found


def say_which(option: str, file: str, parts: Sequence[str]) -> str:
    """What to type so that one of several is taken."""
    words = [f"{option} {quote(file + CHOICE + part)}" for part in parts[:3] if part]
    return f"Say which: {' or '.join(words)}"
