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


def test_rows_are_unit_and_as_wide_as_eight_stripes_of_125_colours():
    features = colour_features(people(5), None)
    assert features.shape == (5, 1000)
    assert torch.allclose(features.norm(dim=1), torch.ones(5), atol=1e-6)


def test_stripes_weigh_the_same():
    mass = colour_features(people(5), None).square().view(5, 8, 125).sum(2)
    assert torch.allclose(mass, torch.full((5, 8), 1 / 8), atol=1e-5)


def test_histogram_of_a_hand_made_picture():
    picture = torch.zeros(1, 3, 120, 20, dtype=torch.uint8)
    picture[:, :, 60:] = 255  # lower half white: with spread .2 around .5, black is at .3 and white at .7
    features = colour_features(picture, None).view(8, 125)
    black, white = (1 * 5 + 1) * 5 + 1, (3 * 5 + 3) * 5 + 3  # the middles of the second level and the fourth
    assert [(row > 1e-3).nonzero().flatten().tolist() for row in features] == [[black]] * 4 + [[white]] * 4


def test_a_colour_between_two_levels_counts_for_both():
    picture = torch.zeros(1, 3, 120, 20, dtype=torch.uint8)
    picture[:, :, 60:] = 200
    picture[:, 2] = 100  # one blue for all: in the middle of the third level
    picture[:, 0, 70:80] = 150
    covered = torch.full((1, 120, 20), 255, dtype=torch.uint8)
    share = colour_features(picture, None, covered).view(8, 5, 5, 5).square() * 8  # of each stripe's pixels
    values = picture[0, 0].double()
    level = ((values - values.mean()) / values.std(correction=0) * 0.2 + 0.5) * 5 - 0.5  # [H, W]
    for stripe in range(8):
        rows = level[stripe * 15 : stripe * 15 + 15].flatten()
        expected = [(1 - (rows - step).abs()).clamp(min=0).mean() for step in range(5)]
        found = share[stripe].sum((1, 2))
        assert torch.allclose(found.double(), torch.stack(expected), atol=1e-4), stripe


def test_only_the_people_count_where_they_are_cut_out():
    pictures, covered = people(4), torch.zeros(4, 64, 32, dtype=torch.uint8)
    covered[:, 8:, 8:24] = 255
    elsewhere = torch.randint(0, 256, pictures.shape, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    other = torch.where(covered[:, None] > 127, pictures, elsewhere)
    assert torch.allclose(colour_features(pictures, None, covered), colour_features(other, None, covered), atol=1e-6)
    higher = colour_features(pictures.roll(-5, 2), None, covered.roll(-5, 1))  # stripes are of people, not of pictures
    assert torch.allclose(colour_features(pictures, None, covered), higher, atol=1e-6)


def test_a_cut_out_of_nobody_is_not_believed():
    pictures, covered = people(3), torch.zeros(3, 64, 32, dtype=torch.uint8)
    covered[0, 8:, 8:24] = 255
    features = colour_features(pictures, torch.tensor([1, 2, 2]), covered)
    assert torch.allclose(features[1:], colour_features(pictures[1:], None), atol=1e-6)


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
