"""Joint training: L_gan and the view-invariant losses on pseudo labels renewed every epoch (Eq. 9, stage 3)."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from gcl_cli.config import AugmentSettings, JointSettings
from gcl_cli.losses.contrast import joint_objective, negative_logsumexp, view_contrast
from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.identity_encoder import IdentityCode
from gcl_cli.networks.normalisation import at_least_float32
from gcl_cli.records import Event, TrainingSet
from gcl_cli.training.augmentation import classic_augmentation, flip, normalise
from gcl_cli.training.bank import MemoryBank, draw_positives, negative_mask
from gcl_cli.training.camera_centroids import CameraContrast
from gcl_cli.training.drawn_views import PaintedStructures, Structures
from gcl_cli.training.gan import Views, discriminator_step, frozen_statistics, gan_optimizers, views_of
from gcl_cli.training.gcl_plus import Mixup, draw_mixup, prototype_loss
from gcl_cli.training.joint_epochs import EpochPlanner
from gcl_cli.training.novel_views import BankedViews, novel_views
from gcl_cli.training.painted_gan import PaintedPart, painted_part, view_gan
from gcl_cli.training.parts import ContrastPart, Descent, GenerationPart, cut
from gcl_cli.training.schedules import is_joint_step, learning_rate, set_learning_rate
from gcl_cli.training.state import Losses, TrainingState, Values
from gcl_cli.training.structures import angle_indices, draw_angles, expect_next, own_and_new, read_ahead
from gcl_cli.training.team import ALONE, Team

AUGMENTATION = {*AugmentSettings.model_fields, "brightness", "contrast", "saturation"}


def joint_state(networks: dict[str, nn.Module], settings: JointSettings) -> TrainingState:
    """The state before the first step, all four networks trainable."""
    for network in networks.values():
        network.train()
    trained = [parameter for parameter in networks["identity_encoder"].parameters() if parameter.requires_grad]
    identity = SGD(
        trained, lr=settings.identity_rate, momentum=settings.identity_momentum,
        nesterov=settings.identity_momentum > 0, weight_decay=settings.identity_weight_decay, fused=True,
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
        structures: Structures,
        settings: JointSettings,
        *,
        team: Team = ALONE,
        validate: Callable[[], float] | None = None,
    ) -> None:
        team.check(settings.batchnorm_groups)
        self.state, self.data, self.settings, self.team = state, data, settings, team
        self.gan = view_gan(state, settings)
        self.structures = (
            structures if isinstance(structures, PaintedStructures) else read_ahead(structures, self.gan.device)
        )
        self.turns = angle_indices(structures, settings.angles)
        self.novel = novel_views(data, settings)
        self.device, self.parts = self.gan.device, settings.batchnorm_groups // team.size
        self.freeze_statistics = settings.batchnorm_update == "real"
        # These are all that a step without generation has, beside painted views: without any there are no such steps.
        contrasts = {"vi", "prototype"} & set(settings.losses)
        self.contrast_steps = settings.contrast_steps if self.novel or contrasts else 0
        self.by_camera = CameraContrast(state, data.cameras, settings)
        self.planner = EpochPlanner(state, data, settings, self.contrast_steps, team=team, validate=validate)

    def epochs(self) -> Iterator[Event]:
        """Train to the last epoch, from wherever the state stands."""
        state = self.state
        while state.epoch < self.settings.epochs:
            state.begin_epoch(self._begin_epoch)
            self._fill_bank()
            for batch in state.batches_left():
                with state.stopwatch.timing("training"):
                    losses = self._step(batch.cpu())
                yield state.stepped(losses)
            yield state.end_epoch(self.planner.end)

    def _begin_epoch(self) -> tuple[Tensor, Values]:
        planned = self.planner.begin()
        self.by_camera.begin_epoch(self.state.bank)
        if isinstance(self.novel, BankedViews):
            self.state.tables["sides"] = self.novel.draw_sides(self.state.rng)
        return planned

    def _fill_bank(self) -> None:
        """Draw this epoch's views, where they are drawn; a training that goes on in its midst draws the same."""
        if isinstance(self.novel, BankedViews):
            with self.state.stopwatch.timing("views"):
                self.novel.renew(self.state.batches, self.state.tables["sides"])

    def _step(self, rows: Tensor) -> Losses:
        """One step on the pictures `rows` [B]: joint, or of the contrast alone."""
        s, encoder = self.settings, self.gan.identity_encoder
        rate = learning_rate(s.identity_rate, step=self.state.epoch, steps=s.epochs, decay_at=s.decay_at, decay=s.decay)
        set_learning_rate(self.state.optimizers["identity"], rate)
        encoder.train()
        before = self.team.statistics(encoder)
        generating = "gan" in s.losses and is_joint_step(self.state.step, contrast_steps=self.contrast_steps)
        values = self._joint_step(rows) if generating else self._contrast_step(rows)
        self.team.share_statistics(before)
        return values

    def _joint_step(self, rows: Tensor) -> Losses:
        """The discriminator, then generator side and encoder through it as it is now (Eq. 9), then the memory bank."""
        generated, contrasted, mixups = self._joint_parts(rows)
        values, kept = discriminator_step(
            self.gan, generated, mixups, freeze_statistics=self.freeze_statistics, team=self.team
        )  # fmt: skip
        features: list[Tensor] = []
        learning = Descent(self.state.optimizers, "generator", "identity", parts=self.parts, team=self.team)
        for part, contrast, mixup in zip(generated, contrasted, mixups, strict=True):
            views = kept or views_of(self.gan, part, mixup, freeze_statistics=self.freeze_statistics)
            features.append(self._learn(learning, part, contrast, mixup, views))
            del views  # the graph of only one part exists at a time
        values |= learning.step()
        self._remember(rows, features)
        return values

    def _learn(
        self,
        learning: Descent,
        part: GenerationPart | PaintedPart,
        contrast: ContrastPart,
        mixup: Mixup | None,
        views: Views,
    ) -> Tensor:
        """Add a part's gradients of Eq. 9; returns the features [b, D] of its real pictures."""
        real, novel = unit(views.code), unit(views.code_novel)
        gan, values = self.gan.generator_loss(part.target, views)
        terms = self._contrast_terms(contrast, real, novel, mixed=views.code_mixed, mixup=mixup)
        loss = joint_objective({"gan": gan} | terms, prototype_weight=self.settings.prototype_weight)
        learning.add(loss, values | terms)
        return real.detach()

    def _contrast_step(self, rows: Tensor) -> Losses:
        """The contrast alone: without painted views L_vi, whose negatives push the real view (ablation rows 2, 3)."""
        seen, novel, contrasted = self._contrast_parts(rows)
        features: list[Tensor] = []
        learning = Descent(self.state.optimizers, "identity", parts=self.parts, team=self.team)
        for pictures, views, contrast in zip(seen, novel, contrasted, strict=True):
            real, turned = self._features(pictures, views)
            terms = self._contrast_terms(contrast, real, turned)
            learning.add(joint_objective(terms, prototype_weight=self.settings.prototype_weight), terms)
            features.append(real.detach())
            del real, turned, terms
        values = learning.step()
        self._remember(rows, features)
        return values

    def _features(self, pictures: Tensor, novel: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Unit features [b, D] of pictures and of their painted views, where there are any."""
        encoder = self.gan.identity_encoder
        with arithmetic(self.settings.precision, self.device):
            real = unit(self.gan.through(encoder, pictures))
            if novel is None:
                return real, None
            with frozen_statistics(encoder, self.freeze_statistics):
                return real, unit(self.gan.through(encoder, novel))

    def _contrast_terms(
        self, part: ContrastPart, real: Tensor, novel: Tensor | None,
        *, mixed: IdentityCode | None = None, mixup: Mixup | None = None,
    ) -> dict[str, Tensor]:  # fmt: skip
        """The chosen terms of Eq. 6-8, without novel views L_vi alone, and the prototype contrast of GCL+."""
        s, bank = self.settings, self.state.bank
        others = {"prototype": self._prototype(part.rows, real, mixed, mixup)} if "prototype" in s.losses else {}
        # Paper: Eq. 6-8 alone. Here: clusters may be contrasted camera by camera, too (`camera_contrast`, which the
        # small presets set).
        others |= self.by_camera.terms(real, part.rows)
        chosen = set(s.losses) & ({"vi"} if novel is None else {"vi", "vi_syn", "vi_mem"})
        terms: dict[str, Tensor] = {}
        if not chosen:
            return others
        view = real if novel is None else novel
        pushed = real if s.negatives_from == "real" else view
        negatives = negative_logsumexp(pushed, bank, part.negatives, temperature=s.temperature)
        # Paper: the positive of L'_vi is f of the same step; the published code takes its memory row.
        # Here: the paper's (self_positive = batch).
        own = real if s.self_positive == "batch" else bank[part.rows]
        pairs = {"vi": (real, bank[part.first]), "vi_syn": (view, own), "vi_mem": (view, bank[part.second])}
        for name, (anchor, positive) in pairs.items():
            if name in chosen:
                terms[name] = view_contrast(anchor, positive, negatives, temperature=s.temperature)
        return terms | others

    def _prototype(self, rows: Tensor, real: Tensor, mixed: IdentityCode | None, mixup: Mixup | None) -> Tensor:
        """L_id of GCL+."""
        return prototype_loss(
            real, None if mixed is None else mixed.embedding, mixup, rows, labels=self.state.labels,
            centroids=self.state.tables["prototypes"], temperature=self.settings.prototype_temperature,
        )  # fmt: skip

    def _joint_parts(
        self, rows: Tensor
    ) -> tuple[Sequence[GenerationPart | PaintedPart], list[ContrastPart], list[Mixup | None]]:
        """What this process generates and contrasts, in parts; every process draws all random numbers."""
        s, rng, team, parts = self.settings, self.state.rng, self.team, self.parts
        turn = draw_angles(self.turns, len(rows), rng)
        with self.state.stopwatch.timing("data"):
            seen, target, flipped = map(team.own, self._pictures(self.data.pictures[rows]))
        contrast = self._draw_contrast(rows)
        generated = self._generation_parts(rows, turn, seen, target, flipped)
        mixups: list[Mixup | None] = [None] * parts
        if "mixup" in s.losses:
            mixup = draw_mixup(len(rows), concentration=s.mixup_concentration, groups=s.batchnorm_groups, generator=rng)
            mixups = [*cut(Mixup(*map(team.own, mixup)), parts)]
        if is_joint_step(self.state.step + 1, contrast_steps=self.contrast_steps):
            expect_next(self.structures, self.state, self.turns, team)
        return generated, cut(contrast, parts), mixups

    def _generation_parts(
        self, rows: Tensor, turn: Tensor, seen: Tensor, target: Tensor, flipped: Tensor
    ) -> Sequence[GenerationPart | PaintedPart]:
        """Of the pictures `rows` [B], each with its `turn` [B], this process's share: seen, target [b, 3, H, W]."""
        team = self.team
        with self.state.stopwatch.timing("data"):
            if isinstance(self.structures, PaintedStructures):
                # What is painted has the photograph's own colours, and so has what is to be painted.
                target = flip(normalise(sent(self.data.pictures[team.own(rows)], self.device)), flipped)
                return cut(
                    painted_part(self.structures, rows, turn, seen, target, flipped, rng=self.state.rng, team=team),
                    self.parts,
                )
            signals = own_and_new(self.structures, team.own(rows), team.own(turn), self.device)
        own, new = (torch.where(flipped[:, None, None, None], signal.flip(3), signal) for signal in signals)
        return cut(GenerationPart(seen, target, own, new), self.parts)

    def _contrast_parts(self, rows: Tensor) -> tuple[list[Tensor], list[Tensor | None], list[ContrastPart]]:
        """What this process sees and contrasts, with painted views or None for each part."""
        team, parts, novel = self.team, self.parts, None
        with self.state.stopwatch.timing("data"):
            seen = team.own(self._pictures(self.data.pictures[rows])[0])
            if self.novel is not None:
                novel = team.own(self._pictures(self.novel.draw(rows, self.state.rng))[0])
        contrast = self._draw_contrast(rows)
        views: list[Tensor | None] = [None] * parts if novel is None else [*novel.tensor_split(parts)]
        return [*seen.tensor_split(parts)], views, cut(contrast, parts)

    def _draw_contrast(self, rows: Tensor) -> ContrastPart:
        """Positives and negatives of this process's share of the pictures `rows` [B]."""
        s, rng, labels = self.settings, self.state.rng, self.state.labels
        # Paper: a positive is another picture of the same label; the published code may draw the anchor itself.
        # Here: another picture wherever the cluster has one (exclude_self).
        first, second = (draw_positives(labels, rows, exclude_self=s.exclude_self, generator=rng) for _ in range(2))
        labels, rows, first, second = (sent(numbers, self.device) for numbers in (labels, rows, first, second))
        mask = negative_mask(labels, rows, count=s.negatives, generator=rng)
        return ContrastPart(*map(self.team.own, (rows, first, second, mask)))

    def _pictures(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of uint8 pictures: what the encoder sees, what the generator must paint [B, 3, H, W], who was flipped [B]."""
        pictures = sent(pictures, self.device)
        if self.settings.augment == "classic":
            return classic_augmentation(
                pictures, **self.settings.model_dump(include=AUGMENTATION), generator=self.state.rng
            )
        real = normalise(pictures)
        return real, real, torch.zeros(len(pictures), dtype=torch.bool, device=self.device)

    def _remember(self, rows: Tensor, features: list[Tensor]) -> None:
        by_step = self.settings.memory_update == "step"
        if not (by_step or self.by_camera.begun):
            return
        seen = self.team.gather(torch.cat(features))
        self.by_camera.remember(seen, rows)
        if by_step:
            bank = MemoryBank(self.state.bank)  # changed in place
            bank.update(rows, seen, momentum=self.settings.memory_momentum)


def unit(code: IdentityCode) -> Tensor:
    """Embeddings [B, D] at unit length."""
    return F.normalize(at_least_float32(code.embedding), dim=1)
