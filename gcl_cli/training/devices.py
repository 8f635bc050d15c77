"""Where the arithmetic happens, and in which precision."""

from contextlib import AbstractContextManager

import torch

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


def arithmetic(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Autocast to bfloat16 for `bf16`; plain fp32 otherwise."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
