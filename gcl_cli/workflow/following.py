"""Follow a training loop: show it, record it, and keep it safe."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from gcl_cli import console
from gcl_cli.artifacts.checkpoints import load_checkpoint, save_checkpoint
from gcl_cli.artifacts.run import CHECKPOINTS, Run
from gcl_cli.records import Event
from gcl_cli.training.state import TrainingState

LOW_SHARE = 0.2  # of clusters that span cameras: learning runs rise from .4 to .97, failing ones stay at .1
PATIENCE = 3  # epochs


def complete_already(run: Run, *, restart: bool) -> dict[str, Any] | None:
    """The result of this very run when an earlier one finished it; None when there is work to do."""
    finished = run.finished(restart=restart)
    if finished is None:
        return None
    console.say(f"{finished.reference} is complete already: {finished.folder}")
    return finished.manifest.result


def last_epoch(epochs: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of the last epoch, for a result; none where there was no epoch."""
    if not epochs:
        return {}
    return {key: value for key, value in epochs[-1].items() if key not in ("time", "steps")}


def resume(run: Run, state: TrainingState) -> None:
    """Put the state of the last checkpoint, if there is one, into `state`."""
    checkpoint = load_checkpoint(run.folder / CHECKPOINTS)
    if checkpoint is None:
        run.forget_after(0)
        return
    state.restore(checkpoint["state"])
    run.forget_after(checkpoint["lines"])
    console.say(f"Resuming {run.stage}/{run.name} at epoch {state.epoch + 1}, step {state.step}.")


def follow(
    run: Run, state: TrainingState, events: Iterator[Event], *, epochs: int, checkpoint_every: int
) -> list[dict[str, Any]]:
    """Run the loop to its end; returns the recorded epochs.

    Every epoch becomes a line of metrics.jsonl; a checkpoint is written every `checkpoint_every` steps.
    """
    begun, first = time.monotonic(), state.steps_done
    with console.meter(run.stage, total=1, done=state.steps_done) as meter:
        for event in events:
            if event.kind == "step":
                meter.total = state.steps_done - event.step + event.steps * (epochs - event.epoch)
                meter.advance(note=_note(event))
                if state.steps_done % checkpoint_every == 0:
                    save_checkpoint(run.folder / CHECKPOINTS, state.steps_done, _saved(run, state))
                continue
            seconds = (time.monotonic() - begun) / max(state.steps_done - first, 1)
            run.record({"epoch": event.epoch + 1, "steps": event.steps, **event.values, "seconds_per_step": seconds})
            meter.tell(_line(event, epochs))
            warn_of(event)
            warn_of_camera_clusters([line.get("share_cross_camera") for line in run.recorded()])
    return run.recorded()


def warn_of(event: Event) -> None:
    """Say what a user must know about an epoch's clusters."""
    if event.values.get("fallback"):
        console.warn(str(event.values["fallback"]))


def warn_of_camera_clusters(shares: Sequence[float | None]) -> None:
    """Say, once, that clusters have been following cameras instead of people for some epochs.

    shares: of the clusters that span cameras, an epoch each; None where cameras are unknown.
    """
    low = [share is not None and share < LOW_SHARE for share in shares]
    if len(low) >= PATIENCE and all(low[-PATIENCE:]) and not any(low[:-PATIENCE][-1:]):
        console.warn(
            f"Less than {LOW_SHARE:.0%} of the clusters span cameras since {PATIENCE} epochs: the encoder may be "
            "learning cameras instead of people. What helps: --camera-aware, --set colour_jitter=0.3, a better --init."
        )


def _saved(run: Run, state: TrainingState) -> dict[str, Any]:
    return {"state": state.snapshot(), "lines": len(run.recorded())}


def _note(event: Event) -> str:
    losses = {k: v for k, v in event.values.items() if isinstance(v, float)}
    return f"epoch {event.epoch + 1}  " + "  ".join(f"{name} {value:.3f}" for name, value in losses.items())


def _line(event: Event, epochs: int) -> str:
    shown = []
    for name, value in event.values.items():
        if value is None or name == "fallback":
            continue
        shown.append(f"{name.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{name} {value}")
    return f"epoch {event.epoch + 1}/{epochs}: " + ", ".join(shown)
