"""What a command says when it cannot go on, and with which code it ends."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from gcl_cli import console
from gcl_cli.artifacts.storage import storage_in_words
from gcl_cli.cli.door import INTERRUPTED, interruptions_raised
from gcl_cli.errors import GclError
from gcl_cli.machine import ranks

_FOR_TEAMS = ("warmup", "gan-warmup", "joint")  # commands that torchrun may start several times


@contextmanager
def errors_told(
    stage: str, *, interrupted: str = "The same command goes on from the last checkpoint.", folders: Sequence[str] = ()
) -> Iterator[None]:
    """What a user can mend is told in two lines, an interruption in one that says how to go on.

    folders: where the command writes, which is told when there is no room.
    """
    try:
        with interruptions_raised():
            _require_sound(stage, folders)
            with storage_in_words(folders):
                yield
    except GclError as error:
        console.complain(error.problem, error.fix)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        console.say(f"Interrupted. {interrupted}")
        raise typer.Exit(INTERRUPTED) from error


def _require_sound(stage: str, folders: Sequence[str]) -> None:
    """GclError for what no command can work with."""
    require_current_folder()
    from gcl_cli.datasets.listing import require_fit  # brings numpy, which help does without

    if stage not in _FOR_TEAMS:
        if ranks.by_torchrun():
            raise GclError(f"gcl {stage} is not shared among processes by torchrun.", "Start it without torchrun.")
        ranks.stay_alone()
    for folder in folders:
        require_fit(folder)


def require_current_folder() -> None:
    """GclError where the folder that the shell stands in was removed: libraries end the process with riddles then."""
    try:
        os.getcwd()  # noqa: PTH109  Path.cwd() is the same; this is what fails
    except OSError as error:
        raise GclError(
            "The current folder is gone: it was removed, moved or unmounted after the shell went there.",
            "Go to a folder that is there, such as: cd ~",
        ) from error
