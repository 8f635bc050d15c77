"""Teach the generator of `gcl views` what people look like from other sides, from drawn pairs alone.

Three steps, each as long as it is told to be; a step that is called again with more goes on where it was.
  looks     an encoder learns who is who across sides: the judge of the last step, never shipped
  colours   the generator, at half the size, by absolute differences of colours, alpha and edges
  finish    the same at full size, with what the judge sees, and a small adversary

    python recipes/generator/learn.py FOLDER/pairs FOLDER --looks 3000 --colours 12000 --finish 6000

For ablations --without leaves something out: the painted view, the seen map, the identity code, the judge and the
adversary, or the step by colours.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from batches import Batch, Pairs, augment, drawn_batch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gcl_cli.config import Architecture
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.painted_generator import OPACITY, SEEN, PaintedGenerator
from gcl_cli.training.augmentation import IMAGENET_MEAN, IMAGENET_STD

BATCH, FINISH_BATCH, WARM_UP, SAVED_EVERY = 24, 16, 50, 50  # views, steps
COLOURS_RATE, FINISH_RATE, LOOKS_RATE, ADVERSARY_RATE = 1e-3, 6e-4, 1e-3, 4e-4
DESCENDS_FROM, LOWEST = 0.5, 0.03  # share of the finishing steps after which the rate descends; to which share of it
AVERAGED = 0.995  # decay of the mean of the weights, which is what ships
PEOPLE, TEMPERATURE = 32, 0.07  # of a batch that teaches looks
INSIDE, ALPHA, EDGES, COARSE = 1.0, 1.5, 0.5, 0.5  # weights of the losses, beside 2 for the colours
LIKE, LOOKS, SAME, ADVERSARY = 0.5, 0.4, 0.2, 0.02
JUDGE = Architecture(trunk="resnet18", trunk_width=16, height=128, width=64)

Numbers = dict[str, float]
Part = Literal["nothing", "painted", "seen", "code", "judge", "colours"]  # what an ablation leaves out


@dataclass
class Training:
    """What goes on when a step is called again."""

    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    rng: torch.Generator
    step: int = 0
    seconds: float = 0.0  # of CPU
    averaged: dict[str, Tensor] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        """All of it, for torch.save."""
        networks = {name: network.state_dict() for name, network in self.networks.items()}
        optimizers = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {
            "networks": networks, "optimizers": optimizers, "rng": self.rng.get_state(),
            "step": self.step, "seconds": self.seconds, "averaged": self.averaged,
        }  # fmt: skip

    def resume(self, file: Path) -> None:
        """Go on from `file`, where there is one."""
        if file.exists():
            state = torch.load(file, weights_only=True)
            for name, network in self.networks.items():
                network.load_state_dict(state["networks"][name])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            self.rng.set_state(state["rng"])
            self.step, self.seconds, self.averaged = state["step"], state["seconds"], state["averaged"]

    def run(self, file: Path, steps: int, pairs: Pairs, step: Callable[[], Numbers]) -> None:
        """`step` until there have been `steps`; saved every now and then, and at the end."""
        self.resume(file)
        told, began = [], time.process_time() - self.seconds
        while self.step < steps:
            told.append(step())
            self.step += 1
            if self.step % SAVED_EVERY == 0 or self.step == steps:
                self.seconds = time.process_time() - began
                unfinished = file.with_suffix(".part")
                torch.save(self.state(), unfinished)
                unfinished.replace(file)
                means = {name: sum(row[name] for row in told) / len(told) for name in told[-1]}
                said = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
                told_of = f"{self.seconds / 60:.1f} min, {len(pairs)} people"
                print(f"{file.stem} {self.step}: {said}, {told_of}", flush=True)  # noqa: T201
                told = []
                pairs.reload()


def main() -> None:
    """The steps in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--looks", type=int, default=0, help="steps of each; 0: as it is")
    parser.add_argument("--colours", type=int, default=0)
    parser.add_argument("--finish", type=int, default=0)
    parser.add_argument("--without", choices=get_args(Part), default="nothing")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    pairs = Pairs(given.pairs)
    if given.looks:
        learn_looks(pairs, given.folder, given.looks, given.seed)
    if given.colours and given.without != "colours":
        learn_colours(Pairs(given.pairs, small=True), given.folder, given.colours, given.seed, given.without)
    if given.finish:
        finish(pairs, given.folder, given.finish, given.seed, given.without)


def learn_looks(pairs: Pairs, folder: Path, steps: int, seed: int) -> None:
    """An encoder to which two sides of a person are more alike than two people (InfoNCE, van den Oord et al. 2018)."""
    torch.manual_seed(seed)
    encoder = IdentityEncoder(JUDGE).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(encoder.parameters(), LOOKS_RATE, weight_decay=1e-3)
    training = Training({"encoder": encoder}, {"encoder": optimizer}, torch.Generator().manual_seed(seed))

    def step() -> Numbers:
        rng = training.rng
        people = torch.randperm(len(pairs), generator=rng)[:PEOPLE].tolist()
        views = [1 + int(torch.randint(pairs.views_of(person) - 1, (1,), generator=rng)) for person in people]
        batch = augment(pairs.batch(people, views), rng)
        other = augment(pairs.batch(people, [0] * len(people)), rng)
        rows = F.normalize(_embedding(encoder, torch.cat([batch.true, other.photograph])))
        likeness = rows[: len(people)] @ rows[len(people) :].T / TEMPERATURE
        goal = torch.arange(len(people))
        loss = F.cross_entropy(likeness, goal) + F.cross_entropy(likeness.T, goal)
        _rate(optimizer, LOOKS_RATE, training.step, steps)
        _descend(optimizer, loss, encoder)
        return {"loss": loss.item(), "right": (likeness.argmax(1) == goal).float().mean().item()}

    training.run(folder / "looks.pt", steps, pairs, step)


def learn_colours(pairs: Pairs, folder: Path, steps: int, seed: int, without: Part = "nothing") -> None:
    """The generator, by what can be said pixel by pixel, of views at half the size: in a third of the time."""
    training = _generator_training(seed)
    generator, optimizer = training.networks["generator"], training.optimizers["generator"]

    def step() -> Numbers:
        batch = lessened(drawn_batch(pairs, BATCH, training.rng), without)
        loss, said, _, _ = pixel_losses(generator, batch)
        _rate(optimizer, COLOURS_RATE, training.step)
        _descend(optimizer, loss, generator)
        return said

    training.run(folder / "colours.pt", steps, pairs, step)


def finish(pairs: Pairs, folder: Path, steps: int, seed: int, without: Part = "nothing") -> None:
    """The generator with a judge and an adversary beside the pixels."""
    training = _generator_training(seed + 1, rate=FINISH_RATE, beta1=0.5)
    generator, optimizer = training.networks["generator"], training.optimizers["generator"]
    if without != "colours":
        generator.load_state_dict(torch.load(folder / "colours.pt", weights_only=True)["networks"]["generator"])
    judge = IdentityEncoder(JUDGE).to(memory_format=torch.channels_last)
    judge.load_state_dict(torch.load(folder / "looks.pt", weights_only=True)["networks"]["encoder"])
    judge.eval().requires_grad_(False)
    adversary = _adversary().to(memory_format=torch.channels_last)
    against = torch.optim.Adam(adversary.parameters(), ADVERSARY_RATE, betas=(0.5, 0.99))
    training.networks["adversary"], training.optimizers["adversary"] = adversary, against

    def step() -> Numbers:
        batch = lessened(drawn_batch(pairs, FINISH_BATCH, training.rng), without)
        loss, said, composed, alpha = pixel_losses(generator, batch)
        unlike = 1 - alikeness(composed, batch.true)
        features, same = judged(judge, composed, batch.true)
        cost, fooled = contested(adversary, against, torch.cat([composed, alpha], 1), torch.cat(batch[-2:], 1))
        _rate(optimizer, FINISH_RATE, training.step, steps)
        seen_by_networks = LOOKS * features + SAME * same + ADVERSARY * fooled
        _descend(optimizer, loss + LIKE * unlike + (0 if without == "judge" else seen_by_networks), generator)
        _average(training, generator)
        said |= {"unlike": unlike.item()}
        return said | {"judged": features.item(), "same": same.item(), "adversary": cost}

    training.run(folder / "finish.pt", steps, pairs, step)


def _generator_training(seed: int, rate: float = COLOURS_RATE, beta1: float = 0.9) -> Training:
    torch.manual_seed(seed)
    generator = PaintedGenerator().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(generator.parameters(), rate, betas=(beta1, 0.99), weight_decay=1e-4, fused=True)
    return Training({"generator": generator}, {"generator": optimizer}, torch.Generator().manual_seed(seed))


def lessened(batch: Batch, without: Part) -> Batch:
    """The batch without what an ablation leaves out; of the seen map, everything painted counts as seen."""
    structure = batch.structure.clone()
    if without == "painted":
        structure[:, 1:6] = 0
    if without == "seen":
        structure[:, SEEN] = structure[:, OPACITY]
    if without == "code":  # the means over nobody are zero
        return batch._replace(photograph=torch.zeros_like(batch.photograph))
    return batch._replace(structure=structure)


def pixel_losses(generator: nn.Module, batch: Batch) -> tuple[Tensor, Numbers, Tensor, Tensor]:
    """The loss; its parts in numbers; the drawn people before their scenes [B, 3, H, W]; their alpha [B, 1, H, W]."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        drawn = generator(batch.structure, batch.turn, generator.appearance(batch.photograph, batch.own_opacity))
    colours, alpha = drawn.split((3, 1), dim=1)
    composed = alpha * colours + (1 - alpha) * batch.scene
    wrong = composed - batch.true
    counts = 0.15 + F.max_pool2d(batch.alpha, 5, 1, 2)  # the person and a little around
    inside = (batch.alpha * (colours - batch.true).abs()).sum() / (3 * batch.alpha.sum() + 1)
    outline = (alpha - batch.alpha).abs().mean()
    edges = wrong.diff(dim=2).abs().mean() + wrong.diff(dim=3).abs().mean()
    coarse = F.avg_pool2d(wrong, 4).abs().mean()
    loss = 2 * (counts * wrong.abs()).mean() + INSIDE * inside + ALPHA * outline + EDGES * edges + COARSE * coarse
    return loss, {"inside": inside.item(), "alpha": outline.item(), "edges": edges.item()}, composed, alpha


def alikeness(drawn: Tensor, true: Tensor) -> Tensor:
    """The mean structural similarity of two batches of pictures in grey, windows of 7 pixels (Zhao et al. 2017)."""
    drawn, true = drawn.mean(1, keepdim=True), true.mean(1, keepdim=True)
    given = torch.cat([drawn, true, drawn * drawn, true * true, drawn * true], dim=1)
    drawn, true, drawn_square, true_square, product = F.avg_pool2d(given, 7, 1).unbind(dim=1)
    between, squares = drawn * true, drawn.square() + true.square()
    levels = (2 * between + 1e-4) / (squares + 1e-4)
    patterns = (2 * (product - between) + 9e-4) / (drawn_square + true_square - squares + 9e-4)
    return (levels * patterns).mean()


def judged(judge: nn.Module, drawn: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """How differently the judge sees two batches of pictures: in its first stages, and in who it takes them for."""
    with torch.no_grad():
        wanted, who = _stages(judge, true)
    found, drawn_who = _stages(judge, drawn)
    first = [(f - w).abs().mean() / w.abs().mean() for f, w in zip(found, wanted, strict=True)]
    return torch.stack(first).sum(), (1 - F.cosine_similarity(drawn_who, who)).mean()


def _stages(judge: nn.Module, pictures: Tensor) -> tuple[list[Tensor], Tensor]:
    """Features after the first two stages, and embeddings."""
    features, kept = _normalised(pictures), []
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for name, layer in judge.trunk.named_children():
            features = layer(features)
            if name in ("layer1", "layer2"):
                kept.append(features.float())
    return kept, judge.head(features.float())


def _embedding(encoder: nn.Module, pictures: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return encoder(_normalised(pictures)).embedding


def _normalised(pictures: Tensor) -> Tensor:
    mean, deviation = (torch.tensor(value).view(1, 3, 1, 1) for value in (IMAGENET_MEAN, IMAGENET_STD))
    return ((pictures - mean) / deviation).contiguous(memory_format=torch.channels_last)


def contested(
    adversary: nn.Module, optimizer: torch.optim.Optimizer, drawn: Tensor, true: Tensor
) -> tuple[float, Tensor]:
    """One step of the adversary (hinge loss, Lim and Ye 2017); its loss, and the generator's against it."""
    drawn, true = (2 * value.contiguous(memory_format=torch.channels_last) - 1 for value in (drawn, true))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        adversary.requires_grad_(True)
        cost = F.relu(1 - adversary(true).float()).mean() + F.relu(1 + adversary(drawn.detach()).float()).mean()
        optimizer.zero_grad(set_to_none=True)
        cost.backward()
        optimizer.step()
        adversary.requires_grad_(False)
        return cost.item(), -adversary(drawn).float().mean()


def _adversary() -> nn.Sequential:
    """Judges patches of colours and alpha, under spectral norm (Miyato et al. 2018)."""
    widths, layers = (4, 24, 48, 96), []
    for inputs, outputs in pairwise(widths):
        layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1)))


def _rate(optimizer: torch.optim.Optimizer, rate: float, step: int, steps: int | None = None) -> None:
    """Warm up; and where the end is known, descend towards it."""
    share = min(1.0, (step + 1) / WARM_UP)
    if steps is not None:
        share *= min(1.0, max(LOWEST, (1 - step / steps) / (1 - DESCENDS_FROM)))
    for group in optimizer.param_groups:
        group["lr"] = rate * share


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor, network: nn.Module) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def _average(training: Training, generator: nn.Module) -> None:
    """The mean of late weights."""
    for name, value in generator.state_dict().items():
        if name in training.averaged:
            training.averaged[name].lerp_(value, 1 - min(AVERAGED, 1 - 1 / (1 + training.step)))
        else:
            training.averaged[name] = value.clone()


if __name__ == "__main__":
    main()
