"""Departures from the paper, gathered from the comments where they happen: `# Paper: ... Here: ...`.

`python tests/departures.py` prints the table that docs/departures.md shows between its markers.
"""

import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DEPARTURE = re.compile(r"Paper: (?P<paper>.+?) Here: (?P<here>.+)")


class Departure(NamedTuple):
    """One departure: the file (relative to the checkout), what the paper says, and what is done here."""

    file: str
    paper: str
    here: str


def gathered(package: Path = ROOT / "gcl_cli") -> list[Departure]:
    """All departures of a package, by file and line; ValueError where one is not of the form."""
    found = []
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package.parent).as_posix()
        for remark in remarks(path):
            match = DEPARTURE.fullmatch(remark)
            if match is None:
                raise ValueError(f"{name}: not of the form 'Paper: ... Here: ...': {remark}")
            found.append(Departure(name, match["paper"], match["here"]))
    return found


def remarks(path: Path) -> Iterator[str]:
    """The comments that begin with `Paper:` or speak of `Here:`, each with the comment lines that continue it."""
    parts: list[str] = []
    last = (0, 0)  # line and column of the comment before
    with path.open("rb") as file:
        comments = [token for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
    for token in comments:
        text = token.string.lstrip("#").strip()
        line, column = token.start
        if parts and (line, column) == (last[0] + 1, last[1]) and not text.startswith("Paper:"):
            parts.append(text)
        else:
            yield from _joined(parts)
            parts = [text]
        last = (line, column)
    yield from _joined(parts)


def _joined(parts: list[str]) -> Iterator[str]:
    text = " ".join(parts)
    if "Paper:" in text or "Here:" in text:
        yield text


def table(departures: list[Departure]) -> str:
    """The departures as a Markdown table."""
    rows = [("Where", "Paper", "Here"), ("---", "---", "---")]
    rows += [(f"`{found.file}`", found.paper, found.here) for found in departures]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)


if __name__ == "__main__":
    sys.stdout.write(table(gathered()) + "\n")
