"""JVTC (Li and Zhang, ECCV 2020): joint visual and temporal consistency of pictures in several camera styles."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from gcl_cli.clustering.blocks import DistanceRows, feature_distance
from gcl_cli.clustering.cameras import centre_per_camera
from gcl_cli.clustering.percentile import cluster_slots, jaccard_mixture, percentile_dbscan
from gcl_cli.clustering.pseudo_labels import checked_features
from gcl_cli.clustering.temporal import Sightings, joint_distance_rows, time_distribution
from gcl_cli.config import JvtcSettings
from gcl_cli.errors import GclError
from gcl_cli.losses.consistency import global_consistency, local_consistency, version_means
from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.records import Event, LabelledSet, PseudoLabels, TrainingSet
from gcl_cli.training.augmentation import draw_flips, erase, flip, jitter, normalise
from gcl_cli.training.bank import MemoryBank
from gcl_cli.training.colours import colour_features
from gcl_cli.training.epoch_clusters import agreement_with, cluster_values
from gcl_cli.training.features import embed
from gcl_cli.training.first_features import first_features
from gcl_cli.training.samplers import epoch_batches
from gcl_cli.training.schedules import descend, rate_now
from gcl_cli.training.state import Losses, TrainingState, Values, run_epochs
from gcl_cli.training.warmups.layered import layered_sgd

CLASSIFIER_DEVIATION = 0.001  # of the source classifier's first weights
USELESS = "clusters of DBSCAN with radius {:.4g}: {}; no picture is pulled to another one until the next clustering"
NO_TIMES = "the pictures' names carry no frame numbers: clusters stay visual, without the temporal consistency of JVTC"


def jvtc_state(encoder: IdentityEncoder, settings: JvtcSettings, source: LabelledSet | None) -> TrainingState:
    """The state before the first step; with a source, a classifier of its people is trained along."""
    rng = torch.Generator().manual_seed(settings.seed)
    networks: dict[str, nn.Module] = {"identity_encoder": encoder}
    beside: list[nn.Parameter] = []
    if source is not None:
        people = int(source.people.max()) + 1
        classifier = skip_init(nn.Linear, encoder.embedding_size, people)  # no weights from a global chance
        nn.init.normal_(classifier.weight, std=CLASSIFIER_DEVIATION, generator=rng)
        nn.init.zeros_(classifier.bias)
        networks["source_classifier"] = classifier.to(next(encoder.parameters()).device)
        beside += networks["source_classifier"].parameters()
    optimizer = layered_sgd(encoder, settings, beside=beside)
    return TrainingState(networks=networks, optimizers={"identity": optimizer}, rng=rng)


class Jvtc:
    """One warm-up over one data set, with a labelled source beside it or without.

    colour_start: the encoder knows no people yet, so the first clusters are those of colours, and beside them of what
    the trunk sees where it is `pretrained`.
    """

    def __init__(
        self,
        state: TrainingState,
        data: TrainingSet,
        settings: JvtcSettings,
        *,
        source: LabelledSet | None,
        colour_start: bool,
        pretrained: bool = False,
    ) -> None:
        self.state, self.data, self.settings, self.source = state, data, settings, source
        self.pretrained = pretrained
        encoder = state.networks["identity_encoder"]
        assert isinstance(encoder, IdentityEncoder)
        self.encoder = encoder
        self.device = next(encoder.parameters()).device
        self.colours_before = settings.cluster_from + settings.colour_epochs if colour_start else 0
        _check_cameras(data, settings)
        self.seen = None
        if data.times is not None and data.cameras is not None:
            self.seen = Sightings(data.cameras, data.times, data.slots)

    def epochs(self) -> Iterator[Event]:
        """Train to the last epoch, from wherever the state stands."""
        s = self.settings
        return run_epochs(
            self.state, epochs=s.epochs, begin=self._begin_epoch, step=self._step, minutes=s.minutes
        )  # fmt: skip

    def _begin_epoch(self) -> tuple[Tensor, Values]:
        """Cluster where it is time to, and plan the batches of target and source."""
        s, state = self.settings, self.state
        if state.epoch == 0:
            # Paper: the memory starts as noise. Here: as the encoder's features, also where rows wait for their turn.
            state.bank = embed(self.encoder, self.data.pictures, precision=s.precision)
        values = {name: value for name, value in state.epoch_values.items() if name != "fallback"}
        if self._clusters_at(state.epoch):
            values = self._cluster()
        steps = s.iterations
        if self.source is not None:
            steps = steps or max(1, len(self.source) // (s.batch_size * s.versions))
            rows = torch.arange(len(self.source))
            state.tables["source_batches"] = epoch_batches(
                rows, batch_size=s.batch_size * s.versions, steps=steps, generator=state.rng
            )
        rows = torch.arange(len(self.data))
        return epoch_batches(rows, batch_size=s.batch_size, steps=steps, generator=state.rng), values

    @cached_property
    def colours(self) -> Tensor:
        """Colour features of the training pictures [N, C]."""
        return colour_features(self.data.pictures, self.data.cameras)

    def _clusters_at(self, epoch: int) -> bool:
        since = epoch - self.settings.cluster_from
        return since >= 0 and since % self.settings.cluster_every == 0

    def _cluster(self) -> Values:
        """New pseudo labels of the memory: by looks, and from some epoch on by looks and times together."""
        s, epoch = self.settings, self.state.epoch
        features = checked_features(self.state.bank)
        if epoch < self.colours_before:
            features = first_features(
                self.encoder, self.data.pictures, self.data.cameras, self.colours, pretrained=self.pretrained,
                precision=s.precision,
            ).to(self.device)  # fmt: skip
        if s.camera_aware and self.data.cameras is not None:
            features = centre_per_camera(features, self.data.cameras)
        found, distance = self._visual(features), "visual"
        temporal = epoch >= s.temporal_from
        if temporal and self.seen is not None:
            found, distance = self._joint(features, self.seen, found), "visual-temporal"
        if found.clusters < 2:
            found = PseudoLabels(np.full(len(features), -1), found.radius, USELESS.format(found.radius, found.clusters))
        agreement = agreement_with(found, self.state.labels)
        self.state.labels = torch.from_numpy(found.labels)
        values = cluster_values(found, self.data.cameras) | agreement | {"distance": distance}
        if temporal and self.seen is None and epoch < s.temporal_from + s.cluster_every:
            values["fallback"] = NO_TIMES  # said once
        return values

    def _visual(self, features: Tensor) -> PseudoLabels:
        """Clusters by 0.7 J + 0.3 d, d the squared Euclidean distance of the features [N, D]."""

        def cluster(rows: Tensor, rho: float) -> PseudoLabels:
            return self._dbscan(feature_distance(features[rows]), self.settings.jaccard_weight, rho)

        return cluster_slots(self.data.slots, cluster, size=len(features), rho=self.settings.rho)

    def _joint(self, features: Tensor, seen: Sightings, visual: PseudoLabels) -> PseudoLabels:
        """Clusters by 0.5 J + 0.5 d, d the joint distance of looks and of times as the visual clusters tell them."""
        distribution = time_distribution(visual.labels, seen)

        def cluster(rows: Tensor, rho: float) -> PseudoLabels:
            distance = joint_distance_rows(features[rows], seen[rows], distribution)
            return self._dbscan(distance, self.settings.temporal_jaccard_weight, rho)

        return cluster_slots(self.data.slots, cluster, size=len(features), rho=self.settings.rho)

    def _dbscan(self, distance: DistanceRows, weight: float, rho: float) -> PseudoLabels:
        s = self.settings
        mixture = jaccard_mixture(distance, k1=s.k1, k2=s.k2, weight=weight)
        factor = 1.0 if self.source is not None else s.radius_factor
        return percentile_dbscan(
            mixture, rho=rho, factor=factor, min_samples=s.min_samples, radius=s.radius, floor=s.rho_floor
        )

    def _step(self, batch: Tensor) -> Losses:
        s, state = self.settings, self.state
        memory = MemoryBank(state.bank)
        pictures = self._augmented(self._versions(batch))  # [B K, 3, H, W]
        self.encoder.train()
        embeddings = self._embeddings(pictures).unflatten(0, (len(batch), s.versions))  # [B, K, D]
        losses = {"local": local_consistency(embeddings, temperature=s.local_temperature)}
        loss = losses["local"]
        if len(state.labels):
            own = state.labels[batch][:, None]
            members = (own == state.labels) & (own >= 0)  # [B, N]
            losses["global"] = global_consistency(embeddings, memory.rows, members, temperature=s.global_temperature)
            loss = loss + s.global_weight * losses["global"]
        if self.source is not None:
            losses["source"] = self._source_loss(self.source)
            loss = loss + losses["source"]
        descend(state.optimizers["identity"], loss, rate=rate_now(state, s))
        # Paper: old and new values are mixed, without bringing rows back to unit length (the first release). Here:
        # unit rows, as in the release for MSMT17, so that similarities keep their scale.
        momentum = min(s.memory_growth * state.epoch, s.memory_limit)
        memory.update(batch, version_means(embeddings.detach()), momentum=momentum)
        return {name: value.detach() for name, value in losses.items()}

    def _source_loss(self, source: LabelledSet) -> Tensor:
        """L_src: the people of a source batch, told apart by a linear layer of their own, in a pass of their own."""
        rows = self.state.tables["source_batches"][self.state.step]
        embeddings = self._embeddings(self._augmented(sent(source.pictures[rows], self.device)))
        scores = self.state.networks["source_classifier"](F.relu(embeddings))
        return F.cross_entropy(scores, sent(source.people[rows], self.device))

    def _embeddings(self, pictures: Tensor) -> Tensor:
        with arithmetic(self.settings.precision, self.device):
            return self.encoder(pictures).embedding.float()

    def _versions(self, rows: Tensor) -> Tensor:
        """K versions of each of `rows` [B], side by side: [B K, 3, H, W] uint8, or float where colours were changed.

        As K cameras see it, drawn without repeats; without camera-styled pictures, K copies in other colours.
        """
        s, data, rng = self.settings, self.data, self.state.rng
        repeated = rows.repeat_interleave(s.versions)
        if data.versions is None or data.cameras is None:
            # Paper: camera-styled pictures. Here: without them (--camstyle), copies whose colours change at random.
            copies = sent(data.pictures[repeated], self.device).float().div_(255)
            strength = s.colour_jitter
            return jitter(copies, brightness=strength, contrast=strength, saturation=strength, generator=rng)
        cameras = data.cameras.unique()
        drawn = torch.rand(len(rows), len(cameras), generator=rng).argsort(dim=1)[:, : s.versions]  # [B, K]
        return sent(data.versions(repeated, cameras[drawn].flatten()), self.device)

    def _augmented(self, pictures: Tensor) -> Tensor:
        """Mirror, normalise and erase pictures [B, 3, H, W] at random."""
        s, rng = self.settings, self.state.rng
        flipped = draw_flips(len(pictures), probability=s.flip_probability, generator=rng)
        return erase(
            normalise(flip(pictures, flipped)), probability=s.erase_probability, area=s.erase_area,
            aspect=s.erase_aspect, generator=rng,
        )  # fmt: skip


def _check_cameras(data: TrainingSet, settings: JvtcSettings) -> None:
    """GclError where the camera-styled pictures have fewer cameras than versions are asked for."""
    cameras = 0 if data.cameras is None else len(data.cameras.unique())
    if data.versions is not None and cameras < settings.versions:
        raise GclError(
            f"{settings.versions} versions of each picture were asked for, in the styles of {cameras} cameras.",
            f"Ask for fewer: --set versions={cameras}",
        )
