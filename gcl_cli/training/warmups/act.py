"""ACT (Yang et al., AAAI 2020): two encoders choose the pictures that each other learns from, asymmetrically.

Encoder A learns from clustered pictures and the surest outliers, as B sees them; B from the surest clustered pictures,
as A sees them. A is what comes out.
"""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim import Adam

from gcl_cli.clustering.jaccard import jaccard_distance
from gcl_cli.clustering.neighbours import labels_of_nearest
from gcl_cli.clustering.pseudo_labels import cluster_distance, comparable_features
from gcl_cli.clustering.source_distance import beside_source, distance_to_source
from gcl_cli.config import ActSettings
from gcl_cli.losses.identity import batch_hard_triplets
from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.records import Event, LabelledSet, PseudoLabels, TrainingSet
from gcl_cli.training.augmentation import warm_up_augmentation
from gcl_cli.training.epoch_clusters import agreement_with, cluster_values
from gcl_cli.training.features import embed
from gcl_cli.training.samplers import identity_batches
from gcl_cli.training.schedules import descend, rate_now
from gcl_cli.training.state import Losses, TrainingState, Values, run_epochs

AUGMENTATION = {"colour_jitter", "flip_probability", "erase_probability", "erase_area", "erase_aspect"}
FEWEST = 2  # pictures that BatchNorm needs


def act_state(encoder: IdentityEncoder, settings: ActSettings) -> TrainingState:
    """The state before the first step: `identity_encoder` is A, and `co_encoder`, B, starts as its copy."""
    # Paper: ACT starts from an encoder that was adapted to the target before. Here: from one that knows the source.
    networks = {"identity_encoder": encoder, "co_encoder": copy.deepcopy(encoder)}
    optimizers = {
        name: Adam(
            [p for p in network.parameters() if p.requires_grad],
            lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True,
        )
        for name, network in networks.items()
    }  # fmt: skip
    return TrainingState(
        networks=dict(networks),
        optimizers=dict(optimizers),
        rng=torch.Generator().manual_seed(settings.seed),
    )


class Act:
    """One warm-up over one data set; of `source` only the pictures are looked at."""

    def __init__(self, state: TrainingState, data: TrainingSet, settings: ActSettings, *, source: LabelledSet) -> None:
        self.state, self.data, self.settings, self.source = state, data, settings, source
        main, other = state.networks["identity_encoder"], state.networks["co_encoder"]
        assert isinstance(main, IdentityEncoder) and isinstance(other, IdentityEncoder)
        self.main, self.other = main, other
        self.device = next(main.parameters()).device

    def epochs(self) -> Iterator[Event]:
        """Train to the last epoch, from wherever the state stands."""
        s = self.settings
        return run_epochs(
            self.state, epochs=s.epochs, begin=self._begin_epoch, step=self._step, minutes=s.minutes
        )  # fmt: skip

    def _begin_epoch(self) -> tuple[Tensor, Values]:
        """Cluster if a round begins; batches [steps, 2, B] of clustered pictures and outliers, or [steps, 1, B]."""
        s, state = self.settings, self.state
        begins = state.epoch % s.cluster_every == 0
        values = self._begin_round() if begins else {**state.epoch_values, "fallback": None}
        clustered, outliers = state.labels, state.tables["outlier_labels"]
        steps = s.iterations or max(1, int((clustered >= 0).sum()) // (s.people * s.pictures))
        kinds = [labels for labels in (clustered, outliers) if bool((labels >= 0).any())]
        planned = [
            identity_batches(labels, people=s.people, pictures=s.pictures, batches=steps, generator=state.rng)
            for labels in kinds
        ]
        return torch.stack(planned, dim=1), values

    def _begin_round(self) -> Values:
        """New clusters from A's features; outliers are labelled by their most similar clustered picture."""
        found, features = self._clusters()
        # Paper: ACT does not say by which distance an outlier is nearest. Here: by the features' own.
        filled = labels_of_nearest(features, found.labels)
        labels = torch.from_numpy(found.labels)
        outliers = torch.from_numpy(filled).masked_fill_(labels >= 0, -1)
        agreement = agreement_with(found, self.state.labels)
        self.state.labels, self.state.tables["outlier_labels"] = labels, outliers
        if not math.isnan(found.radius):
            self.state.tables.setdefault("radius", torch.tensor(found.radius, dtype=torch.float64))
        return {**cluster_values(found, self.data.cameras), **agreement, "share_kept": self._share_kept()}

    def _clusters(self) -> tuple[PseudoLabels, Tensor]:
        """Clusters by the Jaccard distance and the distance to the source, and the features [N, D] they came from."""
        s = self.settings
        # Paper: ACT clusters and is tested on the pooled features. Here: on the embedding, as all later stages.
        features = embed(self.main, self.data.pictures, precision=s.precision)
        known = embed(self.main, self.source.pictures, precision=s.precision)
        from_source = distance_to_source(features, known)
        features = comparable_features(features, self.data.cameras, camera_aware=s.camera_aware)
        distance = beside_source(
            jaccard_distance(features, k1=s.k1, k2=s.k2), from_source, weight=s.source_weight
        )  # fmt: skip
        if "radius" in self.state.tables:  # the first round's serves them all
            s = s.model_copy(update={"radius": float(self.state.tables["radius"])})
        return cluster_distance(distance, features, settings=s), features

    def _share_kept(self) -> float:
        """The share of a batch that the other encoder learns from: more with every round."""
        s = self.settings
        return min(1.0, s.keep_first + s.keep_growth * (self.state.epoch // s.cluster_every))

    def _step(self, batch: Tensor) -> Losses:
        """Even steps: A chooses clustered pictures for B. Odd ones: B chooses outliers for A, beside clustered ones."""
        clustered, outliers = batch[0], batch[1:].flatten()
        if self.state.steps_done % 2 == 0:
            pictures, labels = self._seen(clustered, self.state.labels)
            kept = self._surest(self.main, pictures, labels)
            return {"co_loss": self._learn("co_encoder", pictures[kept], labels[kept])}
        pictures, labels = self._seen(clustered, self.state.labels)
        if len(outliers):
            more, their_labels = self._seen(outliers, self.state.tables["outlier_labels"])
            kept = self._surest(self.other, more, their_labels)
            pictures, labels = torch.cat([pictures, more[kept]]), torch.cat([labels, their_labels[kept]])
        return {"loss": self._learn("identity_encoder", pictures, labels)}

    def _seen(self, rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures `rows` [B], augmented and normalised, and their labels of all `labels` [N]."""
        chosen = self.settings.model_dump(include=AUGMENTATION)
        pictures = warm_up_augmentation(
            sent(self.data.pictures[rows], self.device), **chosen, crop_padding=0, generator=self.state.rng
        )
        return pictures, sent(labels[rows], self.device)

    @torch.no_grad()
    def _surest(self, judge: IdentityEncoder, pictures: Tensor, labels: Tensor) -> Tensor:
        """The rows of a batch with the smallest losses in the eyes of `judge`, as many as are kept."""
        number = max(FEWEST, round(self._share_kept() * len(labels)))
        return self._losses(judge, pictures, labels).argsort(stable=True)[:number]

    def _learn(self, name: str, pictures: Tensor, labels: Tensor) -> Tensor:
        """One step of the encoder `name`; returns its loss []."""
        encoder = self.main if name == "identity_encoder" else self.other
        loss = self._losses(encoder, pictures, labels).mean()
        descend(self.state.optimizers[name], loss, rate=rate_now(self.state, self.settings))
        return loss.detach()

    def _losses(self, encoder: IdentityEncoder, pictures: Tensor, labels: Tensor) -> Tensor:
        """Each picture's triplet losses [B] on pooled features and on the embedding; BatchNorm uses the batch."""
        encoder.train()
        with arithmetic(self.settings.precision, self.device):
            code = encoder(pictures)
        pooled = code.parts.float().mean(2)  # [B, C] stripes are of one size, so this is the average over the map
        # Paper: ACT's second features are ReLU(BatchNorm(Linear(pooled))). Here: the encoder's own embedding.
        margin = self.settings.margin
        return batch_hard_triplets(pooled, labels, margin=margin) + batch_hard_triplets(
            code.embedding.float(), labels, margin=margin
        )
