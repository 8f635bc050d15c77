"""A work folder as a graph of artifacts: which are fresh, and what changed under the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gcl_cli.artifacts.dataset_record import recall
from gcl_cli.artifacts.folders import FoundFolder, found_folders, is_remade, size_of, work_done
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.lock import is_locked
from gcl_cli.artifacts.manifest import LEARNED, Source, outdated

State = Literal["fresh", "behind", "stale", "damaged", "interrupted", "running"]  # behind: pictures came or went since


@dataclass(frozen=True)
class Entry:
    """An artifact or a partial folder, and what has become of it."""

    found: FoundFolder
    state: State
    reason: str  # why it is not fresh
    size: int  # bytes
    done: dict[str, int]  # what an interrupted run has done

    @property
    def reference(self) -> str:
        """How it is called on the command line."""
        return self.found.reference


@dataclass(frozen=True)
class Survey:
    """A work folder at one moment."""

    work: WorkFolder
    dataset: dict[str, Any] | None  # the record in dataset.json
    entries: tuple[Entry, ...]

    def finished(self, reference: str) -> Entry | None:
        """The finished artifact of that name."""
        return self._entry(reference, partial=False)

    def begun(self, reference: str) -> Entry | None:
        """The partial folder of that name."""
        return self._entry(reference, partial=True)

    def fresh(self, reference: str) -> bool:
        """Whether that artifact is there, its inputs are what they were, and it is not to be made anew."""
        entry = self.finished(reference)
        return entry is not None and entry.state == "fresh" and not self.remade(reference)

    def remade(self, reference: str) -> bool:
        """Whether that artifact is there and is to be made anew, or is being so."""
        begun = self.begun(reference)
        return begun is not None and is_remade(begun.found.folder)

    def _entry(self, reference: str, *, partial: bool) -> Entry | None:
        matching = (e for e in self.entries if e.reference == reference and e.found.partial is partial)
        return next(matching, None)


def survey(work: WorkFolder, dataset: dict[str, Any] | None = None) -> Survey:
    """Look at everything in a work folder, by its manifests alone.

    dataset: a record of the pictures as they are now, where that is not the one in dataset.json.
    """
    folders = found_folders(work)
    finished = {found.reference: found for found in folders if not found.partial}
    if dataset is None and work.dataset_file.exists():
        dataset = recall(work)
    return Survey(work, dataset, tuple(_entry(found, finished, dataset) for found in folders))


def _entry(found: FoundFolder, finished: Mapping[str, FoundFolder], dataset: dict[str, Any] | None) -> Entry:
    size, done = size_of(found.folder), work_done(found.folder) if found.partial else {}
    if found.partial and is_locked(found.folder):
        return Entry(found, "running", "", size, done)
    if found.damage:
        return Entry(found, "damaged", found.damage, size, done)
    state, reason = _changed_under(found, finished, dataset)
    if found.partial:  # what was begun with other pictures cannot be gone on with
        state = "interrupted" if state == "fresh" else "stale"
    return Entry(found, state, reason, size, done)


def _changed_under(
    found: FoundFolder, finished: Mapping[str, FoundFolder], dataset: dict[str, Any] | None
) -> tuple[State, str]:
    """Whether `found` is what its inputs would give now, and what changed since it read them."""

    def known(source: str) -> Source | None:
        if source == "dataset":
            return Source(dataset["digest"], earlier=dataset["earlier"]) if dataset else None
        other = finished.get(source)
        return None if other is None or other.damage else Source(other.digest, other.inputs, other.earlier)

    changed = outdated("" if found.partial else found.stage, found.inputs, known)
    if changed is None:
        learned_before = found.stage in LEARNED and dataset and found.inputs.get("dataset") in dataset["earlier"]
        return "fresh", "learned from earlier pictures" if learned_before else ""
    way = changed.way
    if changed.grew:
        return "behind", "of earlier pictures" if len(way) == 1 else f"{way[0]} is of earlier pictures"
    if way == ("dataset",):
        return "stale", "the data set is another one"
    return "stale", f"{way[0]} was made anew since" if len(way) == 1 else f"{way[0]} is stale"
