"""A centroid for every cluster in every camera that saw it, and the contrast with them."""

from typing import NamedTuple

import torch
from torch import Tensor

from gcl_cli.config import ClusterContrastSettings
from gcl_cli.losses.camera_contrast import across_cameras_contrast, within_camera_contrast
from gcl_cli.machine.devices import sent
from gcl_cli.training.bank import ClusterMemory


class CameraClusters(NamedTuple):
    """Which clusters were seen by which cameras: P pairs, ordered by cluster, then by camera."""

    of_picture: Tensor  # [N] the pair of each picture, -1 = noise
    cluster: Tensor  # [P]
    camera: Tensor  # [P]

    @classmethod
    def of(cls, labels: Tensor, cameras: Tensor) -> "CameraClusters":
        """labels: [N] pseudo labels, -1 = noise; cameras: [N]."""
        _, camera = cameras.unique(return_inverse=True)
        width = int(camera.max()) + 1
        clustered = labels >= 0
        pairs, place = (labels[clustered] * width + camera[clustered]).unique(return_inverse=True)
        of_picture = torch.full_like(labels, -1)
        of_picture[clustered] = place
        return cls(of_picture, pairs // width, pairs % width)

    def memory(self, features: Tensor) -> ClusterMemory:
        """The centroids [P, D] of the features [N, D]."""
        return ClusterMemory.from_features(features, self.of_picture)

    def contrast(
        self, features: Tensor, centroids: Tensor, rows: Tensor, *, settings: ClusterContrastSettings
    ) -> Tensor:
        """The loss of the unit features [B, D] of clustered pictures `rows` [B] against the centroids [P, D]."""
        pairs = self.of_picture[rows]
        same_cluster = self.cluster[None] == self.cluster[pairs][:, None]  # [B, P]
        same_camera = self.camera[None] == self.camera[pairs][:, None]
        positive, others, alike = (
            sent(mask, features.device) for mask in (same_cluster & ~same_camera, ~same_cluster, same_camera)
        )
        similarities = features @ centroids.T / settings.camera_temperature
        within = within_camera_contrast(similarities, sent(pairs, features.device), alike)
        across = across_cameras_contrast(similarities, positive, others, negatives=settings.camera_negatives)
        return within + across
