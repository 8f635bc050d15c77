"""The parts of recipes/gpu.sh: each prints lines of JSON as it goes, so that what was found outlives a time limit."""

import gc
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from gcl_cli.artifacts.formats import write_names
from gcl_cli.artifacts.view_store import ViewStore, ViewWriter, compress
from gcl_cli.body.rendering import draw_with_numpy
from gcl_cli.config import Architecture, ClusterContrastSettings, GanWarmupSettings, JointSettings, MeshSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.machine.system import cores
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.people.estimating import open_estimator
from gcl_cli.records import TrainingSet
from gcl_cli.synth.population import draw
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.warmups.cluster_contrast import ClusterContrast, cluster_contrast_state
from gcl_cli.weights.networks import new_gan, place

TOY = bool(os.environ.get("GCL_GPU_TOY"))
DEVICE = torch.device("cpu" if TOY else "cuda")
PRESET, BATCHES = ("tiny", (4, 8)) if TOY else ("paper", (16, 64, 256))
ARITHMETICS = ("fp32", "bf16") if TOY else ("bf16", "fp32", "tf32")
PICTURES, BANK, PEOPLE = (24, 100, 12) if TOY else (512, 12_936, 751)  # the last two are Market-1501's
ANGLES = (0, 45, 90, 135, 180, 225, 270, 315)
ENOUGH = 0.5 if TOY else 4.0  # seconds of timed steps
FEWEST, MOST = (1, 1) if TOY else (2, 30)  # timed steps
Training = ClusterContrast | GanWarmup | Joint


def tell(**row: Any) -> None:
    """One line."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def environment() -> None:
    """The machine, and what runs on it."""
    named = "no card: toy size on the CPU"
    if not TOY:
        card = torch.cuda.get_device_properties(DEVICE)
        named = f"{card.name}, {card.total_memory / 1e9:.0f} GB, compute capability {card.major}.{card.minor}"
    tell(
        card=named, torch=torch.__version__, CUDA=torch.version.cuda, cuDNN=torch.backends.cudnn.version(),
        Python=platform.python_version(), cores=cores(),
    )  # fmt: skip


def measured(stage: str) -> None:
    """Every batch and arithmetic of a stage; the largest batch last, since it may not fit."""
    with tempfile.TemporaryDirectory() as folder:
        views = new_views(Path(folder))
        for batch in BATCHES:
            for arithmetic in ARITHMETICS:
                measure(stage, batch, arithmetic, views)


def measure(
    stage: str, batch: int, arithmetic: str, views: ViewStore, *, how: str = "", change: Callable[[nn.Module], Any] = id
) -> None:
    """One row; a batch that does not fit is computed in parts of sixteen pictures.

    change: what is done to every network before, which `how` names.
    """
    for parts in sorted({1, max(1, batch // 16)}):
        try:
            found = figures(new_training(stage, batch, arithmetic, parts, views, change))
        except torch.OutOfMemoryError:
            found = None
        if found is not None:
            tell(stage=stage, batch=batch, parts=parts, arithmetic=arithmetic + how, **found)
            return
        gc.collect()
        torch.cuda.empty_cache()
    tell(stage=stage, batch=batch, arithmetic=arithmetic + how, failed="out of memory")


def figures(training: Training) -> dict[str, float]:
    """Pictures a second, the most memory in GB, and the share of the host's time that went into its data."""
    events = training.epochs()
    for _ in range(1 if TOY else 3):  # kernels are chosen, moments made
        next(events)
    settle()
    training.state.stopwatch.take()
    begun, steps = time.perf_counter(), 0
    while steps < FEWEST or (steps < MOST and time.perf_counter() - begun < ENOUGH):
        next(events)
        steps += 1
        settle()
    seconds, spent = time.perf_counter() - begun, training.state.stopwatch.take()
    return {
        "pictures_per_second": steps * training.state.batches.shape[1] / seconds,
        "gigabytes": 0.0 if TOY else torch.cuda.max_memory_allocated() / 1e9,
        "data_share": spent.get("data", 0.0) / seconds,
    }


def settle() -> None:
    """Wait for the card."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def new_training(
    stage: str, batch: int, arithmetic: str, parts: int, views: ViewStore, change: Callable[[nn.Module], Any]
) -> Training:
    """A training amid an epoch, on noise: `change` has been done to its networks."""
    use(arithmetic)
    architecture = architecture_here()
    encoder = IdentityEncoder(architecture)
    initialise(encoder, rng())
    networks: dict[str, nn.Module] = {"identity_encoder": place(encoder, DEVICE), **new_gan(architecture, 0, DEVICE)}
    for network in networks.values():
        change(network)
    data = TrainingSet(noise(architecture), torch.arange(PICTURES) % 2)
    training = made(stage, networks, data, views, batch, parts, "bf16" if arithmetic == "bf16" else "fp32")
    width, state = encoder.embedding_size, training.state
    state.bank = F.normalize(torch.randn(BANK, width, generator=rng()), dim=1).to(DEVICE)
    state.labels = torch.arange(BANK) % PEOPLE
    state.tables["centroids"] = state.bank[:PEOPLE].clone()
    state.batches = torch.stack([torch.randperm(PICTURES, generator=rng(step))[:batch] for step in range(200)])
    state.step = 1  # amid an epoch: nothing is clustered first
    if not TOY:
        torch.cuda.reset_peak_memory_stats()
    return training


def made(
    stage: str, networks: dict[str, nn.Module], data: TrainingSet, views: ViewStore,
    batch: int, parts: int, precision: str,
) -> Training:  # fmt: skip
    """The training loop of a stage with its preset's settings."""
    common: dict[str, Any] = {"batch_size": batch, "batchnorm_groups": parts, "precision": precision}
    if stage == "gan-warmup":
        warmup = settings_for(GanWarmupSettings, stage, PRESET, common | {"reconstruction_epochs": 0})
        return GanWarmup(gan_warmup_state(networks, warmup), data, views, warmup)
    if stage == "joint":
        joint = settings_for(
            JointSettings, stage, PRESET, common | {"contrast_steps": 0, "losses": ("gan", "vi", "vi_syn", "vi_mem")}
        )
        return Joint(joint_state(networks, joint), data, views, joint)
    people = round(batch**0.5)
    shape = {"people": people, "pictures": batch // people, "batchnorm_groups": 1 if TOY else 4}
    chosen = settings_for(ClusterContrastSettings, stage, PRESET, {"precision": precision, **shape})
    encoder = networks["identity_encoder"]
    assert isinstance(encoder, IdentityEncoder)
    return ClusterContrast(cluster_contrast_state(encoder, chosen), data, chosen, colour_start=False)


def use(arithmetic: str) -> None:
    """Products of 19 bits (TF32) or not, in matrices and convolutions."""
    short = arithmetic != "fp32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = short


def architecture_here() -> Architecture:
    """The preset's."""
    return settings_for(Architecture, "architecture", PRESET, {})


def rng(seed: int = 0) -> torch.Generator:
    """Random numbers."""
    return torch.Generator().manual_seed(seed)


def noise(architecture: Architecture) -> torch.Tensor:
    """Pictures [PICTURES, 3, H, W] uint8."""
    shape = (PICTURES, 3, architecture.height, architecture.width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng())


def new_views(folder: Path) -> ViewStore:
    """Rendered views as they lie on the disk: a grey gradient of another size on white for each picture and angle."""
    architecture = architecture_here()
    shade = torch.linspace(30, 220, architecture.height)[:, None].expand(-1, architecture.width)

    def drawn(row: int, angle: int) -> bytes:
        picture = torch.full((architecture.height, architecture.width), 255, dtype=torch.uint8)
        picture[8 + row % 8 : -8, 4 + angle : -16 + angle] = shade[8 + row % 8 : -8, 4 + angle : -16 + angle].byte()
        return compress(picture.numpy())

    write_names(folder, "train", [f"{row}.png" for row in range(PICTURES)])
    with ViewWriter(folder, "train") as writer:
        for row in range(PICTURES):
            writer.add([drawn(row, angle) for angle in range(len(ANGLES))])
    return ViewStore(folder, "train", ANGLES, (architecture.height, architecture.width))


def compiled() -> None:
    """bf16 with kernels chosen by trial, with networks that torch compiles, and with CUDA graphs of these."""
    ways: dict[str, dict[str, Any]] = {", compiled": {}, ", compiled, CUDA graphs": {"mode": "reduce-overhead"}}
    torch.backends.cudnn.benchmark = True
    with tempfile.TemporaryDirectory() as folder:
        views = new_views(Path(folder))
        for stage, batch in (("joint", BATCHES[0]), ("gan-warmup", BATCHES[0]), ("warmup", BATCHES[-1])):
            measure(stage, batch, "bf16", views, how=", cudnn.benchmark")
            for how, options in {} if TOY else ways.items():
                torch.compiler.reset()
                try:
                    measure(stage, batch, "bf16", views, how=how, change=partial(nn.Module.compile, **options))
                except Exception as error:  # of the compiler: the next way may still work
                    tell(stage=stage, batch=batch, arithmetic="bf16" + how, failed=str(error).splitlines()[0][:200])


def bodies() -> None:
    """Meshes a second, estimated on the card, and views a second that a core draws at the preset's size."""
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    import bench_bodies as bench

    shots = [shot for person in bench.drawn_by(2 if TOY else 64) for shot in person]
    drawings = list(draw(shots))
    crops = [bench.decoded(drawing[1]) for drawing in drawings]
    estimator = open_estimator(MeshSettings(), DEVICE.type)
    posed = [bench.posed(drawing[2]) for drawing in drawings[:4]]
    tell(**{
        "meshes a second": bench.rate(lambda: estimator(crops), len(crops), repeats=1 if TOY else 3),
        "views a second and core": bench.views(posed, architecture_here().height, draw_with_numpy),
    })  # fmt: skip


def main() -> None:
    """The part that is named on the command line."""
    part = sys.argv[1]
    known: dict[str, Callable[[], None]] = {"environment": environment, "compiled": compiled, "bodies": bodies}
    known.get(part, lambda: measured(part))()


if __name__ == "__main__":
    main()
