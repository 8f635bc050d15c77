import pytest
import torch

from gcl_cli.clustering.cameras import centre_per_camera


def unit_rows(*shape: int, seed: int = 0) -> torch.Tensor:
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1)


def test_centring_of_two_cameras_worked_by_hand():
    # camera 3: (1, 0), (0, 1), mean (1/2, 1/2): left are (1, -1) / 2 and (-1, 1) / 2. Camera 7: (1, 0), (-1, 0), mean 0
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]])
    centred = centre_per_camera(features, torch.tensor([3, 3, 7, 7]))
    half = 0.5**0.5
    assert torch.allclose(centred, torch.tensor([[half, -half], [-half, half], [1, 0], [-1, 0]]))


def test_centring_equals_the_loop_over_cameras():
    features = unit_rows(40, 6)
    cameras = torch.arange(40) % 3 + 1
    centred = centre_per_camera(features, cameras)
    for camera in (1, 2, 3):
        rows = features[cameras == camera]
        expected = rows - rows.mean(dim=0)
        assert torch.allclose(centred[cameras == camera], expected / expected.norm(dim=1, keepdim=True))


def test_an_offset_common_to_a_camera_goes_away():
    # ten people seen by two cameras: the nearest picture is of the own camera before, of the own person after
    cameras = torch.tensor([1] * 10 + [2] * 10)
    offset = torch.zeros(20, 16, dtype=torch.float64)
    offset[10:, 0] = 5.0
    seen = torch.nn.functional.normalize(unit_rows(10, 16).repeat(2, 1) + offset, dim=1)
    before, after = (
        (rows @ rows.T).fill_diagonal_(-2).argmax(dim=1) for rows in (seen, centre_per_camera(seen, cameras))
    )
    assert torch.equal(cameras[before[10:]], cameras[10:])
    assert torch.equal(after, torch.arange(20).roll(10))


def test_features_of_one_camera_alone_are_unchanged():
    features = unit_rows(5, 4)
    assert torch.equal(centre_per_camera(features, torch.full((5,), 2)), features)


@pytest.mark.parametrize("copies", [1, 2, 7])
def test_a_camera_with_one_picture_or_equal_ones_keeps_its_features(copies):
    features = torch.cat((unit_rows(6, 8), unit_rows(1, 8, seed=1).repeat(copies, 1))).float()
    cameras = torch.tensor([1] * 6 + [2] * copies)
    centred = centre_per_camera(features, cameras)
    assert torch.equal(centred[6:], features[6:])
    assert not torch.allclose(centred[:6], features[:6])
    assert torch.allclose(centred.norm(dim=1), torch.ones(6 + copies))
