"""Tables that people open in spreadsheets: CSV files in which no file name acts as a formula."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gcl_cli.artifacts.files import write_text

FORMULA = "=+-@＝＋－＠\t\r"  # what a spreadsheet takes for the beginning of a formula
AS_TEXT = "'"  # what stands before a text that is none
MARK = "\ufeff"  # by which spreadsheets know UTF-8


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file in UTF-8; texts that would be formulas have an apostrophe before them.

    Where a text has letters beyond ASCII, the file begins with the mark without which spreadsheets garble them.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    quoting = csv.writer(table, lineterminator="\n", quoting=csv.QUOTE_ALL)  # a bare carriage return would end a row
    writer.writerow(header)
    for row in rows:
        cells = [_as_text(cell) if isinstance(cell, str) else cell for cell in row]
        (quoting if any("\r" in str(cell) for cell in cells) else writer).writerow(cells)
    text = table.getvalue()
    write_text(path, text if text.isascii() else MARK + text)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by their columns, as `write_table` was given them; with or without the mark."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [{key: as_written(cell or "") for key, cell in row.items() if key} for row in csv.DictReader(file)]


def as_written(cell: str) -> str:
    """A text without the apostrophe that keeps it from being a formula."""
    return cell[1:] if cell[:1] == AS_TEXT and cell[1:2] and cell[1] in FORMULA + AS_TEXT else cell


def _as_text(cell: str) -> str:
    return AS_TEXT + cell if cell[:1] and cell[0] in FORMULA + AS_TEXT else cell
