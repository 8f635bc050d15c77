"""`gcl report`: a work folder -> one HTML page to look at, which needs nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gcl_cli import __version__
from gcl_cli.artifacts.files import write_text
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.run import now
from gcl_cli.commands.report.album import Album
from gcl_cli.commands.report.atlas import Atlas, draw_atlas
from gcl_cli.commands.report.curves import trainings
from gcl_cli.commands.report.embedded import Embedded, Eye, embed_some, load_eye
from gcl_cli.commands.report.gallery import cluster_gallery, cluster_labels
from gcl_cli.commands.report.generated import Grid, view_grid
from gcl_cli.commands.report.heads import known_heads
from gcl_cli.commands.report.page import Section, html_of, section
from gcl_cli.commands.report.provenance import origins
from gcl_cli.commands.report.ranked import ranked_lists
from gcl_cli.commands.report.results import evaluations, generation
from gcl_cli.commands.report.summary import is_labelled, summary
from gcl_cli.config import ReportSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.datasets.listing import expanded
from gcl_cli.errors import GclError
from gcl_cli.inventory.survey import Survey, survey
from gcl_cli.machine.devices import set_threads
from gcl_cli.people.data import WorkData, open_data
from gcl_cli.session import Session
from gcl_cli.weights.starting_weights import open_encoder

PAGE = "report.html"
ENDINGS = (".html", ".htm")


@dataclass
class Material:
    """What sections are made of, opened when the first one asks for it; GclError where it is missing."""

    work: WorkFolder
    found: Survey
    session: Session
    settings: ReportSettings
    encoder: str | None
    generator: str | None

    @cached_property
    def data(self) -> WorkData:
        """The data set that the work folder remembers."""
        return open_data(self.session, None)

    @cached_property
    def album(self) -> Album:
        """Makes the pictures."""
        heads = known_heads(self.work) if self.settings.blur_faces else None
        return Album(self.data.root, self.settings.thumbnail, self.settings.full_pictures, heads)

    @cached_property
    def eye(self) -> Eye:
        """The encoder."""
        source = open_encoder(self.work, encoder=self.encoder, init=None, stages=("joint", "warmup"))
        return load_eye(source, self.session)

    @cached_property
    def embedded(self) -> Embedded:
        """Some training pictures."""
        return embed_some(self.eye, self.data, self.settings)

    def views(self) -> Grid:
        """Generated views of some people."""
        return view_grid(
            self.work, self.data, self.session, self.generator,
            people=self.settings.people, eye=self.eye, real=self.embedded, album=self.album,
        )  # fmt: skip

    def atlas(self) -> Atlas:
        """The map, coloured by the clusters where there are any."""
        clusters = self.found.finished("cluster/main")
        fresh = clusters is not None and clusters.state == "fresh"
        labels = cluster_labels(read_artifact(self.work, "cluster/main").folder) if fresh else {}
        numbers = {name: label for name, (label, _) in labels.items()}
        return draw_atlas(self.embedded, numbers, self.settings, self.album)


def run(
    session: Session,
    to: str | None,
    chosen: dict[str, Any],
    *,
    encoder: str | None = None,
    generator: str | None = None,
) -> dict[str, Any]:
    """Write the page; returns where it is, and what to type for sections that it lacks. No artifact is changed."""
    settings = settings_for(ReportSettings, "report", "paper", chosen)
    work = session.folder
    found = survey(work)
    if not found.entries:
        raise GclError(f"{work.root} holds no artifact yet: there is nothing to show.", "gcl run DATA")
    path = _page_file(to, work)
    set_threads(session.threads)
    sections = _sections(Material(work, found, session, settings, encoder, generator))
    write_text(path, html_of(sections, _about(found, settings)))
    rows = [
        {"section": part.title, "shown": part.content is not None, "missing": part.problem or None,
         "type": part.fix or None}
        for part in sections
    ]  # fmt: skip
    return {"page": str(path), "megabytes": path.stat().st_size / 1e6, "sections": rows}


def _sections(material: Material) -> list[Section]:
    """The sections in the order of what the data can answer, those that lack something last.

    Without query and gallery there is no right answer to measure by: clusters come first, and nothing asks for figures
    that cannot be had.
    """
    m, settings = material, material.settings
    wanted: dict[str, tuple[str, Callable[[], Any], bool]] = {
        "results": ("Result", lambda: evaluations(m.found), True),
        "ranked": (
            "Ranked lists",
            lambda: ranked_lists(m.work, m.found, m.data, m.eye, settings, m.album),
            settings.queries > 0,
        ),
        "clusters": (
            "Clusters", lambda: cluster_gallery(m.work, m.data, settings, m.album), settings.clusters > 0,
        ),
        "map": ("Map of the embedding", m.atlas, settings.pictures > 0),
        "views": ("Generated views", m.views, settings.people > 0),
        "generation": ("Figures of the generator", lambda: generation(m.found), True),
        "curves": ("Curves", lambda: trainings(m.found), True),
        "provenance": ("Provenance", lambda: origins(m.found), True),
    }  # fmt: skip
    made = [section(key, title, make) for key, (title, make, is_wanted) in wanted.items() if is_wanted]
    if not is_labelled(m.found):
        made = [part for part in made if part.content is not None or part.key not in ("results", "ranked")]
        made.sort(key=lambda part: part.key in ("results", "ranked"))
    return sorted(made, key=lambda part: part.content is None)


def _page_file(to: str | None, work: WorkFolder) -> Path:
    """Where the page goes; GclError where that is not the name of a page."""
    path = work.root / PAGE if to is None else expanded(to)
    if path.is_dir() or path.suffix.lower() not in ENDINGS:
        raise GclError(f"--to {to} is not the name of a page.", f"Name a file: --to {PAGE}")
    return path


def _about(found: Survey, settings: ReportSettings) -> dict[str, Any]:
    """What stands at the head of the page."""
    data: Mapping[str, Any] = found.dataset or {}
    facts = {"work folder": str(found.work.root)}
    if data:
        counts = ", ".join(f"{split} {number:,}" for split, number in data["pictures"].items())
        facts |= {"data set": f"{data['name']} ({data['layout']})", "pictures": counts}
    facts |= {"made": f"{now()} by gcl-cli {__version__}"}
    return {
        "title": str(data.get("name", found.work.root.name)), "facts": facts, "is_blurred": settings.blur_faces,
        "figures": summary(found),
    }  # fmt: skip
