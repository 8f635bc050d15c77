"""What stands first on the page: a few figures that say how far the work folder has come."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from gcl_cli.commands.report.charts import number
from gcl_cli.commands.report.ranked import OTHERWISE
from gcl_cli.inventory.survey import Entry, Survey


class Figure(NamedTuple):
    """One figure, and what it is a figure of."""

    value: str
    words: str


def summary(found: Survey) -> list[Figure]:
    """Retrieval of the furthest encoder, the clusters, and the pictures: what there is of it."""
    return [*_retrieval(found), *_clusters(found), *_pictures(found)]


def is_labelled(found: Survey) -> bool:
    """Whether the data set has query and gallery, which are labelled by their making."""
    pictures = (found.dataset or {}).get("pictures", {})
    return bool(pictures.get("query") and pictures.get("gallery"))


def _retrieval(found: Survey) -> Iterator[Figure]:
    entries = [e for e in found.entries if e.found.stage == "evaluate" and e.state == "fresh" and _is_plain(e)]
    for stage in ("joint/", "warmup/", ""):
        for entry in entries:
            result, encoder = entry.found.result, str(entry.found.config.get("encoder"))
            if encoder.startswith(stage):
                low, high = result.get("intervals", {}).get("mAP", (None, None))
                between = "" if low is None else f", {low:.1f} to {high:.1f} with 95 % confidence"
                yield Figure(f"{result['mAP']:.1f} %", f"mAP of {encoder}{between}")
                yield Figure(f"{result['rank_1']:.1f} %", f"rank-1, of {number(result['queries'])} queries")
                return


def _is_plain(entry: Entry) -> bool:
    config: Any = entry.found.config
    return "mAP" in entry.found.result and not any(config.get(name) for name in OTHERWISE)


def _clusters(found: Survey) -> Iterator[Figure]:
    entry = found.finished("cluster/main")
    if entry is not None and entry.state == "fresh" and "clusters" in entry.found.result:
        result, encoder = entry.found.result, entry.found.config.get("encoder")
        if people := result.get("people"):
            low, high = people["from"], people["to"]
            yield Figure(f"about {number(people['about'])}", f"people, {low} to {high} nine times in ten")
            share = result["expected_precision"]
            between = f"{100 * share['from']:.0f} to {100 * share['to']:.0f} %"
            yield Figure(
                f"{100 * share['about']:.0f} %", f"of pairs in one cluster show one person, as expected ({between})"
            )
        yield Figure(
            number(result["clusters"]), f"clusters{f' by {encoder}' if encoder else ''}, each perhaps one person"
        )
        if "share_noise" in result:
            yield Figure(f"{100 * result['share_noise']:.1f} %", "of pictures belong to no cluster")


def _pictures(found: Survey) -> Iterator[Figure]:
    for split, count in (found.dataset or {}).get("pictures", {}).items():
        if split == "train":
            yield Figure(number(count), "training pictures")
