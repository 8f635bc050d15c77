"""Rendered views as training input, and sheets of generated ones."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gcl_cli import console
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact, read_artifact
from gcl_cli.artifacts.sheets import Cell, write_sheet
from gcl_cli.artifacts.view_store import FLOW, FORMER, FlowStore, ViewStore, has_views
from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.people.bodies import STATUS, read_status
from gcl_cli.people.data import WorkData
from gcl_cli.records import Event, Observer
from gcl_cli.training.drawn_views import PaintedStructures, Structures
from gcl_cli.training.generation import generate
from gcl_cli.training.structures import OWN
from gcl_cli.weights.shipped_generator import SIZE

SHEET_PEOPLE = 8
MULTIPLE = 8  # that the sides of a painted generator's pictures are of
RENDER = "render/main"  # whose views the trainings use
WORST = {"ok": 0, "low": 1, "all": 2}  # --mesh-quality -> the worst status that is still generated from


def open_views(work: WorkFolder, data: WorkData, architecture: Architecture) -> tuple[Artifact, ViewStore]:
    """The rendered views of the training pictures, at the size of the networks; GclError when they are of others."""
    render = read_artifact(work, RENDER)
    angles = tuple(render.config["angles"])
    store = ViewStore(render.folder, "train", angles, (architecture.height, architecture.width))
    if store.names != data.names("train"):
        raise GclError(
            f"{render.reference} was drawn for other pictures than the training set has.",
            "gcl mesh --restart; gcl render --restart",
        )
    return render, store


def open_signals(
    work: WorkFolder, data: WorkData, architecture: Architecture, *, painted: bool
) -> tuple[Artifact, Structures]:
    """The same, and what a generator is told of people: grey bodies, or for a painted one its own structures."""
    render, store = open_views(work, data, architecture)
    return render, require_structures(render, (architecture.height, architecture.width)) if painted else store


def open_flows(render: Artifact) -> FlowStore | None:
    """Where painted views of the training pictures take their colours from; None where they were rendered without.

    GclError where an earlier version rendered, which stored colours.
    """
    if has_views(render.folder, "train", FORMER):
        raise GclError(
            f"{render.reference} was made by an earlier version of gcl, which stored what is painted and not where it "
            "comes from.",
            "Make it again: gcl render --restart",
        )
    if not has_views(render.folder, "train", FLOW):
        return None
    return FlowStore(render.folder, "train", tuple(render.config["angles"]))


def open_structures(render: Artifact, size: tuple[int, int] = SIZE) -> PaintedStructures | None:
    """What a painted generator is told of the training pictures' people, at a `size` (height, width).

    None where they were rendered without flows.
    """
    flows = open_flows(render)
    if flows is None:
        return None
    return PaintedStructures(ViewStore(render.folder, "train", flows.angles, size), flows)


def require_structures(render: Artifact, size: tuple[int, int]) -> PaintedStructures:
    """The same; GclError where there is nothing to tell, and for odd sizes."""
    told = open_structures(render, size)
    if told is None:
        raise GclError(
            f"A painted generator needs to know where painted views come from; {render.reference} holds bodies alone.",
            "Paint them, from meshes: gcl render --restart; or go without: gcl gan-warmup --generator mesh",
        )
    if size[0] % MULTIPLE or size[1] % MULTIPLE:
        raise GclError(
            f"A painted generator draws pictures whose sides are multiples of {MULTIPLE}, not {size[0]}x{size[1]}.",
            "Take the paper's, --generator mesh, or train an encoder of another size: gcl warmup --set height=128 "
            "--set width=64",
        )
    return told


def require_flows(render: Artifact) -> FlowStore:
    """As `open_flows`; GclError where they were rendered without."""
    flows = open_flows(render)
    if flows is None:
        raise GclError(f"{render.reference} holds grey views alone.", "Paint them: gcl render --restart")
    return flows


def well_meshed(work: WorkFolder, render: Artifact, quality: str, *, batch_size: int) -> Tensor | None:
    """Which training pictures have a mesh of `--mesh-quality`, [N] bool; None for `all`.

    Says what each choice would leave; GclError when this one leaves less than a batch.
    """
    if quality == "all":
        return None
    if "meshes" not in render.config:
        raise GclError(
            f"--mesh-quality {quality}: {render.reference} holds views that were made elsewhere, without meshes.",
            "Use --mesh-quality all.",
        )
    source = read_artifact(work, render.config["meshes"])
    status = read_status(source.folder, "train")
    counts = [int((status == number).sum()) for number in range(len(STATUS))]
    left = sum(counts[: WORST[quality] + 1])
    shown = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in zip(STATUS, counts, strict=True))
    console.say(f"Meshes: {shown}. Generating from {left} pictures.")
    if left < batch_size:
        raise GclError(
            f"--mesh-quality {quality} leaves {left} pictures ({shown}); a batch has {batch_size}.",
            "Use --mesh-quality all, or a smaller --batch-size.",
        )
    return torch.from_numpy(status <= WORST[quality])


def draw_generated(path: Path, networks: dict[str, nn.Module], pictures: Tensor, structures: Structures) -> None:
    """A sheet, always of the same people: photograph, mesh, reconstruction and the novel views at all other angles.

    The networks' modes are put back, so that a training goes on as if nothing had been drawn.
    """
    rows = torch.linspace(0, len(pictures) - 1, min(SHEET_PEOPLE, len(pictures))).round().long()
    angles = len(structures.angles)
    modes = {module: module.training for network in networks.values() for module in network.modules()}
    made = generate(
        networks, pictures, structures, rows.repeat_interleave(angles), torch.arange(angles).repeat(len(rows))
    )
    for module, mode in modes.items():
        module.training = mode
    drawn = structures.bodies if isinstance(structures, PaintedStructures) else structures
    meshes = drawn(rows, torch.full_like(rows, OWN))
    sheet = [
        [Cell(as_image(one)) for one in (pictures[row], meshes[i], *made[i * angles : (i + 1) * angles])]
        for i, row in enumerate(rows.tolist())
    ]
    turned = [f"{angle}°" for a, angle in enumerate(structures.angles) if a != OWN]
    write_sheet(path, sheet, headings=("photograph", "body", "own side", *turned))


def sheets_of_epochs(
    folder: Path, networks: dict[str, nn.Module], pictures: Tensor, structures: Structures, *, every: int
) -> tuple[Observer, ...]:
    """Draws `views/epoch_003.png` and so on, every few epochs, so that one can watch generation improve; 0: none."""
    if every == 0:
        return ()

    def observe(event: Event) -> dict[str, Any]:
        if (event.epoch + 1) % every == 0:
            (folder / "views").mkdir(exist_ok=True)
            path = folder / "views" / f"epoch_{event.epoch + 1:03d}.png"
            draw_generated(path, networks, pictures, structures)
        return {}

    return (observe,)


def as_image(picture: Tensor) -> np.ndarray:
    """[h, w, 3] of a picture [3, h, w], [h, w] of a grey one [1, h, w]."""
    return picture.permute(1, 2, 0).squeeze(2).numpy()
