"""Everything that is measured of one set of generated pictures, and of real ones in their place."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcl_cli.commands.gen_metrics.backdrops import Backdrops
from gcl_cli.commands.gen_metrics.measures import ENCODER, Features, features_in, halves_apart, set_distances
from gcl_cli.commands.gen_metrics.poses import AskedBodies
from gcl_cli.commands.gen_metrics.real_sides import Sides
from gcl_cli.commands.gen_metrics.subject import Subject
from gcl_cli.config import GenMetricsSettings
from gcl_cli.metrics.identity import IdentityKept, identity_kept, identity_kept_across


@dataclass(frozen=True)
class PosedRows:
    """The bodies of those of the measured pictures whose pose is measured."""

    rows: Tensor  # [P] among the M
    asked: AskedBodies
    yaws: np.ndarray | None  # [P] degrees, the true orientations where they are known


@dataclass(frozen=True)
class Comparison:
    """A subject, the features of its real pictures, and what is known of bodies and orientations."""

    subject: Subject
    settings: GenMetricsSettings
    real: Features
    posed: PosedRows | None
    sides: Sides | None
    backdrops: Backdrops | None

    def figures(self, views: Tensor, cut_outs: Tensor | None, angles: np.ndarray) -> dict[str, Any]:
        """What is measured of `views` [M, 3, H, W] uint8 of the measured people turned by `angles` [M] degrees.

        cut_outs: [M, 4, H, W] uint8 the same people without their backdrops, where that can be had.
        """
        made = features_in(self.subject.spaces, views)
        figures = set_distances(self.real, made, self.settings) | self._of_people(views, made[ENCODER], angles)
        return figures | ({} if cut_outs is None else self._elsewhere(cut_outs))

    def references(self, angles: np.ndarray) -> list[dict[str, Any]]:
        """The same figures for real pictures, a row each: what a perfect generator could be expected to reach.

        angles: [M] degrees, those of the mixed set.
        """
        table = [halves_apart(self.real, self.settings)]
        gallery = self.subject.gallery(self.settings.seed)
        if gallery is not None:
            found = set_distances(self.real, features_in(self.subject.spaces, gallery), self.settings)
            table.append({"reference": "training against gallery", "pictures": len(gallery), **found})
        photographs, features = self.subject.photographs, self.real[ENCODER]
        own = self._identity(features) | self._pose(photographs, np.zeros(len(photographs)))
        if self.sides is not None:
            table.append({"reference": "source", **self.sides.figures(photographs, features, angles)})
            stand_ins = torch.from_numpy(self.sides.stand_ins(angles))
            own |= self.sides.figures(photographs[stand_ins], features[stand_ins], angles)
        if self.backdrops is not None:
            own |= self._elsewhere(self.backdrops.people)
        if own:
            table.append({"reference": "photographs", "pictures": len(photographs), **own})
        if nobody := self._nobody():
            table.append({"reference": "backdrops alone", "pictures": len(photographs), **nobody})
        if self.posed is not None and self.posed.yaws is not None:
            found = self.posed.asked.yaw_error(self.posed.yaws)
            table.append({"reference": "against the known orientation", "pictures": len(self.posed.rows), **found})
        return table

    def _of_people(self, views: Tensor, features: Tensor, angles: np.ndarray) -> dict[str, Any]:
        figures = self._identity(features) | self._pose(views, angles)
        if self.sides is not None:
            figures |= self.sides.figures(views, features, angles)
        return figures

    def _elsewhere(self, cut_outs: Tensor) -> dict[str, Any]:
        """Whether people [M, 4, H, W] (colour, opacity) are found before somebody else's backdrop."""
        if self.backdrops is None or "identity" not in self.settings.measures:
            return {}
        return self._found_elsewhere(self.backdrops.before(cut_outs))

    def _found_elsewhere(self, pictures: Tensor) -> dict[str, Any]:
        found = self._identity(self.subject.spaces[ENCODER](pictures))
        shares = {
            "identity_kept": "identity_other_backdrop",
            "identity_across_cameras": "identity_other_across_cameras",
        }
        return {new: found[old] for old, new in shares.items() if old in found}

    def _nobody(self) -> dict[str, Any]:
        """The same of backdrops with nobody in them: the own one, and the one that a person is put before."""
        if self.backdrops is None or "identity" not in self.settings.measures:
            return {}
        own = self._identity(self.subject.spaces[ENCODER](self.backdrops.empty))
        return own | self._found_elsewhere(self.backdrops.alone())

    def _identity(self, features: Tensor) -> dict[str, Any]:
        """Whether the person is found by pictures with `features` [M, D]."""
        if "identity" not in self.settings.measures:
            return {}
        search = (features, self.real[ENCODER], self.subject.people, torch.arange(len(features)))
        kept = identity_kept(*search)
        figures = {"identity_kept": _share(kept), "cosine_to_source": kept.mean_cosine, **_ranks("identity", kept)}
        if self.subject.cameras is not None:
            across = identity_kept_across(*search, self.subject.cameras)
            figures |= {"identity_across_cameras": _share(across), **_ranks("identity_across_cameras", across)}
        return figures

    def _pose(self, views: Tensor, angles: np.ndarray) -> dict[str, Any]:
        if self.posed is None:
            return {}
        rows = self.posed.rows
        return self.posed.asked.agreement(views[rows], angles[rows.numpy()])


def _share(kept: IdentityKept) -> float | None:
    return 100 * kept.share if kept.judged else None


def _ranks(name: str, kept: IdentityKept) -> dict[str, float | None]:
    """Mean and median rank of the first picture of the person; None where nobody was judged."""
    ranks = kept.ranks.double()
    mean, median = (float(ranks.mean()), float(ranks.quantile(0.5))) if kept.judged else (None, None)
    return {f"{name}_mean_rank": mean, f"{name}_median_rank": median}
