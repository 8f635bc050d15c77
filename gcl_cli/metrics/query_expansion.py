"""Queries that take the pictures they find first into themselves."""

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK_COSINES = 1 << 25  # cosines held at once: 128 MiB


def expand_queries(query: Tensor, gallery: Tensor, *, pictures: int, alpha: float) -> Tensor:
    """Each query plus its nearest gallery features, each times its cosine to the power `alpha`: [Q, D], unit rows.

    query: [Q, D], gallery: [G, D], unit rows. Negative cosines count as 0. alpha 0: plain average query expansion
    (Chum et al., ICCV 2007); else alpha query expansion (Radenovic et al., TPAMI 2019). At most G pictures are taken.
    """
    expanded = []
    for rows in query.split(max(1, _BLOCK_COSINES // len(gallery))):
        cosines, found = (rows @ gallery.T).topk(min(pictures, len(gallery)), dim=1)  # [R, pictures]
        weights = cosines.clamp(min=0) ** alpha
        expanded.append(F.normalize(rows + torch.einsum("rk,rkd->rd", weights, gallery[found]), dim=1))
    return torch.cat(expanded)
