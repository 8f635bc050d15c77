"""Contrast with the centroids of each cluster camera by camera (CAP, Wang et al., AAAI 2021; ICE, ICCV 2021)."""

import torch
import torch.nn.functional as F
from torch import Tensor

FAR = -1e4  # in place of a similarity that does not count: its exponential is 0, and its gradient finite


def within_camera_contrast(similarities: Tensor, own: Tensor, same_camera: Tensor) -> Tensor:
    """-log softmax over the centroids of a picture's own camera, at its own one (CAP's intra-camera loss).

    similarities: [B, P], feature . centroid / temperature; own: [B] the column of a picture's cluster in its camera;
    same_camera: [B, P] bool. Returns the batch mean, a scalar in nats, >= 0; 0 where a camera shows one cluster alone.
    """
    return F.cross_entropy(similarities.masked_fill(~same_camera, FAR), own)


def across_cameras_contrast(similarities: Tensor, positive: Tensor, other_cluster: Tensor, *, negatives: int) -> Tensor:
    """Pull a picture to its cluster's centroids in other cameras, from the hardest of other clusters (CAP, Eq. 7).

    -mean over the positives p of log( e^s_p / (sum over all positives of e^s + sum over the negatives of e^s) )

    similarities: [B, P] as above; positive: [B, P] bool, the own cluster in other cameras; other_cluster: [B, P] bool,
    of which the `negatives` most similar count. Returns the mean over the pictures that have a positive, a scalar in
    nats, >= 0; 0 where none has.
    """
    count = min(negatives, similarities.shape[1])
    hardest = similarities.masked_fill(~other_cluster, FAR).topk(count, dim=1).values
    all_of_them = torch.cat([similarities.masked_fill(~positive, FAR), hardest], dim=1).logsumexp(dim=1, keepdim=True)
    each = (all_of_them - similarities).masked_fill(~positive, 0.0).sum(dim=1)  # [B]
    with_positives = positive.any(dim=1)
    means = each / positive.sum(dim=1).clamp(min=1)
    return means.sum() / with_positives.sum().clamp(min=1)
