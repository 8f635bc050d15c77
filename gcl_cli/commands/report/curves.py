"""How trainings went: every figure of their epochs as a line."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl_cli.artifacts.files import sha256
from gcl_cli.artifacts.layout import MADE_BY
from gcl_cli.artifacts.run import METRICS
from gcl_cli.commands.report.charts import LineChart, line_chart
from gcl_cli.commands.report.words import in_words
from gcl_cli.errors import GclError
from gcl_cli.inventory.survey import Entry, Survey

CLUSTERS = ("clusters", "share_", "radius", "agreement", "stability", "true_ari")  # how their names begin
PACE = ("rate_", "seconds_", "pictures_per_second")
UNSAID = ("time", "epoch", "steps")


@dataclass(frozen=True)
class Training:
    """One training, finished or not."""

    reference: str
    state: str
    every_epoch: tuple[int, ...]
    groups: tuple[tuple[str, tuple[LineChart, ...]], ...]  # losses, clusters, pace


def trainings(found: Survey) -> list[Training]:
    """Every training of which epochs are recorded; GclError where there is none."""
    read = [(entry, _epochs(entry)) for entry in found.entries]
    trained = [_training(entry, lines) for entry, lines in read if lines]
    if not trained:
        raise GclError(f"{found.work.root} has no training with a finished epoch yet.", MADE_BY["warmup"])
    return trained


def _epochs(entry: Entry) -> list[dict[str, Any]]:
    """The recorded epochs; a last line that is being written is left out. GclError where the file was changed."""
    path, recorded = entry.found.folder / METRICS, entry.found.metrics
    if not path.is_file():
        return []
    if recorded not in (None, sha256(path)):
        raise _damaged(path, entry)
    whole = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    try:
        epochs = [values for values in map(json.loads, whole) if "epoch" in values]
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged(path, entry) from error
    if not all(isinstance(values, dict) and isinstance(values["epoch"], int) for values in epochs):
        raise _damaged(path, entry)
    return epochs


def _damaged(path: Path, entry: Entry) -> GclError:
    fix = f"Delete it: {entry.reference} has no curves then; all else of it is as it was."
    return GclError(f"{path} is damaged: it is not what was written.", fix)


def _training(entry: Entry, lines: list[dict[str, Any]]) -> Training:
    names = dict.fromkeys(name for line in lines for name in line if name not in UNSAID)
    groups: dict[str, list[LineChart]] = {"Losses": [], "Clusters": [], "Pace": []}
    for name in names:
        points = [(line["epoch"], line[name]) for line in lines if _is_finite(line.get(name))]
        if points:
            groups[_group(name)].append(line_chart(in_words(name), points))
    shown = tuple((title, tuple(charts)) for title, charts in groups.items() if charts)
    return Training(entry.reference, entry.state, tuple(line["epoch"] for line in lines), shown)


def _group(name: str) -> str:
    return "Clusters" if name.startswith(CLUSTERS) else "Pace" if name.startswith(PACE) else "Losses"


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
