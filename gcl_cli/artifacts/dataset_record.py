"""`dataset.json`: the data set a work folder belongs to, written by the first stage that is given data."""

from pathlib import Path
from typing import Any

from gcl_cli.artifacts.files import digest_of, read_json, write_json
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.errors import GclError


def fingerprint(root: Path, names: dict[str, list[str]]) -> str:
    """Identity of a data set: the names of its pictures, by split, and their sizes in bytes."""
    return digest_of(
        {split: [[name, (root / name).stat().st_size] for name in listed] for split, listed in names.items()}
    )


def remember(work: WorkFolder, record: dict[str, Any]) -> None:
    """Write the record when there is none; GclError when the folder belongs to another data set.

    record: at least `root` (absolute path) and `digest` (from `fingerprint`).
    """
    if not work.dataset_file.exists():
        write_json(work.dataset_file, record)
        return
    known = recall(work)
    if known["root"] != record["root"]:
        raise GclError(
            f"{work.root} belongs to {known['root']}, not to {record['root']}.",
            "Leave DATA out, or choose another work folder with --work DIR.",
        )
    if known["digest"] != record["digest"]:
        raise GclError(
            f"The pictures in {known['root']} changed since {work.dataset_file} was written.",
            "Choose a new work folder with --work DIR, or put the pictures back.",
        )


def recall(work: WorkFolder) -> dict[str, Any]:
    """The record; GclError when no data set was given yet."""
    if not work.dataset_file.exists():
        raise GclError(f"{work.root} has no data set yet.", "Name one: gcl mesh DATA (or gcl warmup DATA).")
    record: dict[str, Any] = read_json(work.dataset_file)
    return record
