"""`gcl joint`: everything so far -> an encoder and a generator that taught each other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.config import JointSettings
from gcl_cli.presets import settings_for
from gcl_cli.records import RunOptions
from gcl_cli.training.devices import choose_device, set_threads
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.workflow.data import open_data, training_set
from gcl_cli.workflow.following import complete_already, follow, last_epoch, resume
from gcl_cli.workflow.rendering.views import draw_generated, open_views, well_meshed
from gcl_cli.workflow.weights.networks import load_gan, save_networks
from gcl_cli.workflow.weights.starting_weights import open_encoder_of, refuse_itself


def run(options: RunOptions, generator: str, chosen: dict[str, Any], *, init: str | None = None) -> dict[str, Any]:
    """Train generator and encoder jointly; returns the last epoch's figures.

    init: weights from elsewhere for the encoder, in place of those that the generator was trained with.
    """
    work = WorkFolder(Path(options.work))
    opened = open_data(options, None)
    gan = read_artifact(work, f"gan-warmup/{generator}")
    source = open_encoder_of(work, gan, init=init)
    refuse_itself(f"joint/{options.name}", source.inputs)
    architecture, preset = source.architecture, gan.config["preset"]
    settings = settings_for(JointSettings, "joint", preset, chosen)
    render, structures = open_views(work, opened, architecture)
    inputs = {"dataset": opened.digest} | {one.reference: one.manifest.digest for one in (gan, render)} | source.inputs
    config = {"preset": preset, "generator": gan.reference, **({"init": init} if init else {}), **settings.model_dump()}
    job = Run(work, "joint", options.name, config, inputs)
    if result := complete_already(job, restart=options.restart):
        return result
    usable = well_meshed(work, render, settings.mesh_quality, batch_size=settings.batch_size)
    set_threads(options.threads)
    device = choose_device(options.device)
    with job.begin(restart=options.restart):
        pictures = replace(training_set(opened, architecture, options), well_meshed=usable)
        networks: dict[str, nn.Module] = {"identity_encoder": source.load(device)}
        networks |= load_gan(gan, architecture, device)
        state = joint_state(networks, settings)
        resume(job, state)
        training = Joint(state, pictures, structures, settings)
        epochs = follow(
            job, state, training.epochs(), epochs=settings.epochs, checkpoint_every=settings.checkpoint_every
        )
        save_networks(job.folder, networks, architecture)
        draw_generated(job.folder / "views.png", networks, pictures.pictures, structures)
        sheet = str(job.final / "views.png")
        result = {"pictures": len(pictures), "steps": state.steps_done, **last_epoch(epochs), "sheet": sheet}
        return job.publish(result, seed=settings.seed).manifest.result
