"""Cluster Contrast (Dai et al., ACCV 2022) on pseudo labels renewed every epoch: the default warm-up."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam, AdamW

from gcl_cli.clustering.pseudo_labels import cluster_features
from gcl_cli.config import AugmentSettings, ClusterContrastSettings
from gcl_cli.losses.contrast import cluster_contrast
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.records import Event, TrainingSet
from gcl_cli.training.augmentation import warm_up_augmentation
from gcl_cli.training.colours import colour_features
from gcl_cli.training.devices import arithmetic
from gcl_cli.training.features import embed
from gcl_cli.training.memory import ClusterMemory
from gcl_cli.training.pseudo_people import cluster_values
from gcl_cli.training.samplers import person_batches
from gcl_cli.training.schedules import descend, rate_now
from gcl_cli.training.state import TrainingState, Values, run_epochs

AUGMENTATION = {*AugmentSettings.model_fields, "colour_jitter"}


def cluster_contrast_state(encoder: IdentityEncoder, settings: ClusterContrastSettings) -> TrainingState:
    """The state before the first step."""
    optimizer = {"adam": Adam, "adamw": AdamW}[settings.optimizer]
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    return TrainingState(
        networks={"identity_encoder": encoder},
        optimizers={"identity": optimizer(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)},
        chance=torch.Generator().manual_seed(settings.seed),
    )


# Paper: warms up with JVTC, MMCL or ACT. Here: by default with Cluster Contrast, which needs no extra data.
class ClusterContrast:
    """One warm-up over one data set.

    colour_start: the encoder knows nothing yet, so the first epochs cluster colours.
    """

    def __init__(
        self, state: TrainingState, data: TrainingSet, settings: ClusterContrastSettings, *, colour_start: bool
    ) -> None:
        self.state, self.data, self.settings = state, data, settings
        encoder = state.networks["identity_encoder"]
        assert isinstance(encoder, IdentityEncoder)
        self.encoder = encoder
        self.colour_epochs = settings.colour_epochs if colour_start else 0
        self.device = next(encoder.parameters()).device

    def epochs(self) -> Iterator[Event]:
        """Train to the last epoch, from wherever the state stands."""
        return run_epochs(self.state, epochs=self.settings.epochs, begin=self._begin_epoch, step=self._step)

    def _begin_epoch(self) -> tuple[Tensor, Values]:
        """Cluster, set up the memory of centroids, and plan the batches."""
        s = self.settings
        features = embed(self.encoder, self.data.pictures, precision=s.precision)
        first = self.state.epoch < self.colour_epochs
        clustered = colour_features(self.data.pictures, self.data.cameras).to(self.device) if first else features
        found = cluster_features(clustered, self.data.cameras, settings=s)
        labels = torch.from_numpy(found.labels).to(self.device)
        self.state.tensors |= {"labels": labels, "centroids": ClusterMemory.from_features(features, labels).centroids}
        steps = s.iterations or max(1, len(self.data) // (s.people * s.pictures))
        batches = person_batches(
            labels.cpu(), self.data.cameras, people=s.people, pictures=s.pictures, batches=steps,
            generator=self.state.chance,
        )  # fmt: skip
        return batches, cluster_values(found, self.data.cameras)

    def _step(self, batch: Tensor) -> Values:
        s, state = self.settings, self.state
        rows = batch.cpu()
        pictures = warm_up_augmentation(
            self.data.pictures[rows].to(self.device), **s.model_dump(include=AUGMENTATION), generator=state.chance
        )
        labels = state.tensors["labels"][batch]
        self.encoder.train()
        with arithmetic(s.precision, self.device):
            # Single-device trap: BatchNorm must see groups of whole people, as the published runs on several GPUs did.
            chunks = pictures.chunk(s.batchnorm_groups)
            embeddings = torch.cat([self.encoder(chunk).embedding for chunk in chunks])  # [B, D]
        features = F.normalize(embeddings.float(), dim=1)
        loss = cluster_contrast(features, state.tensors["centroids"], labels, temperature=s.temperature)
        descend(state.optimizers["identity"], loss, rate=rate_now(state, s))
        memory = ClusterMemory(state.tensors["centroids"])
        memory.update(features.detach(), labels, momentum=s.memory_momentum, hard=s.hard)
        state.tensors["centroids"] = memory.centroids
        return {"loss": loss.item()}
