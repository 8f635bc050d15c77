import torch

from gcl_cli.training.colours import CHUNK, colour_features


def people(count: int, seed: int = 0) -> torch.Tensor:
    """Pictures of uniform trousers and shirt in random colours on grey noise."""
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.randint(90, 160, (count, 3, 64, 32), generator=generator, dtype=torch.uint8)
    clothes = torch.randint(60, 190, (count, 3, 2, 1, 1), generator=generator, dtype=torch.uint8)
    pictures[:, :, 8:36, 8:24] = clothes[:, :, 0]
    pictures[:, :, 36:, 8:24] = clothes[:, :, 1]
    return pictures


def test_rows_are_unit_and_as_wide_as_six_stripes_of_64_colours():
    features = colour_features(people(5), None)
    assert features.shape == (5, 384)
    assert torch.allclose(features.norm(dim=1), torch.ones(5), atol=1e-6)


def test_stripes_weigh_nearly_the_same():
    mass = colour_features(people(5), None).square().view(5, 6, 64).sum(2)
    assert torch.allclose(mass, torch.full((5, 6), 1 / 6), atol=0.02)


def test_histogram_of_a_hand_made_picture():
    picture = torch.zeros(1, 3, 120, 20, dtype=torch.uint8)
    picture[:, :, 60:] = 255  # lower half white: with spread .2 around .5, black is at .3 and white at .7
    features = colour_features(picture, None).view(6, 64)
    black, white = (1 * 4 + 1) * 4 + 1, (2 * 4 + 2) * 4 + 2
    assert [row.nonzero().flatten().tolist() for row in features] == [[black]] * 3 + [[white]] * 3


def test_what_a_camera_does_to_brightness_and_contrast_does_not_count():
    first = people(40)
    second = (first.float() * 0.5 + 20).to(torch.uint8)
    features = colour_features(torch.cat([first, second]), torch.tensor([3] * 40 + [7] * 40))
    nearest = (features[:40] @ features[40:].T).argmax(1)
    assert (nearest == torch.arange(40)).float().mean() > 0.9
    blind = colour_features(torch.cat([first, second]), None)
    assert (blind[:40] @ blind[40:].T).diagonal().mean() < 0.5 * (features[:40] @ features[40:].T).diagonal().mean()


def test_the_background_at_the_sides_does_not_count():
    pictures = people(4)
    moved = pictures.clone()
    moved[:, :, :, :8] = pictures[:, :, :, :8].flip(0)
    moved[:, :, :, 24:] = pictures[:, :, :, 24:].flip(0)  # all statistics stay, the background changes places
    assert torch.allclose(colour_features(pictures, None), colour_features(moved, None), atol=1e-6)


def test_working_in_chunks_changes_nothing():
    pictures = people(20).repeat(CHUNK // 20 + 2, 1, 1, 1)[:, :, ::4, ::4]
    features = colour_features(pictures, None)
    assert len(features) > CHUNK
    assert torch.allclose(features[:20], features[CHUNK // 20 * 20 :][:20])


def test_a_black_camera_gives_finite_rows():
    features = colour_features(torch.zeros(3, 3, 64, 32, dtype=torch.uint8), torch.tensor([1, 1, 2]))
    assert features.isfinite().all()
