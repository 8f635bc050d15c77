"""Time one training step against the same step written out plainly (tests/training/step_written_out.py), in one run.

    python recipes/bench_step.py --preset tiny --batch 16 --steps 3     a minute
    python recipes/bench_step.py --preset paper --batch 4 --steps 1     ResNet-50 at 256x128: minutes

Both take turns on one thread, and process CPU time is read, so that other work on the machine weighs on both alike.
The plain step is fp32; `ratio` is its best time over that of this project's step. All terms of the losses and the
gradient penalty are computed at every step; weights are random, pictures are noise, the memory bank has 12,936 rows.
`data` is the share of a step that goes into turning stored pictures into what the networks see.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "training"))
import step_written_out as plain

from gcl_cli.config import Architecture, GanWarmupSettings, JointSettings
from gcl_cli.config.presets import PRESETS, settings_for
from gcl_cli.machine.devices import resolved
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.records import TrainingSet
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.state import TrainingState
from gcl_cli.weights.networks import new_gan, place

PICTURES, MEMORY_ROWS, PEOPLE = 256, 12_936, 751  # the last two are Market-1501's
CPU = torch.device("cpu")
Step = Callable[[], object]


class Noise:
    """Structure pictures (records.StructurePictures) of noise, in memory."""

    angles = (0, 45, 90, 135, 180, 225, 270, 315)

    def __init__(self, architecture: Architecture) -> None:
        self.pictures = noise(1, architecture)

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        return self.pictures[(rows + angle_index) % PICTURES]


def main() -> None:
    """Print one line for each stage and arithmetic."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="tiny")
    parser.add_argument("--stage", choices=["gan-warmup", "joint"], action="append")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3, help="timed steps of each, after one that is not timed")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    architecture = settings_for(Architecture, "architecture", chosen.preset, {})
    precisions = sorted({"fp32", resolved("auto", CPU)}, reverse=True)  # bf16 where the processor multiplies it
    for stage in chosen.stage or ["gan-warmup", "joint"]:
        fast = {precision: loop(stage, architecture, chosen.batch, precision) for precision in precisions}
        contestants = {"plain": written_out(stage, architecture, chosen.batch)}
        contestants |= {precision: step for precision, (step, _) in fast.items()}
        seconds = race(contestants, chosen.steps)
        for precision, (_, state) in fast.items():
            data = state.stopwatch.take().get("data", 0.0) / (chosen.steps + 1)
            sys.stdout.write(
                f"{chosen.preset} {stage} batch {chosen.batch} {precision}: plain {seconds['plain']:.2f} s, here "
                f"{seconds[precision]:.2f} s, ratio {seconds['plain'] / seconds[precision]:.2f}, "
                f"data {data:.4f} s a step\n"
            )


def race(contestants: dict[str, Step], steps: int) -> dict[str, float]:
    """The best CPU seconds of each over `steps` rounds, in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(steps + 1):
        for name, step in contestants.items():
            begun = time.process_time()
            step()
            seconds[name].append(time.process_time() - begun)
    return {name: min(times[1:]) for name, times in seconds.items()}


def loop(stage: str, architecture: Architecture, batch: int, precision: str) -> tuple[Step, TrainingState]:
    """A step of this project's training loop, and its state."""
    networks = new_networks(architecture)
    rng = torch.Generator().manual_seed(1)
    data = TrainingSet(noise(3, architecture))
    common = {"epochs": 1, "batch_size": batch, "precision": precision}
    training: GanWarmup | Joint
    if stage == "gan-warmup":
        warmup = GanWarmupSettings(**common)
        training = GanWarmup(gan_warmup_state(networks, warmup), data, Noise(architecture), warmup)
    else:
        joint = JointSettings(**common)
        training = Joint(joint_state(networks, joint), data, Noise(architecture), joint)
        bank = memory_bank(networks)
        training.state.bank, training.state.labels = bank["memory"], bank["labels"]
    batches = [torch.randperm(PICTURES, generator=rng)[:batch] for _ in range(1000)]
    training.state.batches = torch.stack(batches)
    training.state.step = 1  # in the middle of an epoch: nothing is clustered first
    events = training.epochs()
    return lambda: next(events), training.state


def written_out(stage: str, architecture: Architecture, batch: int) -> Step:
    """The same step, plainly."""
    networks = plain.written_out(new_networks(architecture))
    rng = torch.Generator().manual_seed(1)
    shape = (architecture.height, architecture.width)
    real, own, new = (torch.randn(batch, channels, *shape, generator=rng) for channels in (3, 1, 1))
    given = plain.Batch(real, own, new)
    if stage == "gan-warmup":
        networks["identity_encoder"].eval()
        warmup = GanWarmupSettings(batch_size=batch)
        optimizers = plain.plain_optimizers(networks, warmup)
        return lambda: plain.warm_up_step(networks, optimizers, given, warmup)
    joint, rows = JointSettings(batch_size=batch), torch.randperm(PICTURES, generator=rng)[:batch]
    optimizers = plain.plain_optimizers(networks, joint)
    bank = memory_bank(networks)
    return lambda: plain.joint_step(networks, optimizers, given, joint, rows=rows, **bank)


def new_networks(architecture: Architecture) -> dict[str, nn.Module]:
    """All four, of random weights."""
    encoder = IdentityEncoder(architecture)
    initialise(encoder, torch.Generator().manual_seed(0))
    return {"identity_encoder": place(encoder, CPU), **new_gan(architecture, 0, CPU)}


def memory_bank(networks: dict[str, nn.Module]) -> dict[str, Tensor]:
    """A bank of random features, and people in turn."""
    features = torch.randn(
        MEMORY_ROWS, networks["identity_encoder"].embedding_size, generator=torch.Generator().manual_seed(2)
    )
    return {"memory": F.normalize(features, dim=1), "labels": torch.arange(MEMORY_ROWS) % PEOPLE}


def noise(channels: int, architecture: Architecture) -> Tensor:
    """Pictures [PICTURES, channels, H, W] uint8."""
    shape = (PICTURES, channels, architecture.height, architecture.width)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(channels), dtype=torch.uint8)


if __name__ == "__main__":
    main()
