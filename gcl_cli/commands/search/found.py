"""What a search found, as files: JSON, CSV and a page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.tables import write_table

COLUMNS = ("query", "rank", "picture", "similarity")


@dataclass(frozen=True)
class Match:
    """One picture of the gallery."""

    rank: int  # 1 = most alike
    picture: str  # relative to the gallery
    similarity: float  # cosine of the embeddings


@dataclass(frozen=True)
class Found:
    """The pictures that are most like one query."""

    query: str  # as the user wrote it
    searched: np.ndarray | None  # [H, W, 3] uint8, the generated view that stood in for it
    matches: tuple[Match, ...]


def match_rows(found: list[Found]) -> list[dict[str, Any]]:
    """All matches of all queries, as rows of a table."""
    return [
        {"query": one.query, "rank": match.rank, "picture": match.picture, "similarity": match.similarity}
        for one in found
        for match in one.matches
    ]


def write_found(folder: Path, found: list[Found], about: dict[str, Any]) -> None:
    """`search.json`, with `about` in front, and `search.csv`."""
    rows = match_rows(found)
    write_json(folder / "search.json", {**about, "matches": rows})
    write_table(folder / "search.csv", COLUMNS, ([row[column] for column in COLUMNS] for row in rows))
