"""`gcl gan-warmup`: pictures, views and an identity encoder -> structure encoder, generator, discriminator."""

from pathlib import Path
from typing import Any

from torch import nn

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import Run
from gcl_cli.config import GanWarmupSettings
from gcl_cli.errors import GclError
from gcl_cli.presets import settings_for
from gcl_cli.records import RunOptions
from gcl_cli.training.devices import choose_device, set_threads
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.workflow.data import open_data, training_set
from gcl_cli.workflow.following import complete_already, follow, last_epoch, resume
from gcl_cli.workflow.networks import GAN, latest, load_encoder, new_gan, read_encoder, save_networks
from gcl_cli.workflow.views import draw_generated, open_views


def run(options: RunOptions, encoder: str | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """Train the view generator with a frozen identity encoder; returns the last epoch's figures."""
    work = WorkFolder(Path(options.work))
    opened = open_data(options, None)
    source, architecture = read_encoder(work, encoder or latest(work, ("warmup",)))
    preset = source.config["preset"]
    settings = settings_for(GanWarmupSettings, "gan-warmup", preset, chosen)
    if settings.epochs + settings.reconstruction_epochs == 0:
        raise GclError("There are no epochs to train.", "Give at least 1 of --epochs or of --reconstruction-epochs.")
    render, structures = open_views(work, opened, architecture)
    inputs = {
        "dataset": opened.digest,
        source.reference: source.manifest.digest,
        render.reference: render.manifest.digest,
    }
    config = {"preset": preset, "encoder": source.reference, **settings.model_dump()}
    job = Run(work, "gan-warmup", options.name, config, inputs)
    if result := complete_already(job, restart=options.restart):
        return result
    set_threads(options.threads)
    device = choose_device(options.device)
    with job.begin(restart=options.restart):
        pictures = training_set(opened, architecture, options)
        networks: dict[str, nn.Module] = {"identity_encoder": load_encoder(source, architecture, device)}
        networks |= new_gan(architecture, settings.seed, device)
        state = gan_warmup_state(networks, settings)
        resume(job, state)
        training = GanWarmup(state, pictures, structures, settings)
        epochs = follow(
            job, state, training.epochs(), epochs=training.total, checkpoint_every=settings.checkpoint_every
        )
        save_networks(job.folder, {name: networks[name] for name in GAN}, architecture)
        draw_generated(job.folder / "views.png", networks, pictures.pictures, structures)
        result = {
            "pictures": len(pictures),
            "steps": state.steps_done,
            **last_epoch(epochs),
            "sheet": str(job.final / "views.png"),
        }
        return job.publish(result, seed=settings.seed).manifest.result
