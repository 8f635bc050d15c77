"""The page as one HTML file: nothing outside it is asked for, and only its own script may run."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gcl_cli.commands.report import charts
from gcl_cli.errors import GclError


@dataclass(frozen=True)
class Section:
    """One section: its content, or why there is none and what mends that."""

    key: str  # of its template, and of its place on the page
    title: str
    content: Any = None
    problem: str = ""
    fix: str = ""


def section(key: str, title: str, make: Callable[[], Any]) -> Section:
    """A section with what `make` returns; with the problem and its fix where something is missing for it."""
    try:
        return Section(key, title, make())
    except GclError as error:
        return Section(key, title, problem=error.problem, fix=error.fix)


FOLDER = "templates"  # beside this file


def html_of(sections: Sequence[Section], about: dict[str, Any]) -> str:
    """The page; every text is escaped. about: `title`, `facts` (pairs), `figures` and `is_blurred`."""
    style, script = (
        files("gcl_cli.commands.report").joinpath(FOLDER, name).read_text() for name in ("page.css", "page.js")
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return _environment().get_template("page.html").render(
        sections=sections, style=Markup(style), script=Markup(script), policy=policy,
        chart_width=charts.WIDTH, chart_height=charts.HEIGHT, **about,
    )  # fmt: skip


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("gcl_cli.commands.report", FOLDER), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def _digest(text: str) -> str:
    """What a Content-Security-Policy calls an inline block: nothing but these very bytes is let through."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
