"""`gcl joint`: everything so far -> an encoder and a generator that taught each other."""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from gcl_cli import console
from gcl_cli.artifacts import dataset_record
from gcl_cli.artifacts.manifest import Artifact, read_artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.commands.joint.validation import Validation, open_validation
from gcl_cli.config import Architecture, JointSettings
from gcl_cli.config.parity import Parity
from gcl_cli.config.presets import settings_for
from gcl_cli.following.advice import tell_memory, tell_parity
from gcl_cli.following.loop import complete_already, follow, last_epoch, resume
from gcl_cli.following.observers import scalars, true_agreement
from gcl_cli.following.processes import begun_together
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.corrections import corrections_digest, read_corrections
from gcl_cli.people.data import WorkData, open_data, training_set
from gcl_cli.people.rendered_views import (
    draw_generated,
    open_signals,
    open_structures,
    sheets_of_epochs,
    well_meshed,
)
from gcl_cli.records import PaintedViews, TrainingSet
from gcl_cli.session import Session
from gcl_cli.training.drawn_views import PaintedStructures, Structures, drawn_by_shipped
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.novel_views import require_novel_views, wants_novel
from gcl_cli.training.painting import Painting
from gcl_cli.training.ram import gan_memory
from gcl_cli.training.team import Team
from gcl_cli.weights.moments import go_on_with_moments
from gcl_cli.weights.networks import has_painter, load_gan, save_networks
from gcl_cli.weights.selected import save_selected
from gcl_cli.weights.shipped_generator import load_shipped_generator
from gcl_cli.weights.starting_weights import open_encoder_of, refuse_itself


def run(
    session: Session, generator: str, chosen: dict[str, Any],
    *, init: str | None = None, validation: str | None = None, parity: Parity = "none",
) -> dict[str, Any]:  # fmt: skip
    """Train generator and encoder jointly; returns the last epoch's figures, and which epoch was selected.

    init: weights from elsewhere for the encoder, in place of those that the generator was trained with; validation:
    labelled pictures of other people, who select the epoch; parity: `chosen` follows the published code, or does not.
    """
    work = session.folder
    opened = open_data(session, None)
    gan = read_artifact(work, f"gan-warmup/{generator}")
    source = open_encoder_of(work, gan, init=init)
    refuse_itself(f"joint/{session.name}", source.inputs)
    preset = gan.config["preset"]
    settings = settings_for(JointSettings, "joint", preset, chosen)
    render, structures = open_signals(work, opened, source.architecture, painted=has_painter(gan))
    told = open_structures(render)
    settings = _with_views_that_are(told is not None, settings, render, asked="contrast_views" in chosen)
    judges = open_validation(validation, opened, source.architecture, session)
    inputs = {"dataset": opened.digest} | {one.reference: one.manifest.digest for one in (gan, render)} | source.inputs
    inputs |= corrections_digest(settings.corrections) | ({} if judges is None else {"validation": judges.digest})
    config = {"preset": preset, "generator": gan.reference, **_named(init, validation), **settings.model_dump()}
    tell_parity(parity, "joint", settings, chosen, source.architecture)
    job = Run(work, "joint", session.name, config, inputs)
    if result := complete_already(job, restart=session.restart):
        return result
    usable = well_meshed(work, render, settings.mesh_quality, batch_size=settings.batch_size)
    with begun_together(job, session) as (team, device):
        pictures = training_set(opened, source.architecture, session)
        corrections = read_corrections(settings.corrections, opened.names("train"), dataset_record.names_before(work))
        pictures = replace(pictures, well_meshed=usable, corrections=corrections)
        pictures.painted = _novel(told, pictures, settings, device)
        networks: dict[str, nn.Module] = {"identity_encoder": source.load(device)}
        networks |= load_gan(gan, source.architecture, device)
        training = _training(networks, gan, pictures, structures, settings, judges, team)
        result = _train(job, training, opened, source.architecture, session)
        return {} if not team.leads else job.publish(result, seed=settings.seed).manifest.result


def _novel(
    told: PaintedStructures | None, pictures: TrainingSet, settings: JointSettings, device: torch.device
) -> PaintedViews | None:
    """What paints or draws the views of steps without generation; None where it is not known how people are painted.

    They are drawn by the generator that ships, which stays as it is: resumed, a training draws the same ones again.
    """
    if told is None:
        return None
    if settings.contrast_views == "generated":
        return drawn_by_shipped(load_shipped_generator(device), pictures.pictures, told, settings.precision)
    return Painting(told.flows, pictures.pictures)


def _named(init: str | None, validation: str | None) -> dict[str, str]:
    """What of the two was given, for the manifest."""
    return {name: value for name, value in (("init", init), ("validation", validation)) if value}


def _with_views_that_are(there: bool, settings: JointSettings, render: Artifact, *, asked: bool) -> JointSettings:
    """The settings, without the novel views that a preset wishes for where nothing is `there` to paint, which is told.

    asked: the user wants them: then it is a GclError that names the ways out, as it is where losses need them.
    """
    if wants_novel(settings) and not there and not asked:
        console.warn(f"{render.reference} holds no painted views: steps without generation have L_vi alone.")
        settings = settings.model_copy(update={"contrast_views": "none"})
    require_novel_views(settings, there=there)
    return settings


def _training(
    networks: dict[str, nn.Module],
    gan: Artifact,
    pictures: TrainingSet,
    structures: Structures,
    settings: JointSettings,
    judges: Validation | None,
    team: Team,
) -> Joint:
    """The training before its first step, where the warm-up of the generator `gan` left off."""
    encoder = cast(IdentityEncoder, networks["identity_encoder"])
    validate = None if judges is None else lambda: judges.mean_average_precision(encoder)
    state = joint_state(networks, settings)
    go_on_with_moments(gan, state)
    return Joint(state, pictures, structures, settings, validate=validate, team=team)


def _train(job: Run, training: Joint, opened: WorkData, architecture: Architecture, session: Session) -> dict[str, Any]:
    """Train from the last checkpoint to the end and write what was learned; returns the result."""
    state, settings = training.state, training.settings
    networks, pictures, structures = state.networks, training.data.pictures, training.structures
    resume(job, state, training.team)
    if "gan" in settings.losses:
        beside = 0 if training.novel is None else training.novel.nbytes
        tell_memory(gan_memory(training.gan, pictures, beside=beside))
    every = settings.sheet_every if "gan" in settings.losses else 0
    sheets = sheets_of_epochs(job.folder, networks, pictures, structures, every=every)
    observers = (*true_agreement(opened, state), *sheets, *scalars(job, state, session))
    epochs = follow(
        job, state, training.epochs(), epochs=settings.epochs, checkpoint_every=settings.checkpoint_every,
        observers=observers, team=training.team,
    )  # fmt: skip
    if not training.team.leads:
        return {}
    save_networks(job.folder, networks, architecture)
    criterion = "stability" if training.planner.validate is None else "validation_mAP"
    kept = save_selected(job.folder, state, architecture, criterion=criterion)
    draw_generated(job.folder / "views.png", networks, pictures, structures)
    sheet = str(job.final / "views.png")
    return {"pictures": len(pictures), "steps": state.steps_done, **last_epoch(epochs), **kept, "sheet": sheet}
