"""The geometry of the drawings: lines and intervals, in the units of their viewBox."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 240, 90  # of the area that a line is drawn in
ROW = 28  # height of an interval's row


@dataclass(frozen=True)
class LineChart:
    """One figure over the epochs."""

    title: str
    path: str  # of an SVG <path>
    marks: tuple[tuple[float, float], ...]  # where the points are
    low: str  # at the foot of the area
    high: str  # at its head
    first: str  # epoch
    last: str
    said: str  # the chart in words
    values: dict[int, str]  # by epoch, for the table


@dataclass(frozen=True)
class Interval:
    """One row of a chart of intervals on a scale from 0 to 100."""

    label: str
    value: float
    low: float | None
    high: float | None
    y: float  # of its middle


def line_chart(title: str, points: Sequence[tuple[int, float]]) -> LineChart:
    """A chart of finite values, (epoch, value) each, at least one."""
    epochs, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    marks = tuple(
        (round(_share(e, epochs[0], epochs[-1]) * WIDTH, 1), round((1 - _share(v, low, high)) * HEIGHT, 1))
        for e, v in points
    )
    path = "M" + " L".join(f"{x:g} {y:g}" for x, y in marks)
    said = f"{title}: from {number(values[0])} in epoch {epochs[0]} to {number(values[-1])} in epoch {epochs[-1]}"
    if len(points) > 2:
        said += f", between {number(low)} and {number(high)}"
    return LineChart(
        title, path, marks, number(low), number(high), str(epochs[0]), str(epochs[-1]), said,
        {epoch: number(value) for epoch, value in points},
    )  # fmt: skip


def intervals(rows: Sequence[tuple[str, float, Sequence[float] | None]]) -> list[Interval]:
    """Rows (label, value, interval or None) in percent, one below the other."""
    found = []
    for row, (label, value, ends) in enumerate(rows):
        low, high = ends or (None, None)
        found.append(Interval(label, value, low, high, ROW * (row + 0.5)))
    return found


def number(value: float) -> str:
    """A number as people read it: four significant digits, whole ones in full."""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return f"{int(value):,}"
    return f"{value:.4g}" if math.isfinite(value) else str(value)


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5
