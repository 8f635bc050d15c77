"""Embeddings that lean on the whole gallery: without each camera's mean, and with their neighbours' added."""

from typing import Any

import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.clustering.cameras import centre_per_camera
from gcl_cli.clustering.centralise import centralise
from gcl_cli.config import GallerySettings
from gcl_cli.errors import GclError


def uses_gallery(settings: GallerySettings) -> bool:
    """Whether `lean_on_gallery` changes anything."""
    return settings.even_cameras or settings.centralise


def lean_on_gallery(
    query: Tensor, gallery: Tensor, cameras: Tensor, settings: GallerySettings
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Query [Q, D] and gallery [G, D] as `--even-cameras` and `--centralise` make them, and what a result says of it.

    Unit rows on the CPU; cameras: [Q + G], -1 where unknown. Queries and gallery are one set, as in re-ranking. The
    rows that are given stay as they are.
    """
    if not uses_gallery(settings):
        return query, gallery, {}
    rows, said = torch.cat([query, gallery]), dict[str, Any]()
    if settings.even_cameras:
        rows = centre_per_camera(rows, cameras)
    if settings.centralise:
        rows, k, added = centralise(rows, cameras, k=settings.centralise_k)
        said = {"centralise_k": k, "neighbours_added": round(added, 2)}
        console.say(f"Each picture took in {added:.1f} mutual neighbours on average, of lists of {k}.")
    return rows[: len(query)], rows[len(query) :], said


def require_cameras(cameras: Tensor, names: list[str], settings: GallerySettings) -> None:
    """GclError where `--even-cameras` needs the cameras [N] of pictures whose names do not tell theirs."""
    unknown = (cameras < 0).nonzero().flatten().tolist()
    if settings.even_cameras and unknown:
        raise GclError(
            f"--even-cameras: the camera of {len(unknown):,} of {len(names):,} pictures is unknown, such as "
            f"{names[unknown[0]]}.",
            "Leave --even-cameras out, or carry the camera in the names as Market-1501 does: 0002_c1s1_000451_03.jpg",
        )


def in_words(settings: GallerySettings) -> str:
    """What is done to the embeddings, and what it assumes; empty where they are taken as they are."""
    said = " averaged with those of the mirrored pictures" if settings.flip else ""
    if settings.even_cameras:
        said += ", each camera's mean over its query and gallery pictures removed (camera numbers used)"
    if settings.centralise:
        length = f"lists of {settings.centralise_k}" if settings.centralise_k else "lists as long as they choose"
        said += (
            f", with those of their mutual nearest neighbours in other cameras added ({length}; all queries and the "
            "whole gallery used together, no labels)"
        )
    return said
