"""The embedded mesh estimator: person crops -> bodies, cameras, and how far to trust them."""

from collections.abc import Sequence

import numpy as np

from gcl_cli.body.keypoints import Reading, read_keypoints
from gcl_cli.body.landmarks import LandmarkNetwork, LandmarkRunner, Landmarks, find_landmarks, rows_of, with_rows
from gcl_cli.body.lifting import FITTED_LANDMARKS, SMALLEST_SCALE
from gcl_cli.body.model import load_body
from gcl_cli.body.person_gate import FALLBACK, mask_overlap, person_status
from gcl_cli.body.pose import MEAN_SHAPE, FittedBodies, fit_bodies
from gcl_cli.body.rotations import Z_AXIS
from gcl_cli.body.sides import laid_on_picture, seen_points, sorted_sides
from gcl_cli.records import MeshEstimates

BETAS = 10
SKINNED_TOGETHER = 16  # bodies: about 1 MB each while they are blended
# From the rest pose, arms half lowered and legs apart, to standing: degrees about the viewing axis.
ARM_LOWERING, LEG_CLOSING = 32.0, 9.0
DOUBTFUL_HEADING = 0.8  # the length of a heading below which the mirrored picture is looked at, too
STANDING_HEIGHT, STANDING_WIDTH = 0.92, 0.96  # the share of the crop that a standing body fills at most


# Paper: HMR, a trained regressor, estimates the mesh. Here: landmarks and a closed-form fit, free to ship; not SMPL.
class Estimator:
    """Estimates one body for every picture it is given.

    device "cpu": one thread, picture by picture; run one estimator a core. Else batches in torch on that device.
    """

    def __init__(
        self,
        *,
        minimum_score: float,
        minimum_visibility: float,
        minimum_overlap: float,
        minimum_height: float,
        device: str = "cpu",
    ) -> None:
        """What an estimate needs to be "ok": see `person_gate.person_status`."""
        self._thresholds = {
            "minimum_score": minimum_score,
            "minimum_visibility": minimum_visibility,
            "minimum_overlap": minimum_overlap,
            "minimum_height": minimum_height,
        }
        self._network = _landmark_network(device)
        self._body = load_body()

    def __call__(self, crops: Sequence[np.ndarray]) -> MeshEstimates:
        """Estimates for person crops [h, w, 3] uint8 of any sizes, in their order."""
        if not crops:
            return _no_estimates()
        landmarks = find_landmarks(self._network, crops)
        reading = self._read(landmarks, crops)
        landmarks = sorted_sides(landmarks, reading.points)
        points = seen_points(reading.points, landmarks)
        bodies = fit_bodies(self._body, laid_on_picture(reading.keypoints, points), points)
        sizes = [(crop.shape[0], crop.shape[1]) for crop in crops]
        status = self._status(landmarks, bodies, sizes)
        pose, camera = self._body.local_pose(bodies.world_rotations), bodies.camera
        for row in np.flatnonzero(status == FALLBACK):
            pose[row], camera[row] = fallback_pose(*sizes[row])
        seen = np.concatenate([landmarks.points, landmarks.visibility[..., None]], axis=-1)  # [N, 33, 3]
        return MeshEstimates(
            pose=pose,
            betas=np.zeros((len(crops), BETAS), np.float32),
            camera=camera,
            landmarks=seen.astype(np.float32),
            score=landmarks.score.astype(np.float32),
            status=status,
        )

    def _read(self, landmarks: Landmarks, crops: Sequence[np.ndarray]) -> Reading:
        """The keypoints of everybody; where the heading is in doubt, the mirrored picture has a say as well."""
        reading = read_keypoints(landmarks)
        doubtful = np.flatnonzero(np.linalg.norm(reading.heading, axis=1) < DOUBTFUL_HEADING)
        if not len(doubtful):
            return reading
        turned = [np.ascontiguousarray(crops[row][:, ::-1]) for row in doubtful.tolist()]
        widths = np.array([crop.shape[1] for crop in turned])
        mirrored = read_keypoints(find_landmarks(self._network, turned)).mirrored(widths)
        return with_rows(reading, doubtful, rows_of(reading, doubtful).averaged(mirrored))

    def _status(self, landmarks: Landmarks, bodies: FittedBodies, sizes: Sequence[tuple[int, int]]) -> np.ndarray:
        """The status [N] of each estimate; skins the bodies, a few at a time, to lay them over the person mask."""
        overlap, height = np.empty((2, len(sizes)))
        for start in range(0, len(sizes), SKINNED_TOGETHER):
            rows = slice(start, start + SKINNED_TOGETHER)
            skinned = self._body.skin(bodies.world_rotations[rows], bodies.translations[rows], MEAN_SHAPE)
            vertices = in_crop(skinned, bodies.camera[rows])  # [B, V, 2]
            overlap[rows] = mask_overlap(vertices, landmarks.mask[rows], landmarks.regions[rows], sizes[rows])
            height[rows] = np.ptp(vertices[..., 1], axis=1) / [size[0] for size in sizes[rows]]
        return person_status(
            score=landmarks.score,
            visibility=landmarks.visibility[:, FITTED_LANDMARKS].mean(axis=1),
            overlap=overlap,
            height=np.where(bodies.camera[:, 0] > SMALLEST_SCALE, height, np.nan),
            **self._thresholds,
        )


def in_crop(points: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Where cameras [N, 3] (scale, tx, ty) see points [N, K, 3] in metres: [N, K, 2] crop pixels."""
    return camera[:, None, :1] * points[..., :2] + camera[:, None, 1:]


def fallback_pose(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean body standing upright, facing the viewer, in the middle of a crop of `height` x `width` pixels.

    Returns its pose [22, 3] and camera [3].
    """
    body = load_body()
    pose = np.zeros((len(body.bone_names), 3), np.float32)
    for sign, letter in ((1, "L"), (-1, "R")):
        pose[body.bone_names.index(f"uarm{letter}")] = sign * np.radians(ARM_LOWERING) * Z_AXIS
        pose[body.bone_names.index(f"thigh{letter}")] = sign * np.radians(LEG_CLOSING) * Z_AXIS
    rotations = body.world_rotations(pose[None])
    vertices = body.skin(rotations, body.place(rotations, MEAN_SHAPE), MEAN_SHAPE)[0, :, :2]  # [V, 2]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    scale = np.min(np.array([STANDING_WIDTH * width, STANDING_HEIGHT * height]) / (high - low))
    shift = np.array([width, height]) / 2 - scale * (low + high) / 2
    return pose, np.array([scale, *shift], np.float32)


def _landmark_network(device: str) -> LandmarkNetwork:
    if device == "cpu":
        return LandmarkRunner()
    from gcl_cli.body.landmark_network import TorchLandmarkRunner

    return TorchLandmarkRunner(device)


def _no_estimates() -> MeshEstimates:
    shapes = {"pose": (0, 22, 3), "betas": (0, BETAS), "camera": (0, 3), "landmarks": (0, 33, 3), "score": (0,)}
    return MeshEstimates(
        **{name: np.empty(shape, np.float32) for name, shape in shapes.items()}, status=np.empty(0, np.uint8)
    )
