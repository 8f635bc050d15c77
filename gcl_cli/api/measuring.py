"""Looking at what was trained: clusters, retrieval, generated views."""

from collections.abc import Sequence
from typing import Literal

from gcl_cli import config as c
from gcl_cli.api.checking import More, Place, Result, Unset, checked, path

Measure = Literal["fid", "kid", "encoder", "dssim", "identity", "pose", "real_side"]


def cluster(
    data: Place | None = None, *, encoder: str | None = None, init: Place | None = None,
    corrections: Place | None = None, previous: Place | None = None,
    clustering: Literal["dbscan", "hdbscan"] | Unset = ...,
    radius: float | Unset | None = ..., camera_aware: bool | Unset = ..., allow_subset: bool = False,
    camera_from: str | None = None, set: More = None, work: Place | None = None, name: str = "main",
    restart: bool = False, data_root: Place | None = None, device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Group the training pictures, or new crops, into pseudo people; nothing is trained."""
    with checked(cluster, locals(), c.CorrectedSettings) as (session, chosen):
        from gcl_cli.commands.cluster import command as page

        chosen |= {"corrections": path(corrections)} if corrections else {}
        return page.run(session, encoder, chosen, data=path(data), init=path(init), previous=path(previous))


def evaluate(
    *, dataset: Place | None = None, encoder: str | None = None, init: Place | None = None,
    generator: str | None = None, allow_subset: bool = False, camera_from: str | None = None,
    person_from: str | None = None, same_camera: bool | Unset = ...,
    flip: bool | Unset = ..., even_cameras: bool | Unset = ..., centralise: bool | Unset = ...,
    epoch: Literal["last", "selected"] | Unset = ...,
    temporal: bool | Unset = ..., rerank: bool | Unset = ...,
    views: bool | Unset = ..., set: More = None,
    work: Place | None = None, name: str = "main", restart: bool = False, data_root: Place | None = None,
    device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Measure retrieval: CMC, mAP and mINP on query and gallery, with intervals."""
    with checked(evaluate, locals(), c.EvaluateSettings) as (session, chosen):
        from gcl_cli.commands.evaluate import command as page

        return page.run(session, path(dataset), encoder, chosen, init=path(init), generator=generator)


def gen_metrics(
    *, generator: str | None = None, real: Place | None = None, generated: Place | None = None,
    encoder: str | None = None, measures: Sequence[Measure] | Unset = ..., angles: Sequence[int] | Unset = ...,
    pictures: int | Unset | None = ..., seed: int | Unset = ..., set: More = None,
    work: Place | None = None, name: str = "main", restart: bool = False, data_root: Place | None = None,
    device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Measure generated views: FID, KID, DSSIM, identity kept, pose; with `real` and `generated`, two folders."""
    with checked(gen_metrics, locals(), c.GenMetricsSettings) as (session, chosen):
        from gcl_cli.commands.gen_metrics import command as page

        if real is None and generated is None and encoder is None:
            return page.run(session, generator, chosen)
        return page.run_folders(session, page.Folders(path(real), path(generated), encoder), generator, chosen)
