"""Training on true labels: of a source before it is adapted, or as the ceiling of what a network can learn."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, AdamW

from gcl_cli.config import AugmentSettings, SupervisedSettings
from gcl_cli.losses.identity import batch_hard_triplets, smoothed_cross_entropy
from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.records import Event, LabelledSet
from gcl_cli.training.augmentation import warm_up_augmentation
from gcl_cli.training.samplers import person_batches
from gcl_cli.training.schedules import descend, rate_now
from gcl_cli.training.state import Losses, TrainingState, Values, run_epochs

AUGMENTATION = {*AugmentSettings.model_fields, "colour_jitter"}
CLASSIFIER_SPREAD = 0.001  # of the first weights: at the start nobody is more likely than anybody else


def supervised_state(encoder: IdentityEncoder, settings: SupervisedSettings, known: LabelledSet) -> TrainingState:
    """The state before the first step; its classifier has one row for each person of `known`, and no bias."""
    rng = torch.Generator().manual_seed(settings.seed)
    classifier = nn.Linear(encoder.embedding_size, int(known.people.max()) + 1, bias=False)
    nn.init.normal_(classifier.weight, std=CLASSIFIER_SPREAD, generator=rng)
    classifier.to(next(encoder.parameters()).device)
    networks = {"identity_encoder": encoder, "classifier": classifier}
    trained = [p for network in networks.values() for p in network.parameters() if p.requires_grad]
    optimizer = {"adam": Adam, "adamw": AdamW}[settings.optimizer]
    return TrainingState(
        networks=networks,
        optimizers={
            "identity": optimizer(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
        },
        rng=rng,
    )


class Supervised:
    """One training over one labelled data set."""

    def __init__(self, state: TrainingState, known: LabelledSet, settings: SupervisedSettings) -> None:
        self.state, self.known, self.settings = state, known, settings
        encoder, classifier = state.networks["identity_encoder"], state.networks["classifier"]
        assert isinstance(encoder, IdentityEncoder) and isinstance(classifier, nn.Linear)
        self.encoder, self.classifier = encoder, classifier
        self.device = next(encoder.parameters()).device

    def epochs(self) -> Iterator[Event]:
        """Train to the last epoch, from wherever the state stands."""
        s = self.settings
        return run_epochs(
            self.state, epochs=s.epochs, begin=self._begin_epoch, step=self._step, minutes=s.minutes
        )  # fmt: skip

    def _begin_epoch(self) -> tuple[Tensor, Values]:
        s = self.settings
        batches = person_batches(
            self.known.people, self.known.cameras, people=s.people, pictures=s.pictures,
            batches=s.steps_of(len(self.known)), generator=self.state.rng,
        )  # fmt: skip
        return batches, {"people": len(self.classifier.weight)}

    def _step(self, batch: Tensor) -> Losses:
        s, rows = self.settings, batch.cpu()
        pictures = warm_up_augmentation(
            sent(self.known.pictures[rows], self.device), **s.model_dump(include=AUGMENTATION),
            generator=self.state.rng,
        )  # fmt: skip
        people = sent(self.known.people[rows], self.device)
        self.encoder.train()
        with arithmetic(s.precision, self.device):
            chunks = pictures.chunk(s.batchnorm_groups)
            embeddings = torch.cat([self.encoder(chunk).embedding for chunk in chunks]).float()  # [B, D]
        scores = self.classifier(embeddings)  # [B, people]
        classification = smoothed_cross_entropy(scores, people, smoothing=s.label_smoothing)
        triplet = batch_hard_triplets(F.normalize(embeddings), people, margin=s.margin).mean()
        loss = classification + s.triplet_weight * triplet
        descend(self.state.optimizers["identity"], loss, rate=rate_now(self.state, s))
        right = (scores.argmax(1) == people).float().mean()
        said = {"loss": loss, "classification": classification, "triplet": triplet, "share_right": right}
        return {name: value.detach() for name, value in said.items()}
