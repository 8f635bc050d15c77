"""What would gain from being trained or measured again, now that pictures came or went."""

from collections.abc import Iterator

from gcl_cli.artifacts.manifest import LEARNED
from gcl_cli.artifacts.picture_lists import changes, read_list
from gcl_cli.config.stages import CHAIN
from gcl_cli.inventory.own_settings import command_for
from gcl_cli.inventory.survey import Entry, Survey


def learned_again(found: Survey, digest: str) -> Iterator[dict[str, str]]:
    """The networks that learned from earlier pictures, each with how many it never saw. digest: of the pictures now."""
    now = read_list(found.work, digest)
    for entry in found.entries:
        recorded = entry.found.inputs.get("dataset")
        if entry.found.stage not in LEARNED or entry.found.partial or recorded in (None, digest):
            continue
        then = read_list(found.work, str(recorded))
        if then is None or now is None:
            continue
        told = changes({"train": then.get("train", [])}, {"train": now.get("train", [])})
        new, gone, number = (
            len(told.added) + len(told.replaced),
            len(told.removed) + len(told.replaced),
            len(now["train"]),
        )
        if new or gone:
            because = f"{entry.reference} never saw {new:,} of {number:,} pictures ({new / number:.0%})"
            yield {
                "type": _command(entry, found),
                "because": because + (f"; {gone:,} that it saw are gone" if gone else ""),
            }


def measured_again(found: Survey) -> Iterator[dict[str, str]]:
    """Figures of earlier pictures."""
    for entry in found.entries:
        if entry.found.stage in ("evaluate", "gen-metrics") and entry.state == "behind" and not entry.found.partial:
            typed = f"{command_for(entry.found, found)} --restart"
            yield {"type": typed, "because": f"{entry.reference} has figures of earlier pictures"}


def _command(entry: Entry, found: Survey) -> str:
    if entry.found.name == "main" and entry.found.stage in CHAIN:
        return f"gcl run --from {entry.found.stage}"
    return f"{command_for(entry.found, found)} --restart"
