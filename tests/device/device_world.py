"""What the steps on the card that is not there are given: networks of every preset, pictures, bodies, tables."""

from collections.abc import Mapping
from typing import Any

import torch
from card import CUDA, OnCard
from torch import Tensor, nn
from torch.nn import functional as F

from gcl_cli.config import Architecture
from gcl_cli.config.presets import settings_for
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.records import SUBPIXELS, LabelledSet, TrainingSet
from gcl_cli.training.state import TrainingState
from gcl_cli.weights.networks import GAN, new_gan, place

PICTURES, PEOPLE, STEPS = 48, 12, 9
ANGLES = (0, 45, 90, 135, 180, 225, 270, 315)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def architecture_of(preset: str, **chosen: Any) -> Architecture:
    return settings_for(Architecture, "architecture", preset, chosen)


def weightless(architecture: Architecture, gan: Mapping[str, type[Any]] = GAN) -> dict[str, nn.Module]:
    """Encoder and `gan` on the card, in the memory layout of a card, their weights without memory."""
    with torch.device("meta"):
        networks = {"identity_encoder": IdentityEncoder(architecture)}
        networks |= {name: kind(architecture) for name, kind in gan.items()}
    return {name: place(network._apply(OnCard), CUDA) for name, network in networks.items()}


def weighty(architecture: Architecture, device: torch.device) -> dict[str, nn.Module]:
    """The four networks with real weights, the same on every device."""
    encoder = IdentityEncoder(architecture)
    initialise(encoder, chance())
    return {"identity_encoder": place(encoder, device), **new_gan(architecture, 0, device)}


class Bars:
    """Structure pictures (or painted ones, of four channels): a grey bar on white, placed by row and angle."""

    angles = ANGLES

    def __init__(self, architecture: Architecture, channels: int = 1) -> None:
        self.shape = (channels, architecture.height, architecture.width)
        self.asked: list[tuple[list[int], list[int]]] = []

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        self.asked.append((rows.tolist(), angle_index.tolist()))
        made = torch.full((len(rows), *self.shape), 255, dtype=torch.uint8)
        for picture, row, angle in zip(made, rows.tolist(), angle_index.tolist(), strict=True):
            picture[:, 8 + row % 8 : -8, 3 + angle : 12 + angle] = 60 + 10 * angle
        return made


class Flows:
    """Flows of people who stand in the middle and are seen from everywhere as they are from their own side."""

    angles = ANGLES

    def __init__(self, architecture: Architecture) -> None:
        row, column = torch.meshgrid(torch.arange(architecture.height), torch.arange(architecture.width), indexing="ij")
        all_of_it = torch.full_like(row, 255)
        self.flow = torch.stack([column * SUBPIXELS, row * SUBPIXELS, all_of_it, all_of_it]).to(torch.int16)
        self.flow[:, :8] = 0

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        return self.flow.expand(len(rows), -1, -1, -1).clone()


def training_set(architecture: Architecture, **more: Any) -> TrainingSet:
    """Twelve people in four pictures each, from two cameras: clothes of two colours under noise."""
    height, width = architecture.height, architecture.width
    clothes = torch.randint(20, 236, (PEOPLE, 1, 3, 2, 1), generator=chance()).repeat_interleave(height // 2, 3)
    noise = torch.randint(-20, 20, (PEOPLE, PICTURES // PEOPLE, 3, height, width), generator=chance(1))
    pictures = (clothes + noise).flatten(0, 1).to(torch.uint8)
    return TrainingSet(pictures, torch.arange(PICTURES) % 2, **more)


def labelled_set(architecture: Architecture) -> LabelledSet:
    return LabelledSet(training_set(architecture).pictures, people(), torch.arange(PICTURES) % 2)


def people() -> Tensor:
    return torch.arange(PICTURES) // (PICTURES // PEOPLE)


def unit_rows(count: int, size: int) -> Tensor:
    """Random unit rows [count, size] on the card."""
    return F.normalize(torch.randn(count, size, generator=chance(3)), dim=1).to(CUDA)


def amid_an_epoch(state: TrainingState, batches: Tensor, **tensors: Tensor) -> None:
    """Put a state between the steps of an epoch that was planned elsewhere: nothing is clustered first."""
    state.batches, state.step = batches, 1
    for name, tensor in tensors.items():
        if name in ("labels", "bank"):
            setattr(state, name, tensor)
        else:
            state.tables[name] = tensor
