"""`gcl gen-metrics`: a generator -> how real its pictures are, how varied, and whether person and pose are kept."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact
from gcl_cli.artifacts.picture_lists import fingerprint
from gcl_cli.artifacts.run import Run
from gcl_cli.commands.gen_metrics.backdrops import Backdrops, open_backdrops
from gcl_cli.commands.gen_metrics.comparison import Comparison, PosedRows
from gcl_cli.commands.gen_metrics.folders import compare_folders, open_folder
from gcl_cli.commands.gen_metrics.inception import load_inception, to_fid_size, weights_are_there
from gcl_cli.commands.gen_metrics.measures import ENCODER, INCEPTION, diversity_figures, features_in, protocol_of
from gcl_cli.commands.gen_metrics.poses import read_asked
from gcl_cli.commands.gen_metrics.real_sides import Sides, known_yaws
from gcl_cli.commands.gen_metrics.subject import Subject, open_subject
from gcl_cli.config import GenMetricsSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.errors import GclError
from gcl_cli.following.loop import complete_already
from gcl_cli.people.data import open_data
from gcl_cli.session import Session
from gcl_cli.training.features import embed
from gcl_cli.training.structures import angle_indices, draw_angles
from gcl_cli.weights.networks import latest, read_encoder, read_generator
from gcl_cli.weights.shipped_generator import SHIPPED
from gcl_cli.weights.starting_weights import OpenedEncoder, open_encoder

OF_FOLDERS = ("fid", "kid", "encoder", "dssim", "identity")  # what needs no generator


@dataclass(frozen=True)
class Folders:
    """What `--real`, `--generated` and `--encoder` say."""

    real: str | None
    generated: str | None
    encoder: str | None


def run(session: Session, generator: str | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """Measure a generator on the training pictures; returns the figures, mixed, per angle, and of real pictures."""
    work = session.folder
    # the shipped one is of no artifact: the encoder's stands in for it, which judges what it draws
    made = _encoder(work) if generator == SHIPPED else _generator(work, generator)
    reference = SHIPPED if generator == SHIPPED else made.reference
    settings = settings_for(GenMetricsSettings, "gen-metrics", made.config["preset"], chosen)
    config = {"generator": reference, **settings.model_dump()}
    opened = open_data(session, None)
    inputs = {"dataset": opened.digest, made.reference: made.manifest.digest}
    name = reference.replace("/", "-") if session.name == "main" else session.name
    job = Run(work, "gen-metrics", name, config, inputs)
    if result := complete_already(job, restart=session.restart):
        return result
    device = session.open_device()
    inception = _inception(settings, device, explicit="measures" in chosen)
    with job.begin(restart=session.restart):
        subject = open_subject(session, opened, made, settings, device, measured=_measured(reference, settings))
        subject.spaces = inception | subject.spaces
        comparison = _comparison(work, subject, settings, str(device), explicit="measures" in chosen)
        result = {"generator": reference, "measured": subject.measured, **_measure(comparison)}
        result["protocol"] = _told(settings, inception, "pictures", "references")
        write_json(job.folder / "result.json", result)
        return job.publish(result, seed=settings.seed).manifest.result


def _generator(work: WorkFolder, named: str | None) -> Artifact:
    return read_generator(work, named or latest(work, ("joint", "gan-warmup")))


def _encoder(work: WorkFolder) -> Artifact:
    return read_encoder(work, latest(work, ("joint", "warmup")))[0]


def _measured(reference: str, settings: GenMetricsSettings) -> str:
    return SHIPPED if reference == SHIPPED and settings.views == "generated" else settings.views


def run_folders(session: Session, folders: Folders, generator: str | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """Compare a folder of generated pictures with one of real pictures; returns the figures.

    They are written to `gen-metrics/REAL-GENERATED` of the work folder, unless `--name` says otherwise.
    """
    if folders.real is None or folders.generated is None or generator is not None:
        raise GclError(
            "--real, --generated and --encoder compare two folders, without a generator.",
            "Give both folders: --real DIR --generated DIR; or --generator alone.",
        )
    settings = _folder_settings(chosen, has_encoder=folders.encoder is not None)
    work, threads = session.folder, session.processes
    real = open_folder(Path(folders.real), "--real", settings=settings, threads=threads)
    generated = open_folder(Path(folders.generated), "--generated", settings=settings, threads=threads)
    encoder = open_encoder(work, encoder=folders.encoder, init=None, stages=()) if folders.encoder else None
    config = {"encoder": encoder and encoder.reference, **settings.model_dump()}
    inputs = {
        name: fingerprint(folder.root, {name: list(folder.names)})
        for name, folder in (("real", real), ("generated", generated))
    } | (encoder.inputs if encoder else {})
    name = f"{real.root.resolve().name}-{generated.root.resolve().name}" if session.name == "main" else session.name
    job = Run(work, "gen-metrics", name, config, inputs)
    if result := complete_already(job, restart=session.restart):
        return result
    device = session.open_device()
    inception = _inception(settings, device, explicit="measures" in chosen)
    spaces = inception | _encoder_space(encoder, device)
    if "kid" in settings.measures and not spaces:
        console.warn("KID is left out: Inception's weights are not there, and no --encoder is named.")
    with job.begin(restart=session.restart):
        figures = compare_folders(real, generated, spaces, encoder.architecture if encoder else None, settings)
        result = {"real": folders.real, "generated": folders.generated, "encoder": config["encoder"], **figures}
        result["protocol"] = _told(settings, inception, "references", "pairs")
        write_json(job.folder / "result.json", result)
        return job.publish(result, seed=settings.seed).manifest.result


def _folder_settings(chosen: dict[str, Any], *, has_encoder: bool) -> GenMetricsSettings:
    """The settings with the measures that two folders have; GclError where another one is asked for by name."""
    possible = tuple(name for name in OF_FOLDERS if has_encoder or name not in ("encoder", "identity"))
    impossible = [name for name in chosen.get("measures", ()) if name not in possible]
    if impossible:
        fix = "Name one: --encoder STAGE" if impossible[0] in OF_FOLDERS else f"Choose from {', '.join(OF_FOLDERS)}."
        raise GclError(f"--measures {impossible[0]} of two folders needs more than their pictures.", fix)
    return settings_for(GenMetricsSettings, "gen-metrics", "paper", {"measures": possible} | chosen)


def _inception(
    settings: GenMetricsSettings, device: torch.device, *, explicit: bool
) -> dict[str, Callable[[Tensor], Tensor]]:
    """FID's space, where FID is asked for; for KID alone where the weights happen to be there.

    Where they cannot be fetched: GclError if the measures were named, else FID is left out with a note.
    """
    if "fid" in settings.measures or ("kid" in settings.measures and weights_are_there()):
        try:
            return {INCEPTION: load_inception(device)}
        except GclError as missing:
            _refuse_or_warn(missing, explicit=explicit or weights_are_there())  # there, and not what they should be
    return {}


def _told(settings: GenMetricsSettings, inception: Collection[str], *others: str) -> list[dict[str, str]]:
    """How each figure was measured; FID's stays out where it was."""
    return protocol_of({*others, *settings.measures} - ({"fid"} if not inception else set()))


def _encoder_space(encoder: OpenedEncoder | None, device: torch.device) -> dict[str, Callable[[Tensor], Tensor]]:
    if encoder is None:
        return {}
    network = encoder.load(device)
    return {ENCODER: lambda pictures: embed(network, pictures, precision="fp32").cpu()}


def _comparison(
    work: WorkFolder, subject: Subject, settings: GenMetricsSettings, device: str, *, explicit: bool
) -> Comparison:
    """What generated pictures are compared with; what cannot be known is a GclError if it was asked for by name."""
    if bool((subject.people < 0).all()):
        console.warn("The pictures have no person labels: DSSIM and the share of kept identities cannot be measured.")
    real = features_in(subject.spaces, subject.photographs)
    samples = subject.data.split("train")
    yaws, posed, sides = None, None, None
    try:
        yaws = known_yaws(subject.data.root, [samples[row] for row in subject.rows.tolist()], settings.front_frame)
    except GclError as unknown:
        if "real_side" in settings.measures:
            _refuse_or_warn(unknown, explicit=explicit)
    if yaws is not None and "real_side" in settings.measures:
        sides = Sides(subject.photographs, real[ENCODER], subject.people, subject.cameras, yaws, settings.seed)
    if "pose" in settings.measures:
        rng = torch.Generator().manual_seed(settings.seed)
        rows = torch.randperm(len(subject.rows), generator=rng)[: settings.pose_pictures].sort().values
        try:
            asked = read_asked(work, subject.render, subject.data, subject.rows[rows].tolist(), device)
            posed = PosedRows(rows, asked, None if yaws is None else yaws[rows.numpy()])
        except GclError as unknown:
            _refuse_or_warn(unknown, explicit=explicit)
    return Comparison(subject, settings, real, posed, sides, _backdrops(subject, settings))


def _backdrops(subject: Subject, settings: GenMetricsSettings) -> Backdrops | None:
    """What is behind the people; None where nothing tells where they are, or nobody asks."""
    if "identity" not in settings.measures or subject.painted is None or len(subject.rows) < 2:
        return None
    return open_backdrops(subject.pictures, subject.painted, subject.rows, subject.people, settings.seed)


def _refuse_or_warn(problem: GclError, *, explicit: bool) -> None:
    if explicit:
        raise problem
    console.warn(f"{problem.problem} It is left out.")


def _measure(comparison: Comparison) -> dict[str, Any]:
    """The figures of the mixed set, of every angle, and of real pictures."""
    subject, settings = comparison.subject, comparison.settings
    photographs = subject.photographs
    turns = angle_indices(subject.structures, settings.angles)
    drawn = draw_angles(turns, len(photographs), torch.Generator().manual_seed(settings.seed))
    degrees = np.array(subject.structures.angles)[drawn.numpy()]
    mixed, table = torch.empty_like(photographs), []
    cut: Tensor | None = None
    with console.meter("gen-metrics", len(turns) + 1) as meter:
        for angle, views, cut_outs in subject.turned(settings.angles):
            here = torch.from_numpy(degrees == angle)
            mixed[here] = views[here]
            if cut_outs is not None:
                cut = torch.empty_like(cut_outs) if cut is None else cut
                cut[here] = cut_outs[here]
            table.append({"angle": angle, **comparison.figures(views, cut_outs, np.full(len(views), angle))})
            meter.advance()
        figures: dict[str, Any] = {"pictures": len(photographs), **comparison.figures(mixed, cut, degrees)}
        if "dssim" in settings.measures:
            figures |= _varieties(subject, mixed, settings)
        references = comparison.references(degrees)
        meter.advance()
    return figures | {"per_angle": table, "references": references}


def _varieties(subject: Subject, mixed: Tensor, settings: GenMetricsSettings) -> dict[str, float | None]:
    """DSSIM and SSIM within a person: at the networks' size, at that of the files, and at one size."""
    photographs, native = subject.photographs, subject.native()
    sets = {
        "dssim": mixed, "dssim_at_256x128": to_fid_size(mixed),
        "dssim_real": photographs, "dssim_real_at_256x128": to_fid_size(photographs),
    }  # fmt: skip
    found = diversity_figures(sets, subject.people, settings)
    if native is None:
        return found | {"dssim_real_native": None, "ssim_real_native": None}
    return found | diversity_figures({"dssim_real_native": native}, subject.people, settings)
