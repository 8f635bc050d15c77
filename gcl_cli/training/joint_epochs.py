"""What an epoch of joint training begins with, pseudo labels and batches, and ends with, the best encoder so far."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from gcl_cli.clustering.corrections import corrected
from gcl_cli.config import JointSettings
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.records import PseudoLabels, TrainingSet
from gcl_cli.training.bank import MemoryBank
from gcl_cli.training.divergence import refuse_collapse
from gcl_cli.training.epoch_clusters import agreement_with, cluster_together, cluster_values
from gcl_cli.training.features import embed
from gcl_cli.training.gcl_plus import prototypes
from gcl_cli.training.samplers import epoch_batches
from gcl_cli.training.schedules import is_joint_step, learning_rate, set_learning_rate
from gcl_cli.training.selection import keep_best, stability
from gcl_cli.training.state import TrainingState, Values
from gcl_cli.training.team import Team


class EpochPlanner:
    """Plans the epochs of one joint training, and looks back on them."""

    def __init__(
        self,
        state: TrainingState,
        data: TrainingSet,
        settings: JointSettings,
        contrast_steps: int,
        *,
        team: Team,
        validate: Callable[[], float] | None,
    ) -> None:
        self.state, self.data, self.settings, self.team, self.validate = state, data, settings, team, validate
        self.contrast_steps = contrast_steps  # after each joint step
        self.encoder = cast(IdentityEncoder, state.networks["identity_encoder"])

    def begin(self) -> tuple[Tensor, Values]:
        """Renew the pseudo labels from the memory bank and plan the batches of clustered pictures."""
        s, state = self.settings, self.state
        found, state.next_clusters = self._clusters(), None
        refuse_collapse(state.collapsed, found.fallback)
        values = cluster_values(found, self.data.cameras) | agreement_with(found, state.labels)
        state.labels = torch.from_numpy(found.labels)
        if "prototype" in s.losses:
            state.tables["prototypes"] = prototypes(state.bank, state.labels)
        for side, rate in (("generator", s.generator_rate), ("discriminator", s.discriminator_rate)):
            now = learning_rate(rate, step=self.state.epoch, steps=s.epochs, decay_at=s.gan_decay_at, decay=s.decay)
            set_learning_rate(self.state.optimizers[side], now)
        return self._batches((state.labels >= 0).nonzero().flatten()), values

    def _clusters(self) -> PseudoLabels:
        """The clusters of the renewed memory bank: found once between two epochs, at the end of the first."""
        state, cameras = self.state, self.data.cameras
        if state.next_clusters is not None:
            return state.next_clusters
        if len(state.bank):
            self._refresh(state.labels)  # which the host keeps
        else:
            state.bank = self._embed(self.data.pictures)
        with state.stopwatch.timing("clustering"):
            found = cluster_together(state.bank, cameras, settings=self.settings, team=self.team)
            aware = self.settings.camera_aware
            found = corrected(found, state.bank, cameras, self.data.corrections, camera_aware=aware)
        state.next_clusters = found
        return found

    def end(self) -> Values:
        """What the encoder is worth that the epoch ends with; it is kept where it is worth most."""
        score = stability(self.state.labels, self._clusters())
        values: Values = {"stability": score}
        if self.validate is not None:
            with self.state.stopwatch.timing("validation"):
                values["validation_mAP"] = score = self.validate()
        keep_best(self.state, score)
        return values

    def _batches(self, rows: Tensor) -> Tensor:
        """One epoch over `rows` [M]; its joint steps see only those whose mesh is good enough to generate from."""
        s, rng = self.settings, self.state.rng
        steps = None if s.iterations is None else s.iterations * (1 + self.contrast_steps)
        batches = epoch_batches(rows, batch_size=s.batch_size, steps=steps, generator=rng)
        generating = self.data.generating(rows)
        if "gan" in s.losses and len(generating) < len(rows):
            joint = [i for i in range(len(batches)) if is_joint_step(i, contrast_steps=self.contrast_steps)]
            batches[joint] = epoch_batches(generating, batch_size=s.batch_size, steps=len(joint), generator=rng)
        return batches

    def _refresh(self, labels: Tensor) -> None:
        """Renew rows of the memory bank with clean features, as the setting `refresh` says."""
        # Paper: does not say; the published code leaves unclustered rows as they were at the start.
        # Here: renewed every epoch (refresh = noise), or all rows (all): augmented features cluster worse.
        bank = MemoryBank(self.state.bank)
        if self.settings.memory_update == "epoch":
            bank.update_all(self._embed(self.data.pictures), momentum=self.settings.memory_momentum)
        idle = labels < 0  # never in a batch; nor may be those that nothing is generated from
        idle = idle if self.data.well_meshed is None else idle | ~self.data.well_meshed
        chosen = {"none": labels < -1, "noise": idle, "all": labels >= -1}[self.settings.refresh]
        rows = chosen.nonzero().flatten()
        bank.refresh(rows, self._embed(self.data.pictures[rows]))

    def _embed(self, pictures: Tensor) -> Tensor:
        with self.state.stopwatch.timing("embedding"):
            return embed(self.encoder, pictures, precision=self.settings.precision, team=self.team)
