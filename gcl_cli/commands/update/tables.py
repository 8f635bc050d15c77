"""Each table of pictures by the command that makes it, which takes over what is still the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gcl_cli import console
from gcl_cli.artifacts.folders import drop_partial, mark_for_remake
from gcl_cli.artifacts.layout import MADE_BY
from gcl_cli.artifacts.manifest import CROPS, read_manifest
from gcl_cli.commands.cluster import command as cluster
from gcl_cli.commands.mesh import command as mesh
from gcl_cli.commands.render import command as render
from gcl_cli.commands.search import command as search
from gcl_cli.config.stages import STAGE_SETTINGS
from gcl_cli.inventory.survey import Entry, survey
from gcl_cli.session import Session


@dataclass(frozen=True)
class Wanted:
    """How tables are brought up to date."""

    session: Session
    corrections: str | None  # a file that labels are to obey from now on


def bring_up(reference: str, wanted: Wanted) -> dict[str, Any] | None:
    """Bring one artifact up to date; returns what became of it, None where there is nothing to say."""
    found = survey(wanted.session.folder)
    there, begun = found.finished(reference), found.begun(reference)
    if there is None or there.found.config.keys() == {"of"}:  # the graph of an index, which a search builds
        return None
    if there.state == "damaged":
        console.warn(f"{reference} is damaged ({there.reason}) and stays as it is.")
        return {"artifact": reference, "state": "damaged", "new_pictures": None}
    if begun is not None and begun.state in ("stale", "damaged"):
        drop_partial(begun.found.folder)  # of other pictures still
    return TABLES[there.found.stage](there, wanted)


def _mesh(there: Entry, wanted: Wanted) -> dict[str, Any]:
    return _taken(
        there, lambda: mesh.run(_session(there, wanted), None, _chosen(there)), anew="meshes" in there.found.inputs
    )


def _render(there: Entry, wanted: Wanted) -> dict[str, Any]:
    meshes = str(there.found.config.get("meshes") or "mesh/main").partition("/")[2]
    given = "views" in there.found.inputs
    return _taken(there, lambda: render.run(_session(there, wanted), meshes, _chosen(there)), anew=given)


def _cluster(there: Entry, wanted: Wanted) -> dict[str, Any] | None:
    config, chosen = there.found.config, _chosen(there)
    crops = config.get(CROPS)
    if crops is not None and not Path(crops).is_dir():
        return _gone(there, crops)
    asked = wanted.corrections is not None and crops is None and wanted.corrections != config.get("corrections")
    if asked:
        chosen["corrections"] = wanted.corrections
        mark_for_remake(there.found.folder)

    def make() -> dict[str, Any]:
        session = replace(_session(there, wanted), camera_from=config.get("camera_from"))
        return cluster.run(session, chosen=chosen, data=crops, **_source(config["encoder"]))

    always = crops is not None or chosen.get("corrections") is not None  # files elsewhere, which only it looks at
    return _taken(there, make, always=always or asked)


def _search(there: Entry, wanted: Wanted) -> dict[str, Any]:
    config = there.found.config
    if not Path(config["gallery"]).is_dir():
        return _gone(there, config["gallery"])
    index = search.refresh(
        wanted.session, config["gallery"], flip=config.get("flip", False), **_source(config["encoder"])
    )
    state = "brought up to date" if index.embedded or index.removed else "kept"
    return {"artifact": there.reference, "state": state, "new_pictures": index.embedded}


TABLES: Mapping[str, Callable[[Entry, Wanted], dict[str, Any] | None]] = {
    "mesh": _mesh,
    "render": _render,
    "cluster": _cluster,
    "search": _search,
}


def _taken(
    there: Entry, make: Callable[[], dict[str, Any]], *, anew: bool = False, always: bool = False
) -> dict[str, Any]:
    """Make a table where it is not what its inputs would give now; `anew`: nothing of it can be taken over."""
    if there.state == "fresh" and not always:
        return {"artifact": there.reference, "state": "kept", "new_pictures": 0}
    if there.state == "stale" or (anew and there.state == "behind"):
        mark_for_remake(there.found.folder)
    result = make()
    kept = read_manifest(there.found.folder).digest == there.found.digest
    state = "kept" if kept else "brought up to date" if "new_pictures" in result else "made anew"
    return {"artifact": there.reference, "state": state, "new_pictures": result.get("new_pictures")}


def _gone(there: Entry, folder: str) -> dict[str, Any]:
    console.warn(f"{there.reference} stays as it is: its folder {folder} is gone.")
    return {"artifact": there.reference, "state": "its folder is gone", "new_pictures": None}


def _chosen(there: Entry) -> dict[str, Any]:
    """All settings that an artifact was made with."""
    fields = STAGE_SETTINGS[there.found.stage].model_fields
    return {name: value for name, value in there.found.config.items() if name in fields}


def _session(there: Entry, wanted: Wanted) -> Session:
    return replace(wanted.session, name=there.found.name, camera_from=None, person_from=None)


def _source(encoder: str) -> dict[str, str | None]:
    """How a command is told which encoder an artifact was made with."""
    is_artifact = encoder.partition("/")[0] in MADE_BY
    return {"encoder": encoder if is_artifact else None, "init": None if is_artifact else encoder}
