"""A step of the chain -> the stage that does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gcl_cli.commands.cluster import command as cluster
from gcl_cli.commands.evaluate import command as evaluate
from gcl_cli.commands.gan_warmup import command as gan_warmup
from gcl_cli.commands.gen_metrics import command as gen_metrics
from gcl_cli.commands.joint import command as joint
from gcl_cli.commands.mesh import command as mesh
from gcl_cli.commands.render import command as render
from gcl_cli.commands.warmup import command as warmup
from gcl_cli.config.stages import DEFAULT_METHOD
from gcl_cli.session import Session


@dataclass(frozen=True)
class Job:
    """One call of a stage."""

    session: Session
    data: str | None
    preset: str
    chosen: dict[str, Any]
    source: str  # the encoder or generator to measure
    before: Mapping[str, Any]  # how the artifact was made before, where it is stale or interrupted


def _mesh(job: Job) -> dict[str, Any]:
    return mesh.run(job.session, job.data, job.chosen)


def _render(job: Job) -> dict[str, Any]:
    return render.run(job.session, _name(job.before.get("meshes")), job.chosen)


def _warmup(job: Job) -> dict[str, Any]:
    method = job.before.get("method", DEFAULT_METHOD)
    return warmup.run(job.session, job.data, warmup.Warmup(method=method, preset=job.preset, chosen=job.chosen))


def _gan_warmup(job: Job) -> dict[str, Any]:
    return gan_warmup.run(job.session, job.before.get("encoder", "warmup/main"), job.chosen)


def _joint(job: Job) -> dict[str, Any]:
    return joint.run(job.session, _name(job.before.get("generator")), job.chosen)


def _evaluate(job: Job) -> dict[str, Any]:
    return evaluate.run(job.session, None, job.source, job.chosen)


def _gen_metrics(job: Job) -> dict[str, Any]:
    return gen_metrics.run(job.session, job.source, job.chosen)


def _cluster(job: Job) -> dict[str, Any]:
    return cluster.run(job.session, job.before.get("encoder", job.source), job.chosen)


STAGES: Mapping[str, Callable[[Job], dict[str, Any]]] = {
    "mesh": _mesh,
    "render": _render,
    "warmup": _warmup,
    "gan-warmup": _gan_warmup,
    "joint": _joint,
    "evaluate": _evaluate,
    "gen-metrics": _gen_metrics,
    "cluster": _cluster,
}


def _name(reference: str | None) -> str:
    return (reference or "").partition("/")[2] or "main"
