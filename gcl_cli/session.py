"""Where and how a command works, made once where it begins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.machine.system import cores

if TYPE_CHECKING:  # importing torch takes seconds: commands that do without stay quick
    import torch


@dataclass(frozen=True)
class Session:
    """The options that all commands share; none of them changes what comes out, up to rounding."""

    work: str = "work"  # work folder
    name: str = "main"  # name of the artifact among its kind
    restart: bool = False  # drop what an earlier run left under this name
    data_root: str = "data"  # where names of data sets resolve
    allow_subset: bool = False  # take a known data set with other counts as it is, and go on without what is unclear
    device: str = "auto"
    threads: int | None = None  # CPU threads, or processes where work is shared among them; None: all cores
    tensorboard: bool = False  # let a training be watched in TensorBoard too
    camera_from: str | None = None  # what of a picture's path is its camera: "folder", a regular expression, "none"
    person_from: str | None = None  # the same of the person; None: what the file name says

    @cached_property
    def folder(self) -> WorkFolder:
        """The work folder."""
        return WorkFolder(Path(self.work))

    @cached_property
    def processes(self) -> int:
        """Threads or processes that share work on pictures: all cores, unless fewer are wished for."""
        return self.threads or cores()

    def open_device(self) -> torch.device:
        """The device of the networks, with as many threads as wished for; GclError where there is none."""
        from gcl_cli.machine.devices import choose_device, set_threads

        set_threads(self.threads)
        return choose_device(self.device)
