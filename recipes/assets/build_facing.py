"""Teach `gcl mesh` front from back: the readers of `gcl_cli.body.facing`, on the people of `gcl synth` alone.

People in all garments, hair, hats and bags are drawn turned all the way round, their landmarks are found, and three
small readers learn whether the back is seen: one of the landmarks, two of pictures. No photograph is looked at.
About ten minutes on one core.

    python recipes/assets/build_facing.py
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from gcl_cli.body.facing import LOOK_SIZE, LOOKS, READER, landmark_features, look_at
from gcl_cli.body.landmarks import LandmarkRunner, Landmarks, find_landmarks
from gcl_cli.synth.cameras import camera
from gcl_cli.synth.chance import stream
from gcl_cli.synth.figures import dress
from gcl_cli.synth.identities import identity
from gcl_cli.synth.photograph import photograph

PICTURES, CAMERAS = 4, 60  # of each person; of each set
PASSERS_BY, PASSED_BY = 12, 0.05  # people, and the probability that one is partly in view
HIDDEN, WIDTHS = 48, (8, 16, 24)
LANDMARK_EPOCHS, LOOK_EPOCHS = 20, 14
BATCH, RATE, DECAY = 64, 4e-3, 0.05
SIDEWAYS_COUNTS = 0.02  # of a person seen exactly from the side; others by the cosine of the yaw


@dataclass(frozen=True)
class People:
    """N drawn people."""

    crops: list[np.ndarray]
    yaw: np.ndarray  # [N] radians, 0 towards the camera
    landmarks: Landmarks


def main() -> None:
    """Write the readers' weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=750, help="of each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[911, 912])
    parser.add_argument("--out", type=Path, default=READER)
    given = parser.parse_args()
    people = joined([draw_people(seed, given.people) for seed in given.seeds])
    about_it = {"seeds": " ".join(map(str, given.seeds)), "pictures": str(len(people.crops))}
    save_file(learn_facing(people, torch.Generator().manual_seed(0)), given.out, about_it)


def draw_people(seed: int, count: int) -> People:
    """`count` people of a synthetic set, each in some pictures by any of its cameras, turned any way."""
    crops, yaws = [], []
    passers_by = [dress(identity(seed, 20_000 + number)) for number in range(PASSERS_BY)]
    cameras = {number: camera(seed, number, shift=1.0) for number in range(1, CAMERAS)}
    for person in range(count):
        figure = dress(identity(seed, person + 1))
        for number in range(PICTURES):
            random = stream(seed, "facing", person, number)
            taken_by = cameras[int(random.integers(1, CAMERAS))]
            yaw = float(random.uniform(0, 2 * np.pi))
            other = passers_by[int(random.integers(PASSERS_BY))] if random.random() < PASSED_BY else None
            taken = photograph(random, figure, taken_by, yaw=yaw, seed=seed, passer_by=other)
            crops.append(np.asarray(taken.picture.convert("RGB")))
            yaws.append(yaw)
    return People(crops, np.array(yaws), find_landmarks(LandmarkRunner(), crops))


def joined(sets: list[People]) -> People:
    """Several sets as one."""
    names = [entry.name for entry in fields(Landmarks)]
    landmarks = Landmarks(**{name: np.concatenate([getattr(some.landmarks, name) for some in sets]) for name in names})
    return People([crop for some in sets for crop in some.crops], np.concatenate([s.yaw for s in sets]), landmarks)


def learn_facing(people: People, chance: torch.Generator) -> dict[str, np.ndarray]:
    """The weights of all readers, by the names that `gcl_cli.body.facing` reads."""
    weights = learn_landmarks(people, chance)
    for look in LOOKS:
        weights |= learn_look(look, people, chance)
    return {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}


def learn_landmarks(people: People, chance: torch.Generator) -> dict[str, np.ndarray]:
    """A perceptron on the landmarks, and on the landmarks as a mirror shows them."""
    numbers = np.concatenate(landmark_features(people.landmarks))  # [2N, 198]
    mean, spread = numbers.mean(axis=0), numbers.std(axis=0) + 1e-3
    inputs = torch.tensor((numbers - mean) / spread, dtype=torch.float32)
    first, second = nn.Linear(inputs.shape[1], HIDDEN), nn.Linear(HIDDEN, HIDDEN)
    last = nn.Linear(HIDDEN, 1)
    net = nn.Sequential(first, nn.ReLU(), nn.Dropout(0.3), second, nn.ReLU(), nn.Dropout(0.3), last)

    def roughened(x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn(x.shape, generator=chance)

    learn(net, inputs, np.tile(people.yaw, 2), roughened, LANDMARK_EPOCHS, chance)
    layers = {"first": first, "second": second, "last": last}
    return {"landmarks.mean": mean, "landmarks.spread": spread} | named("landmarks", layers)


def learn_look(look: str, people: People, chance: torch.Generator) -> dict[str, np.ndarray]:
    """Convolutions over one of LOOKS."""
    pictures = torch.tensor(np.ascontiguousarray(look_at(people.landmarks, people.crops, look)))  # [N, 3, size, size]
    ways = zip((3, *WIDTHS), WIDTHS, strict=False)
    convolutions = [nn.Conv2d(start, goal, 3, stride=2, padding=1) for start, goal in ways]
    norms = [nn.BatchNorm2d(width) for width in WIDTHS]
    last = nn.Linear(WIDTHS[-1] * (LOOK_SIZE // 8) ** 2, 1)
    steps = [step for pair in zip(convolutions, norms, strict=True) for step in (*pair, nn.ReLU())]
    net = nn.Sequential(*steps, nn.Flatten(), nn.Dropout(0.3), last)
    learn(net, pictures, people.yaw, lambda x: varied(x, chance), LOOK_EPOCHS, chance)
    folded = [folded_in(*pair) for pair in zip(convolutions, norms, strict=True)]
    return named(look, dict(zip(("first", "second", "third"), folded, strict=True)) | {"last": last})


def learn(
    net: nn.Sequential,
    inputs: Tensor,
    yaw: np.ndarray,
    change: Callable[[Tensor], Tensor],
    epochs: int,
    chance: torch.Generator,
) -> None:
    """Teach `net` the log-odds of a back; people seen from the side count little. Leaves it in evaluation mode."""
    back = torch.tensor(np.cos(yaw) < 0, dtype=torch.float32)
    counts = torch.tensor(np.abs(np.cos(yaw)) + SIDEWAYS_COUNTS, dtype=torch.float32)
    steps = epochs * len(inputs) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    for _ in range(steps):
        rows = torch.randint(0, len(inputs), (BATCH,), generator=chance)
        odds = net(change(inputs[rows]))[:, 0]
        loss = (F.binary_cross_entropy_with_logits(odds, back[rows], reduction="none") * counts[rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval()


def varied(x: Tensor, chance: torch.Generator) -> Tensor:
    """Pictures [B, 3, s, s] mirrored, moved, turned, scaled, blurred, brightened, tinted and faded at random."""

    def about(middle: float, reach: float, *shape: int) -> Tensor:
        return middle + reach * (2 * torch.rand(len(x), *shape, generator=chance) - 1)

    mirror = torch.where(about(0, 1) < 0, -1.0, 1.0)
    angle, scale = about(0, 0.15), about(1, 0.2)
    rows = [mirror * scale * angle.cos(), -scale * angle.sin(), mirror * scale * angle.sin(), scale * angle.cos()]
    turn = torch.stack(rows, dim=1).reshape(-1, 2, 2)
    moves = torch.cat([turn, about(0, 0.125, 2, 1)], dim=2)  # [B, 2, 3]
    x = F.grid_sample(x, F.affine_grid(moves, list(x.shape), align_corners=False), padding_mode="border",
                      align_corners=False)  # fmt: skip
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.where(about(0, 1, 1, 1, 1) < 0, x, 0.4 * x + 0.6 * soft)
    x = x.clamp(1e-3, 1) ** about(0, 0.4, 1, 1, 1).exp() * about(1, 0.15, 3, 1, 1) * about(1.05, 0.55, 1, 1, 1)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * about(0.6, 0.6, 1, 1, 1)
    return (x + 0.03 * torch.randn(x.shape, generator=chance)).clamp(0, 1)


def folded_in(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution that does what `convolution` and then `norm` do."""
    return nn.utils.fuse_conv_bn_eval(convolution.eval(), norm.eval())


def named(prefix: str, layers: Mapping[str, nn.Module]) -> dict[str, np.ndarray]:
    """The weights and biases of layers, as `<prefix>.<layer>.weight` and `.bias`."""
    return {
        f"{prefix}.{layer}.{name}": value.detach().numpy()
        for layer, module in layers.items()
        for name, value in module.named_parameters()
    }


if __name__ == "__main__":
    torch.manual_seed(0)  # the layers' first weights
    main()
