"""--mesh-quality: which training pictures views are generated from."""

import numpy as np
import pytest

from gcl_cli import console
from gcl_cli.artifacts.formats import write_meshes
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact, read_artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.artifacts.vertex_tables import VertexMeshes, write_vertices
from gcl_cli.errors import GclError
from gcl_cli.people.rendered_views import well_meshed
from gcl_cli.records import MeshEstimates

STATUS = np.array([0, 1, 0, 2, 0, 0, 1], np.uint8)


@pytest.fixture(params=["estimated", "given"])
def rendered(request, tmp_path) -> tuple[WorkFolder, Artifact]:
    """A render artifact of meshes of every status, of either kind."""
    work, names, rows = WorkFolder(tmp_path), [f"{row}.jpg" for row in range(len(STATUS))], len(STATUS)
    with Run(work, "mesh", "other", {}, {"dataset": "d"}).begin(restart=False) as job:
        if request.param == "estimated":
            shapes = {"pose": (22, 3), "betas": (10,), "camera": (3,), "landmarks": (33, 3), "score": ()}
            columns = {name: np.zeros((rows, *shape), np.float32) for name, shape in shapes.items()}
            write_meshes(job.folder, "train", names, MeshEstimates(**columns, status=STATUS))
        else:
            meshes = VertexMeshes(np.zeros((rows, 3, 3), np.float16), np.ones((rows, 3), np.float32), STATUS)
            write_vertices(job.folder, "train", names, np.array([[0, 1, 2]], np.int32), [meshes])
        source = job.publish({})
    inputs = {"dataset": "d", source.reference: source.manifest.digest}
    with Run(work, "render", "main", {"meshes": source.reference}, inputs).begin(restart=False) as job:
        job.publish({})
    return work, read_artifact(work, "render/main")


@pytest.mark.parametrize(("quality", "left"), [("ok", [0, 2, 4, 5]), ("low", [0, 1, 2, 4, 5, 6])])
def test_worse_meshes_are_left_out_and_the_counts_are_told(rendered, quality, left, monkeypatch):
    said = []
    monkeypatch.setattr(console, "say", said.append)
    usable = well_meshed(*rendered, quality, batch_size=4)
    assert usable.nonzero().flatten().tolist() == left
    assert said == [f"Meshes: ok 4, low confidence 2, fallback 1. Generating from {len(left)} pictures."]


def test_all_meshes_need_no_look_at_their_status(rendered):
    work, render = rendered
    assert well_meshed(WorkFolder(work.root / "elsewhere"), render, "all", batch_size=100) is None


def test_views_made_elsewhere_have_no_quality_to_choose_by(tmp_path):
    work = WorkFolder(tmp_path)
    with Run(work, "render", "main", {"import_from": "elsewhere"}, {"dataset": "d"}).begin(restart=False) as job:
        render = job.publish({})
    with pytest.raises(GclError, match="made elsewhere, without meshes") as raised:
        well_meshed(work, render, "ok", batch_size=2)
    assert "--mesh-quality all" in raised.value.fix


def test_less_than_a_batch_is_refused_with_a_way_out(rendered):
    with pytest.raises(GclError, match="--mesh-quality ok leaves 4 pictures") as raised:
        well_meshed(*rendered, "ok", batch_size=5)
    assert "--mesh-quality all" in raised.value.fix and "--batch-size" in raised.value.fix
