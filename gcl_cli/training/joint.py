"""Joint training: L_gan and the view-invariant losses on pseudo labels renewed every epoch (Eq. 9, stage 3)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from gcl_cli.clustering.pseudo_labels import cluster_features
from gcl_cli.config import AugmentSettings, JointSettings
from gcl_cli.losses.contrast import negative_logsumexp, view_contrast_terms
from gcl_cli.records import Event, StructurePictures, TrainingSet
from gcl_cli.training.augmentation import classic_augmentation, normalise
from gcl_cli.training.devices import arithmetic
from gcl_cli.training.features import embed
from gcl_cli.training.gan import ViewGan, gan_optimizers
from gcl_cli.training.memory import MemoryBank, draw_positives, negative_mask
from gcl_cli.training.pseudo_people import cluster_values
from gcl_cli.training.samplers import epoch_batches
from gcl_cli.training.schedules import is_joint_step, learning_rate, set_learning_rate
from gcl_cli.training.state import TrainingState, Values, run_epochs
from gcl_cli.training.structures import angle_indices, draw_angles, own_and_new

AUGMENTATION = {*AugmentSettings.model_fields, "brightness", "contrast", "saturation"}


def joint_state(networks: dict[str, nn.Module], settings: JointSettings) -> TrainingState:
    """The state before the first step, all four networks trainable."""
    for network in networks.values():
        network.train()
    trained = [parameter for parameter in networks["identity_encoder"].parameters() if parameter.requires_grad]
    identity = SGD(
        trained, lr=settings.identity_rate, momentum=settings.identity_momentum,
        nesterov=settings.identity_momentum > 0, weight_decay=settings.identity_weight_decay,
    )  # fmt: skip
    optimizers = {**gan_optimizers(networks, settings), "identity": identity}
    return TrainingState(networks, optimizers, torch.Generator().manual_seed(settings.seed))


class Joint:
    """One joint training over one data set."""

    def __init__(
        self, state: TrainingState, data: TrainingSet, structures: StructurePictures, settings: JointSettings
    ) -> None:
        self.state, self.data, self.structures, self.settings = state, data, structures, settings
        self.gan = ViewGan(state, settings)
        self.turns = angle_indices(structures, settings.angles)
        self.device = self.gan.device
        # L_vi is all that a contrast-only step has: without it there are none.
        self.contrast_steps = settings.contrast_steps if "vi" in settings.losses else 0

    def epochs(self) -> Iterator[Event]:
        """Train to the last epoch, from wherever the state stands."""
        return run_epochs(self.state, epochs=self.settings.epochs, begin=self._begin_epoch, step=self._step)

    def _begin_epoch(self) -> tuple[Tensor, Values]:
        """Renew the pseudo labels from the memory bank and plan the batches of clustered pictures."""
        s, tensors = self.settings, self.state.tensors
        if "memory" in tensors:
            self._refresh(tensors["labels"].cpu())
        else:
            tensors["memory"] = embed(self.gan.identity_encoder, self.data.pictures, precision=s.precision)
        found = cluster_features(tensors["memory"], self.data.cameras, settings=s)
        tensors["labels"] = torch.from_numpy(found.labels)
        return self._batches((tensors["labels"] >= 0).nonzero().flatten()), cluster_values(found, self.data.cameras)

    def _batches(self, rows: Tensor) -> Tensor:
        """One epoch over `rows` [M]; its joint steps see only those whose mesh is good enough to generate from."""
        s, chance = self.settings, self.state.chance
        steps = None if s.iterations is None else s.iterations * (1 + self.contrast_steps)
        batches = epoch_batches(rows, batch_size=s.batch_size, steps=steps, generator=chance)
        generating = self.data.generating(rows)
        if "gan" in s.losses and len(generating) < len(rows):
            joint = [i for i in range(len(batches)) if is_joint_step(i, contrast_steps=self.contrast_steps)]
            batches[joint] = epoch_batches(generating, batch_size=s.batch_size, steps=len(joint), generator=chance)
        return batches

    def _refresh(self, labels: Tensor) -> None:
        """Renew rows of the memory bank with clean features, as the setting `refresh` says."""
        # Paper: does not say; the published code leaves unclustered rows as they were at the start.
        # Here: renewed every epoch (refresh = noise), or all rows (all): augmented features cluster worse.
        idle = labels < 0  # never in a batch; nor may be those that nothing is generated from
        idle = idle if self.data.well_meshed is None else idle | ~self.data.well_meshed
        chosen = {"none": labels < -1, "noise": idle, "all": labels >= -1}[self.settings.refresh]
        rows = chosen.nonzero().flatten()
        fresh = embed(self.gan.identity_encoder, self.data.pictures[rows], precision=self.settings.precision)
        MemoryBank(self.state.tensors["memory"]).refresh(rows, fresh)

    def _step(self, batch: Tensor) -> Values:
        s, rows = self.settings, batch.cpu()
        rate = learning_rate(s.identity_rate, step=self.state.epoch, steps=s.epochs, decay_at=s.decay_at, decay=s.decay)
        set_learning_rate(self.state.optimizers["identity"], rate)
        self.gan.identity_encoder.train()
        if "gan" in s.losses and is_joint_step(self.state.step, contrast_steps=self.contrast_steps):
            return self._joint_step(rows)
        return self._contrast_step(rows)

    def _joint_step(self, rows: Tensor) -> Values:
        """Everything: discriminator, then generator side and encoder through the updated discriminator."""
        s = self.settings
        turn = draw_angles(self.turns, len(rows), self.state.chance)
        own, new = own_and_new(self.structures, rows, turn, self.device)
        seen, target, flipped = self._pictures(rows)
        own, new = (torch.where(flipped[:, None, None, None], x.flip(3), x) for x in (own, new))
        views = self.gan.views(seen, own, new, freeze_statistics=s.batchnorm_update == "real")
        values = self.gan.discriminator_step(target, views)
        loss, more = self.gan.generator_loss(target, views)
        real = F.normalize(views.code.embedding.float(), dim=1)
        contrast, terms = self._contrast(rows, real, F.normalize(views.code_novel.embedding.float(), dim=1))
        self._descend(loss + contrast, ("generator", "identity"))
        self._remember(rows, real)
        return values | more | terms

    def _contrast_step(self, rows: Tensor) -> Values:
        """L_vi alone: no generated view, so negatives push the real one (ablation rows 2 and 3)."""
        seen, _, _ = self._pictures(rows)
        with arithmetic(self.settings.precision, self.device):
            embedding = self.gan.identity_encoder(seen).embedding
        real = F.normalize(embedding.float(), dim=1)
        contrast, terms = self._contrast(rows, real, None)
        self._descend(contrast, ("identity",))
        self._remember(rows, real)
        return terms

    def _pictures(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the encoder sees, what the generator must paint [B, 3, H, W], and who was flipped [B]."""
        pictures = self.data.pictures[rows].to(self.device)
        if self.settings.augment == "classic":
            return classic_augmentation(
                pictures, **self.settings.model_dump(include=AUGMENTATION), generator=self.state.chance
            )
        real = normalise(pictures)
        return real, real, torch.zeros(len(rows), dtype=torch.bool, device=self.device)

    def _contrast(self, rows: Tensor, real: Tensor, novel: Tensor | None) -> tuple[Tensor, Values]:
        """The chosen terms of Eq. 6-8 with positives and negatives drawn from the memory bank."""
        s, tensors = self.settings, self.state.tensors
        memory, labels, chance = tensors["memory"], tensors["labels"].cpu(), self.state.chance
        # Paper: a positive is another picture of the same label; the published code may draw the anchor itself.
        # Here: another picture wherever the cluster has one (exclude_self).
        first, second = (
            memory[draw_positives(labels, rows, exclude_self=s.exclude_self, generator=chance)] for _ in range(2)
        )
        mask = negative_mask(labels, rows, count=s.negatives, generator=chance).to(self.device)
        pushed = real if novel is None or s.negatives_from == "real" else novel
        against = negative_logsumexp(pushed, memory, mask, temperature=s.temperature)
        # Paper: the positive of L'_vi is f of the same step; the published code takes its memory row.
        # Here: the paper's (self_positive = batch).
        own = real if s.self_positive == "batch" else memory[rows]
        terms = view_contrast_terms(
            real, real if novel is None else novel, first, own, second, against, temperature=s.temperature
        )
        chosen = [n for n in ("vi", "vi_syn", "vi_mem") if n in s.losses and (novel is not None or n == "vi")]
        values: Values = {name: getattr(terms, name).item() for name in chosen}
        total = sum((getattr(terms, name) for name in chosen), start=real.new_zeros(()))
        return total, values

    def _descend(self, loss: Tensor, sides: tuple[str, ...]) -> None:
        for optimizer in self.state.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for side in sides:
            self.state.optimizers[side].step()

    def _remember(self, rows: Tensor, features: Tensor) -> None:
        bank = MemoryBank(self.state.tensors["memory"])  # changed in place
        bank.update(rows, features.detach(), momentum=self.settings.memory_momentum)
