"""Processes that torchrun started, as one training team; the leading one writes the files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from gcl_cli.artifacts.run import Run
from gcl_cli.errors import GclError
from gcl_cli.machine.devices import choose_device, set_threads
from gcl_cli.records import RunOptions
from gcl_cli.training.team import ALONE, Team


@contextmanager
def open_team(device: str) -> Iterator[tuple[Team, torch.device]]:
    """The team that this process belongs to, and its own device; alone where torchrun did not start it.

    device: that of `--device`; `auto` gives every process of a machine a GPU of its own. Messages travel by nccl
    between GPUs and by gloo between CPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE, choose_device(device)
        return
    own = _own_device(device)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    try:
        distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise GclError(
            f"The {size} processes could not find each other: {str(error).splitlines()[0]}",
            "Start them with torchrun (docs/several_machines.md); every machine needs the same --rdzv-endpoint.",
        ) from error
    try:
        yield Team(int(os.environ["RANK"]), size), own
    finally:
        distributed.destroy_process_group()


@contextmanager
def begun_together(job: Run, options: RunOptions) -> Iterator[tuple[Team, torch.device]]:
    """Begin a training run in every process of its team; yields the team and this process's device.

    The leading process opens the partial folder and holds its lock; the others wait until it lies there.
    """
    set_threads(options.threads)
    with open_team(options.device) as (team, device):
        if not team.leads:
            team.wait()
            yield team, device
            return
        with job.begin(restart=options.restart):
            team.wait()
            yield team, device


def _own_device(device: str) -> torch.device:
    """One GPU for each process of a machine."""
    local, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if device != "auto" or not gpus:
        return choose_device(device)
    if local >= gpus:
        raise GclError(
            f"Process {local + 1} of this machine has no GPU of its own: there are {gpus}.",
            f"torchrun --nproc-per-node {gpus} ..., or --device cpu",
        )
    return choose_device(f"cuda:{local}")
