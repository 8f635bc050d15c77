"""The identity encoder E_id: who is it, whatever the view?"""

from collections import OrderedDict
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.config import Architecture
from gcl_cli.networks.normalisation import at_least_float32
from gcl_cli.networks.timm_trunk import Tokens
from gcl_cli.networks.trunk import build_trunk, frozen_modules, has_signed_map, part_size

PARTS = 4  # horizontal stripes of the part code, one for each residual block of the decoder
PROJECTION_SIZE = 512  # section 4.2


class IdentityCode(NamedTuple):
    """What the identity encoder says about B pictures."""

    parts: Tensor  # [B, C, 4] average of each horizontal stripe, top first, not normalised; non-negative but of timm's
    embedding: Tensor  # [B, D] before the L2 norm


class GeM(nn.Module):
    """Generalised mean over the map: (mean of x^p)^(1/p), p learnable from 3 (Radenovic et al., 2018)."""

    START = 3.0
    EPSILON = 1e-6  # floor of x, so that the gradient with respect to p stays finite

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([self.START]))

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C]."""
        # exp(p log x): its gradients cost a third of those of x ** p with a p that learns
        return (self.p * features.clamp(min=self.EPSILON).log()).exp().mean(dim=(2, 3)).pow(1 / self.p)


class IdentityEncoder(nn.Module):
    """E_id: a trunk, a part code for the generator and an embedding for retrieval (sections 3.1 and 4.2).

    The head (pooling to the embedding) is computed in at least 32 bits, also under autocast.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.trunk = build_trunk(architecture)
        self._part_size = part_size(architecture)
        self._embedding_size = PROJECTION_SIZE if architecture.head == "projection" else self._part_size
        heads = {"bnneck": bnneck_head, "batchnorm": batchnorm_head, "projection": projection_head}
        self.head = heads[architecture.head](self._part_size)
        if architecture.head == "bnneck" and has_signed_map(architecture):
            self.head.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self._frozen_stages = architecture.frozen_stages
        for module in self._frozen():
            module.requires_grad_(False)

    @property
    def part_size(self) -> int:
        """C, the entries of one part code."""
        return self._part_size

    @property
    def embedding_size(self) -> int:
        """D, the entries of an embedding."""
        return self._embedding_size

    def train(self, mode: bool = True) -> "IdentityEncoder":
        """Training or evaluation mode; what is frozen, its BatchNorm above all, stays in evaluation mode."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        return frozen_modules(self.trunk, self._frozen_stages)

    def forward(self, pictures: Tensor) -> IdentityCode:
        """pictures: [B, 3, H, W], ImageNet-normalised -> parts [B, C, 4] and embedding [B, D]."""
        seen = self.trunk(pictures)
        features, whole = seen if isinstance(seen, Tokens) else (seen, seen)  # [B, C, h, w], and what the head pools
        with torch.autocast(features.device.type, enabled=False):
            features = at_least_float32(features)
            parts = F.adaptive_avg_pool2d(features, (PARTS, 1)).squeeze(-1)  # [B, C, 4]
            return IdentityCode(parts, self.head(at_least_float32(whole)))


def projection_head(inputs: int) -> nn.Sequential:
    """The paper's head: average pooling, Linear to 512, BatchNorm; [B, inputs, H, W] -> [B, 512]."""
    return nn.Sequential(
        OrderedDict(
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            project=nn.Linear(inputs, PROJECTION_SIZE),
            norm=nn.BatchNorm1d(PROJECTION_SIZE),
        )
    )


def bnneck_head(inputs: int) -> nn.Sequential:
    """Cluster Contrast's head: GeM pooling, BatchNorm with its bias held at 0; [B, inputs, H, W] -> [B, inputs]."""
    # Paper: average pooling, a 512-d projection and BatchNorm. Here: GeM pooling and BatchNorm alone (head = bnneck).
    norm = nn.BatchNorm1d(inputs)
    norm.bias.requires_grad_(False)
    return nn.Sequential(OrderedDict(pool=GeM(), norm=norm))


def batchnorm_head(inputs: int) -> nn.Sequential:
    """The head for warm-ups by MMCL and ACT: average pooling and BatchNorm; [B, inputs, H, W] -> [B, inputs]."""
    return nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), norm=nn.BatchNorm1d(inputs)))
