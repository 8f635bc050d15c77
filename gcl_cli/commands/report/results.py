"""What was measured: retrieval with its intervals, and the generator's figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gcl_cli.artifacts.layout import MADE_BY
from gcl_cli.commands.report.charts import ROW, Interval, intervals, number
from gcl_cli.commands.report.words import in_words
from gcl_cli.errors import GclError
from gcl_cli.inventory.survey import Entry, Survey

FIGURES = {"mAP": "mAP", "rank_1": "rank-1", "rank_5": "rank-5", "rank_10": "rank-10", "mINP": "mINP"}
STEPS = 10  # of colour in the table of camera pairs


@dataclass(frozen=True)
class CameraTable:
    """rank-1 from each query camera to each gallery camera."""

    cameras: tuple[int, ...]  # of the gallery
    rows: tuple[tuple[int, tuple[tuple[str, int, str] | None, ...]], ...]  # camera, cells: text, colour, in words


@dataclass(frozen=True)
class Evaluation:
    """One evaluate artifact."""

    reference: str
    state: str
    dataset: str
    queries: str
    figures: tuple[tuple[str, str], ...]  # value and interval, in the order of FIGURES
    protocol: str
    pairs: CameraTable | None


@dataclass(frozen=True)
class Evaluations:
    """All evaluations of a work folder."""

    names: tuple[str, ...]
    rows: tuple[Evaluation, ...]
    chart: list[Interval]
    chart_height: int


@dataclass(frozen=True)
class Table:
    """Any figures as a table."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def evaluations(found: Survey) -> Evaluations:
    """The evaluate artifacts; GclError where there is none."""
    entries = _measured(found, "evaluate", "mAP")
    rows = tuple(_evaluation(entry) for entry in entries)
    marks = [(e.found.name, e.found.result["mAP"], e.found.result.get("intervals", {}).get("mAP")) for e in entries]
    return Evaluations(tuple(FIGURES.values()), rows, intervals(marks), ROW * len(rows))


def generation(found: Survey) -> list[Table]:
    """The figures of every gen-metrics artifact, mixed and by angle; GclError where there is none."""
    tables = []
    for entry in _measured(found, "gen-metrics", ""):
        result = entry.found.result
        plain = tuple((in_words(key), _cell(value)) for key, value in result.items() if _is_number(value))
        of_painted = ", of painted views" if result.get("measured") == "painted" else ""
        tables.append(Table(f"{entry.reference}{of_painted} ({entry.state})", ("figure", "value"), plain))
        if angles := result.get("per_angle"):
            tables.append(_table_of(f"{entry.reference}, by angle", angles))
    return tables


def _measured(found: Survey, stage: str, figure: str) -> list[Entry]:
    """The finished artifacts of a measuring stage that have `figure`."""
    entries = [
        entry for entry in found.entries
        if entry.found.stage == stage and not entry.found.partial and entry.state in ("fresh", "stale")
        and (not figure or figure in entry.found.result)
    ]  # fmt: skip
    if not entries:
        raise GclError(f"{found.work.root} has no result of gcl {stage} yet.", MADE_BY[stage])
    return entries


def _evaluation(entry: Entry) -> Evaluation:
    result = entry.found.result
    ends = result.get("intervals", {})
    figures = tuple(
        (f"{result[key]:.1f}", f"{ends[key][0]:.1f} to {ends[key][1]:.1f}" if key in ends else "") for key in FIGURES
    )
    skipped = result.get("skipped_queries", 0)
    queries = number(result["queries"]) + (f" ({number(skipped)} skipped)" if skipped else "")
    return Evaluation(
        entry.reference, entry.state, str(result.get("dataset", "")), queries, figures,
        str(result.get("protocol", "")), _camera_table(result.get("camera_pairs", [])),
    )  # fmt: skip


def _camera_table(pairs: Sequence[Mapping[str, Any]]) -> CameraTable | None:
    if not pairs:
        return None
    cells = {(pair["query_camera"], pair["gallery_camera"]): pair for pair in pairs}
    cameras = tuple(sorted({camera for _, camera in cells}))
    rows = tuple(
        (query, tuple(_pair(cells.get((query, camera))) for camera in cameras))
        for query in sorted({query for query, _ in cells})
    )
    return CameraTable(cameras, rows)


def _pair(pair: Mapping[str, Any] | None) -> tuple[str, int, str] | None:
    if pair is None:
        return None
    said = f"mAP {pair['mAP']:.1f}, {pair['queries']} queries"
    return f"{pair['rank_1']:.0f}", min(STEPS - 1, int(pair["rank_1"] * STEPS / 100)), said


def _table_of(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    heads = tuple(dict.fromkeys(key for row in rows for key in row))
    cells = tuple(tuple(_cell(row.get(head)) for head in heads) for row in rows)
    return Table(title, tuple(map(in_words, heads)), cells)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    return number(value) if _is_number(value) else "" if value is None else str(value)
