"""`gcl clean`: show what nothing in a work folder needs, and remove it when told to."""

from pathlib import Path
from typing import Any

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.inventory.leftovers import leftovers, remove
from gcl_cli.inventory.survey import survey


def run(work: str, *, sure: bool) -> dict[str, Any]:
    """List the leftovers, and remove them when the user is `sure`; returns each with its size and why it can go."""
    found = survey(WorkFolder(Path(work)))
    rows = []
    for leftover in leftovers(found):
        gone = sure and remove(leftover)
        rows.append(
            {"path": str(leftover.path), "bytes": leftover.size, "because": leftover.reason, "removed": gone}
        )  # fmt: skip
    return {
        "work": str(found.work.root), "leftovers": rows, "bytes": sum(row["bytes"] for row in rows),
        "bytes_freed": sum(row["bytes"] for row in rows if row["removed"]),
    }  # fmt: skip
