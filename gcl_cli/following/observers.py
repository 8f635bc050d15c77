"""What is looked at beside a training, every epoch, and never learned from."""

import shutil
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from gcl_cli import console
from gcl_cli.artifacts.run import Run
from gcl_cli.clustering.agreement import adjusted_rand_index
from gcl_cli.errors import GclError
from gcl_cli.following.loop import learning_rates
from gcl_cli.people.data import WorkData
from gcl_cli.records import Event, Observer
from gcl_cli.session import Session
from gcl_cli.training.state import TrainingState


def true_agreement(data: WorkData, state: TrainingState) -> tuple[Observer, ...]:
    """Observes `true_ari`, the agreement of an epoch's pseudo labels with the true people, where all are known.

    A figure for the reader: the true labels stay in here.
    """
    people = [sample.person for sample in data.split("train") if sample.person is not None]
    if len(people) < len(data.split("train")):
        return ()
    true = np.array(people, dtype=np.int64)

    def observe(_: Event) -> dict[str, Any]:
        return {"true_ari": adjusted_rand_index(state.labels.cpu().numpy(), true)} if len(state.labels) else {}

    return (observe,)


FOLDER = "tensorboard"  # in the work folder: all trainings beside each other


def scalars(job: Run, state: TrainingState, session: Session) -> tuple[Observer, ...]:
    """Writes every epoch's figures, learning rates and sheet to work/tensorboard/STAGE/NAME; nothing unless asked for.

    state: as it stands before the first epoch of this run: a resumed training goes on in the same curves, and a new one
    begins them anew. To be the last observer: it writes what the others saw. Raises GclError without the package.
    """
    if not session.tensorboard:
        return ()
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        raise GclError(
            f"--tensorboard needs a package that is not installed ({error}).", 'pip install "gcl-cli[tensorboard]"'
        ) from error
    folder, first, new = job.work.root / FOLDER / job.stage / job.name, state.epoch + 1, state.steps_done == 0
    console.say(f"TensorBoard: tensorboard --logdir {job.work.root / FOLDER}")

    @cache
    def opened() -> SummaryWriter:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        return SummaryWriter(str(folder), purge_step=first)

    def observe(event: Event) -> dict[str, Any]:
        epoch, writer = event.epoch + 1, opened()
        for name, value in {**event.values, **learning_rates(state)}.items():
            if isinstance(value, int | float):
                writer.add_scalar(name, value, epoch)
        sheet = job.folder / "views" / f"epoch_{epoch:03d}.png"
        if sheet.exists():
            with Image.open(sheet) as picture:
                writer.add_image("views", np.asarray(picture.convert("RGB")), epoch, dataformats="HWC")
        writer.flush()
        return {}

    return (observe,)
