"""Digests that records and folders carry of themselves: what changed since it was written is noticed before use."""

import json
from pathlib import Path
from typing import Any

from gcl_cli.artifacts.files import digest_of, read_json, sha256, write_json
from gcl_cli.errors import GclError

SEAL = "seal"  # of a record: the digest of all else in it
DIGESTS = "digests.json"  # of a folder: file -> sha256


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """The record with its own digest."""
    return {**record, SEAL: digest_of(record)}


def read_sealed(path: Path, fix: str) -> dict[str, Any]:
    """The record in a JSON file, without its seal; one that an earlier version wrote without a seal is taken as it is.

    Raises GclError, with `fix`, when the file is no whole JSON object, or not what was written.
    """
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # half a file, or bytes that are no text
        raise GclError(f"{path} is damaged: it is not whole ({error}).", fix) from error
    if not isinstance(record, dict):
        raise GclError(f"{path} is damaged: it is no record.", fix)
    seal = record.pop(SEAL, None)
    if seal is not None and seal != digest_of(record):
        raise GclError(f"{path} is damaged: it is not what was written.", fix)
    return record


def seal_folder(folder: Path) -> None:
    """Write the digests of all files in a folder beside them."""
    write_json(folder / DIGESTS, _digests(folder))


def is_whole(folder: Path) -> bool:
    """Whether a sealed folder has the files that it was sealed with, to the bit."""
    try:
        return bool(read_json(folder / DIGESTS) == _digests(folder))
    except (OSError, ValueError, RecursionError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != DIGESTS}
