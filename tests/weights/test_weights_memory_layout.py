"""In which order networks keep their weights in memory."""

import pytest
import torch

from gcl_cli.config import Architecture
from gcl_cli.config.presets import settings_for
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.weights.networks import new_gan, place

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("processor", "generator_side"), [("AVX2", torch.contiguous_format), ("AVX512", torch.channels_last)]
)
def test_the_generators_side_keeps_the_plain_order_where_the_processor_lacks_avx512(
    monkeypatch: pytest.MonkeyPatch, processor: str, generator_side: torch.memory_format
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    architecture = settings_for(Architecture, "architecture", "tiny", {})
    kernels = [p for network in new_gan(architecture, 0, CPU).values() for p in network.parameters() if p.ndim == 4]
    assert kernels and all(kernel.is_contiguous(memory_format=generator_side) for kernel in kernels)
    encoder = place(IdentityEncoder(architecture), CPU)
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in encoder.parameters() if p.ndim == 4)
