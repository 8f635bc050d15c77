"""Whether a generated picture shows the body it was asked for: its pose, estimated anew, against the turned mesh."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from gcl_cli.artifacts.formats import read_mesh_rows
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact, read_artifact
from gcl_cli.artifacts.vertex_tables import vertex_file
from gcl_cli.body.estimator import Estimator, in_crop
from gcl_cli.body.model import load_body
from gcl_cli.body.person_gate import FALLBACK
from gcl_cli.body.rendering import PICTURE_UP, up_axis
from gcl_cli.body.rotations import from_rotation_vector
from gcl_cli.config import MeshSettings
from gcl_cli.datasets.decoding import picture_sizes
from gcl_cli.errors import GclError
from gcl_cli.people.data import WorkData
from gcl_cli.people.estimating import open_estimator
from gcl_cli.records import MeshEstimates

TOGETHER = 32  # bodies or pictures in memory at a time
# degrees of yaw from the asked one: half a side, a side, a side and a half
WITHIN = {"yaw_in_bin": 22.5, "yaw_within_45": 45.0, "yaw_within_one_bin": 67.5}


@dataclass(frozen=True)
class Bodies:
    """Bodies as places of keypoints; camera axes: x right, y down, z away from the viewer."""

    keypoints: np.ndarray  # [M, K, 3] metres
    pelvis: np.ndarray  # [M, 3, 3] world rotation
    camera: np.ndarray  # [M, 3]
    found: np.ndarray  # [M] bool; the others are a standing body in place of a person whom nobody saw

    @classmethod
    def of(cls, meshes: MeshEstimates) -> "Bodies":
        """The bodies of gcl's own estimates."""
        body = load_body()
        rotations = body.world_rotations(meshes.pose)
        keypoints = body.keypoints(rotations, body.place(rotations, meshes.betas), meshes.betas)
        return cls(keypoints, rotations[:, 0], meshes.camera, meshes.status != FALLBACK)


@dataclass(frozen=True)
class AskedBodies:
    """The meshes of M pictures, the axes that their views were turned about, and an estimator like the one before."""

    bodies: Bodies
    up: np.ndarray  # [M, 3]
    sizes: Sequence[tuple[int, int]]  # height, width of the photographs
    estimator: Estimator

    def turned(self, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Yaw [M] in degrees and keypoints [M, K, 2] in metres of the bodies turned by `angles` [M] degrees."""
        turns = from_rotation_vector((self.up * np.deg2rad(angles)[:, None]).astype(np.float32))  # [M, 3, 3]
        points = np.einsum("mij,mkj->mki", turns, self.bodies.keypoints)
        return yaw_of(turns @ self.bodies.pelvis), points[..., :2]

    def agreement(self, views: Tensor, angles: np.ndarray) -> dict[str, float | None]:
        """How well `views` [M, 3, H, W] uint8 show the bodies turned by `angles` [M]; shares in percent."""
        yaw, asked = self.turned(angles)
        seen = self._estimate(views)
        off = degrees_apart(yaw_of(seen.pelvis), yaw)
        known = self.bodies.found
        if not known.any():
            return dict.fromkeys((*WITHIN, "person_found", "keypoint_error"))
        both = known & seen.found
        error = placed_error(asked[both], in_crop(seen.keypoints, seen.camera)[both])
        return {
            **{name: 100 * float((seen.found & (off < most))[known].mean()) for name, most in WITHIN.items()},
            "person_found": 100 * float(seen.found[known].mean()),
            "keypoint_error": 100 * float(error.mean()) if len(error) else None,
        }

    def yaw_error(self, truth: np.ndarray) -> dict[str, float]:
        """The meshes themselves against the true yaw [M] of the photographs, degrees; shares in percent."""
        off = degrees_apart(yaw_of(self.bodies.pelvis), truth)
        return {name: 100 * float((off < most).mean()) for name, most in WITHIN.items()}

    def _estimate(self, views: Tensor) -> Bodies:
        """The bodies in pictures, each brought to the size of its photograph: there the proportions are right."""
        parts = []
        for start in range(0, len(views), TOGETHER):
            crops = [
                np.asarray(Image.fromarray(view).resize((width, height), Image.Resampling.BICUBIC))
                for view, (height, width) in zip(
                    views[start : start + TOGETHER].permute(0, 2, 3, 1).numpy(),
                    self.sizes[start : start + TOGETHER],
                    strict=True,
                )
            ]
            parts.append(Bodies.of(self.estimator(crops)))
        columns = ("keypoints", "pelvis", "camera", "found")
        return Bodies(*(np.concatenate([getattr(part, column) for part in parts]) for column in columns))


def read_asked(work: WorkFolder, render: Artifact, data: WorkData, rows: Sequence[int], device: str) -> AskedBodies:
    """The bodies behind rows of the rendered training pictures; GclError where they are not gcl's own estimates."""
    source = read_artifact(work, render.config["meshes"]) if "meshes" in render.config else None
    if source is None or vertex_file(source.folder, "train").exists():
        raise GclError(
            f"The pose that {render.reference} asks for is unknown: its views or meshes were made elsewhere.",
            "Leave pose out of --measures, or draw gcl's own meshes: gcl mesh; gcl render",
        )
    names = [data.split("train")[row].name for row in rows]
    bodies, axes = [], []
    for start in range(0, len(rows), TOGETHER):
        meshes = read_mesh_rows(source.folder, "train", rows[start : start + TOGETHER])
        bodies.append(Bodies.of(meshes))
        axes.append(_axes(meshes, render.config["turn"]))
    joined = (np.concatenate([getattr(b, name) for b in bodies]) for name in ("keypoints", "pelvis", "camera", "found"))
    known = {name: value for name, value in source.config.items() if name in MeshSettings.model_fields}
    return AskedBodies(
        Bodies(*joined),
        np.concatenate(axes),
        picture_sizes(data.root, names),
        open_estimator(MeshSettings(**known), device),
    )


def yaw_of(pelvis: np.ndarray) -> np.ndarray:
    """Degrees [M] that world rotations [M, 3, 3] look at: 0 the camera, 90 the left of the picture, 180 away."""
    ahead = -pelvis[:, :, 2]
    yaw: np.ndarray = np.degrees(np.arctan2(-ahead[:, 0], -ahead[:, 2]))
    return yaw


def degrees_apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The angle between directions in degrees, in [0, 180]."""
    return np.abs((first - second + 180) % 360 - 180)


def placed_error(asked: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Mean distance [M] of `seen` to `asked` keypoints, both [M, K, 2], as a share of the seen body's height.

    The asked ones are moved and scaled to the seen ones by least squares first: a view may be recentred.
    """
    first, second = (points - points.mean(axis=1, keepdims=True) for points in (asked, seen))
    scale = np.maximum((first * second).sum(axis=(1, 2)) / (first**2).sum(axis=(1, 2)), 0)
    distance = np.linalg.norm(second - scale[:, None, None] * first, axis=2).mean(axis=1)
    error: np.ndarray = distance / np.ptp(seen[..., 1], axis=1)
    return error


def _axes(meshes: MeshEstimates, turn: str) -> np.ndarray:
    """What `gcl render` turns each body about, [M, 3]."""
    if turn == "camera":
        return np.repeat(PICTURE_UP[None], len(meshes), axis=0)
    body = load_body()
    rotations = body.world_rotations(meshes.pose)
    skinned = body.skin(rotations, body.place(rotations, meshes.betas), meshes.betas)
    return np.stack([up_axis(body, vertices) for vertices in skinned])
