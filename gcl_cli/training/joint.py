"""Joint training: L_gan and the view-invariant losses on pseudo labels renewed every epoch (Eq. 9, stage 3)."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from gcl_cli.clustering.corrections import corrected
from gcl_cli.config import AugmentSettings, JointSettings
from gcl_cli.losses.contrast import negative_logsumexp, view_contrast_terms
from gcl_cli.machine.devices import arithmetic
from gcl_cli.networks.identity_encoder import IdentityCode
from gcl_cli.networks.normalisation import at_least_float32
from gcl_cli.records import Event, PseudoLabels, StructurePictures, TrainingSet
from gcl_cli.training.alternating import alternate
from gcl_cli.training.augmentation import classic_augmentation, normalise
from gcl_cli.training.bank import MemoryBank, draw_positives, negative_mask
from gcl_cli.training.divergence import refuse_collapse
from gcl_cli.training.features import embed
from gcl_cli.training.gan import ViewGan, Views, frozen_statistics, gan_optimizers
from gcl_cli.training.mixup import draw_mixup
from gcl_cli.training.novel_views import novel_views
from gcl_cli.training.parts import Part, cut, descend_in_parts
from gcl_cli.training.prototypes import prototype_loss, prototypes
from gcl_cli.training.pseudo_people import agreement_with, cluster_together, cluster_values
from gcl_cli.training.samplers import epoch_batches
from gcl_cli.training.schedules import is_joint_step, learning_rate, set_learning_rate
from gcl_cli.training.selection import keep_best, stability
from gcl_cli.training.state import TrainingState, Values, run_epochs
from gcl_cli.training.structures import angle_indices, draw_angles, own_and_new
from gcl_cli.training.team import ALONE, Team

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
    """One joint training over one data set, by one process or a team of them.

    validate: measures the encoder as it stands on labelled data of other people; the epoch it likes best is kept.
    """

    def __init__(
        self,
        state: TrainingState,
        data: TrainingSet,
        structures: StructurePictures,
        settings: JointSettings,
        *,
        team: Team = ALONE,
        validate: Callable[[], float] | None = None,
    ) -> None:
        team.check(settings.batchnorm_groups)
        self.state, self.data, self.structures, self.settings, self.team = state, data, structures, settings, team
        self.gan, self.validate = ViewGan(state, settings), validate
        self.turns = angle_indices(structures, settings.angles)
        self.novel = novel_views(data, settings)
        self.device = self.gan.device
        # These are all that a step without generation has, beside painted views: without any there are no such steps.
        contrasts = {"vi", "prototype"} & set(settings.losses)
        self.contrast_steps = settings.contrast_steps if self.novel or contrasts else 0

    def epochs(self) -> Iterator[Event]:
        """Train to the last epoch, from wherever the state stands."""
        epochs = self.settings.epochs
        return run_epochs(self.state, epochs=epochs, begin=self._begin_epoch, step=self._step, end=self._end_epoch)

    def _begin_epoch(self) -> tuple[Tensor, Values]:
        """Renew the pseudo labels from the memory bank and plan the batches of clustered pictures."""
        s, tensors = self.settings, self.state.tensors
        found, self.state.next_clusters = self._clusters(), {}
        refuse_collapse(self.state.history, found.fallback)
        values = cluster_values(found, self.data.cameras) | agreement_with(found, tensors.get("labels"))
        tensors["labels"] = torch.from_numpy(found.labels)
        if "prototype" in s.losses:
            tensors["prototypes"] = prototypes(tensors["memory"], tensors["labels"])
        for side, rate in (("generator", s.generator_rate), ("discriminator", s.discriminator_rate)):
            now = learning_rate(rate, step=self.state.epoch, steps=s.epochs, decay_at=s.gan_decay_at, decay=s.decay)
            set_learning_rate(self.state.optimizers[side], now)
        return self._batches((tensors["labels"] >= 0).nonzero().flatten()), values

    def _clusters(self) -> PseudoLabels:
        """The clusters of the renewed memory bank: found once between two epochs, at the end of the first."""
        state, cameras = self.state, self.data.cameras
        if known := state.next_clusters:
            return PseudoLabels(known["labels"].numpy(), known["radius"], known["fallback"])
        if "memory" in state.tensors:
            self._refresh(state.tensors["labels"].cpu())
        else:
            state.tensors["memory"] = self._embed(self.data.pictures)
        with state.stopwatch.timing("clustering"):
            found = cluster_together(state.tensors["memory"], cameras, settings=self.settings, team=self.team)
            aware = self.settings.camera_aware
            found = corrected(found, state.tensors["memory"], cameras, self.data.corrections, camera_aware=aware)
        labels = torch.from_numpy(found.labels)
        state.next_clusters = {"labels": labels, "radius": found.radius, "fallback": found.fallback}
        return found

    def _end_epoch(self) -> Values:
        """What the encoder is worth that the epoch ends with; it is kept where it is worth most."""
        score = stability(self.state.tensors["labels"], self._clusters())
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
        bank = MemoryBank(self.state.tensors["memory"])
        if self.settings.memory_update == "epoch":
            bank.update_all(self._embed(self.data.pictures), momentum=self.settings.memory_momentum)
        idle = labels < 0  # never in a batch; nor may be those that nothing is generated from
        idle = idle if self.data.well_meshed is None else idle | ~self.data.well_meshed
        chosen = {"none": labels < -1, "noise": idle, "all": labels >= -1}[self.settings.refresh]
        rows = chosen.nonzero().flatten()
        bank.refresh(rows, self._embed(self.data.pictures[rows]))

    def _embed(self, pictures: Tensor) -> Tensor:
        with self.state.stopwatch.timing("embedding"):
            return embed(self.gan.identity_encoder, pictures, precision=self.settings.precision, team=self.team)

    def _step(self, batch: Tensor) -> Values:
        s, rows = self.settings, batch.cpu()
        rate = learning_rate(s.identity_rate, step=self.state.epoch, steps=s.epochs, decay_at=s.decay_at, decay=s.decay)
        set_learning_rate(self.state.optimizers["identity"], rate)
        self.gan.identity_encoder.train()
        before = self.team.statistics(self.gan.identity_encoder)
        generating = "gan" in s.losses and is_joint_step(self.state.step, contrast_steps=self.contrast_steps)
        values = self._joint_step(rows) if generating else self._contrast_step(rows)
        self.team.share_statistics(before)
        return values

    def _joint_step(self, rows: Tensor) -> Values:
        """Everything: discriminator, then generator side and encoder through the updated discriminator."""
        parts, features = self._parts(rows, generated=True), list[Tensor]()
        values = alternate(
            self.gan, parts, lambda part, views: self._generating(part, views, features), ("generator", "identity"),
            freeze_statistics=self.settings.batchnorm_update == "real", team=self.team,
        )  # fmt: skip
        self._remember(rows, features)
        return values

    def _generating(self, part: Part, views: Views, features: list[Tensor]) -> tuple[Tensor, Values]:
        """L_gan and the contrast of a part; the features of its real pictures are added to `features`."""
        loss, values = self.gan.generator_loss(part.target, views)
        real, novel = _unit(views.code), _unit(views.code_novel)
        contrast, terms = self._contrast(part, real, novel, views.code_mixed)
        features.append(real.detach())
        return loss + contrast, values | terms

    def _contrast_step(self, rows: Tensor) -> Values:
        """The contrast alone: without painted views L_vi, whose negatives push the real view (ablation rows 2, 3)."""
        parts, features = self._parts(rows, generated=False), list[Tensor]()
        losses = (self._contrasting(part, features) for part in parts)
        values = descend_in_parts(losses, self.state.optimizers, ("identity",), parts=len(parts), team=self.team)
        self._remember(rows, features)
        return values

    def _contrasting(self, part: Part, features: list[Tensor]) -> tuple[Tensor, Values]:
        freeze = self.settings.batchnorm_update == "real"
        encoder, novel = self.gan.identity_encoder, None
        with arithmetic(self.settings.precision, self.device):
            real = _unit(self.gan.through(encoder, part.seen))
            if part.novel is not None:
                with frozen_statistics(encoder, freeze):
                    novel = _unit(self.gan.through(encoder, part.novel))
        features.append(real.detach())
        return self._contrast(part, real, novel)

    def _parts(self, rows: Tensor, *, generated: bool) -> list[Part]:
        """The parts of the batch `rows` [B] that this process computes; every process draws all random numbers."""
        s, tensors, rng, team = self.settings, self.state.tensors, self.state.rng, self.team
        turn = draw_angles(self.turns, len(rows), rng) if generated else None
        with self.state.stopwatch.timing("data"):
            seen, target, flipped = self._pictures(self.data.pictures[rows])
            novel = None if generated or self.novel is None else self._pictures(self.novel.draw(rows, rng))[0]
        labels = tensors["labels"].cpu()
        # Paper: a positive is another picture of the same label; the published code may draw the anchor itself.
        # Here: another picture wherever the cluster has one (exclude_self).
        first, second = (draw_positives(labels, rows, exclude_self=s.exclude_self, generator=rng) for _ in range(2))
        mask = negative_mask(labels, rows, count=s.negatives, generator=rng)
        own_rows, own_seen, own_target, first, second, mask = map(team.own, (rows, seen, target, first, second, mask))
        whole = Part(own_rows, own_seen, own_target, first=first, second=second, negatives=mask)
        if novel is not None:
            whole = whole._replace(novel=team.own(novel))
        if turn is not None:
            with self.state.stopwatch.timing("data"):
                own, new = own_and_new(self.structures, whole.rows, team.own(turn), self.device)
            mirrored = team.own(flipped)[:, None, None, None]
            own, new = (torch.where(mirrored, picture.flip(3), picture) for picture in (own, new))
            whole = whole._replace(own=own, new=new)
        if turn is not None and "mixup" in s.losses:
            mixup = draw_mixup(len(rows), concentration=s.mixup_concentration, groups=s.batchnorm_groups, generator=rng)
            whole = whole._replace(share=team.own(mixup.share), partners=team.own(mixup.partners))
        return cut(whole, s.batchnorm_groups // team.size)

    def _pictures(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of uint8 pictures: what the encoder sees, what the generator must paint [B, 3, H, W], who was flipped [B]."""
        pictures = pictures.to(self.device)
        if self.settings.augment == "classic":
            return classic_augmentation(
                pictures, **self.settings.model_dump(include=AUGMENTATION), generator=self.state.rng
            )
        real = normalise(pictures)
        return real, real, torch.zeros(len(pictures), dtype=torch.bool, device=self.device)

    def _contrast(
        self, part: Part, real: Tensor, novel: Tensor | None, mixed: IdentityCode | None = None
    ) -> tuple[Tensor, Values]:
        """The chosen terms of Eq. 6-8 against the memory bank, and the prototype contrast."""
        s, memory = self.settings, self.state.tensors["memory"]
        total, values = self._prototype(part, real, mixed) if "prototype" in s.losses else (real.new_zeros(()), {})
        chosen = [n for n in ("vi", "vi_syn", "vi_mem") if n in s.losses and (novel is not None or n == "vi")]
        if not chosen:
            return total, values
        assert part.first is not None and part.second is not None and part.negatives is not None
        pushed = real if novel is None or s.negatives_from == "real" else novel
        against = negative_logsumexp(pushed, memory, part.negatives.to(self.device), temperature=s.temperature)
        # Paper: the positive of L'_vi is f of the same step; the published code takes its memory row.
        # Here: the paper's (self_positive = batch).
        own = real if s.self_positive == "batch" else memory[part.rows]
        terms = view_contrast_terms(
            real, real if novel is None else novel, memory[part.first], own, memory[part.second], against,
            temperature=s.temperature,
        )  # fmt: skip
        total = sum((getattr(terms, name) for name in chosen), start=total)
        return total, {name: getattr(terms, name).item() for name in chosen} | values

    def _prototype(self, part: Part, real: Tensor, mixed: IdentityCode | None) -> tuple[Tensor, Values]:
        """L_id of GCL+, weighted."""
        s, tensors = self.settings, self.state.tensors
        loss = prototype_loss(
            real, None if mixed is None else mixed.embedding, part.mixup(), part.rows,
            labels=tensors["labels"], centroids=tensors["prototypes"], temperature=s.prototype_temperature,
        )  # fmt: skip
        return s.prototype_weight * loss, {"prototype": loss.item()}

    def _remember(self, rows: Tensor, features: list[Tensor]) -> None:
        if self.settings.memory_update == "step":
            bank = MemoryBank(self.state.tensors["memory"])  # changed in place
            bank.update(rows, self.team.gather(torch.cat(features)), momentum=self.settings.memory_momentum)


def _unit(code: IdentityCode) -> Tensor:
    """Embeddings [B, D] at unit length."""
    return F.normalize(at_least_float32(code.embedding), dim=1)
