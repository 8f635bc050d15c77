"""Where the arithmetic happens, and in which precision."""

from contextlib import AbstractContextManager
from functools import cache

import torch
from torch import Tensor

from gcl_cli.errors import GclError


def choose_device(wanted: str) -> torch.device:
    """The device of `--device`: auto, cpu, cuda, cuda:1, mps ...; GclError when it is not there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise GclError(f"--device {wanted} cannot be used: {reason}", "Use --device cpu, or auto.") from error
    return device


def set_threads(threads: int | None) -> None:
    """Limit the threads of CPU arithmetic; None leaves torch's choice."""
    if threads is not None:
        torch.set_num_threads(threads)


PINNED_FROM = 1 << 16  # bytes: smaller copies are staged by the driver, and pinning them costs more than it saves


def sent(values: Tensor, device: torch.device) -> Tensor:
    """`values` on `device`. On a card the copy is queued behind its work, and the host goes on at once.

    `values` must not be changed afterwards.
    """
    if device.type != "cuda" or values.device.type != "cpu":
        return values.to(device)
    return (values.pin_memory() if values.nbytes >= PINNED_FROM else values).to(device, non_blocking=True)


def arithmetic(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Autocast to bfloat16 for `bf16`, and for `auto` where that is faster; plain fp32 otherwise."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=resolved(precision, device) == "bf16")


def resolved(precision: str, device: torch.device) -> str:
    """What `auto` stands for on this machine: fp32 or bf16; the other two are what they say."""
    if precision != "auto":
        return precision
    return "bf16" if _computes_bf16(device.type) else "fp32"


@cache
def _computes_bf16(device: str) -> bool:
    """Whether a kind of device multiplies bfloat16 itself; emulated, it is several times slower than fp32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device == "cpu" and (_has("avx512_bf16") or multiplies_tiles())


def multiplies_tiles() -> bool:
    """Whether the processor multiplies whole tiles of bfloat16 (AMX)."""
    return _has("amx_tile")


def _has(unit: str) -> bool:
    return bool(getattr(torch.cpu, f"_is_{unit}_supported", bool)())
