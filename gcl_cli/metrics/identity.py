"""Whether generated views still show the person they were made from, as an identity encoder sees it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK_COSINES = 1 << 24  # cosines held at once: 64 MiB


@dataclass(frozen=True)
class IdentityKept:
    """How much of the person is left in generated views."""

    share: float  # of the judged views: their nearest real picture shows the same person; NaN: none was judged
    judged: int  # views whose person is known and has another real picture than the source
    mean_cosine: float  # of all views to their source pictures
    nearest: Tensor  # [M] int64, row of the nearest real picture other than the source
    ranks: Tensor  # [judged] int64, 1-based: where the first real picture of the person stands


def identity_kept(
    generated_features: Tensor, real_features: Tensor, real_persons: Tensor, sources: Tensor
) -> IdentityKept:
    """Look for each generated view's nearest real picture, the picture it was made from left out.

    generated_features: [M, D]; real_features: [N, D], N at least 2; real_persons: [N] int64, negative = unknown;
    sources: [M] int64, the row of the real picture that gave the identity. Nearest is by cosine; ties go to the person.
    """
    return identity_kept_across(generated_features, real_features, real_persons, sources, None)


def identity_kept_across(
    generated_features: Tensor,
    real_features: Tensor,
    real_persons: Tensor,
    sources: Tensor,
    cameras: Tensor | None,
) -> IdentityKept:
    """As `identity_kept`, with the person's pictures under the camera of the source left out too, as in retrieval.

    cameras: [N] int64; None: only the source itself is left out.
    """
    generated, real = F.normalize(generated_features, dim=1), F.normalize(real_features, dim=1)
    nearest, ranks = _search(generated, real, real_persons, sources, cameras)
    judged = ranks > 0
    return IdentityKept(
        share=float((ranks[judged] == 1).double().mean()),
        judged=int(judged.sum()),
        mean_cosine=float((generated * real[sources]).sum(dim=1).double().mean()),
        nearest=nearest,
        ranks=ranks[judged],
    )


def _search(
    generated: Tensor, real: Tensor, persons: Tensor, sources: Tensor, cameras: Tensor | None
) -> tuple[Tensor, Tensor]:
    """For each of `generated` [M, D] the nearest row of `real` [N, D], and the rank of the first one of its person.

    Returns two [M] int64; rank 0: the person is unknown, or has no picture that counts.
    """
    size = max(1, _BLOCK_COSINES // len(real))
    nearest, ranks = [], []
    for views, own in zip(generated.split(size), sources.split(size), strict=True):
        cosines = views @ real.T  # [size, N]
        same = (persons[own][:, None] == persons) & (persons[own][:, None] >= 0)
        unseen = torch.arange(len(real)) == own[:, None]
        if cameras is not None:
            unseen |= same & (cameras[own][:, None] == cameras)
        cosines[unseen] = -torch.inf
        best = cosines.masked_fill(~same, -torch.inf).amax(dim=1)  # [size]
        before = (cosines > best[:, None]).sum(dim=1)
        nearest.append(cosines.argmax(dim=1))
        ranks.append(torch.where(best > -torch.inf, before + 1, 0))
    return torch.cat(nearest), torch.cat(ranks)
