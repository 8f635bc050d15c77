"""`gcl joint`: everything so far -> an encoder and a generator that taught each other."""

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
from gcl_cli.workflow.networks import load_encoder, load_gan, read_encoder, save_networks
from gcl_cli.workflow.views import draw_generated, open_views


def run(options: RunOptions, generator: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """Train generator and encoder jointly; returns the last epoch's figures."""
    work = WorkFolder(Path(options.work))
    opened = open_data(options, None)
    gan = read_artifact(work, f"gan-warmup/{generator}")
    source, architecture = read_encoder(work, gan.config["encoder"])
    preset = gan.config["preset"]
    settings = settings_for(JointSettings, "joint", preset, chosen)
    render, structures = open_views(work, opened, architecture)
    sources = (source, gan, render)
    inputs = {"dataset": opened.digest} | {one.reference: one.manifest.digest for one in sources}
    job = Run(
        work, "joint", options.name, {"preset": preset, "generator": gan.reference, **settings.model_dump()}, inputs
    )
    if result := complete_already(job, restart=options.restart):
        return result
    set_threads(options.threads)
    device = choose_device(options.device)
    with job.begin(restart=options.restart):
        pictures = training_set(opened, architecture, options)
        networks: dict[str, nn.Module] = {"identity_encoder": load_encoder(source, architecture, device)}
        networks |= load_gan(gan, architecture, device)
        state = joint_state(networks, settings)
        resume(job, state)
        training = Joint(state, pictures, structures, settings)
        epochs = follow(
            job, state, training.epochs(), epochs=settings.epochs, checkpoint_every=settings.checkpoint_every
        )
        save_networks(job.folder, networks, architecture)
        draw_generated(job.folder / "views.png", networks, pictures.pictures, structures)
        result = {
            "pictures": len(pictures),
            "steps": state.steps_done,
            **last_epoch(epochs),
            "sheet": str(job.final / "views.png"),
        }
        return job.publish(result, seed=settings.seed).manifest.result
