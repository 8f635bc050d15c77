"""Teach `gcl mesh` to read keypoints: the perceptrons of `gcl_cli.body.keypoints`, on `gcl synth`'s people alone.

People in all garments are drawn turned all the way round. What the landmark network says of each picture and of its
mirror image is read, and two perceptrons learn, each from people of its own, where the keypoints of the body are that
was drawn. To the second, some people are shown in poses that no set has: who knows only how `gcl synth`'s people walk
knows photographed ones less well. No photograph is looked at. About an hour on two cores.

    python recipes/assets/build_keypoints.py
"""

import argparse
import io
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file
from torch import Tensor, nn

from gcl_cli.body.crops import to_region
from gcl_cli.body.estimator import in_crop
from gcl_cli.body.keypoints import (
    HIDDEN_LAYERS,
    KEYPOINTS,
    READ_METRES,
    READER,
    SPREAD_PLACES,
    Answer,
    evidence,
    trunk_middle,
)
from gcl_cli.body.landmarks import LandmarkRunner, Landmarks, find_landmarks
from gcl_cli.body.lifting import KEYPOINT_PARTNERS, LANDMARK_OF_KEYPOINT, MIRROR, fitted_keypoints
from gcl_cli.body.model import load_body
from gcl_cli.body.pose import MEAN_SHAPE
from gcl_cli.body.rotations import from_rotation_vector, to_rotation_vector
from gcl_cli.synth import walking
from gcl_cli.synth.cameras import camera
from gcl_cli.synth.figures import Figure, dress
from gcl_cli.synth.identities import Identity, identity
from gcl_cli.synth.photograph import photograph
from gcl_cli.synth.streams import stream

PICTURES, CAMERAS, SHIFTS = 4, 60, (0.4, 1.0)  # of each person; of the set; how much its cameras differ
BUSY = 0.4  # probability that hands do something: more often than in a set, so that the perceptron knows it
LOOSENED = {  # how much further bones turn: deviation about each axis, radians
    "pelvis": 0.07, "spine": 0.04, "neck": 0.12, "head": 0.15, "clav": 0.03, "uarm": 0.3, "farm": 0.35, "hand": 0.2,
    "thigh": 0.15, "shin": 0.2, "foot": 0.1,
}  # fmt: skip
PASSERS_BY, PASSED_BY = 6, 0.08  # people of each group, and the probability that one is partly in view
GROUP = 125  # people
WHOLE, NARROW = slice(0, 64), slice(8, 56)  # columns: every second picture is seen at 128x48, as some sets cut theirs
HIDDEN, DROPPED, LOST, NOISE = 512, 0.05, 0.05, 0.1  # units; shares of units and of inputs; of an input's deviation
EPOCHS, BATCH, RATE, DECAY = 20, 128, 2e-3, 0.02
PLACES_COUNT, HEADING_COUNTS = torch.tensor([1.4, 1.8]), 0.5  # beside the keypoints in metres; x and y of places


@dataclass(frozen=True)
class Samples:
    """N pictures of drawn people."""

    landmarks: Landmarks
    keypoints: np.ndarray  # [N, 21, 3] as in `keypoints.Reading`
    points: np.ndarray  # [N, 21, 2] the same
    yaw: np.ndarray  # [N] radians


def main() -> None:
    """Write the perceptrons' weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=60, help="of 125 people, for each perceptron")
    parser.add_argument("--loose", type=int, default=15, help="further ones for the second, in poses that no set has")
    parser.add_argument("--processes", type=int, default=2, help="that draw people")
    parser.add_argument("--seed", type=int, default=911)
    parser.add_argument("--out", type=Path, default=READER)
    given = parser.parse_args()
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        drawn = [
            list(pool.map(partial(draw_people, given.seed), *zip(*groups, strict=True)))
            for groups in shown(given.groups, given.loose)
        ]
    readers = [learn(joined(groups)) for groups in drawn]
    write(readers, given.out, groups=given.groups, loose=given.loose, seed=given.seed)


def shown(groups: int, loose: int) -> tuple[list[tuple[int, bool]], list[tuple[int, bool]]]:
    """The groups that each perceptron learns from: their number, and whether they are `loosened`."""
    second = groups + loose
    return [(n, False) for n in range(groups)], [(second + n, n >= groups) for n in range(second)]


def write(readers: list[dict[str, np.ndarray]], file: Path, **made_from: int) -> None:
    """Store the weights of R perceptrons, [R, ...] of each, in half precision."""
    together = {name: np.stack([weights[name] for weights in readers]).astype(np.float16) for name in readers[0]}
    save_file(together, file, {name: str(value) for name, value in made_from.items()})


def draw_people(seed: int, group: int, loose: bool) -> Samples:
    """The pictures of a group of people, each followed by its mirror image; `loose` ones are `loosened`."""
    network, parts = LandmarkRunner(), []
    first = group * GROUP
    passers_by = [dress(identity(seed, 20_000 + number)) for number in range(PASSERS_BY)]
    for person in range(first, first + GROUP):
        figure = dress(identity(seed, person + 1))
        for number in range(PICTURES):
            random = stream(seed, "bodies", person, number)
            picture, seen_by, pose, yaw = _taken(random, figure, passers_by, seed, loose=loose)
            narrow = bool(random.random() < 0.5)
            body = posed_keypoints(pose, figure.betas[:, :10])
            keypoints, points = as_tall_as_the_mean(body, figure.betas[:, :10]), in_crop(body, seen_by)
            mirrored = points[:, KEYPOINT_PARTNERS] * MIRROR[:2] + [picture.shape[1], 0]
            first, second = (NARROW, WHOLE) if narrow else (WHOLE, NARROW)
            looks = [picture[:, first], picture[:, ::-1][:, second]]
            parts.append(
                Samples(
                    find_landmarks(network, [np.ascontiguousarray(look) for look in looks]),
                    np.concatenate([keypoints, keypoints[:, KEYPOINT_PARTNERS] * MIRROR]),
                    np.concatenate([points - [first.start, 0], mirrored - [second.start, 0]]),
                    np.array([yaw, -yaw]),
                )
            )
    return joined(parts)


def _taken(
    random: np.random.Generator, figure: Figure, passers_by: list[Figure], seed: int, *, loose: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """A picture [128, 64, 3], its camera [1, 3], the pose [1, 22, 3] in it, and the yaw in radians."""
    taken_by = camera(seed, int(random.integers(1, CAMERAS)), shift=float(random.uniform(*SHIFTS)))
    yaw = float(random.uniform(0, 2 * np.pi))
    other = passers_by[int(random.integers(PASSERS_BY))] if random.random() < PASSED_BY else None
    moment = loosened if loose else partial(walking.pose, busy=BUSY)
    taken = photograph(random, figure, taken_by, yaw=yaw, seed=seed, passer_by=other, moment=moment)
    file = io.BytesIO()
    taken.picture.save(file, "JPEG", quality=taken_by.quality)
    file.seek(0)
    return np.asarray(Image.open(file).convert("RGB")), taken.camera[None], taken.pose[None], yaw


def loosened(random: np.random.Generator, look: Identity) -> np.ndarray:
    """A pose [22, 3] with busy hands and every bone turned a little further, anyhow: knees bend, they never stretch."""
    bones = load_body().bone_names
    spread = np.array([LOOSENED[name.rstrip("LR0123456789")] for name in bones])
    further = random.normal(0, spread[:, None], (len(bones), 3))
    shins = [bones.index(f"shin{side}") for side in "LR"]
    further[shins, 0] = np.abs(further[shins, 0])
    held = walking.pose(random, look, busy=BUSY)
    return to_rotation_vector(from_rotation_vector(held) @ from_rotation_vector(further.astype(np.float32)))


def posed_keypoints(pose: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """The fitted keypoints [N, 21, 3] of a body, metres from its pelvis."""
    body = load_body()
    rotations = body.world_rotations(pose)
    return body.keypoints(rotations, body.place(rotations, betas), betas)[:, fitted_keypoints(body)]


def as_tall_as_the_mean(keypoints: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """Keypoints [N, 21, 3] about the mid-hip, in metres of a person as tall as the mean body.

    Stature cannot be seen in a crop: the body that is fitted is always the mean one.
    """
    hips = [list(LANDMARK_OF_KEYPOINT).index(name) for name in ("left_hip", "right_hip")]
    height, mean_height = (np.ptp(load_body().shape(shape)[0][..., 1], axis=1) for shape in (betas, MEAN_SHAPE))
    return (keypoints - keypoints[:, hips].mean(axis=1, keepdims=True)) * (mean_height / height)[:, None, None]


def joined(parts: list[Samples]) -> Samples:
    """Several sets of samples as one."""
    columns = {
        entry.name: np.concatenate([getattr(part.landmarks, entry.name) for part in parts])
        for entry in fields(Landmarks)
    }
    rest = [np.concatenate([getattr(part, entry.name) for part in parts]) for entry in fields(Samples)[1:]]
    return Samples(Landmarks(**columns), *rest)


def truth(samples: Samples) -> Answer:
    """What the perceptron should say of the samples."""
    places = to_region(samples.points, samples.landmarks.regions) - trunk_middle(samples.landmarks)
    heading = np.stack([np.cos(samples.yaw), np.sin(samples.yaw)], axis=1)
    return Answer(samples.keypoints / READ_METRES, places / SPREAD_PLACES, heading)


def learn(samples: Samples) -> dict[str, np.ndarray]:
    """A perceptron's weights, by the names that `gcl_cli.body.keypoints` reads; from samples and their mirror."""
    torch.manual_seed(0)
    numbers = np.concatenate(evidence(samples.landmarks)).astype(np.float32)
    mean, spread = (half_precision(v) for v in (numbers.mean(axis=0), numbers.std(axis=0) + 1e-2))
    answers = truth(samples)
    goal = torch.tensor(np.concatenate([answers.numbers(), answers.mirrored().numbers()]), dtype=torch.float32)
    inputs = torch.tensor((numbers - mean) / spread, dtype=torch.float32)
    widths = [inputs.shape[1], *(HIDDEN for _ in HIDDEN_LAYERS), goal.shape[1]]
    layers = [nn.Linear(*shape) for shape in pairwise(widths)]
    between = [part for layer in layers[:-1] for part in (layer, nn.ReLU(), nn.Dropout(DROPPED))]
    fit(nn.Sequential(*between, layers[-1]), inputs, goal)
    weights = {"mean": mean, "spread": spread}
    for name, layer in zip((*HIDDEN_LAYERS, "last"), layers, strict=True):
        weights |= {f"{name}.{part}": value.detach().numpy() for part, value in layer.named_parameters()}
    return weights


def fit(net: nn.Sequential, inputs: Tensor, goal: Tensor) -> None:
    """Lower the mean distance of keypoints, places and headings from the goal; inputs are lost and roughened."""
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    batches = list(_batches(len(inputs)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, len(batches))
    for rows in batches:
        x = inputs[rows]
        x = x * (torch.rand_like(x) > LOST) / (1 - LOST) + NOISE * torch.randn_like(x)
        keypoints, places, heading = (net(x) - goal[rows]).split((3 * KEYPOINTS, 2 * KEYPOINTS, 2), dim=1)
        in_picture = _length(places.reshape(BATCH, -1, 2) * PLACES_COUNT)
        loss = _length(keypoints.reshape(BATCH, -1, 3)) + in_picture + HEADING_COUNTS * _length(heading)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _batches(count: int) -> Iterator[Tensor]:
    for _ in range(EPOCHS):
        order = torch.randperm(count)
        yield from order[: count // BATCH * BATCH].reshape(-1, BATCH)


def _length(vectors: Tensor) -> Tensor:
    return (vectors.square().sum(dim=-1) + 1e-4).sqrt().mean()


def half_precision(values: np.ndarray) -> np.ndarray:
    """`values` as they will be stored."""
    return values.astype(np.float16).astype(np.float32)


if __name__ == "__main__":
    main()
