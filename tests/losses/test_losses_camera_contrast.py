import math

import pytest
import torch

from gcl_cli.losses.camera_contrast import across_cameras_contrast, within_camera_contrast

# One picture of cluster 0 in camera 0; centroids: (cluster, camera) = (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)
SIMILARITIES = torch.tensor([[2.0, 1.0, 0.5, 1.5, -1.0, 0.0]])
SAME_CAMERA = torch.tensor([[True, False, False, True, False, True]])
POSITIVE = torch.tensor([[False, True, True, False, False, False]])
OTHERS = torch.tensor([[False, False, False, True, True, True]])


def test_within_a_camera_only_its_own_centroids_count():
    expected = -2.0 + math.log(math.exp(2.0) + math.exp(1.5) + math.exp(0.0))
    found = within_camera_contrast(SIMILARITIES, torch.tensor([0]), SAME_CAMERA)
    assert found.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("negatives", "pushed"), [(2, (1.5, 0.0)), (1, (1.5,)), (50, (1.5, -1.0, 0.0))])
def test_across_cameras_all_positives_and_the_hardest_negatives_count(negatives, pushed):
    whole = sum(math.exp(value) for value in (1.0, 0.5, *pushed))
    expected = -sum(math.log(math.exp(value) / whole) for value in (1.0, 0.5)) / 2
    found = across_cameras_contrast(SIMILARITIES, POSITIVE, OTHERS, negatives=negatives)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_pictures_without_a_centroid_elsewhere_count_nothing_and_leave_finite_gradients():
    both = SIMILARITIES.repeat(2, 1).requires_grad_()
    positive = torch.cat([POSITIVE, torch.zeros_like(POSITIVE)])
    loss = across_cameras_contrast(both, positive, OTHERS.repeat(2, 1), negatives=3)
    alone = across_cameras_contrast(SIMILARITIES, POSITIVE, OTHERS, negatives=3)
    assert loss.item() == pytest.approx(alone.item(), rel=1e-6)
    loss.backward()
    assert torch.isfinite(both.grad).all() and not both.grad[1].any()
    nobody = across_cameras_contrast(SIMILARITIES, torch.zeros_like(POSITIVE), OTHERS, negatives=3)
    assert nobody.item() == 0
