"""The steps from crops to a trained encoder and generator, as functions."""

import os
from collections.abc import Sequence
from typing import Literal

from gcl_cli import config as c
from gcl_cli.api.checking import More, Place, Result, Unset, checked, path, paths

Missing = Literal["fallback", "error"]
Parity = Literal["none", "reference"]
Precision = Literal["fp32", "bf16", "auto"]
Quality = Literal["ok", "low", "all"]


def synth(
    folder: Place, *,
    ids: int | Unset = ..., cameras: int | Unset = ..., images: int | Unset = ..., shift: float | Unset = ...,
    seed: int | Unset = ..., distractors: int | Unset | None = ..., labels: bool | Unset = ...,
    private_scenes: bool | Unset = ..., turned: Sequence[int] | Unset = ..., set: More = None, restart: bool = False,
    threads: int | None = None,
) -> Result:  # fmt: skip
    """Make a synthetic data set of dressed people, in Market-1501 layout, with its truth beside it."""
    with checked(synth, locals(), c.SynthSettings) as (_, chosen):
        from gcl_cli.commands import synth as page

        return page.run(os.fspath(folder), chosen, threads=threads, restart=restart)


def mesh(
    data: Place | None = None, *,
    allow_subset: bool = False, camera_from: str | None = None, person_from: str | None = None,
    splits: Sequence[Literal["train", "query", "gallery"]] | Unset = ..., on_missing: Missing | Unset = ...,
    meshes: Place | Unset | None = ..., mesh_axes: Literal["y-down", "y-up"] | Unset = ...,
    export: Literal["none", "obj", "ply"] | Unset = ..., set: More = None,
    work: Place | None = None, name: str = "main", restart: bool = False, data_root: Place | None = None,
    device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Estimate a 3D body for every crop."""
    with checked(mesh, locals(), c.MeshSettings) as (session, chosen):
        from gcl_cli.commands.mesh import command as page

        return page.run(session, path(data), chosen)


def render(
    *, meshes: str = "main", angles: Sequence[int] | Unset = ..., height: int | Unset = ..., width: int | Unset = ...,
    backend: Literal["auto", "numpy", "egl", "osmesa"] | Unset = ..., turn: Literal["body", "camera"] | Unset = ...,
    recentre: bool | Unset = ..., paint_height: int | Unset = ..., import_from: Place | Unset | None = ...,
    export_png: Place | Unset | None = ..., set: More = None,
    work: Place | None = None, name: str = "main", restart: bool = False, data_root: Place | None = None,
    threads: int | None = None,
) -> Result:  # fmt: skip
    """Draw every body from eight sides, shaded grey on white, and paint every person onto theirs."""
    with checked(render, locals(), c.RenderSettings) as (session, chosen):
        from gcl_cli.commands.render import command as page

        return page.run(session, meshes, chosen)


def warmup(
    data: Place | None = None, *,
    method: Literal["cluster-contrast", "jvtc", "mmcl", "act", "supervised"] = "cluster-contrast",
    preset: Literal["paper", "small", "tiny"] = "paper", source: Place | None = None, camstyle: Place | None = None,
    allow_subset: bool = False, camera_from: str | None = None, person_from: str | None = None,
    tensorboard: bool = False, clustering: Literal["dbscan", "hdbscan"] | Unset = ...,
    radius: float | Unset | None = ...,
    camera_aware: bool | Unset = ..., seed: int | Unset = ..., precision: Precision | Unset = ...,
    checkpoint_every: int | Unset = ..., epochs: int | Unset = ..., iterations: int | Unset | None = ...,
    learning_rate: float | Unset = ..., minutes: float | Unset | None = ..., init: Place | Unset = ...,
    set: More = None,
    work: Place | None = None, name: str = "main", restart: bool = False, data_root: Place | None = None,
    device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Train an identity encoder on unlabelled crops, after a labelled source if there is one."""
    with checked(warmup, locals(), c.WARMUP_METHODS) as (session, chosen):
        from gcl_cli.commands.warmup import command as page

        job = page.Warmup(method=method, preset=preset, source=path(source), camstyle=path(camstyle), chosen=chosen)
        return page.run(session, path(data), job)


def gan_warmup(
    *, encoder: str | None = None, init: Place | None = None, init_gan: Place | Sequence[Place] | None = None,
    parity: Parity = "none", tensorboard: bool = False,
    seed: int | Unset = ..., precision: Precision | Unset = ..., checkpoint_every: int | Unset = ...,
    batch_size: int | Unset = ..., iterations: int | Unset | None = ..., angles: Sequence[int] | Unset = ...,
    mesh_quality: Quality | Unset = ..., generator: Literal["mesh", "painted"] | Unset = ...,
    epochs: int | Unset = ..., reconstruction_epochs: int | Unset = ..., set: More = None,
    work: Place | None = None, name: str = "main", restart: bool = False, data_root: Place | None = None,
    device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Learn to generate every person from new sides, with a frozen encoder (Eq. 1-4)."""
    with checked(gan_warmup, locals(), c.GanWarmupSettings) as (session, chosen):
        from gcl_cli.commands.gan_warmup import command as page

        chosen = c.parity_settings("gan-warmup", parity) | chosen
        return page.run(session, encoder, chosen, init=path(init), init_gan=paths(init_gan), parity=parity)


def joint(
    *, generator: str = "main", init: Place | None = None, validation: Place | None = None, parity: Parity = "none",
    tensorboard: bool = False,
    seed: int | Unset = ..., precision: Precision | Unset = ..., checkpoint_every: int | Unset = ...,
    clustering: Literal["dbscan", "hdbscan"] | Unset = ..., radius: float | Unset | None = ...,
    camera_aware: bool | Unset = ..., batch_size: int | Unset = ..., iterations: int | Unset | None = ...,
    angles: Sequence[int] | Unset = ..., mesh_quality: Quality | Unset = ..., epochs: int | Unset = ...,
    losses: Sequence[Literal["gan", "vi", "vi_syn", "vi_mem", "mixup", "prototype"]] | Unset = ...,
    augment: Literal["none", "classic"] | Unset = ..., identity_rate: float | Unset = ..., set: More = None,
    work: Place | None = None, name: str = "main", restart: bool = False, data_root: Place | None = None,
    device: str = "auto", threads: int | None = None,
) -> Result:  # fmt: skip
    """Train generator and encoder together, with pseudo labels renewed every epoch (Eq. 9)."""
    with checked(joint, locals(), c.JointSettings) as (session, chosen):
        from gcl_cli.commands.joint import command as page

        chosen = c.parity_settings("joint", parity) | chosen
        return page.run(session, generator, chosen, init=path(init), validation=path(validation), parity=parity)
