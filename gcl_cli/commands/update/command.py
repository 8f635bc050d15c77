"""`gcl update`: pictures that came, went or changed are taken in, and everything made of them is brought up to date."""

from typing import Any

from gcl_cli import console
from gcl_cli.artifacts.dataset_record import recall
from gcl_cli.artifacts.layout import WorkFolder, elsewhere
from gcl_cli.artifacts.picture_lists import Changes, changes, drop_lists, read_list
from gcl_cli.commands.update.advice import learned_again, measured_again
from gcl_cli.commands.update.tables import TABLES, Wanted, bring_up
from gcl_cli.inventory.survey import survey
from gcl_cli.people.data import open_data
from gcl_cli.session import Session


def run(session: Session, data: str | None, *, corrections: str | None = None) -> dict[str, Any]:
    """Take in what changed in the folder, and extend mesh, render, labels and search indexes; nothing is trained.

    Rows of pictures that are still the same stay as they are. data: where the pictures are now, if that is elsewhere;
    corrections: a file that the labels are to obey from now on. Returns what changed, what became of each artifact, and
    what would gain from training again. After an interruption the same call goes on.
    """
    work = session.folder
    before = recall(work)
    opened = open_data(session, data, grow=True)
    told = _changes(work, before["digest"], opened.digest)
    console.say(f"{opened.root}: {told or 'no picture came, went or changed since it was looked at last'}.")
    wanted = Wanted(session, corrections)
    there = [
        entry.reference for entry in survey(work).entries if entry.found.stage in TABLES and not entry.found.partial
    ]
    rows = [row for reference in there if (row := bring_up(reference, wanted)) is not None]
    found = survey(work)
    drop_lists(work, {digest for entry in found.entries for digest in entry.found.inputs.values()} | {opened.digest})
    advice = [*learned_again(found, opened.digest), *measured_again(found)]
    return {
        "data": str(opened.root), "pictures": sum(map(len, opened.dataset.splits.values())), **told.counts,
        "artifacts": rows, "next": [{**row, "type": row["type"] + elsewhere(work)} for row in advice],
    }  # fmt: skip


def _changes(work: WorkFolder, before: str, now: str) -> Changes:
    """What changed from one state of the data set to another; everything is new where its old list is lost."""
    old, new = (read_list(work, digest) for digest in (before, now))
    return changes(old or {}, new or {})
