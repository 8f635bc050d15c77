"""What a search found, as files: JSON, CSV and a page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli.artifacts.files import digest_of, read_json, write_json
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


def asked(about: dict[str, Any], queries: list[str]) -> str:
    """What was looked for, and where: the same question may take the place of its own answer, another may not."""
    return digest_of([about.get("gallery"), sorted(set(queries))])


def asked_before(path: Path) -> str | None:
    """The question that a `search.json` answers; None where there is none, empty where it is something else."""
    try:
        answer = read_json(path)
        return asked(answer, [row["query"] for row in answer["matches"]])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def write_found(folder: Path, name: str, found: list[Found], about: dict[str, Any]) -> None:
    """`<name>.json`, with `about` in front, and `<name>.csv`."""
    rows = match_rows(found)
    write_json(folder / f"{name}.json", {**about, "matches": rows})
    write_table(folder / f"{name}.csv", COLUMNS, ([row[column] for column in COLUMNS] for row in rows))
