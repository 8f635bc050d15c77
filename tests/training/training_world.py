"""A tiny world for the training loops: eight coloured people, two cameras, and networks of a few thousand weights."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gcl_cli.artifacts.checkpoints import load_checkpoint, save_checkpoint
from gcl_cli.config import Architecture
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.records import Event, TrainingSet
from gcl_cli.training.state import TrainingState
from gcl_cli.weights.networks import new_gan, place

HEIGHT, WIDTH = 64, 32
PEOPLE, PICTURES = 8, 4
CPU = torch.device("cpu")
# A trunk of 8 channels would do, but on two threads oneDNN's backward of its strided 1 x 1 convolutions writes outside
# its memory (torch 2.14, channels_last, odd batches).
ARCHITECTURE = Architecture(
    trunk="resnet18", trunk_width=16, height=HEIGHT, width=WIDTH, generator_width=4, modulation_width=16,
    discriminator_width=4, discriminator_scales=2, padding="zeros",
)  # fmt: skip
CLUSTERING = {"radius": 0.5, "k1": 8, "k2": 3, "min_samples": 2}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def training_set(seed: int = 0) -> TrainingSet:
    """Four pictures each of eight people: coloured tops and trousers under noise, in turn from two cameras."""
    draw = rng(seed)
    clothes = torch.randint(20, 236, (PEOPLE, 1, 3, 2, 1), generator=draw).repeat_interleave(HEIGHT // 2, 3)
    noise = torch.randint(-20, 20, (PEOPLE, PICTURES, 3, HEIGHT, WIDTH), generator=draw)
    pictures = (clothes + noise).flatten(0, 1).to(torch.uint8)
    return TrainingSet(pictures, torch.arange(PEOPLE * PICTURES) % 2)


class Bars:
    """Structure pictures: a grey bar on white, placed by row and angle, never symmetric; remembers what was asked."""

    angles = (0, 45, 90, 135, 180, 225, 270, 315)

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], list[int]]] = []

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        self.asked.append((rows.tolist(), angle_index.tolist()))
        made = torch.full((len(rows), 1, HEIGHT, WIDTH), 255, dtype=torch.uint8)
        for picture, row, angle in zip(made, rows.tolist(), angle_index.tolist(), strict=True):
            picture[0, 8 + row % 8 : 56, 3 + angle : 12 + angle] = 60 + 10 * angle
        return made


def new_encoder(seed: int = 0) -> IdentityEncoder:
    encoder = IdentityEncoder(ARCHITECTURE)
    initialise(encoder, rng(seed))
    return place(encoder, CPU)


def new_networks(seed: int = 0) -> dict[str, nn.Module]:
    return {"identity_encoder": new_encoder(seed), **new_gan(ARCHITECTURE, seed, CPU)}


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers."""
    return {name: value.clone() for name, value in network.state_dict().items()}


def running_statistics(encoder: nn.Module) -> dict[str, Tensor]:
    return {n: v for n, v in tensors_of(encoder).items() if "running" in n or "num_batches" in n}


def same(one: Any, other: Any) -> bool:
    """Equal to the last bit, through nested dicts and lists."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


Loop = tuple[TrainingState, Iterator[Event]]  # a training state and the loop over it


def through_disk(state: TrainingState, folder: Path) -> dict[str, Any]:
    save_checkpoint(folder, state.steps_done, state.snapshot())
    loaded = load_checkpoint(folder)
    assert loaded is not None
    return loaded


def unbroken_and_resumed(new_loop: Callable[[], Loop], stops: tuple[int, ...], folder: Path) -> list[tuple[Any, Any]]:
    """What remains of the run after each of `stops` events, and what a fresh loop makes of it from a checkpoint.

    Each is (events still to come, the state at the end as it reads back from disk).
    """
    state, loop = new_loop()
    events = []
    for number, event in enumerate(loop, start=1):
        events.append(event)
        if number in stops:
            save_checkpoint(folder / str(number), state.steps_done, state.snapshot())
    assert len(events) > max(stops)
    end = through_disk(state, folder / "end")
    pairs = []
    for stop in stops:
        again, rest = new_loop()
        snapshot = load_checkpoint(folder / str(stop))
        assert snapshot is not None
        again.restore(snapshot)
        later = list(rest)
        pairs.append(((events[stop:], end), (later, through_disk(again, folder / f"end-{stop}"))))
    return pairs


def tables(state) -> dict[str, torch.Tensor]:
    """All tables of a training state, by name."""
    return {"labels": state.labels, "bank": state.bank, "batches": state.batches, **state.tables, **state.best}
