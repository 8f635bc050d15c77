"""MMCL (Wang and Zhang, CVPR 2020): every picture is a class, and learns which other classes are its own too."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from gcl_cli.config import MmclSettings
from gcl_cli.losses.multi_label import multi_label, predict_labels
from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.records import Event, TrainingSet
from gcl_cli.training.augmentation import draw_flips, erase, flip, jitter, normalise, random_sized_crop, rotate
from gcl_cli.training.bank import MemoryBank
from gcl_cli.training.samplers import epoch_batches
from gcl_cli.training.schedules import descend, rate_now
from gcl_cli.training.state import Losses, TrainingState, Values, run_epochs
from gcl_cli.training.warmups.layered import layered_sgd


def mmcl_state(encoder: IdentityEncoder, settings: MmclSettings) -> TrainingState:
    """The state before the first step; the memory, a row for each picture, begins at zero with the first epoch."""
    return TrainingState(
        networks={"identity_encoder": encoder},
        optimizers={"identity": layered_sgd(encoder, settings)},
        rng=torch.Generator().manual_seed(settings.seed),
    )


# Paper: MMCL's own test uses the pooled features. Here: the embedding after BatchNorm, which it trains and GCL uses.
class Mmcl:
    """One warm-up over one data set."""

    def __init__(self, state: TrainingState, data: TrainingSet, settings: MmclSettings) -> None:
        self.state, self.data, self.settings = state, data, settings
        encoder = state.networks["identity_encoder"]
        assert isinstance(encoder, IdentityEncoder)
        self.encoder = encoder
        self.device = next(encoder.parameters()).device

    def epochs(self) -> Iterator[Event]:
        """Train to the last epoch, from wherever the state stands."""
        s = self.settings
        return run_epochs(
            self.state, epochs=s.epochs, begin=self._begin_epoch, step=self._step, minutes=s.minutes
        )  # fmt: skip

    def _begin_epoch(self) -> tuple[Tensor, Values]:
        s, rows = self.settings, torch.arange(len(self.data))
        if not len(self.state.bank):
            self.state.bank = torch.zeros(len(rows), self.encoder.embedding_size, device=self.device)
        batches = epoch_batches(rows, batch_size=s.batch_size, steps=s.iterations, generator=self.state.rng)
        return batches, {"memory_momentum": self._momentum()}

    def _momentum(self) -> float:
        """The weight of the memory's old values: it grows with the epochs, as the features settle."""
        return self.settings.memory_limit * self.state.epoch / self.settings.epochs

    def _step(self, batch: Tensor) -> Losses:
        s, memory = self.settings, self.state.bank
        pictures = self._pictures(batch)
        self.encoder.train()
        with arithmetic(s.precision, self.device):
            embedding = self.encoder(pictures).embedding  # [B, D]
        features = F.normalize(embedding.float())
        labels = self._labels(sent(batch, self.device))
        loss = multi_label(
            features @ memory.T, labels, positive_weight=s.positive_weight, hard_share=s.hard_share
        )  # fmt: skip
        descend(self.state.optimizers["identity"], loss, rate=rate_now(self.state, s))
        MemoryBank(memory).update(batch, features.detach(), momentum=self._momentum())
        return {"loss": loss.detach(), "labels_each": labels.sum(1).float().mean()}

    def _labels(self, batch: Tensor) -> Tensor:
        """The classes of each picture [B, N]: its own at first, later all that the memory finds."""
        s, memory = self.settings, self.state.bank
        if self.state.epoch < s.multi_label_from:
            return torch.arange(len(memory), device=batch.device) == batch[:, None]
        return predict_labels(memory, batch, threshold=s.label_threshold, candidates=s.label_candidates)

    def _pictures(self, rows: Tensor) -> Tensor:
        """The pictures `rows` [B], each in the style of a camera drawn for it and augmented: [B, 3, H, W]."""
        s, rng = self.settings, self.state.rng
        flipped = draw_flips(len(rows), probability=s.flip_probability, generator=rng)
        pictures = flip(sent(self._styled(rows), self.device), flipped).float().div_(255)
        cropped = random_sized_crop(pictures, area=s.crop_area, aspect=s.crop_aspect, generator=rng)
        turned = rotate(cropped, degrees=s.rotation, generator=rng)
        strength = s.colour_jitter
        coloured = jitter(turned, brightness=strength, contrast=strength, saturation=strength, generator=rng)
        return erase(
            normalise(coloured), probability=s.erase_probability, area=s.erase_area, aspect=s.erase_aspect,
            generator=rng,
        )  # fmt: skip

    def _styled(self, rows: Tensor) -> Tensor:
        """The pictures `rows` [B] uint8, as a camera drawn for each would have taken them where versions are there."""
        if self.data.versions is None or self.data.cameras is None:
            # Paper: MMCL sees pictures in other cameras' styles. Here: augmented copies, unless --camstyle gives them.
            return self.data.pictures[rows]
        cameras = self.data.cameras.unique()
        drawn = torch.randint(len(cameras), (len(rows),), generator=self.state.rng)
        return self.data.versions(rows, cameras[drawn])
