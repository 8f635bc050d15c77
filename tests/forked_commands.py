"""Commands of gcl in processes of their own that are forked where all is imported: real processes, without the wait."""

import multiprocessing
import os
import time
from pathlib import Path

IMPORTED = [
    "gcl_cli.cli", "gcl_cli.chain.running", "gcl_cli.stages.synth", "gcl_cli.stages.mesh", "gcl_cli.stages.render",
    "gcl_cli.stages.warmup", "gcl_cli.stages.gan_warmup", "gcl_cli.stages.joint", "gcl_cli.stages.cluster",
    "gcl_cli.stages.evaluate", "gcl_cli.stages.gen_metrics", "gcl_cli.stages.search", "gcl_cli.stages.views",
    "gcl_cli.stages.export", "gcl_cli.stages.report", "rich.progress", "rich.table",
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
