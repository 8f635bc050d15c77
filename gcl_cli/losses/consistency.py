"""Consistency of a picture's versions within the batch, and of a person's pictures in the memory (JVTC, ECCV 2020)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.machine.devices import sent


def version_means(embeddings: Tensor) -> Tensor:
    """v_i: the direction of the mean of each picture's K versions; [B, K, D] embeddings -> [B, D] unit rows."""
    return F.normalize(embeddings.mean(dim=1), dim=1)


def local_consistency(embeddings: Tensor, *, temperature: float) -> Tensor:
    """L_local: every version of a picture is nearer to the picture's mean than to the means of the others in the batch.

    mean over i, k of -log softmax_j (<z_ik, v_j> / t) at j = i, with z_ik brought to unit length for the product.
    embeddings: [B, K, D], B pictures in K versions, before the L2 norm. A scalar in nats, >= 0 (JVTC, section 3.2).
    """
    logits = F.normalize(embeddings, dim=2) @ version_means(embeddings).T / temperature  # [B, K, B]
    own = torch.arange(len(embeddings), device=embeddings.device).repeat_interleave(embeddings.shape[1])
    return F.cross_entropy(logits.flatten(0, 1), own)


def global_consistency(embeddings: Tensor, memory: Tensor, members: Tensor, *, temperature: float) -> Tensor:
    """L_global: every version of a picture is near to the memory's rows of its cluster, and to no others.

    mean over i, k of -sum_j y_ij log softmax_j (<z_ik, M_j> / t), y_ij = 1 / |C(i)| on the cluster C(i) of i.
    embeddings: [B, K, D] before the L2 norm; memory: [N, D] unit rows, no gradient; members: [B, N] bool, on the
    host, which then waits for no card: true in the row of a picture where another one, or itself, is of its cluster.
    Pictures without a cluster do not count; 0 where none has one. A scalar in nats, >= 0 (JVTC, section 3.2).
    """
    clustered, device = members.any(dim=1).nonzero().flatten(), embeddings.device
    if not len(clustered):
        return embeddings.sum() * 0
    members = sent(members[clustered], device).to(embeddings.dtype)
    embeddings = embeddings[sent(clustered, device)]
    targets = members / members.sum(dim=1, keepdim=True)  # y, [B, N]
    logits = F.normalize(embeddings, dim=2) @ memory.T / temperature  # [B, K, N]
    return -(targets[:, None, :] * F.log_softmax(logits, dim=2)).sum(dim=2).mean()
