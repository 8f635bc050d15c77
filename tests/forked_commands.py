"""Commands of gcl in processes of their own that are forked where all is imported: real processes, without the wait."""

import multiprocessing
import os
import time
from pathlib import Path

FOLDERS = (
    "run", "mesh", "render", "warmup", "gan_warmup", "joint", "cluster", "evaluate", "gen_metrics", "search", "export",
    "report",
)  # fmt: skip
IMPORTED = [
    "gcl_cli.cli", *(f"gcl_cli.commands.{name}.command" for name in FOLDERS), "gcl_cli.commands.synth",
    "gcl_cli.commands.views", "rich.progress", "rich.table",
]  # fmt: skip


def _run(words: list[str], said: str) -> None:
    """The command as `gcl` runs it; what it says goes to a file."""
    with Path(said).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from gcl_cli.cli import app

    app(words, prog_name="gcl")


class Forked:
    """One command at work."""

    def __init__(self, words: list[str], said: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        self.said = said
        self.process = context.Process(target=_run, args=(words, str(said)))
        self.process.start()
        self.begun = time.monotonic()

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self, seconds: float | None = None) -> int | None:
        self.process.join(seconds)
        return self.process.exitcode

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.join()

    def talk(self) -> str:
        return self.said.read_text()
