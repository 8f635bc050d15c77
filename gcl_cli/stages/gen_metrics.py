"""`gcl gen-metrics`: a generator -> how real its pictures look, how varied they are, and whether identity is kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gcl_cli import console
from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.config import GenMetricsSettings
from gcl_cli.metrics.frechet import frechet_distance, statistics
from gcl_cli.metrics.identity import identity_kept
from gcl_cli.metrics.structural_similarity import dissimilarity, identity_pairs
from gcl_cli.presets import settings_for
from gcl_cli.records import RunOptions, StructurePictures
from gcl_cli.training.devices import choose_device, set_threads
from gcl_cli.training.features import embed
from gcl_cli.training.generation import generate
from gcl_cli.training.structures import angle_indices, draw_angles
from gcl_cli.workflow.data import WorkData, open_data, training_set
from gcl_cli.workflow.following import complete_already
from gcl_cli.workflow.rendering.views import open_views
from gcl_cli.workflow.weights.inception import load_inception, to_fid_size
from gcl_cli.workflow.weights.networks import latest, load_encoder, load_gan, read_encoder, read_generator

PROTOCOL = (
    "real: the training pictures; generated: one picture of each from a random turn ('mixed') and from every turn "
    "alone; FID: pytorch-fid's Inception on pictures resized to 256x128 (bicubic); encoder: Frechet distance of unit "
    "embeddings; DSSIM = (1 - SSIM) / 2 in Lab between pictures of one person; identity kept: the nearest real picture "
    "other than the source is of the same person"
)

PAIRS = 256  # compared at a time


@dataclass
class Subject:
    """What is measured, and in which feature spaces."""

    networks: dict[str, nn.Module]
    pictures: Tensor  # [N, 3, H, W] uint8
    structures: StructurePictures
    rows: Tensor  # [M] that are measured
    people: Tensor  # [M] int64, -1 = unknown
    spaces: dict[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)  # name -> features of pictures


def run(options: RunOptions, generator: str | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """Measure a generator on the training pictures; returns the figures, mixed and per angle."""
    work = WorkFolder(Path(options.work))
    gan = read_generator(work, generator or latest(work, ("joint", "gan-warmup")))
    settings = settings_for(GenMetricsSettings, "gen-metrics", gan.config["preset"], chosen)
    config = {"generator": gan.reference, **settings.model_dump()}
    opened = open_data(options, None)
    inputs = {"dataset": opened.digest, gan.reference: gan.manifest.digest}
    name = gan.reference.replace("/", "-") if options.name == "main" else options.name
    job = Run(work, "gen-metrics", name, config, inputs)
    if result := complete_already(job, restart=options.restart):
        return result
    set_threads(options.threads)
    device = choose_device(options.device)
    inception = load_inception(device) if "fid" in settings.measures else None
    with job.begin(restart=options.restart):
        subject = _subject(options, opened, gan, settings, device)
        if inception:
            subject.spaces["fid"] = inception
        result = {"generator": gan.reference, "protocol": PROTOCOL, **_measure(subject, settings)}
        write_json(job.folder / "result.json", result)
        return job.publish(result, seed=settings.seed).manifest.result


def _subject(
    options: RunOptions, opened: WorkData, gan: Artifact, settings: GenMetricsSettings, device: torch.device
) -> Subject:
    work = WorkFolder(Path(options.work))
    source, architecture = read_encoder(work, gan.config.get("encoder", gan.reference))
    encoder = load_encoder(source, architecture, device)
    _, structures = open_views(work, opened, architecture)
    everything = training_set(opened, architecture, options).pictures
    chance = torch.Generator().manual_seed(settings.seed)
    rows = torch.randperm(len(everything), generator=chance)[: settings.pictures or len(everything)].sort().values
    people = torch.tensor([-1 if sample.person is None else sample.person for sample in opened.split("train")])[rows]
    if bool((people < 0).all()):
        console.warn("The pictures have no person labels: DSSIM and the share of kept identities cannot be measured.")
    networks: dict[str, nn.Module] = {"identity_encoder": encoder, **load_gan(gan, architecture, device)}
    subject = Subject(networks, everything, structures, rows, people)
    if {"encoder", "identity"} & set(settings.measures):
        subject.spaces["encoder"] = lambda pictures: embed(encoder, pictures, precision="fp32").cpu()
    return subject


def _measure(subject: Subject, settings: GenMetricsSettings) -> dict[str, Any]:
    """The figures of the mixed set and of every angle."""
    photographs = subject.pictures[subject.rows]
    real = {space: features(photographs) for space, features in subject.spaces.items()}
    chance = torch.Generator().manual_seed(settings.seed)
    turns = angle_indices(subject.structures, settings.angles)
    drawn = draw_angles(turns, len(photographs), chance)
    mixed = torch.empty_like(photographs)
    table = []
    with console.meter("gen-metrics", len(turns)) as meter:
        for angle, turn in zip(settings.angles, turns, strict=True):
            every = turn.expand(len(photographs))
            views = generate(subject.networks, subject.pictures, subject.structures, subject.rows, every)
            mixed[drawn == turn] = views[drawn == turn]
            table.append({"angle": angle, **_compare(subject, settings, real, views)})
            meter.advance()
    figures: dict[str, Any] = {"pictures": len(photographs), **_compare(subject, settings, real, mixed)}
    if "dssim" in settings.measures:
        for name, pictures in (("dssim", mixed), ("dssim_real", photographs)):
            figures[name] = _diversity(pictures, subject.people, settings)
            figures[f"{name}_at_256x128"] = _diversity(to_fid_size(pictures), subject.people, settings)
    return figures | {"per_angle": table}


def _compare(
    subject: Subject, settings: GenMetricsSettings, real: dict[str, Tensor], views: Tensor
) -> dict[str, float | None]:
    """Frechet distances and identity kept of generated pictures [M, 3, H, W] against the real features."""
    figures: dict[str, float | None] = {}
    for space, features in subject.spaces.items():
        made = features(views)
        if space == "fid":
            figures["fid"] = frechet_distance(*statistics(real[space]), *statistics(made))
            continue
        if "encoder" in settings.measures:
            figures["encoder_frechet"] = frechet_distance(*statistics(real[space]), *statistics(made))
        if "identity" in settings.measures:
            kept = identity_kept(made, real[space], subject.people, torch.arange(len(views)))
            figures["identity_kept"] = 100 * kept.share if kept.judged else None
            figures["cosine_to_source"] = kept.mean_cosine
    return figures


def _diversity(pictures: Tensor, people: Tensor, settings: GenMetricsSettings) -> float | None:
    """Mean DSSIM over random pairs within a person; None where nobody has two pictures."""
    chance = torch.Generator().manual_seed(settings.seed)
    drawn = [
        identity_pairs(people, pairs_per_identity=settings.pairs, generator=chance) for _ in range(settings.repeats)
    ]
    pairs = torch.cat(drawn)  # [P, 2]
    if not len(pairs):
        return None
    found = [dissimilarity(pictures[one[:, 0]], pictures[one[:, 1]]) for one in pairs.split(PAIRS)]
    return float(torch.cat(found).mean())
