"""`gcl status`: what a work folder holds, what is fresh, and what to type next."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gcl_cli import console
from gcl_cli.artifacts.dataset_record import changes_since, recall, require_place
from gcl_cli.artifacts.layout import WorkFolder, elsewhere
from gcl_cli.artifacts.picture_lists import fingerprint_of, stamps
from gcl_cli.datasets.catalogue import open_dataset
from gcl_cli.errors import GclError
from gcl_cli.inventory.leftovers import leftovers
from gcl_cli.inventory.own_settings import command_for, in_short
from gcl_cli.inventory.steps import steps_left
from gcl_cli.inventory.survey import Entry, Survey, survey

STYLES = {
    "fresh": "green",
    "behind": "yellow",
    "stale": "yellow",
    "damaged": "red",
    "interrupted": "yellow",
    "running": "bold",
}

MEASURES = ("evaluate", "gen-metrics")  # `gcl update` leaves their figures of earlier pictures to be measured anew


def run(work: str) -> dict[str, Any]:
    """Look at a work folder, and at its pictures as they are; nothing is changed or locked for longer than a look."""
    folder = WorkFolder(Path(work))
    now, changes = _pictures_now(folder)
    found = survey(folder, now)
    data = found.dataset and {key: found.dataset[key] for key in ("root", "name", "layout", "pictures")}
    return {
        "work": str(found.work.root), "dataset": data, "changes": changes or None,
        "artifacts": [_described(entry, found) for entry in found.entries],
        "next": [{**step, "type": step["type"] + elsewhere(folder)} for step in _next(found, changes if now else "")],
    }  # fmt: skip


def _pictures_now(work: WorkFolder) -> tuple[dict[str, Any] | None, str]:
    """The record of the data set with its pictures as they are now, and what changed since it was written, in words.

    None where there is no record, or none can be made: commands would say why not.
    """
    if not work.dataset_file.exists():
        return None, ""
    known = recall(work)
    reading = {key: known.get(key) for key in ("camera_from", "person_from")}
    try:
        dataset = open_dataset(require_place(work, known), allow_subset=known["allow_subset"], **reading)
        names = {split: [sample.name for sample in samples] for split, samples in dataset.splits.items()}
        found = stamps(dataset.root, names)
    except GclError as error:
        return None, f"{error.problem} {error.fix}"
    digest = fingerprint_of(found, known["form"])
    if digest == known["digest"]:
        return None, ""
    told = changes_since(work, known, found)
    return {**known, "digest": digest, "earlier": [*known["earlier"], known["digest"]]}, str(told) or "some changed"


def show(result: dict[str, Any]) -> None:
    """The work folder as a tree, on stdout."""
    data = result["dataset"]
    counts = "  ".join(f"{split} {number:,}" for split, number in data["pictures"].items()) if data else ""
    title = f"{result['work']}: {data['name']} ({data['layout']}), {counts}" if data else f"{result['work']}: empty"
    branches: dict[str, list[tuple[str, str]]] = {}
    for row in result["artifacts"]:
        branches.setdefault(row["stage"], []).append((_line(row), STYLES[row["state"]]))
    if result["changes"]:
        branches["pictures"] = [(result["changes"], "yellow")]
    if result["next"]:
        branches["type next"] = [(f"{step['type']:<40}  {step['because']}", "") for step in result["next"]]
    console.show_tree(title, branches)


def _described(entry: Entry, found: Survey) -> dict[str, Any]:
    """One artifact as JSON."""
    return {
        "artifact": entry.reference, "stage": entry.found.stage, "name": entry.found.name, "state": entry.state,
        "reason": entry.reason, "done": entry.done, "settings": in_short(entry.found, found), "bytes": entry.size,
        "since": entry.found.moment, "age_seconds": _age(entry), "folder": str(entry.found.folder),
        "command": command_for(entry.found, found),
    }  # fmt: skip


def _age(entry: Entry) -> int | None:
    if entry.found.moment is None:
        return None
    return max(0, int((datetime.now(UTC) - datetime.fromisoformat(entry.found.moment)).total_seconds()))


def _line(row: dict[str, Any]) -> str:
    """`main  interrupted (200 steps done)  1.2 MB  3 h 05 min ago  epochs 3, seed 5`."""
    done = ", ".join(f"{number} {kind}" for kind, number in row["done"].items())
    remark = row["reason"] or (f"{done} done" if done else "")
    parts = [f"{row['name']:<16}", row["state"] + (f" ({remark})" if remark else ""), console.size_text(row["bytes"])]
    if row["age_seconds"] is not None:
        parts.append(f"{console.duration_text(row['age_seconds'])} ago")
    parts.append(", ".join(f"{name} {value}" for name, value in row["settings"].items()))
    return "  ".join(part for part in parts if part)


def _next(found: Survey, changes: str) -> list[dict[str, str]]:
    """What to type next, and why."""
    if found.dataset is None:
        return [{"type": "gcl run DATA", "because": "no data set yet; gcl mesh DATA does the first step alone"}]
    rows = []
    for entry in found.entries:
        if entry.state == "interrupted" and entry.found.moment and not found.fresh(entry.reference):
            rows.append({"type": command_for(entry.found, found), "because": f"goes on with {entry.reference}"})
    behind = [one.reference for one in found.entries if one.state == "behind" and one.found.stage not in MEASURES]
    if changes or behind:
        rows.append({"type": "gcl update", "because": f"takes in {changes or 'what came or went'}"})
    left = () if changes else steps_left(found)
    if left:
        rows.append({"type": "gcl run", "because": f"does what is left: {', '.join(step.title for step in left)}"})
    if going := leftovers(found):
        size = console.size_text(sum(leftover.size for leftover in going))
        rows.append({"type": "gcl clean", "because": f"shows what nothing needs ({len(going)}, {size})"})
    return rows
