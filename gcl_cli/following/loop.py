"""Follow a training loop: show it, record it, and keep it safe."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from gcl_cli import console
from gcl_cli.artifacts.checkpoints import load_checkpoint, save_checkpoint
from gcl_cli.artifacts.run import CHECKPOINTS, Run
from gcl_cli.errors import GclError
from gcl_cli.following.advice import diverged
from gcl_cli.machine.devices import resolved
from gcl_cli.machine.interruptions import noted
from gcl_cli.records import Event, Observer
from gcl_cli.training.divergence import DivergenceError, refuse_spoiled
from gcl_cli.training.state import TrainingState
from gcl_cli.training.team import ALONE, Team

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
    """The figures of the last epoch, for a result; none where there was no epoch.

    Learning rates and where the time went stay in the metrics.
    """
    if not epochs:
        return {}
    left_out = {name for name in epochs[-1] if name.startswith(("rate_", "seconds_"))} - {"seconds_per_step"}
    return {name: value for name, value in epochs[-1].items() if name not in {"time", "steps", *left_out}}


def resume(run: Run, state: TrainingState, team: Team = ALONE) -> None:
    """Put the state of the last checkpoint, if there is one, into `state`, in every process of the team."""
    passed_over: list[Path] = []
    checkpoint = load_checkpoint(run.folder / CHECKPOINTS, passed_over=passed_over.append)
    instead = "an earlier checkpoint takes its place" if checkpoint else "there is no other: the training begins anew"
    for path in passed_over:
        console.warn(f"{path} is damaged: {instead}.")
    if team.leads:
        run.put_back(checkpoint["lines"] if checkpoint else [])
    if checkpoint is None:
        return
    if "tables" not in checkpoint["state"]:
        raise GclError(
            f"{run.folder} holds checkpoints of an earlier version of gcl, from which this one cannot go on.",
            "Finish it with that version, or begin again: --restart",
        )
    state.restore(checkpoint["state"])
    console.say(f"Resuming {run.stage}/{run.name} at epoch {state.epoch + 1}, step {state.step}.")


def follow(
    run: Run,
    state: TrainingState,
    events: Iterator[Event],
    *,
    epochs: int,
    checkpoint_every: int,
    minutes: float | None = None,
    observers: Sequence[Observer] = (),
    team: Team = ALONE,
) -> list[dict[str, Any]]:
    """Run the loop to its end; returns the recorded epochs.

    Every epoch becomes a line of metrics.jsonl, with what the observers see; every `checkpoint_every` steps, and after
    the step in which Ctrl-C is typed, a checkpoint is written. GclError where the training diverges, unrecorded. Of a
    team only the leading process writes.
    """
    if not team.leads:
        with _divergence_in_words(run, state):
            for event in events:
                _refuse_spoiled(state, event, checkpoint_every)
        return []
    _tell_arithmetic(run, state)
    pace = _Pace(state)
    with _divergence_in_words(run, state), console.meter(run.stage, total=1, done=state.steps_done) as meter:
        for event in _kept_safe(run, state, events, checkpoint_every, team):
            _refuse_spoiled(state, event, checkpoint_every)
            if event.kind == "step":
                meter.total = _expected_steps(state, event, epochs, minutes)
                meter.advance(note=pace.count(event))
                continue
            with state.stopwatch.timing("observing"):
                for observe in observers:
                    event = replace(event, values=event.values | observe(event))
            about = {"epoch": event.epoch + 1, "steps": event.steps}
            run.record(about | event.values | arithmetic_of(run, state) | learning_rates(state) | pace.of_epoch())
            meter.tell(_line(event, epochs if minutes is None else None))
            warn_of(event)
            warn_of_camera_clusters([line.get("share_cross_camera") for line in run.recorded()])
    return run.recorded()


def _kept_safe(
    run: Run, state: TrainingState, events: Iterator[Event], checkpoint_every: int, team: Team
) -> Iterator[Event]:
    """The events, with a checkpoint every so many steps, until Ctrl-C is typed; KeyboardInterrupt, with one, then.

    A team is interrupted at once: its processes wait for each other within a step.
    """
    waiting = noted("Stopping after this step. Ctrl-C again: at once, from the last checkpoint.")
    with waiting if team.size == 1 else nullcontext(bool) as asked:
        for event in events:
            yield event
            if asked():
                refuse_spoiled(state.networks)
                _save(run, state)
                console.say(f"Kept as a checkpoint: {run.stage}/{run.name} after {state.steps_done} steps.")
                raise KeyboardInterrupt
            if event.kind == "step" and state.steps_done % checkpoint_every == 0:
                _save(run, state)


def _tell_arithmetic(run: Run, state: TrainingState) -> None:
    """Say what `--precision auto` stands for here: it depends on the machine, as no other setting does."""
    if run.config.get("precision") == "auto":
        now = arithmetic_of(run, state)["arithmetic"]
        console.say(f"Arithmetic: {now}, the faster on a processor such as this one (--precision fp32|bf16 chooses).")


def arithmetic_of(run: Run, state: TrainingState) -> dict[str, str]:
    """What `--precision` was on the device of a training, for the record."""
    device = next(next(iter(state.networks.values())).parameters()).device
    return {"arithmetic": resolved(str(run.config.get("precision", "fp32")), device)}


def learning_rates(state: TrainingState) -> dict[str, float]:
    """`rate_<optimizer>` as it stands, without the factors of layers that learn faster."""
    first = {name: optimizer.param_groups[0] for name, optimizer in state.optimizers.items()}
    return {f"rate_{name}": float(group["lr"]) / float(group.get("factor", 1.0)) for name, group in first.items()}


class _Pace:
    """How fast a training is, and what it spends its time on.

    An epoch that was interrupted is measured from where it was resumed.
    """

    def __init__(self, state: TrainingState) -> None:
        self.state = state
        self._begun, self._first, self._pictures, self._note = time.monotonic(), state.steps_done, 0, ""

    def count(self, event: Event) -> str:
        """One more step is done; returns its losses in words, or those read last: on a card most steps come unread."""
        self._pictures += self.state.batches[0].numel()
        self._note = _note(event) if event.values else self._note
        return self._note

    def of_epoch(self) -> dict[str, float]:
        """Pictures a second of training, seconds by kind of work, and seconds a step of the whole run."""
        spent, pictures, self._pictures = self.state.stopwatch.take(), self._pictures, 0
        steps = spent.get("training", 0.0) + spent.get("data", 0.0)
        return {
            **({"pictures_per_second": pictures / steps} if steps > 0 else {}),
            **{f"seconds_{kind}": seconds for kind, seconds in sorted(spent.items())},
            "seconds_per_step": (time.monotonic() - self._begun) / max(self.state.steps_done - self._first, 1),
        }


@contextmanager
def _divergence_in_words(run: Run, state: TrainingState) -> Iterator[None]:
    try:
        yield
    except DivergenceError as error:
        raise diverged(run, state, error) from error


def _refuse_spoiled(state: TrainingState, event: Event, checkpoint_every: int) -> None:
    """Whatever is written down has finite weights."""
    if event.kind == "epoch" or state.steps_done % checkpoint_every == 0:
        state.read_losses()
        refuse_spoiled(state.networks)


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


def _save(run: Run, state: TrainingState) -> None:
    """Write a checkpoint."""
    with state.stopwatch.timing("checkpoints"):
        saved = {"state": state.snapshot(), "lines": run.recorded()}
        save_checkpoint(run.folder / CHECKPOINTS, state.steps_done, saved)


def _note(event: Event) -> str:
    losses = {k: v for k, v in event.values.items() if isinstance(v, float)}
    return f"epoch {event.epoch + 1}  " + "  ".join(f"{name} {value:.3f}" for name, value in losses.items())


def _expected_steps(state: TrainingState, event: Event, epochs: int, minutes: float | None) -> int:
    """Steps of the whole run, as far as can be told."""
    if minutes is None:
        return state.steps_done - event.step + event.steps * (epochs - event.epoch)
    return max(state.steps_done, round(state.steps_done * 60 * minutes / max(state.seconds, 1e-3)))


def _line(event: Event, epochs: int | None) -> str:
    shown = []
    for name, value in event.values.items():
        if value is None or name == "fallback":
            continue
        shown.append(f"{name.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{name} {value}")
    of = "" if epochs is None else f"/{epochs}"
    return f"epoch {event.epoch + 1}{of}: " + ", ".join(shown)
