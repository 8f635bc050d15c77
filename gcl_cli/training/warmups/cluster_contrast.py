"""Cluster Contrast (Dai et al., ACCV 2022) on pseudo labels renewed every epoch: the default warm-up."""

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam, AdamW

from gcl_cli.config import AugmentSettings, ClusterContrastSettings
from gcl_cli.errors import GclError
from gcl_cli.losses.contrast import cluster_contrast
from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.normalisation import at_least_float32
from gcl_cli.records import Event, TrainingSet
from gcl_cli.training.augmentation import warm_up_augmentation
from gcl_cli.training.backdrops import CutOuts
from gcl_cli.training.bank import ClusterMemory
from gcl_cli.training.camera_centroids import CameraContrast
from gcl_cli.training.colours import between, colour_features
from gcl_cli.training.epoch_clusters import agreement_with, cluster_together, cluster_values
from gcl_cli.training.features import embed
from gcl_cli.training.first_features import first_features
from gcl_cli.training.parts import Descent
from gcl_cli.training.samplers import person_batches
from gcl_cli.training.schedules import rate_now, set_learning_rate, share_done
from gcl_cli.training.state import Losses, TrainingState, Values, run_epochs
from gcl_cli.training.team import ALONE, Team

AUGMENTATION = {*AugmentSettings.model_fields, "colour_jitter"}


def cluster_contrast_state(encoder: IdentityEncoder, settings: ClusterContrastSettings) -> TrainingState:
    """The state before the first step."""
    optimizer = {"adam": Adam, "adamw": AdamW}[settings.optimizer]
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    return TrainingState(
        networks={"identity_encoder": encoder},
        optimizers={
            "identity": optimizer(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
        },
        rng=torch.Generator().manual_seed(settings.seed),
    )


# Paper: warms up with JVTC, MMCL or ACT. Here: by default with Cluster Contrast, which needs no extra data.
class ClusterContrast:
    """One warm-up over one data set.

    colour_start: the encoder knows no people yet, so colours help to find the first clusters, and beside them in the
    first epochs what the trunk sees where it is `pretrained`.
    """

    def __init__(
        self,
        state: TrainingState,
        data: TrainingSet,
        settings: ClusterContrastSettings,
        *,
        colour_start: bool,
        pretrained: bool = False,
        team: Team = ALONE,
    ) -> None:
        team.check(settings.batchnorm_groups)
        if team.size > 1 and settings.minutes is not None:
            raise GclError("--minutes is for one process: several would not end together.", "Give --epochs instead.")
        self.state, self.data, self.settings, self.team = state, data, settings, team
        encoder = state.networks["identity_encoder"]
        assert isinstance(encoder, IdentityEncoder)
        self.encoder = encoder
        self.colour_start, self.pretrained = colour_start, pretrained
        self.by_camera = CameraContrast(state, data.cameras, settings)
        self.cut_outs = None if data.painted is None else CutOuts(data, data.painted)
        self.device = next(encoder.parameters()).device

    def epochs(self) -> Iterator[Event]:
        """Train to the last epoch, from wherever the state stands."""
        s = self.settings
        return run_epochs(
            self.state, epochs=s.epochs, begin=self._begin_epoch, step=self._step, minutes=s.minutes
        )  # fmt: skip

    def _begin_epoch(self) -> tuple[Tensor, Values]:
        """Cluster, set up the memory of centroids, and plan the batches."""
        s = self.settings
        timing = self.state.stopwatch.timing
        with timing("embedding"):
            features = embed(self.encoder, self.data.pictures, precision=s.precision, team=self.team)
        with timing("clustering"):
            found = cluster_together(self._clustered(features), self.data.cameras, settings=s, team=self.team)
        agreement = agreement_with(found, self.state.labels)
        labels = torch.from_numpy(found.labels)
        self.state.labels = labels
        self.state.tables["centroids"] = ClusterMemory.from_features(features, labels).centroids
        self.by_camera.begin_epoch(features)
        batches = person_batches(
            labels, self.data.cameras, people=s.people, pictures=s.pictures, batches=s.steps_of(len(labels)),
            generator=self.state.rng,
        )  # fmt: skip
        return batches, cluster_values(found, self.data.cameras) | agreement

    def _clustered(self, features: Tensor) -> Tensor:
        """What clusters are found by: the features [N, D], and while the encoder knows little, colours."""
        s = self.settings
        if not self.colour_start:
            return features
        if self.state.epoch < s.colour_epochs:
            return self._first_features()
        share = share_done(self.state, s)
        if share >= s.colour_fade:
            return features
        return between(self.colours, features, self.data.cameras, share=share / s.colour_fade)

    @cached_property
    def colours(self) -> Tensor:
        """Colour features [N, C] of the training pictures: of the people alone, where they are cut out."""
        covered = None
        if self.cut_outs is not None and self.settings.colours_of == "body":
            covered = self.cut_outs.covered.squeeze(1)
        return colour_features(self.data.pictures, self.data.cameras, covered).to(self.device)

    def _first_features(self) -> Tensor:
        s, data = self.settings, self.data
        return first_features(
            self.encoder, data.pictures, data.cameras, self.colours, pretrained=self.pretrained, precision=s.precision,
            team=self.team,
        ).to(self.device)  # fmt: skip

    def _step(self, batch: Tensor) -> Losses:
        s, state = self.settings, self.state
        pictures = warm_up_augmentation(
            sent(self._seen(batch), self.device), **s.model_dump(include=AUGMENTATION), generator=state.rng
        )
        before = self.team.statistics(self.encoder)
        features, losses = self._contrast(self.team.own(pictures), self.team.own(batch))
        set_learning_rate(state.optimizers["identity"], rate_now(state, s))
        learning = Descent(state.optimizers, "identity", parts=1, team=self.team)
        learning.add(sum(losses.values(), start=torch.zeros((), device=self.device)), losses)
        values = learning.step()
        self.team.share_statistics(before)
        self._remember(self.team.gather(features.detach()), batch)
        return values

    def _seen(self, rows: Tensor) -> Tensor:
        """The pictures [B, 3, H, W] of `rows` [B], some people before other backdrops, where they are cut out."""
        pictures, share, rng = self.data.pictures[rows], self.settings.other_backdrop, self.state.rng
        if self.cut_outs is None or share == 0:
            return pictures
        moved = torch.rand(len(rows), generator=rng) < share
        if not moved.any():
            return pictures
        people = torch.cat([pictures[moved], self.cut_outs.covered[rows[moved]]], dim=1)
        pictures[moved] = self.cut_outs.before(people, self.cut_outs.others(len(people), rng), rows[moved])
        return pictures

    def _remember(self, features: Tensor, batch: Tensor) -> None:
        """Move the centroids towards the features [B, D] of the pictures `batch` [B]."""
        s, tables, labels = self.settings, self.state.tables, self.state.labels[batch]
        ClusterMemory(tables["centroids"]).update(features, labels, momentum=s.memory_momentum, hard=s.hard)
        self.by_camera.remember(features, batch)

    def _contrast(self, pictures: Tensor, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Unit features [b, D] of this process's pictures, which are `rows` [b] of the data, and their losses."""
        s = self.settings
        self.encoder.train()
        with arithmetic(s.precision, self.device):
            # Single-device trap: BatchNorm must see groups of whole people, as the published runs on several GPUs did.
            chunks = pictures.chunk(s.batchnorm_groups // self.team.size)
            embeddings = torch.cat([self.encoder(chunk).embedding for chunk in chunks])  # [b, D]
        features = F.normalize(at_least_float32(embeddings), dim=1)
        labels, tables = sent(self.state.labels[rows], self.device), self.state.tables
        losses = {"loss": cluster_contrast(features, tables["centroids"], labels, temperature=s.temperature)}
        if share_done(self.state, s) >= s.camera_contrast_from:
            losses |= self.by_camera.terms(features, rows)
        return features, losses
