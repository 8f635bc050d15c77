"""What to tell people about a training: the memory it takes, and what to type when it has diverged."""

from typing import Any

from gcl_cli import console
from gcl_cli.artifacts.checkpoints import newest_checkpoint
from gcl_cli.artifacts.run import CHECKPOINTS, Run
from gcl_cli.config import Architecture, GanSettings
from gcl_cli.config.parity import Parity
from gcl_cli.config.presets import settings_for
from gcl_cli.errors import GclError
from gcl_cli.machine.devices import resolved
from gcl_cli.training.divergence import DivergenceError
from gcl_cli.training.ram import MemoryEstimate
from gcl_cli.training.state import TrainingState

CALMER = 1 / 3  # times the rates that led there


def diverged(run: Run, state: TrainingState, error: DivergenceError) -> GclError:
    """What happened, what is safe, and which settings to change, with values for this very run."""
    newest = newest_checkpoint(run.folder / CHECKPOINTS)
    safe = "there was no checkpoint yet" if newest is None else f"the checkpoint of step {newest} is whole"
    problem = (
        f"{run.stage}/{run.name} diverged in epoch {state.epoch + 1}, at step {state.step + 1} (the "
        f"{state.steps_done + 1}th of the run): {error}. That step was not recorded; {safe}."
    )
    return GclError(
        problem,
        "The same command would go the same way. Begin anew with calmer settings: --restart "
        f"{' '.join(_changes(run, state, error))} (or keep this run and add --name NAME).",
    )


def _changes(run: Run, state: TrainingState, error: DivergenceError) -> list[str]:
    """Options that make a run of these settings calmer."""
    rates = {name: value for name, value in run.config.items() if name.endswith("_rate") and isinstance(value, float)}
    if error.of_clusters:
        changes = ["--set refresh=all"] if run.config.get("refresh", "all") != "all" else []
        if run.config.get("radius") is not None:
            changes.append("--radius none")
        rates = {name: rate for name, rate in rates.items() if name in ("identity_rate", "learning_rate")}
    else:
        device = next(next(iter(state.networks.values())).parameters()).device
        changes = ["--precision fp32"] if resolved(run.config.get("precision", "fp32"), device) != "fp32" else []
    return changes + [f"--set {name}={CALMER * rate:.2g}" for name, rate in rates.items()]


def tell_memory(estimate: MemoryEstimate) -> None:
    """Say before the first epoch what a training will need, so that nobody learns it from a crash at night."""
    networks, activations, data = map(console.size_text, estimate)
    console.say(
        f"Memory: about {console.size_text(estimate.total)} beside the libraries (activations of a step {activations}, "
        f"networks and optimizers {networks}, pictures and memory bank {data})."
    )


def tell_parity(
    parity: Parity, stage: str, settings: GanSettings, chosen: dict[str, Any], architecture: Architecture
) -> None:
    """Say what keeps a run with `--parity reference` from the published code: settings of the preset, the head.

    chosen: what the user and `--parity` chose; the rest of `settings` is the preset's.
    """
    if parity == "none":
        return
    published = settings_for(type(settings), stage, "paper", chosen)
    others = [
        f"{name}={value} (published: {getattr(published, name)})"
        for name, value in settings
        if value != getattr(published, name) and not name.endswith("_every")
    ]
    if others:
        console.warn(
            f"--parity reference is meant for --preset paper; this encoder's preset leaves {', '.join(others)}. "
            "Type `gcl warmup DATA --preset paper --method jvtc` for the published settings."
        )
    if architecture.head == "bnneck":
        console.warn(
            "--parity reference: this encoder's head (bnneck) is none of the published code's. "
            "`gcl warmup DATA --method jvtc`, or --init with its own weights, give one that is."
        )
