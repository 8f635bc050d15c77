"""Where everything on the page comes from: commands, versions, digests."""

from dataclasses import dataclass

from gcl_cli.artifacts.manifest import read_manifest
from gcl_cli.errors import GclError
from gcl_cli.inventory.own_settings import command_for
from gcl_cli.inventory.survey import Entry, Survey


@dataclass(frozen=True)
class Origin:
    """One artifact, or what an interrupted run left."""

    reference: str
    state: str
    reason: str
    command: str
    digest: str
    finished: str
    seed: str
    versions: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...]  # name and digest when it was read
    outputs: tuple[tuple[str, str], ...]  # file and digest


def origins(found: Survey) -> list[Origin]:
    """Every artifact in the order of the pipeline; GclError for an empty work folder."""
    if not found.entries:
        raise GclError(f"{found.work.root} holds no artifact yet.", "gcl run DATA")
    return [_origin(entry, found) for entry in found.entries]


def _origin(entry: Entry, everything: Survey) -> Origin:
    folder, is_whole = entry.found, not entry.found.partial and entry.state != "damaged"
    manifest = read_manifest(folder.folder) if is_whole else None
    return Origin(
        entry.reference, entry.state, entry.reason,
        command_for(folder, everything) if folder.config else "",
        folder.digest or "", folder.moment or "",
        "" if manifest is None or manifest.seed is None else str(manifest.seed),
        tuple(manifest.versions.items()) if manifest else (),
        tuple(folder.inputs.items()),
        tuple(manifest.outputs.items()) if manifest else (),
    )  # fmt: skip
