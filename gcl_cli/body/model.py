"""The baked body: shape, pose and skinning of a human mesh from one small file, in numpy.

Camera axes throughout: x right, y down, z away from the viewer; metres. At rest the pelvis is the origin and the body
faces the viewer (its front at -z, its left at +x), arms half lowered. `recipes/assets/build_body.py` makes the file.
"""

import json
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from gcl_cli.body.rotations import from_rotation_vector, to_rotation_vector
from gcl_cli.body.shipped import whole

ASSET = Path(__file__).parent / "assets" / "body.safetensors"


@dataclass(frozen=True, eq=False)
class Body:
    """A linear body: V vertices, F faces, 22 bones in parent-first order, K keypoints, 24 shape directions.

    `betas` [N, B], B <= 24, are shape coefficients in standard deviations of the sampled adults; leading ones explain
    most, missing ones count as zero. A bone's *world rotation* turns the rest body: every bone at the identity is the
    rest pose. A bone moves the point x of its rest body to G x + t.
    """

    bone_names: tuple[str, ...]
    parents: tuple[int, ...]  # -1 for the pelvis
    keypoint_names: tuple[str, ...]
    segment_names: tuple[str, ...]
    phenotype_names: tuple[str, ...]
    faces: np.ndarray  # [F, 3] int32, counter-clockwise seen from outside
    segments: np.ndarray  # [V] uint8, an index into segment_names
    bone_indices: np.ndarray  # [V, 4] uint8
    bone_weights: np.ndarray  # [V, 4], rows sum to 1
    dense_weights: np.ndarray  # [V, 22], the same weights
    mean_points: np.ndarray  # [V + 22, 3]: vertices, then bone heads
    directions: np.ndarray  # [24, V + 22, 3]
    mean_keypoints: np.ndarray  # [K, 22, 4]
    keypoint_directions: np.ndarray  # [24, K, 22, 4]
    phenotype_regression: np.ndarray  # [84, 24]

    def shape(self, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rest vertices [N, V, 3] and bone heads [N, 22, 3] of bodies of shape `betas` [N, B]."""
        points = _combine(self.mean_points, self.directions, betas)
        return points[:, : len(self.segments)], points[:, len(self.segments) :]

    def heads(self, betas: np.ndarray) -> np.ndarray:
        """Rest bone heads [N, 22, 3] alone: the point each bone turns about."""
        first = len(self.segments)
        return _combine(self.mean_points[first:], self.directions[:, first:], betas)

    def betas_from_phenotype(self, phenotype: dict[str, np.ndarray]) -> np.ndarray:
        """Betas [N, 24] of described people: each of `phenotype_names` maps to [N] numbers in [0, 1].

        gender 0 male, 1 female; age 2/3 young adult, 1 old; height 0.4 average; the others from little to much.
        A cubic polynomial fitted to adults of age .45-.95, height .1-.7, muscle, weight and proportions .2-.9.
        """
        values = np.stack([np.asarray(phenotype[name], np.float32) for name in self.phenotype_names], axis=-1)
        return cubic_features(values) @ self.phenotype_regression

    def keypoint_matrices(self, betas: np.ndarray) -> np.ndarray:
        """A [N, K, 22, 4]: keypoint k is the sum over bones b of (G_b | t_b) A_kb.

        A_kb = sum over vertices v of regressor_kv weight_vb (x_v, 1), so that keypoints need no skinning.
        """
        return _combine(self.mean_keypoints, self.keypoint_directions, betas)

    def rest_keypoints(self, betas: np.ndarray) -> np.ndarray:
        """Keypoints [N, K, 3] of the rest pose."""
        return self.keypoint_matrices(betas)[..., :3].sum(axis=2)

    def place(self, world_rotations: np.ndarray, betas: np.ndarray) -> np.ndarray:
        """Translations t [N, 22, 3] by which every bone's head lies where its parent puts it (forward kinematics).

        `world_rotations` [N, 22, 3, 3]. The pelvis stays at the origin.
        """
        heads = self.heads(betas)
        turned = (world_rotations @ heads[..., None])[..., 0]
        translations = np.empty_like(turned)
        translations[:, 0] = heads[:, 0] - turned[:, 0]
        for bone, parent in enumerate(self.parents[1:], start=1):
            head = (world_rotations[:, parent] @ heads[:, bone, :, None])[..., 0] + translations[:, parent]
            translations[:, bone] = head - turned[:, bone]
        return translations

    def keypoints(self, world_rotations: np.ndarray, translations: np.ndarray, betas: np.ndarray) -> np.ndarray:
        """Keypoints [N, K, 3] of posed bodies; `world_rotations` [N, 22, 3, 3], `translations` [N, 22, 3]."""
        matrices = self.keypoint_matrices(betas)
        moves = np.concatenate([world_rotations, translations[..., None]], axis=-1)  # [N, 22, 3, 4]
        columns = np.swapaxes(moves, -1, -2).reshape(len(moves), -1, 3)  # [N, 22 * 4, 3]
        return matrices.reshape(len(matrices), len(self.keypoint_names), -1) @ columns

    def skin(self, world_rotations: np.ndarray, translations: np.ndarray, betas: np.ndarray) -> np.ndarray:
        """Vertices [N, V, 3] of posed bodies; `world_rotations` [N, 22, 3, 3], `translations` [N, 22, 3]."""
        return blend(self.shape(betas)[0], self.dense_weights, world_rotations, translations)

    def world_rotations(self, pose: np.ndarray) -> np.ndarray:
        """World rotations [N, 22, 3, 3] of `pose` [N, 22, 3]: each bone's rotation vector relative to its parent."""
        local = from_rotation_vector(pose)
        world = local.copy()
        for bone, parent in enumerate(self.parents[1:], start=1):
            world[:, bone] = world[:, parent] @ local[:, bone]
        return world

    def local_pose(self, world_rotations: np.ndarray) -> np.ndarray:
        """The inverse of `world_rotations`: rotation vectors [N, 22, 3], each of length at most pi."""
        to_parent = np.swapaxes(world_rotations[:, self.parents[1:]], -1, -2)
        local = np.concatenate([world_rotations[:, :1], to_parent @ world_rotations[:, 1:]], axis=1)
        return to_rotation_vector(local)


@cache
def load_body() -> Body:
    """The body that ships with the package, read once."""
    with safe_open(whole(ASSET), framework="numpy") as file:
        names = json.loads(file.metadata()["names"])
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no dict)
    parts: dict[str, Any] = {key: tuple(value) for key, value in names.items()}
    parts |= {key: value.astype(np.float32) if value.dtype == np.float16 else value for key, value in stored.items()}
    weights = parts["bone_weights"] / parts["bone_weights"].sum(axis=1, keepdims=True)
    dense = np.zeros((len(weights), len(names["bone_names"])), np.float32)
    np.put_along_axis(dense, parts["bone_indices"].astype(np.int64), weights, axis=1)
    parts |= {"faces": parts["faces"].astype(np.int32), "bone_weights": weights, "dense_weights": dense}
    return Body(**parts)


def blend(
    rest_vertices: np.ndarray, weights: np.ndarray, world_rotations: np.ndarray, translations: np.ndarray
) -> np.ndarray:
    """Linear blend skinning: vertices [N, U, 3] from `rest_vertices` [N, U, 3] and bone `weights` [U, 22].

    Any vertices that carry weights will do: displaced ones, or clothes and hair that the body does not have.
    """
    moves = np.concatenate([world_rotations, translations[..., None]], axis=-1)  # [N, 22, 3, 4]
    blended = weights @ moves.reshape(*moves.shape[:2], 12)  # [N, U, 12]
    blended = blended.reshape(len(moves), -1, 3, 4)
    return (blended[..., :3] @ rest_vertices[..., None])[..., 0] + blended[..., 3]


def cubic_features(values: np.ndarray) -> np.ndarray:
    """All products of three of (1, `values`) [..., (P + 1)(P + 2)(P + 3) / 6], in a fixed order; `values` [..., P]."""
    extended = np.concatenate([np.ones_like(values[..., :1]), values], axis=-1)
    triples = np.array(list(combinations_with_replacement(range(extended.shape[-1]), 3)))
    return extended[..., triples].prod(axis=-1)


def _combine(mean: np.ndarray, directions: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """mean + betas . directions [N, ...] for `mean` [...], `directions` [24, ...], `betas` [N, B]."""
    used = directions.reshape(len(directions), -1)[: betas.shape[1]]
    return mean + (betas.astype(np.float32, copy=False) @ used).reshape(len(betas), *mean.shape)
