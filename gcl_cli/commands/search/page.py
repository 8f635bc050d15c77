"""The page of a search: one HTML file that needs nothing else, with thumbnails inside."""

import base64
import io
import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from gcl_cli.artifacts.files import digest_of, read_json, write_json, write_text
from gcl_cli.artifacts.tables import write_table
from gcl_cli.datasets.decoding import read_crop

COLUMNS = ("query", "rank", "picture", "similarity")


@dataclass(frozen=True)
class Match:
    """One picture of the gallery."""

    rank: int  # 1 = most alike
    picture: str  # relative to the gallery
    similarity: float  # cosine of the embeddings
    same_person: float | None = None  # chance that it is the person of the query; None: not asked for


@dataclass(frozen=True)
class Found:
    """The pictures that are most like one query."""

    query: str  # as the user wrote it
    searched: np.ndarray | None  # [H, W, 3] uint8, the generated view that stood in for it
    matches: tuple[Match, ...]
    nobody: bool = False  # whether strangers are as alike as the best match too often


def match_rows(found: list[Found]) -> list[dict[str, Any]]:
    """All matches of all queries, as rows of a table."""
    return [
        {"query": one.query, "rank": match.rank, "picture": match.picture, "similarity": match.similarity}
        | ({} if match.same_person is None else {"same_person": match.same_person})
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
    columns = [*COLUMNS, *(["same_person"] if rows and "same_person" in rows[0] else [])]
    write_table(folder / f"{name}.csv", columns, ([row[column] for column in columns] for row in rows))


THUMBNAIL = (128, 192)  # largest width and height in pixels
STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
section { border-top: 1px solid var(--line); margin-top: 1.5rem; }
ol, .query { display: flex; flex-wrap: wrap; gap: .75rem; list-style: none; margin: 0 0 1rem; padding: 0; }
li, figure { background: var(--soft); border-radius: .4rem; margin: 0; padding: .5rem; width: 8rem; }
li a { color: inherit; display: block; text-decoration: none; }
li a:hover, li a:focus-visible { outline: 2px solid; outline-offset: 4px; }
img { border-radius: .2rem; display: block; height: 11rem; margin: 0 auto .3rem; max-width: 100%; object-fit: contain; }
small { display: block; overflow-wrap: anywhere; }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>gcl search</title>
<style>{style}</style>
</head>
<body>
<h1>Search</h1>
<dl>{about}</dl>
{sections}
</body>
</html>
"""


def write_page(path: Path, found: list[Found], gallery: Path, about: dict[str, Any]) -> None:
    """Write the page: for each query its picture and its matches, as links to the files with thumbnails.

    `about` is shown in front. Every text from outside, names of files above all, is escaped.
    """
    told = {key: value for key, value in about.items() if value is not None and key != "answers"}
    shown = "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in told.items())
    sections = "\n".join(_section(one, gallery, path.parent) for one in found)
    write_text(path, PAGE.format(style=STYLE, about=shown, sections=sections))


def _section(found: Found, gallery: Path, folder: Path) -> str:
    query = Path(found.query).expanduser()
    pictures = _figure(read_crop(query.parent, query.name), "query")
    if found.searched is not None:
        pictures += _figure(found.searched, "generated view that was searched for")
    items = "\n".join(_item(match, gallery, folder) for match in found.matches)
    heading = f"<h2>{escape(found.query)}{': nobody in this gallery' if found.nobody else ''}</h2>"
    return f'<section>\n{heading}\n<div class="query">{pictures}</div>\n<ol>\n{items}\n</ol>\n</section>'


def _figure(picture: np.ndarray, caption: str) -> str:
    return f"<figure>{_thumbnail(picture, caption)}<figcaption><small>{escape(caption)}</small></figcaption></figure>"


def _item(match: Match, gallery: Path, folder: Path) -> str:
    link = quote(os.path.relpath((gallery / match.picture).resolve(), folder.resolve()))
    image = _thumbnail(read_crop(gallery, match.picture), f"rank {match.rank}: {match.picture}")
    sure = "" if match.same_person is None else f" &middot; {match.same_person:.0%}"
    text = f"<b>{match.rank}</b> &middot; {match.similarity:.3f}{sure}<small>{escape(match.picture)}</small>"
    return f'<li><a href="{escape(link)}">{image}{text}</a></li>'


def _thumbnail(picture: np.ndarray, text: str) -> str:
    """An <img> that holds the picture itself, as a small JPEG."""
    image = Image.fromarray(picture)
    image.thumbnail(THUMBNAIL, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}" alt="{escape(text)}">'
