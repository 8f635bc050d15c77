"""A dressed person at rest: the body, loosened where cloth lies on it, and what the person wears on top."""

from dataclasses import dataclass

import numpy as np

from gcl_cli.body.model import load_body
from gcl_cli.synth.accessories import worn_pieces
from gcl_cli.synth.identities import Identity
from gcl_cli.synth.tailoring import dressed_surface
from gcl_cli.synth.template import load_template

BY_PLACE = -1  # the cover of a face is decided point by point


@dataclass(frozen=True, eq=False)
class Figure:
    """What is built once for a person: U vertices that follow the bones (the body's come first), F faces."""

    look: Identity
    betas: np.ndarray  # [1, 24]
    bone_heads: np.ndarray  # [22, 3] at rest
    vertices: np.ndarray  # [U, 3] at rest, camera axes
    weights: np.ndarray  # [U, 22]
    places: np.ndarray  # [U, 8]
    faces: np.ndarray  # [F, 3]
    face_cover: np.ndarray  # [F] int8, a Cover or BY_PLACE


def dress(look: Identity) -> Figure:
    """Build the figure of one person."""
    body, template = load_body(), load_template()
    phenotype = {name: np.array([value], np.float32) for name, value in look.phenotype}
    betas = body.betas_from_phenotype(phenotype).astype(np.float32)
    skin, heads = (points[0] for points in body.shape(betas))
    outer = dressed_surface(look, skin, heads)
    faces = body.faces[~_hidden_faces(look)].astype(np.int64)
    vertices, weights, places = [outer], [body.dense_weights], [template.places.columns()]
    all_faces, face_cover = [faces], [np.full(len(faces), BY_PLACE, np.int8)]
    first = len(outer)
    for worn, bone_weights in worn_pieces(look, skin, heads):
        vertices.append(worn.vertices)
        weights.append(bone_weights)
        places.append(worn.places)
        all_faces.append(worn.faces + first)
        face_cover.append(np.full(len(worn.faces), worn.cover, np.int8))
        first += len(worn.vertices)
    return Figure(
        look,
        betas,
        heads,
        np.concatenate(vertices).astype(np.float32),
        np.concatenate(weights).astype(np.float32),
        np.concatenate(places).astype(np.float32),
        np.concatenate(all_faces),
        np.concatenate(face_cover),
    )


def _lowest_hem(look: Identity) -> float:
    """The height down to which cloth hangs around both legs; infinite when none does."""
    skirt = look.bottom.hem if look.bottom.is_skirt else np.inf
    return min(skirt, look.top.tail if look.top.kind == "coat" else np.inf)


def _hidden_faces(look: Identity) -> np.ndarray:
    """The leg faces [F] beneath a skirt or coat tail, which would poke through it."""
    places, faces = load_template().places, load_body().faces
    height, arm = places.height[faces].min(1), places.arm[faces].max(1)
    return (height > _lowest_hem(look) + 0.035) & (height < 1.005) & (arm < 0.3)
