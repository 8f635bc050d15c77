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


def identity_kept(
    generated_features: Tensor, real_features: Tensor, real_persons: Tensor, sources: Tensor
) -> IdentityKept:
    """Look for each generated view's nearest real picture, the picture it was made from left out.

    generated_features: [M, D]; real_features: [N, D], N at least 2; real_persons: [N] int64, negative = unknown;
    sources: [M] int64, the row of the real picture that gave the identity. Nearest is by cosine.
    """
    generated, real = F.normalize(generated_features, dim=1), F.normalize(real_features, dim=1)
    nearest = _nearest(generated, real, sources)
    persons = real_persons[sources]  # [M]
    # a person with no other picture would always be a miss
    known, counts = real_persons.unique(return_counts=True)
    others = counts[torch.searchsorted(known, persons)] - 1
    judged = (persons >= 0) & (others > 0)
    kept = (real_persons[nearest] == persons)[judged]
    return IdentityKept(
        share=float(kept.double().mean()),
        judged=int(judged.sum()),
        mean_cosine=float((generated * real[sources]).sum(dim=1).double().mean()),
        nearest=nearest,
    )


def _nearest(generated: Tensor, real: Tensor, sources: Tensor) -> Tensor:
    """The row of `real` [N, D] with the largest cosine to each of `generated` [M, D] except its source; [M]."""
    size = max(1, _BLOCK_COSINES // len(real))
    found = []
    for views, own in zip(generated.split(size), sources.split(size), strict=True):
        cosines = views @ real.T  # [size, N]
        found.append(cosines.scatter_(1, own[:, None], -torch.inf).argmax(dim=1))
    return torch.cat(found)
