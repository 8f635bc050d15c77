"""What the user asks of the chain, against what the work folder holds already."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.commands.run.sizing import Size, drawn_as_read, size_for
from gcl_cli.config.stages import DEFAULT_METHOD
from gcl_cli.errors import GclError
from gcl_cli.inventory.own_settings import own_settings, preset_of, unnamed_inputs
from gcl_cli.inventory.steps import PARTS, Step
from gcl_cli.inventory.survey import Entry, Survey

WARMUP = "warmup/main"


@dataclass(frozen=True)
class Wishes:
    """What was typed. Settings that were not are those of the artifact that is there, or the defaults."""

    preset: str | None = None
    until: str = PARTS[-1]
    anew_from: str | None = None  # this part and all that follow are made anew
    chosen: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # stage -> settings
    update: bool = False  # pictures that came or went are taken in first, as by `gcl update`

    def part(self, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """The steps up to `until`; GclError when `anew_from` comes after it."""
        if self.anew_from and PARTS.index(self.anew_from) > PARTS.index(self.until):
            raise GclError(
                f"--from {self.anew_from} comes after --until {self.until}.", f"In order: {', '.join(PARTS)}"
            )
        return tuple(step for step in steps if PARTS.index(step.part) <= PARTS.index(self.until))

    def anew(self, step: Step) -> bool:
        """Whether a step is to be made anew whatever is there."""
        return self.anew_from is not None and PARTS.index(step.part) >= PARTS.index(self.anew_from)

    def of(self, step: Step) -> dict[str, Any]:
        """The settings that were typed for a step."""
        return self.chosen.get(step.stage, {})


def chosen_size(found: Survey, wishes: Wishes, pictures: int, *, on_card: bool, cameras_known: bool) -> Size:
    """The preset of the warm-up: as typed, else that of the warm-up there is or was, else what this machine can do.

    What the machine chose before, it chooses again for what is not made yet.
    """
    if wishes.preset:
        return drawn_as_read(Size(wishes.preset), wishes.chosen)
    of_machine = drawn_as_read(size_for(pictures, on_card=on_card, cameras_known=cameras_known), wishes.chosen)
    both = (found.finished(WARMUP), found.begun(WARMUP))
    for entry in reversed(both) if found.remade(WARMUP) else both:
        if entry is not None and (preset := entry.found.config.get("preset")):
            length = of_machine.chosen.get("warmup", {})
            alike = preset == of_machine.preset and length.items() <= entry.found.config.items()
            return replace(of_machine, said="") if alike else drawn_as_read(Size(str(preset)), wishes.chosen)
    return of_machine


def settings_to_use(step: Step, there: Entry | None, found: Survey, wishes: Wishes, size: Size) -> dict[str, Any]:
    """The settings for a step: as typed, else as the stale or interrupted artifact `there` has them, else by size.

    GclError for an artifact that only its own command can make: where its source lies is written nowhere.
    """
    if there is None:
        return size.chosen.get(step.stage, {}) | wishes.of(step)
    secret = unnamed_inputs(there.found)
    if secret:
        raise GclError(
            f"{step.reference} was made with a --{secret[0]} that gcl run does not know.",
            f"Run gcl {step.stage} with its options again"
            + (", and --restart." if there.state in ("stale", "damaged") else "."),
        )
    config = there.found.config
    if wishes.of(step) and config.get("method", DEFAULT_METHOD) != DEFAULT_METHOD:
        raise GclError(
            f"{step.reference} is of --method {config['method']}, whose settings gcl run does not know.",
            f"Run gcl warmup with its options again, or add --from {step.part} to begin with {DEFAULT_METHOD}.",
        )
    return own_settings(step.stage, config, preset_of(there.found, found)) | wishes.of(step)


def refuse_contradictions(steps: tuple[Step, ...], found: Survey, wishes: Wishes, work: WorkFolder) -> None:
    """GclError where what is there, and would be kept or gone on with, differs from what was typed."""
    for step in steps:
        there = _kept(step, found)
        if there is None or wishes.anew(step):
            continue
        config = there.found.config
        asked = json.loads(json.dumps(wishes.of(step)))  # as it reads back from a manifest: tuples are lists
        if step.reference == WARMUP and wishes.preset:
            asked["preset"] = wishes.preset
        other = [f"{key} {config[key]} -> {asked[key]}" for key in asked if key in config and config[key] != asked[key]]
        if other:
            verb = "begun" if there.found.partial else "made"
            raise GclError(
                f"{step.reference} was {verb} with other settings ({'; '.join(other)}).",
                f"Add --from {step.part} to make it and what follows anew, or choose another folder than "
                f"{work.root} with --work.",
            )


def _kept(step: Step, found: Survey) -> Entry | None:
    """The fresh artifact, or the interrupted run where there is none."""
    there = found.finished(step.reference)
    if there is not None and not found.remade(step.reference):
        return there if there.state == "fresh" else None
    begun = found.begun(step.reference)
    return begun if begun is not None and begun.state in ("interrupted", "running") else None
