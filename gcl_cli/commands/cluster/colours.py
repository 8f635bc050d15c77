"""The clothes of people cut out of their pictures: a second witness of clusters, which learned from none of them."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import MANIFEST, Artifact, read_artifact
from gcl_cli.artifacts.view_store import FLOW, ViewStore, has_views
from gcl_cli.commands.cluster.evidence import groups_of
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.people.data import WorkData
from gcl_cli.people.rendered_views import RENDER, require_flows
from gcl_cli.training.colours import colour_features
from gcl_cli.training.structures import OWN

SIZE = (64, 32)  # pixels that a picture's colours are counted on: all pictures are in memory at once
TOGETHER = 256  # pictures whose people are cut out at a time
OPACITY = 2  # plane of a flow that says what the person covers
SPLIT = "train"
MOST = 0.9  # quantile of how alike clusters are, which counts as 1
LEAST = 0.05  # the least that does


def people_cut_out(work: WorkFolder, data: WorkData) -> Artifact | None:
    """The rendered views that cut the people out of these pictures; None where there are none, which is told."""
    if (work.artifact(RENDER) / MANIFEST).exists():
        render = read_artifact(work, RENDER)
        stored = has_views(render.folder, SPLIT, FLOW)
        if stored and ViewStore(render.folder, SPLIT, tuple(render.config["angles"]), SIZE).names == data.names(SPLIT):
            return render
    console.say(
        "How right the labels are is judged by the encoder alone, which may well believe what it was taught. Better by "
        "colours of people cut out, too: first gcl mesh, gcl render (--restart where they are of other pictures)."
    )
    return None


def colours_of_people(data: WorkData, render: Artifact, cameras: Tensor | None, *, threads: int) -> np.ndarray:
    """Unit rows [N, 1000]: how far the colours of each training picture's person are other than the mean person's."""
    flows = require_flows(render)
    pictures = read_pictures(data.root, data.names(SPLIT), height=SIZE[0], width=SIZE[1], threads=threads)
    covered = [
        F.interpolate(flows(rows, torch.full_like(rows, OWN))[:, OPACITY, None].float(), SIZE, mode="area")[:, 0]
        for rows in torch.arange(len(pictures)).split(TOGETHER)
    ]
    colours = colour_features(pictures, cameras, torch.cat(covered).round_().to(torch.uint8))
    return F.normalize(colours - colours.mean(dim=0), dim=1).numpy()


def alike_in_colours(colours: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How alike two pictures of each cluster are [K], and each picture and the others of its cluster [N].

    colours: unit rows [N, D]; labels: [N], -1 = noise, where nothing is known (NaN). Mean cosines, in units of what one
    cluster in ten exceeds: how much one person's pictures differ is another thing in every set. A single picture is as
    alike as that.
    """
    groups = groups_of(colours, labels)
    sizes, clustered = groups.sizes[: groups.clusters], np.flatnonzero(labels >= 0)
    of, alike = labels[clustered], groups.within[: groups.clusters]
    unit = max(float(np.quantile(alike[sizes > 1], MOST)), LEAST) if (sizes > 1).any() else 1.0
    others = (colours[clustered] * groups.means[of]).sum(axis=1) * sizes[of] - 1
    own = np.full(len(labels), np.nan)
    own[clustered] = np.divide(others, (sizes[of] - 1) * unit, out=np.ones(len(of)), where=sizes[of] > 1)
    return np.where(sizes > 1, alike / unit, 1.0), own
