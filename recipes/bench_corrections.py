"""What a click on the report's cluster page is worth: `python recipes/bench_corrections.py WORK [--clicks 120]`.

WORK holds `cluster/main` of a data set whose names say who is on its pictures, such as one of `gcl synth`. Somebody who
is never wrong answers, one after another, the questions that the page asks ("best"), the same ones without regard to
how many pictures they are about ("doubtful"), or any pairs of clustered pictures ("random"). Every few clicks the
labels are corrected and the questions renewed, as `gcl update --corrections` does. Each line of the output is a JSON
object: the adjusted Rand index with the true people, and precision and recall over pairs of pictures, in percent.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from gcl_cli.artifacts.embeddings import embeddings_file
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.clustering.agreement import adjusted_rand_index
from gcl_cli.clustering.cohesion import cohesion
from gcl_cli.clustering.corrections import corrected
from gcl_cli.clustering.pseudo_labels import asked_distance, cluster_distance, comparable_features
from gcl_cli.clustering.questions import Question, questions
from gcl_cli.commands.cluster.colours import colours_of_people, people_cut_out
from gcl_cli.commands.cluster.trust import facts, same_person, trust
from gcl_cli.config import ClusterSettings
from gcl_cli.people.data import known_cameras, open_data
from gcl_cli.records import Corrections, PseudoLabels
from gcl_cli.session import Session

Pair = tuple[int, int]


@dataclass
class Desk:
    """Clusters, the truth about them, and what was said so far."""

    features: torch.Tensor  # [N, D]
    cameras: torch.Tensor | None
    people: np.ndarray  # [N]
    settings: ClusterSettings
    colours: np.ndarray | None = None  # [N, 1000] of people cut out
    said: dict[Pair, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.comparable = comparable_features(self.features, self.cameras, camera_aware=self.settings.camera_aware)
        self.distance = asked_distance(self.comparable, settings=self.settings)
        self.found = cluster_distance(self.distance, self.comparable, settings=self.settings)

    def labels(self) -> np.ndarray:
        """The labels that obey what was said."""
        must, cannot = ([pair for pair, same in self.said.items() if same is kind] for kind in (True, False))
        rows = (np.array(pairs, dtype=np.int64).reshape(-1, 2) for pairs in (must, cannot))
        found: PseudoLabels = corrected(
            self.found, self.features, self.cameras, Corrections(*rows), camera_aware=self.settings.camera_aware
        )
        return found.labels

    def asked(self, labels: np.ndarray) -> list[Question]:
        """What `gcl cluster` would have the page ask of these labels."""
        held = cohesion(self.distance, labels)
        cameras = self.cameras is not None
        known = facts(self.comparable.numpy(), labels, held, cameras=cameras, colours=self.colours)
        two = trust(known, labels, held.doubt).two
        return questions(self.distance, labels, count=len(labels) ** 2, two=two, same=same_person(known))

    def answer(self, pair: Pair) -> None:
        """Somebody looks."""
        self.said[pair] = bool(self.people[pair[0]] == self.people[pair[1]])


def best(desk: Desk, labels: np.ndarray, _: np.random.Generator) -> Iterator[Pair]:
    """As the page asks."""
    for one in desk.asked(labels):
        yield one.first, one.second


def doubtful(desk: Desk, labels: np.ndarray, _: np.random.Generator) -> Iterator[Pair]:
    """The most uncertain first, however many pictures they are about."""
    for one in sorted(desk.asked(labels), key=lambda one: abs(one.chance - 0.5)):
        yield one.first, one.second


def at_random(_: Desk, labels: np.ndarray, rng: np.random.Generator) -> Iterator[Pair]:
    """Any two clustered pictures."""
    clustered = np.flatnonzero(labels >= 0)
    while True:
        first, second = rng.choice(clustered, 2, replace=False).tolist()
        yield min(first, second), max(first, second)


WAYS: dict[str, Callable[[Desk, np.ndarray, np.random.Generator], Iterator[Pair]]] = {
    "best": best, "doubtful": doubtful, "random": at_random,
}  # fmt: skip


def clicks(desk: Desk, way: str, count: int, every: int, seed: int) -> Iterator[dict[str, object]]:
    """Figures after 0, `every`, ... clicks."""
    rng, labels = np.random.default_rng(seed), desk.labels()
    yield {"way": way, "clicks": 0, **figures(labels, desk.people)}
    for done in range(every, count + 1, every):
        for pair in WAYS[way](desk, labels, rng):
            if len(desk.said) == done:
                break
            if pair not in desk.said:
                desk.answer(pair)
        labels = desk.labels()
        yield {"way": way, "clicks": len(desk.said), **figures(labels, desk.people)}


def figures(labels: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """Agreement with the true people, over all pictures; noise counts as people of one picture each."""
    alone = labels < 0
    labels = np.where(alone, labels.max(initial=-1) + 1 + np.cumsum(alone), labels)
    upper = np.triu_indices(len(labels), 1)
    together, same = ((of[upper[0]] == of[upper[1]]) for of in (labels, people))
    right = int((together & same).sum())
    return {
        "ari": round(100 * adjusted_rand_index(people, labels), 1),
        "precision": round(100 * right / max(int(together.sum()), 1), 1),
        "recall": round(100 * right / max(int(same.sum()), 1), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--clicks", type=int, default=120)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3, help="of the random pairs")
    asked = parser.parse_args()
    work, opened = WorkFolder(asked.work), open_data(Session(work=str(asked.work)), None)
    artifact = read_artifact(work, "cluster/main")
    settings = ClusterSettings(**{k: v for k, v in artifact.config.items() if k in ClusterSettings.model_fields})
    samples = opened.split("train")
    people = np.array([-1 if sample.person is None else sample.person for sample in samples])
    features = torch.from_numpy(load_file(embeddings_file(artifact.folder, "train"))["embeddings"])
    cameras = known_cameras(samples)
    render = people_cut_out(work, opened)
    colours = None if render is None else colours_of_people(opened, render, cameras, threads=1)
    for way in WAYS:
        for seed in range(asked.seeds if way == "random" else 1):
            for line in clicks(
                Desk(features, cameras, people, settings, colours), way, asked.clicks, asked.every, seed
            ):
                sys.stdout.write(json.dumps({**line, "seed": seed}) + "\n")


if __name__ == "__main__":
    main()
