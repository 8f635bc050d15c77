"""Taking the camera out of the features before they are compared."""

import torch
from torch import Tensor
from torch.nn import functional

SHORTEST = 1e-5  # what is left of a unit vector that is nothing but its camera's mean and rounding


def centre_per_camera(features: Tensor, cameras: Tensor) -> Tensor:
    """Remove each camera's mean from its pictures' features, and bring the rows back to unit length.

    features: [N, D], rows of unit length; cameras: [N] camera numbers. Returns [N, D]. Unchanged: everything where
    there is one camera alone, and pictures of which nothing would be left, such as a camera's only one.
    """
    # Paper: features are clustered as they are. Here: the setting camera_aware removes each camera's mean first.
    numbers, camera = torch.unique(cameras.to(features.device), return_inverse=True)
    if len(numbers) < 2:
        return features
    # a product instead of index_add: the same sum at every run, on a GPU too
    member = functional.one_hot(camera, len(numbers)).to(features.dtype)  # [N, cameras]
    means = (member.T @ features) / member.sum(dim=0)[:, None]  # [cameras, D]
    residual = features - means[camera]
    length = residual.norm(dim=1, keepdim=True)
    return torch.where(length > SHORTEST, residual / length.clamp_min(SHORTEST), features)
