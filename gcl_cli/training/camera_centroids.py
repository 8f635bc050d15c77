"""A centroid for every cluster in every camera that saw it, and the contrast with them."""

from typing import NamedTuple

import torch
from torch import Tensor

from gcl_cli.config import CameraSettings
from gcl_cli.losses.camera_contrast import across_cameras_contrast, within_camera_contrast
from gcl_cli.machine.devices import sent
from gcl_cli.training.bank import ClusterMemory
from gcl_cli.training.state import TrainingState

CENTROIDS = "camera_centroids"  # the table of a training's state


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

    def to(self, device: torch.device) -> "CameraClusters":
        """The same, on a device."""
        return CameraClusters(*(sent(numbers, device) for numbers in self))

    def memory(self, features: Tensor) -> ClusterMemory:
        """The centroids [P, D] of the features [N, D]."""
        return ClusterMemory.from_features(features, self.of_picture)

    def contrast(self, features: Tensor, centroids: Tensor, rows: Tensor, *, settings: CameraSettings) -> Tensor:
        """The loss of the unit features [B, D] of clustered pictures `rows` [B] against the centroids [P, D]."""
        pairs = self.of_picture[rows]
        same_cluster = self.cluster[None] == self.cluster[pairs][:, None]  # [B, P]
        same_camera = self.camera[None] == self.camera[pairs][:, None]
        similarities = features @ centroids.T / settings.camera_temperature
        within = within_camera_contrast(similarities, pairs, same_camera)
        across = across_cameras_contrast(
            similarities, same_cluster & ~same_camera, ~same_cluster, negatives=settings.camera_negatives
        )
        return within + across


class CameraContrast:
    """This contrast in a training that renews its labels: nothing where it is not asked for, or cameras not known."""

    def __init__(self, state: TrainingState, cameras: Tensor | None, settings: CameraSettings) -> None:
        self.state, self.settings = state, settings
        self.cameras = cameras if settings.camera_contrast else None
        self._known: tuple[Tensor, CameraClusters, CameraClusters] | None = None

    @property
    def begun(self) -> bool:
        """Whether there is anything to contrast with and to remember."""
        return self.cameras is not None and CENTROIDS in self.state.tables

    def begin_epoch(self, features: Tensor) -> None:
        """Set up the centroids of the new pseudo labels from the features [N, D]."""
        if self.cameras is not None:
            self.state.tables[CENTROIDS] = self._clusters(features.device)[0].memory(features).centroids

    def terms(self, features: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """The weighted loss by its name, of the unit features [B, D] of clustered pictures `rows` [B]."""
        if not self.begun:
            return {}
        _, clusters = self._clusters(features.device)
        rows, s = sent(rows, features.device), self.settings
        return {
            "camera_contrast": s.camera_contrast
            * clusters.contrast(features, self.state.tables[CENTROIDS], rows, settings=s)
        }

    def remember(self, features: Tensor, rows: Tensor) -> None:
        """Move the centroids towards the features [B, D] of the pictures `rows` [B], which the host keeps."""
        if self.begun:
            own = self._clusters(features.device)[0].of_picture[rows]
            memory = ClusterMemory(self.state.tables[CENTROIDS])
            memory.update(features, own, momentum=self.settings.camera_momentum, hard=False)

    def _clusters(self, device: torch.device) -> tuple[CameraClusters, CameraClusters]:
        """The clusters of this epoch's labels camera by camera, for the host and for the device."""
        labels = self.state.labels
        if self._known is None or self._known[0] is not labels:
            assert self.cameras is not None
            found = CameraClusters.of(labels, self.cameras)
            self._known = labels, found, found.to(device)
        return self._known[1:]
