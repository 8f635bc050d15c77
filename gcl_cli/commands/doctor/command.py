"""`gcl doctor`: what is wrong with this machine or a data set, and what mends it."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gcl_cli.commands.doctor.findings import Finding, problem
from gcl_cli.commands.doctor.labels import look_at_names, open_for_looking
from gcl_cli.commands.doctor.machine import look_at_machine
from gcl_cli.commands.doctor.pictures import look_at_pictures
from gcl_cli.datasets.catalogue import resolve
from gcl_cli.errors import GclError


def run(
    work: str, data: str | None, data_root: str, *, camera_from: str | None = None, person_from: str | None = None
) -> dict[str, Any]:
    """Look at the machine, and at a data set where one is named; returns the findings and how many are problems."""
    findings = list(look_at_machine(Path(work)))
    if data is not None:
        findings += _look_at_data(data, Path(data_root), camera_from=camera_from, person_from=person_from)
    return {
        "findings": [asdict(finding) for finding in findings],
        "notes": sum(finding.level == "note" for finding in findings),
        "problems": sum(finding.level == "problem" for finding in findings),
    }


def _look_at_data(data: str, data_root: Path, **said: str | None) -> Iterator[Finding]:
    """Findings about a data set; one that cannot be opened is a finding, not an error."""
    try:
        root = resolve(data, data_root)
    except GclError as error:
        yield problem("data set", error.problem, error.fix)
        return
    dataset, findings = open_for_looking(root, **said)
    yield from findings
    if dataset is not None:
        yield from look_at_names(dataset)
        yield from look_at_pictures(dataset)
