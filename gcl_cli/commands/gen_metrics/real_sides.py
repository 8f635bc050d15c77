"""Generated views against real photographs of the person from that side, where orientations are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional as F

from gcl_cli.artifacts.formats import read_names
from gcl_cli.commands.gen_metrics.poses import degrees_apart
from gcl_cli.errors import GclError
from gcl_cli.metrics.structural_similarity import similarity
from gcl_cli.records import Sample

STEP = 45  # degrees between two orientation numbers
SAME_SIDE = 1.0  # degrees that nearest orientations may differ by
TRUTH = "truth"  # what `gcl synth` leaves beside its pictures
FIGURES = (
    "side_cosine", "side_cosine_others", "side_ssim", "side_ssim_others", "side_closer", "side_rank_1", "side_judged",
)  # fmt: skip


def known_yaws(root: Path, samples: Sequence[Sample], front_frame: int | None) -> np.ndarray:
    """Where the people in `samples` look, [N] degrees: 0 the camera, 90 the left of the picture, 180 away.

    front_frame: the number in the place of the frame that means "seen from the front", where frames are orientations
    in steps of 45 degrees; None: as the truth of a `gcl synth` data set says. GclError where neither is known.
    """
    frames = [sample.frame for sample in samples if sample.frame is not None]
    if front_frame is not None and len(frames) == len(samples):
        return (front_frame - np.array(frames)) * float(STEP) % 360
    if front_frame is None and (root / f"{TRUTH}.safetensors").exists():
        with safe_open(root / f"{TRUTH}.safetensors", framework="numpy") as file:
            of = dict(zip(read_names(root, TRUTH), file.get_tensor("yaw").tolist(), strict=True))
        return np.array([of[sample.name] for sample in samples])
    raise GclError(
        f"The orientation of the people in {root} is not known.",
        "Leave real_side out of --measures; where the frame in file names is an orientation in steps of 45 degrees, "
        "say which one is the front: --set front_frame=7",
    )


@dataclass(frozen=True)
class Sides:
    """M real pictures of people whose orientation is known, as they are searched."""

    pictures: Tensor  # [M, 3, H, W] uint8
    features: Tensor  # [M, D]
    people: Tensor  # [M] int64, negative = unknown
    cameras: Tensor | None  # [M] int64
    yaws: np.ndarray  # [M] degrees
    seed: int

    def figures(self, pictures: Tensor, features: Tensor, angles: np.ndarray) -> dict[str, float | None]:
        """How near pictures of the people turned by `angles` [M] are to real ones from that side.

        pictures: [M, 3, H, W] uint8; features: [M, D]; row i was made from real picture i.
        """
        random = np.random.default_rng(self.seed)
        cosines = F.normalize(features, dim=1) @ F.normalize(self.features, dim=1).T  # [M, M]
        found = []  # row, a picture of the person, one of another, and how near those of the person and others are
        for row in range(len(pictures)):
            own, others = self.from_that_side(row, angles[row])
            if len(own) and len(others):
                near, far = cosines[row, own], cosines[row, others]
                pair = (int(random.choice(own)), int(random.choice(others)))
                found.append((row, *pair, float(near.mean()), float(far.mean()), bool(near.max() > far.max())))
        if not found:
            return dict.fromkeys(FIGURES)
        rows, mine, others_drawn, near_mean, far_mean, first = zip(*found, strict=True)
        alike, unalike = (
            float(similarity(pictures[list(rows)], self.pictures[list(to)]).mean()) for to in (mine, others_drawn)
        )
        closer = cosines[list(rows), list(mine)] > cosines[list(rows), list(others_drawn)]
        values = (
            float(np.mean(near_mean)), float(np.mean(far_mean)), alike, unalike,
            100 * float(closer.double().mean()), 100 * float(np.mean(first)), len(found),
        )  # fmt: skip
        return dict(zip(FIGURES, values, strict=True))

    def from_that_side(self, row: int, angle: float) -> tuple[np.ndarray, np.ndarray]:
        """The real pictures of the person `row` nearest to it turned by `angle`, and of others from that side: rows.

        Pictures under the camera of `row` are left out, if cameras are known.
        """
        apart = degrees_apart(self.yaws, self.yaws[row] - angle)  # a turn by 90 takes who looks away (180) to 90
        counted = np.ones(len(apart), bool) if self.cameras is None else (self.cameras != self.cameras[row]).numpy()
        person = (self.people == self.people[row]).numpy() & bool(self.people[row] >= 0)
        mine = counted & person & (np.arange(len(apart)) != row)
        if not mine.any():
            return np.empty(0, int), np.empty(0, int)
        side = counted & (apart <= apart[mine].min() + SAME_SIDE)
        return np.flatnonzero(side & mine), np.flatnonzero(side & ~person)

    def stand_ins(self, angles: np.ndarray) -> np.ndarray:
        """For each row the picture of its person nearest to it turned by `angles` [M], under the same camera: rows.

        The row itself where there is no other: what a perfect generator would have drawn.
        """
        chosen = []
        for row, angle in enumerate(angles):
            apart = degrees_apart(self.yaws, self.yaws[row] - angle)
            same = (self.people == self.people[row]).numpy() & bool(self.people[row] >= 0)
            if self.cameras is not None:
                same &= (self.cameras == self.cameras[row]).numpy()
            same[row] = False
            chosen.append(int(np.where(same, apart, np.inf).argmin()) if same.any() else row)
        return np.array(chosen)
