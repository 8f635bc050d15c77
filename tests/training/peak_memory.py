"""Prints as JSON the estimated and the measured peak memory of one training step; run in a process of its own."""

import json
import sys

import torch
from own_peak import peak
from torch.nn import functional as F
from training_world import Bars, new_networks

from gcl_cli.config import GanWarmupSettings, JointSettings
from gcl_cli.records import TrainingSet
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.ram import gan_memory


def main(stage: str, batch: int, **settings) -> None:
    """One step of `stage` on `batch` pictures."""
    torch.set_num_threads(1)
    networks = new_networks()
    data = TrainingSet(torch.randint(0, 256, (batch, 3, 64, 32), dtype=torch.uint8))
    if stage == "gan-warmup":
        warmup = GanWarmupSettings(batch_size=batch, **settings)
        training = GanWarmup(gan_warmup_state(networks, warmup), data, Bars(), warmup)
    else:
        joint = JointSettings(batch_size=batch, **settings)
        training = Joint(joint_state(networks, joint), data, Bars(), joint)
        features = torch.randn(batch, training.gan.identity_encoder.embedding_size)
        training.state.bank, training.state.labels = F.normalize(features, dim=1), torch.arange(batch) // 2
    training.state.batches = torch.arange(batch)[None].repeat(3, 1)
    training.state.step = 1
    estimate = gan_memory(training.gan, data.pictures)
    before = peak()
    next(training.epochs())
    sys.stdout.write(
        json.dumps({**estimate._asdict(), "total": estimate.total, "before": before, "measured": peak() - before})
    )


main(sys.argv[1], int(sys.argv[2]), **json.loads(sys.argv[3]))
