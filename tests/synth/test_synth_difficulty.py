"""How hard a synthetic set is: colours must not solve it, a small network must learn it.

pytest -m slow -s -n 0 tests/synth/test_synth_difficulty.py
"""

import io
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from gcl_cli.config import Architecture
from gcl_cli.config.presets import PRESETS
from gcl_cli.machine.devices import arithmetic
from gcl_cli.metrics.ranking import rank_features
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.synth.population import draw, plan
from gcl_cli.training.augmentation import warm_up_augmentation
from gcl_cli.training.colours import colour_features
from gcl_cli.training.features import embed
from gcl_cli.training.samplers import person_batches
from gcl_cli.training.schedules import learning_rate, set_learning_rate

SET = {"ids": 120, "cameras": 6, "images": 3, "shift": 0.65, "seed": 0}
STEPS = 1200  # some ten minutes of one core
PEOPLE, PICTURES = 12, 4  # of each in a batch, as in the tiny preset


@dataclass(frozen=True)
class Split:
    pictures: Tensor  # [N, 3, 128, 64] uint8
    people: np.ndarray  # [N]
    cameras: np.ndarray  # [N]


@pytest.fixture(scope="module")
def splits() -> dict[str, Split]:
    drawings = list(draw(plan(**SET)))
    return {split: together([d for d in drawings if d[0].split == split]) for split in ("train", "query", "gallery")}


def together(drawings) -> Split:
    pictures = np.stack([np.asarray(Image.open(io.BytesIO(file))).transpose(2, 0, 1) for _, file, _ in drawings])
    people, cameras = (np.array([getattr(shot, name) for shot, *_ in drawings]) for name in ("label", "camera"))
    return Split(torch.from_numpy(pictures), people, cameras)


def measured(splits: dict[str, Split], features: Callable[[Split], Tensor]) -> tuple[float, float]:
    """mAP and rank-1 in percent."""
    query, gallery = splits["query"], splits["gallery"]
    ranking = rank_features(
        features(query), features(gallery), query_persons=query.people, query_cameras=query.cameras,
        gallery_persons=gallery.people, gallery_cameras=gallery.cameras, max_rank=1, average_precision="open-reid",
    )  # fmt: skip
    return 100 * ranking.mean_average_precision, 100 * float(ranking.cmc[0])


def histogram(pictures: Tensor, *, stripes: int, levels: int) -> Tensor:
    """Square roots of the colour histograms of horizontal stripes: unit rows [N, stripes * levels^3]."""
    level = pictures.long() * levels // 256  # [N, 3, H, W]
    colour = (level[:, 0] * levels + level[:, 1]) * levels + level[:, 2]
    rows = [counts(stripe, levels) for stripe in colour.tensor_split(stripes, dim=1)]
    return F.normalize(torch.cat(rows, 1).float().sqrt())


def counts(colour: Tensor, levels: int) -> Tensor:
    """How often each colour [N, h, w] occurs: [N, levels^3]."""
    flat = colour.flatten(1)
    return torch.zeros(len(flat), levels**3, dtype=torch.long).scatter_add_(1, flat, torch.ones_like(flat))


def centre(pictures: Tensor) -> Tensor:
    return pictures[:, :, 8:120, 16:48]


def tiny_encoder(seed: int) -> IdentityEncoder:
    encoder = IdentityEncoder(Architecture(**PRESETS["tiny"]["architecture"]))
    initialise(encoder, torch.Generator().manual_seed(seed))
    return encoder.to(memory_format=torch.channels_last)


def trained(train: Split, labels: Tensor, *, steps: int) -> IdentityEncoder:
    """The tiny identity encoder after `steps` steps of cosine softmax on true labels [N]."""
    encoder, chance, cameras = tiny_encoder(0), torch.Generator().manual_seed(1), torch.from_numpy(train.cameras)
    centres = torch.randn(int(labels.max()) + 1, encoder.embedding_size, generator=chance).requires_grad_()
    optimizer = torch.optim.AdamW([*encoder.parameters(), centres], lr=1e-3, weight_decay=5e-4)
    batches = person_batches(labels, cameras, people=PEOPLE, pictures=PICTURES, batches=steps, generator=chance)
    encoder.train()
    for step, batch in enumerate(batches):
        rate = learning_rate(1e-3, step=step, steps=steps, decay_at=(0.6, 0.85), decay=0.1)
        set_learning_rate(optimizer, rate * min(1, (step + 1) / 50))
        changed = warm_up_augmentation(
            train.pictures[batch], flip_probability=0.5, crop_padding=10, erase_probability=0.5,
            erase_area=(0.02, 0.3), erase_aspect=(0.3, 3.33), colour_jitter=0.0, generator=chance,
        )  # fmt: skip
        with arithmetic("auto", torch.device("cpu")):
            embedding = encoder(changed.to(memory_format=torch.channels_last)).embedding
        cosine = F.normalize(embedding.float()) @ F.normalize(centres).T  # [B, people]
        loss = F.cross_entropy(cosine / 0.08, labels[batch], label_smoothing=0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return encoder


@pytest.fixture
def say(capsys) -> Callable[[str], None]:
    """Shows a line at once, on the terminal and under `-s` too."""

    def show(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    return show


@pytest.mark.slow
def test_colours_do_not_solve_a_set_that_a_small_network_learns(splits, say):
    torch.set_num_threads(1)
    table = {
        "colour histogram, whole picture": lambda s: histogram(s.pictures, stripes=1, levels=8),
        "colour histogram, centre, 6 stripes": lambda s: histogram(centre(s.pictures), stripes=6, levels=6),
        "the same, evened out by camera": lambda s: colour_features(s.pictures, torch.from_numpy(s.cameras)),
        "random network": lambda s: embed(tiny_encoder(0), s.pictures, precision="fp32"),
        f"network trained with labels, {STEPS} steps": lambda s: embed(encoder, s.pictures, precision="fp32"),
    }
    train, rows = splits["train"], {}
    say("\n| features | mAP | rank-1 | CPU s |\n|---|---|---|---|")
    for what, features in table.items():
        began = time.process_time()
        if what.startswith("network"):
            labels = torch.from_numpy(np.unique(train.people, return_inverse=True)[1])
            encoder = trained(train, labels, steps=STEPS)
        rows[what] = measured(splits, features)
        say(f"| {what} | {rows[what][0]:.1f} | {rows[what][1]:.1f} | {time.process_time() - began:.0f} |")
    *colours, untrained, supervised = rows.values()
    assert max(rank_1 for _, rank_1 in colours) < 50
    assert untrained[0] < 8
    assert supervised[0] > 80
