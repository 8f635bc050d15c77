"""A small work folder with something for every section of the report, its networks untrained."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from gcl_cli.artifacts.formats import write_labels
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.commands import synth
from gcl_cli.commands.evaluate import command as evaluate
from gcl_cli.commands.mesh import command as mesh
from gcl_cli.commands.render import command as render
from gcl_cli.commands.report import command as report
from gcl_cli.config import Architecture
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.people.data import open_data
from gcl_cli.session import Session
from gcl_cli.weights.networks import new_gan, save_networks

SMALL = Architecture(
    trunk="resnet18", trunk_width=16, height=64, width=32, generator_width=4, modulation_width=16,
    discriminator_width=4, discriminator_scales=2, padding="zeros",
)  # fmt: skip
NASTY = ("<script>alert(1)<", "script>.jpg"), ("sub", '"><img src=x onerror=alert(2)>&amp;.jpg')
EPOCHS = ({"epoch": 1, "loss": 4.0, "clusters": 3, "fallback": None}, {"epoch": 2, "loss": 1.0, "clusters": 4})


def options(work: Path) -> Session:
    return Session(work=str(work), device="cpu", threads=1)


def make_people(folder: Path) -> Path:
    """Three people for training and three for testing, two pictures in each of two cameras."""
    synth.run(str(folder), {"ids": 6, "cameras": 2, "images": 2, "distractors": 0}, threads=1, restart=False)
    return folder


def make_nasty(folder: Path) -> Path:
    """A plain folder whose names are markup; one is called <script>alert(1)</script>.jpg."""
    rng = np.random.default_rng(0)
    for parts in (*NASTY, *((f"{n}.jpg",) for n in range(6))):
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 32, 3), dtype=np.uint8)).save(path, "JPEG")
    return folder


def make_encoder(work: Path, data: Path) -> None:
    """`warmup/main` with an untrained encoder and two recorded epochs."""
    digest = open_data(options(work), str(data)).digest
    encoder = IdentityEncoder(SMALL)
    initialise(encoder, torch.Generator().manual_seed(1))
    job = Run(WorkFolder(work), "warmup", "main", {"preset": "tiny", "method": "cluster-contrast"}, {"dataset": digest})
    with job.begin(restart=True):
        for values in EPOCHS:
            job.record(values)
        save_networks(job.folder, {"identity_encoder": encoder}, SMALL)
        job.publish({"clusters": 4}, seed=5)


def make_generator(work: Path) -> None:
    """`gan-warmup/main` with untrained networks."""
    inputs = {"warmup/main": _digest(work, "warmup/main")}
    job = Run(WorkFolder(work), "gan-warmup", "main", {"preset": "tiny", "encoder": "warmup/main"}, inputs)
    with job.begin(restart=True):
        save_networks(job.folder, new_gan(SMALL, 2, torch.device("cpu")), SMALL)
        job.publish({})


def make_clusters(work: Path) -> None:
    """`cluster/main`: two clusters, the first with one doubtful member, and one picture of none."""
    names = [sample.name for sample in open_data(options(work), None).split("train")]
    half = len(names) // 2
    labels = np.array([0] * half + [1] * (len(names) - half - 1) + [-1])
    doubt = np.where(labels < 0, np.nan, 0.25)
    doubt[1] = 0.75
    suspicious = [{"name": names[1], "doubt": 0.75, "nearest": 1}]
    entries: list[dict[str, Any]] = [
        {"label": label, "size": int((labels == label).sum()), "cameras": [1, 2], "tightness": 0.5,
         "doubt": float(doubt[labels == label].mean()), "suspicious": [] if label else suspicious}
        for label in (0, 1)
    ]  # fmt: skip
    inputs = {"warmup/main": _digest(work, "warmup/main")}
    job = Run(WorkFolder(work), "cluster", "main", {"encoder": "warmup/main"}, inputs)
    with job.begin(restart=True):
        write_labels(job.folder / "labels.csv", names, labels, doubt)
        (job.folder / "clusters.json").write_text(json.dumps(entries))
        first, second = ([name for name, label in zip(names, labels, strict=True) if label == n] for n in (0, 1))
        asked = [  # is the first cluster two people? are both one?
            {"first": first[0], "second": first[-1], "clusters": [0, 0], "chance": 0.5, "pairs": 8},
            {"first": first[0], "second": second[0], "clusters": [0, 1], "chance": 0.25, "pairs": 4},
        ]
        (job.folder / "questions.json").write_text(json.dumps(asked))
        job.publish({"clusters": 2})


def make_work(work: Path, data: Path) -> Path:
    """Everything that the report shows, of a labelled data set."""
    make_encoder(work, data)
    make_generator(work)
    mesh.run(options(work), None, {"sheet": 0})
    render.run(options(work), "main", {"height": 64, "width": 32, "backend": "numpy", "angles": (0, 90, 180)})
    make_clusters(work)
    evaluate.run(options(work), None, "warmup/main", {"save_embeddings": True, "bootstrap": 20, "ranked": 0})
    job = Run(WorkFolder(work), "gen-metrics", "made", {"generator": "gan-warmup/main"}, {})
    with job.begin(restart=True):
        job.publish({"generator": "gan-warmup/main", "fid": 12.5, "per_angle": [{"angle": 90, "fid": 13.5}]})
    return work


def make_nasty_work(work: Path, data: Path) -> Path:
    """Encoder and clusters of pictures whose names are markup."""
    make_encoder(work, data)
    make_clusters(work)
    return work


def reported(work: Path, **chosen: Any) -> tuple[str, dict[str, Any]]:
    """The page of a work folder as text, and what the stage returns."""
    result = report.run(options(work), None, chosen)
    return Path(result["page"]).read_text(encoding="utf-8"), result


def _digest(work: Path, reference: str) -> str:

    return read_artifact(WorkFolder(work), reference).manifest.digest
