"""The chain from pictures to figures or to people: its steps in order, and where each leaves its artifact."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gcl_cli.inventory.survey import Survey


@dataclass(frozen=True)
class Step:
    """One command of the chain."""

    part: str  # what `--until` and `--from` call it: an evaluation belongs to the encoder that it measures
    stage: str
    reference: str
    measured: str = ""  # the encoder or generator that a measuring step looks at

    @property
    def title(self) -> str:
        """A name that no other step has."""
        return self.stage if self.stage == self.part else f"{self.stage} {self.part}"


CHAIN = (
    Step("mesh", "mesh", "mesh/main"),
    Step("render", "render", "render/main"),
    Step("warmup", "warmup", "warmup/main"),
    Step("warmup", "evaluate", "evaluate/warmup-main", "warmup/main"),
    Step("gan-warmup", "gan-warmup", "gan-warmup/main"),
    Step("joint", "joint", "joint/main"),
    Step("joint", "evaluate", "evaluate/joint-main", "joint/main"),
    Step("gen-metrics", "gen-metrics", "gen-metrics/joint-main", "joint/main"),
    Step("cluster", "cluster", "cluster/main", "joint/main"),
)
PARTS = tuple(dict.fromkeys(step.part for step in CHAIN))


def steps_of(dataset: Mapping[str, Any]) -> tuple[Step, ...]:
    """The steps that a data set calls for: evaluation where there are query and gallery, else who is who.

    dataset: the record in dataset.json.
    """
    left_out = "cluster" if is_measurable(dataset) else "evaluate"
    return tuple(step for step in CHAIN if step.stage != left_out)


def is_measurable(dataset: Mapping[str, Any]) -> bool:
    """Whether a data set has query and gallery."""
    return {"query", "gallery"} <= dataset["pictures"].keys()


def steps_left(found: Survey) -> tuple[Step, ...]:
    """The steps whose artifact is missing, stale or damaged; none where no data set is known."""
    steps = steps_of(found.dataset) if found.dataset else ()
    return tuple(step for step in steps if not found.fresh(step.reference))
