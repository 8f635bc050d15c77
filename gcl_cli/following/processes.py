"""Processes that torchrun started, as one training team; the leading one writes the files."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from gcl_cli import console
from gcl_cli.artifacts.run import Run
from gcl_cli.errors import GclError
from gcl_cli.machine.devices import choose_device, set_threads
from gcl_cli.machine.ranks import by_torchrun, foreign, place
from gcl_cli.session import Session
from gcl_cli.training.team import ALONE, Team


@contextmanager
def open_team(device: str) -> Iterator[tuple[Team, torch.device]]:
    """The team that this process belongs to, and its own device; alone where torchrun did not start it.

    device: that of `--device`; `auto` gives every process of a machine a GPU of its own. Messages travel by nccl
    between GPUs and by gloo between CPUs.
    """
    rank, size, local = place()
    if size == 1:
        if said := foreign():
            console.say(f"{' and '.join(said)} without MASTER_ADDR and MASTER_PORT: this process trains alone.")
        yield ALONE, choose_device(device)
        return
    own = _own_device(device, local)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    if not by_torchrun():
        console.say(
            f"RANK, WORLD_SIZE and MASTER_ADDR make this process {rank} of {size}: it waits for the others. To train "
            "alone: unset RANK WORLD_SIZE"
        )
    try:
        distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise GclError(
            f"The {size} processes could not find each other: {str(error).splitlines()[0]}",
            "Start them with torchrun (docs/several_machines.md); every machine needs the same --rdzv-endpoint.",
        ) from error
    try:
        yield Team(rank, size), own
    finally:
        distributed.destroy_process_group()


@contextmanager
def begun_together(job: Run, session: Session) -> Iterator[tuple[Team, torch.device]]:
    """Begin a training run in every process of its team; yields the team and this process's device.

    The leading process opens the partial folder and holds its lock; the others wait until it lies there.
    """
    set_threads(session.threads)
    with open_team(session.device) as (team, device):
        if not team.leads:
            team.wait()
            yield team, device
            return
        with job.begin(restart=session.restart):
            team.wait()
            yield team, device


def _own_device(device: str, local: int) -> torch.device:
    """One GPU for each process of a machine; `local` is this one's number there."""
    gpus = torch.cuda.device_count()
    if device != "auto" or not gpus:
        return choose_device(device)
    if local >= gpus:
        raise GclError(
            f"Process {local + 1} of this machine has no GPU of its own: there are {gpus}.",
            f"torchrun --nproc-per-node {gpus} ..., or --device cpu",
        )
    return choose_device(f"cuda:{local}")
