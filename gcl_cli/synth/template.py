"""The average body as a map for tailors: every vertex keeps the place it has there, whatever its shape and pose.

What covers a point of the skin is a predicate on that place, so hems stay sharp for every body without texture maps.
"""

from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from gcl_cli.body.model import load_body

AVERAGE_ADULT = {"gender": 0.5, "age": 0.67, "muscle": 0.5, "weight": 0.5, "height": 0.5, "proportions": 0.5}


@dataclass(frozen=True, eq=False)
class Places:
    """Where N points lie on the template body: metres, and shares in [0, 1]; each an array [N] float32."""

    across: np.ndarray  # towards the person's left
    back: np.ndarray  # towards the person's back, from the middle of the chest
    height: np.ndarray  # above the soles
    arm: np.ndarray  # share of the arm bones
    along_arm: np.ndarray  # 0 shoulder, 1 wrist
    head: np.ndarray
    hand: np.ndarray
    foot: np.ndarray

    def __len__(self) -> int:
        return len(self.across)

    @classmethod
    def from_columns(cls, columns: np.ndarray) -> "Places":
        """From an array [N, 8] with the columns in the order of the fields."""
        return cls(*np.ascontiguousarray(columns.T))

    def columns(self) -> np.ndarray:
        """As one array [N, 8], which interpolates in one go."""
        return np.stack([getattr(self, column.name) for column in fields(self)], axis=1)

    def at(self, rows: np.ndarray) -> "Places":
        """The places of some rows [M]."""
        return Places(*(getattr(self, column.name)[rows] for column in fields(self)))

    def positions(self) -> np.ndarray:
        """The coordinates [N, 3]: across, back, height."""
        return np.stack([self.across, self.back, self.height], axis=1)

    def on_arm(self) -> np.ndarray:
        """Whether each point [N] is on an arm."""
        return self.arm > 0.5


@dataclass(frozen=True, eq=False)
class Template:
    """The places of the body's vertices and who neighbours whom."""

    places: Places  # of the V vertices
    heads: np.ndarray  # [22, 3] bone heads as across, back, height
    edges: np.ndarray  # [2, E] vertex pairs, both directions

    def smooth(self, values: np.ndarray, times: int) -> np.ndarray:
        """Average the values [V] with their neighbours', `times` times."""
        start, end = self.edges
        neighbours = np.bincount(start, minlength=len(values)) + 1
        for _ in range(times):
            values = (values + np.bincount(start, values[end], len(values))) / neighbours
        return values


@cache
def load_template() -> Template:
    """The template of the body that ships with the package."""
    body = load_body()
    betas = body.betas_from_phenotype({name: np.array([AVERAGE_ADULT[name]]) for name in body.phenotype_names})
    vertices, heads = (points[0] for points in body.shape(betas))
    origin = _origin(vertices)
    position, head_positions = _as_places(vertices - origin), _as_places(heads - origin)
    arm_bones = [i for i, name in enumerate(body.bone_names) if name[:4] in ("uarm", "farm", "hand")]
    arm, along_arm = body.dense_weights[:, arm_bones].sum(1), _along_arm(position, head_positions)
    across, back, height = np.ascontiguousarray(position.T)
    head, hand, foot = (_segment_mask(part) for part in ("head", "hand", "foot"))
    places = Places(across, back, height, arm, along_arm, head, hand, foot)
    corners = body.faces.astype(np.int64)
    pairs = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    edges = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0).T
    return Template(places, head_positions, edges)


def _origin(vertices: np.ndarray) -> np.ndarray:
    """Between the soles and, from front to back, in the middle of the chest [3] (camera axes)."""
    sole, top = vertices[:, 1].max(), vertices[:, 1].min()
    chest = vertices[(np.abs(vertices[:, 0]) < 0.05) & (np.abs(vertices[:, 1] - (0.28 * sole + 0.72 * top)) < 0.03)]
    return np.array([0, sole, (chest[:, 2].min() + chest[:, 2].max()) / 2], np.float32)


def _as_places(points: np.ndarray) -> np.ndarray:
    """Camera axes (right, down, away) of a body that faces the viewer to across, back, height: [N, 3] to [N, 3]."""
    return np.stack([points[:, 0], points[:, 2], -points[:, 1]], axis=1).astype(np.float32)


def _along_arm(positions: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """Arc length along the left arm's bones of the mirrored positions [V, 3]: 0 shoulder, 1 wrist."""
    names = load_body().bone_names
    shoulder, elbow, wrist = (heads[names.index(bone)] for bone in ("uarmL", "farmL", "handL"))
    mirrored = np.stack([np.abs(positions[:, 0]), positions[:, 1], positions[:, 2]], axis=1)
    upper, lower = np.linalg.norm(elbow - shoulder), np.linalg.norm(wrist - elbow)
    on_upper = (mirrored - shoulder) @ (elbow - shoulder) / upper
    on_lower = (mirrored - elbow) @ (wrist - elbow) / lower
    length = np.where(on_lower > 0, upper + on_lower, np.minimum(on_upper, upper))
    return (length / (upper + lower)).astype(np.float32)


def _segment_mask(part: str) -> np.ndarray:
    """1 where a vertex belongs to the body part, left or right, else 0: [V] float32."""
    body = load_body()
    wanted = [i for i, name in enumerate(body.segment_names) if name.endswith(part)]
    return np.isin(body.segments, wanted).astype(np.float32)
