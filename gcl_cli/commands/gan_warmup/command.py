"""`gcl gan-warmup`: pictures, views and an identity encoder -> structure encoder, generator, discriminator."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from gcl_cli.artifacts.run import Run
from gcl_cli.commands.gan_warmup.starting_gan import gan_digests, load_gan_files, with_layout_of
from gcl_cli.config import Architecture, GanWarmupSettings
from gcl_cli.config.parity import Parity
from gcl_cli.config.presets import settings_for
from gcl_cli.config.stages import gan_warmup_key
from gcl_cli.errors import GclError
from gcl_cli.following.advice import tell_memory, tell_parity
from gcl_cli.following.loop import complete_already, follow, last_epoch, resume
from gcl_cli.following.observers import scalars
from gcl_cli.following.processes import begun_together
from gcl_cli.people.data import open_data, training_set
from gcl_cli.people.rendered_views import (
    draw_generated,
    open_signals,
    sheets_of_epochs,
    well_meshed,
)
from gcl_cli.session import Session
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.ram import gan_memory
from gcl_cli.weights.moments import save_moments
from gcl_cli.weights.networks import new_gan, save_networks
from gcl_cli.weights.shipped_generator import new_painted_gan
from gcl_cli.weights.starting_weights import OpenedEncoder, open_encoder, refuse_itself

Files = Sequence[str]


def run(
    session: Session, encoder: str | None, chosen: dict[str, Any], *, init: str | None = None, init_gan: Files = (),
    parity: Parity = "none",
) -> dict[str, Any]:  # fmt: skip
    """Train the view generator with a frozen identity encoder; returns the last epoch's figures.

    init: the encoder's weights from elsewhere; init_gan: files that hold the other networks, to start from;
    parity: `chosen` follows the published code, or does not.
    """
    work = session.folder
    opened = open_data(session, None)
    source = open_encoder(work, encoder=encoder, init=init, stages=("warmup",))
    refuse_itself(f"gan-warmup/{session.name}", source.inputs)
    settings = _settings(source.preset, chosen, init_gan)
    architecture = _laid_out(source.architecture, settings, init_gan)
    _require_work(settings, init_gan)
    render, structures = open_signals(work, opened, architecture, painted=settings.generator == "painted")
    inputs = {"dataset": opened.digest, render.reference: render.manifest.digest}
    inputs |= source.inputs | gan_digests(init_gan)
    config = {"preset": source.preset, **_origin(source, init_gan), **settings.model_dump()}
    tell_parity(parity, "gan-warmup", settings, chosen, architecture)
    job = Run(work, "gan-warmup", session.name, config, inputs)
    if result := complete_already(job, restart=session.restart):
        return result
    usable = well_meshed(work, render, settings.mesh_quality, batch_size=settings.batch_size)
    with begun_together(job, session) as (team, device):
        pictures = replace(training_set(opened, architecture, session), well_meshed=usable)
        networks = _networks(source, architecture, init_gan, settings, device)
        state = gan_warmup_state(networks, settings)
        epochs = _train(job, GanWarmup(state, pictures, structures, settings, team=team), session)
        if not team.leads:
            return {}
        left_out = {"identity_encoder"} if "encoder" in config else set()
        save_networks(job.folder, {name: networks[name] for name in networks.keys() - left_out}, architecture)
        save_moments(job, state)
        draw_generated(job.folder / "views.png", networks, pictures.pictures, structures)
        count = len(pictures) if usable is None else int(usable.sum())
        sheet = str(job.final / "views.png")
        result = {"pictures": count, "steps": state.steps_done, **last_epoch(epochs), "sheet": sheet}
        return job.publish(result, seed=settings.seed).manifest.result


def _train(job: Run, training: GanWarmup, session: Session) -> list[dict[str, Any]]:
    """Train from the last checkpoint to the end; returns the recorded epochs."""
    state, settings = training.state, training.settings
    resume(job, state, training.team)
    tell_memory(gan_memory(training.gan, training.data.pictures))
    sheets = sheets_of_epochs(
        job.folder, state.networks, training.data.pictures, training.structures, every=settings.sheet_every
    )
    return follow(
        job, state, training.epochs(), epochs=training.total, checkpoint_every=settings.checkpoint_every,
        observers=(*sheets, *scalars(job, state, session)), team=training.team,
    )  # fmt: skip


def _settings(preset: str, chosen: dict[str, Any], init_gan: Files) -> GanWarmupSettings:
    """Weights for the paper's generator, and plain reconstruction, ask for that one without its name."""
    asked = {"generator": "mesh"} if init_gan or chosen.get("reconstruction_epochs") else {}
    chosen = asked | chosen
    return settings_for(GanWarmupSettings, gan_warmup_key(chosen.get("generator")), preset, chosen)


def _require_work(settings: GanWarmupSettings, init_gan: Files) -> None:
    if settings.generator == "painted":
        if init_gan:
            raise GclError(
                "--init-gan holds weights of the paper's generator, and --generator painted begins with those that "
                "ship with gcl.",
                "Leave out one of the two.",
            )
        if settings.reconstruction_epochs:
            raise GclError(
                "--generator painted has learned to reconstruct: it takes no epochs of that alone.",
                "Leave out --reconstruction-epochs.",
            )
        return
    if settings.epochs + settings.reconstruction_epochs == 0 and not init_gan:
        raise GclError("There are no epochs to train.", "Give at least 1 of --epochs or of --reconstruction-epochs.")


def _laid_out(architecture: Architecture, settings: GanWarmupSettings, init_gan: Files) -> Architecture:
    """`architecture` with the part layout that was chosen, or that the weights of `--init-gan` have."""
    found, wanted = with_layout_of(init_gan, architecture), settings.part_layout
    if init_gan and wanted not in (None, found.part_layout):
        raise GclError(
            f"The generator of --init-gan was trained with part_layout {found.part_layout}, not {wanted}.",
            "Leave the choice to its weights: --set part_layout=none",
        )
    return found if wanted is None else found.model_copy(update={"part_layout": wanted})


def _origin(source: OpenedEncoder, init_gan: Files) -> dict[str, Any]:
    """Where the networks come from, for the manifest.

    `encoder` where it is an artifact's, unchanged; otherwise this artifact holds the encoder as well.
    """
    if source.is_artifact and not init_gan:
        return {"encoder": source.reference}
    return {"init": source.reference, "init_gan": list(init_gan)}


def _networks(
    source: OpenedEncoder, architecture: Architecture, init_gan: Files, settings: GanWarmupSettings,
    device: torch.device,
) -> dict[str, nn.Module]:  # fmt: skip
    """All networks before the first step."""
    new = new_painted_gan if settings.generator == "painted" else new_gan
    networks: dict[str, nn.Module] = {"identity_encoder": source.load(device)}
    networks |= new(architecture, settings.seed, device)
    if init_gan:
        load_gan_files(init_gan, networks)
    return networks
