import pytest
import torch

from gcl_cli.training.augmentation import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    classic_augmentation,
    denormalise,
    draw_flips,
    erase,
    flip,
    jitter,
    normalise,
    pad_and_crop,
    random_sized_crop,
    rotate,
    warm_up_augmentation,
)

AREA, ASPECT = (0.02, 0.4), (0.3, 3.33)
WARM_UP = {
    "flip_probability": 0.5,
    "crop_padding": 10,
    "erase_probability": 0.5,
    "erase_area": AREA,
    "erase_aspect": ASPECT,
}
COLOURS = {"brightness": 0.2, "contrast": 0.3, "saturation": 0.4}
OFF = {**WARM_UP, "flip_probability": 0.0, "crop_padding": 0, "erase_probability": 0.0}
NO_COLOURS = dict.fromkeys(COLOURS, 0.0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_pictures(count: int = 6, height: int = 64, width: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, height, width), generator=rng(9), dtype=torch.uint8)


def test_normalise_by_hand():
    white = normalise(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)).flatten()
    expected = [(1 - mean) / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    assert white.tolist() == pytest.approx(expected, rel=1e-5)


def test_denormalise_undoes_normalise_and_clamps():
    pictures = random_pictures()
    assert torch.equal(denormalise(normalise(pictures)), pictures)
    assert denormalise(torch.tensor([-9.0, 9.0, 9.0]).view(1, 3, 1, 1)).flatten().tolist() == [0, 255, 255]


def test_normalise_gives_bytes_and_shares_the_same_and_leaves_its_input_alone():
    pictures = random_pictures()
    shares = pictures / 255
    before = shares.clone()
    assert torch.allclose(normalise(shares), normalise(pictures), atol=1e-5)
    assert torch.equal(shares, before)


def test_flip_mirrors_the_chosen_pictures_alone_and_is_its_own_inverse():
    pictures = random_pictures()
    flipped = torch.tensor([True, False, True, True, False, False])
    mirrored = flip(pictures, flipped)
    for row, picture in enumerate(pictures):
        assert torch.equal(mirrored[row], picture.flip(2) if flipped[row] else picture)
    assert torch.equal(flip(mirrored, flipped), pictures)


def test_flips_are_as_frequent_as_asked_for():
    assert draw_flips(4000, probability=0.25, generator=rng()).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert not draw_flips(100, probability=0.0, generator=rng()).any()


def test_every_crop_is_a_shift_of_its_own_picture_with_zeros_from_outside():
    pictures = random_pictures(count=40).clamp(min=1)
    border = 3  # 12 pixels at a height of 256
    cropped = pad_and_crop(pictures, padding=12, generator=rng())
    padded = torch.nn.functional.pad(pictures, (border,) * 4)
    shifts = set()
    for row in range(40):
        found = [
            (top, left)
            for top in range(2 * border + 1)
            for left in range(2 * border + 1)
            if torch.equal(cropped[row], padded[row, :, top : top + 64, left : left + 32])
        ]
        assert len(found) == 1
        shifts.add(found[0])
    assert {top for top, _ in shifts} == {left for _, left in shifts} == set(range(7))


def test_no_padding_changes_nothing():
    pictures = random_pictures()
    assert torch.equal(pad_and_crop(pictures, padding=0, generator=rng()), pictures)


def jittered_one_by_one(picture, light, spread, colour):
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    picture = picture * light
    mean = (picture * weights).sum(0).mean()
    picture = mean + spread * (picture - mean)
    grey = (picture * weights).sum(0, keepdim=True)
    return (grey + colour * (picture - grey)).clamp(0, 1)


def test_jitter_equals_brightness_contrast_and_saturation_one_after_the_other():
    pictures = random_pictures() / 255
    factors = rng(4)
    drawn = [1 - s + 2 * s * torch.rand(6, generator=factors) for s in (0.2, 0.3, 0.4)]
    expected = torch.stack([jittered_one_by_one(p, *f) for p, *f in zip(pictures, *drawn, strict=True)])
    changed = jitter(pictures, **COLOURS, generator=rng(4))
    assert torch.allclose(changed, expected, atol=1e-5)
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not torch.allclose(changed, pictures, atol=0.02)


def test_jitter_without_strength_changes_nothing():
    pictures = random_pictures() / 255
    assert torch.allclose(jitter(pictures, **NO_COLOURS, generator=rng()), pictures, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(128, 64), (64, 32), (128, 32)])
def test_erased_areas_are_rectangles_of_sizes_and_shapes_in_range(height, width):
    ones = torch.ones(300, 3, height, width)
    erased = erase(ones, probability=1.0, area=AREA, aspect=ASPECT, generator=rng()) == 0
    assert torch.equal(erased[:, 0], erased[:, 2])
    rows, columns = erased[:, 0].any(2).sum(1), erased[:, 0].any(1).sum(1)
    assert torch.equal(erased[:, 0].sum((1, 2)), rows * columns)
    # Rounding moves each side by half a pixel at most.
    assert (((rows + 0.5) * (columns + 0.5)) >= AREA[0] * height * width).all()
    assert (((rows - 0.5) * (columns - 0.5)) <= AREA[1] * height * width).all()
    assert (((rows + 0.5) / (columns - 0.5)) >= ASPECT[0]).all()
    assert (((rows - 0.5) / (columns + 0.5)) <= ASPECT[1]).all()
    share = (rows * columns).float().mean() / (height * width)
    assert share.item() == pytest.approx(sum(AREA) / 2, abs=0.03)
    assert erased[:, 0].any(0).any(0).all()  # every column is reached, and every row
    assert erased[:, 0].any(0).any(1).all()


def test_erasing_is_as_frequent_as_asked_for_and_keeps_the_rest():
    pictures = normalise(random_pictures(count=400)) + 10
    before = pictures.clone()
    erased = erase(pictures, probability=0.3, area=AREA, aspect=ASPECT, generator=rng())
    changed = (erased == 0).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.08)
    assert torch.equal(erased[erased != 0], before[erased != 0])
    assert torch.equal(erased[~changed], before[~changed])


def test_warm_up_with_everything_off_is_normalise():
    pictures = random_pictures()
    plain = warm_up_augmentation(pictures, **OFF, colour_jitter=0.0, generator=rng())
    assert torch.equal(plain, normalise(pictures))


def test_equal_generators_augment_alike_and_others_do_not():
    pictures = random_pictures()
    for augment in (
        lambda seed: warm_up_augmentation(pictures, **WARM_UP, colour_jitter=0.3, generator=rng(seed)),
        lambda seed: classic_augmentation(pictures, **WARM_UP, **COLOURS, generator=rng(seed)).encoder_input,
    ):
        assert torch.equal(augment(1), augment(1))
        assert not torch.equal(augment(1), augment(2))


def test_augmented_pictures_stay_within_black_and_white():
    low = normalise(torch.zeros(1, 3, 1, 1, dtype=torch.uint8)) - 1e-5
    high = normalise(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)) + 1e-5
    strong = dict.fromkeys(COLOURS, 0.9)
    seen, target, _ = classic_augmentation(random_pictures(), **WARM_UP, **strong, generator=rng())
    warm = warm_up_augmentation(random_pictures(), **WARM_UP, colour_jitter=0.9, generator=rng())
    for pictures in (seen, target, warm):
        assert ((pictures >= low) & (pictures <= high)).all()


def test_the_target_is_flipped_but_neither_shifted_nor_erased():
    pictures = random_pictures(count=20)
    seen, target, flipped = classic_augmentation(pictures, **WARM_UP, **NO_COLOURS, generator=rng())
    assert flipped.any()
    assert not flipped.all()
    assert torch.allclose(target, normalise(flip(pictures, flipped)), atol=1e-4)
    assert not torch.allclose(seen, target, atol=1e-2)


def test_encoder_and_target_get_the_same_colours():
    still = {**OFF, "flip_probability": 0.5}
    seen, target, flipped = classic_augmentation(random_pictures(), **still, **COLOURS, generator=rng())
    assert torch.equal(seen, target)
    assert not torch.allclose(target, normalise(flip(random_pictures(), flipped)), atol=0.05)


def ramps(count: int, height: int = 64, width: int = 32) -> torch.Tensor:
    """Pictures whose first channel is the row and whose second the column of a pixel, from 0 to 1."""
    down, right = torch.linspace(0, 1, height), torch.linspace(0, 1, width)
    rows, columns = torch.meshgrid(down, right, indexing="ij")
    return torch.stack([rows, columns, torch.ones(height, width)]).expand(count, 3, height, width)


def test_a_crop_is_a_rectangle_of_the_asked_size_somewhere_in_the_picture():
    cropped = random_sized_crop(ramps(200), area=(0.3, 0.6), aspect=(1.5, 3.0), generator=rng())
    tall = (cropped[:, 0, -2, 3] - cropped[:, 0, 1, 3]) * 63 / 61  # shares of height and width, away from the border
    broad = (cropped[:, 1, 3, -2] - cropped[:, 1, 3, 1]) * 31 / 29
    assert (tall * broad).min() > 0.28 and (tall * broad).max() < 0.62
    ratio = 2 * tall / broad  # height over width in pixels
    assert ratio.min() > 1.45 and ratio.max() < 3.1
    assert (tall.std() > 0.05) and cropped[:, 0, 0].std() > 0.1 and cropped[:, 1, :, 0].std() > 0.05
    assert torch.allclose(cropped[:, 2], torch.ones(200, 64, 32))  # nothing from outside


def test_a_crop_of_everything_and_a_turn_by_nothing_change_nothing():
    pictures = random_pictures() / 255
    whole = random_sized_crop(pictures, area=(1.0, 1.0), aspect=(2.0, 2.0), generator=rng())
    assert torch.allclose(whole, pictures, atol=1e-5)
    assert torch.allclose(rotate(pictures, degrees=0.0, generator=rng()), pictures, atol=1e-5)


def test_a_turn_keeps_the_centre_and_distances_and_its_corners_are_black():
    spot = torch.zeros(100, 1, 65, 33)
    spot[:, :, 32, 16] = 1  # the centre
    spot[:, :, 12, 16] = 1  # twenty pixels above
    turned = rotate(spot, degrees=30.0, generator=rng())
    assert torch.allclose(turned[:, 0, 32, 16], torch.ones(100), atol=1e-4)
    turned[:, 0, 30:35] = 0
    rows, columns = torch.meshgrid(torch.arange(65.0) - 32, torch.arange(33.0) - 16, indexing="ij")
    weight = turned[:, 0] / turned[:, 0].sum((1, 2), keepdim=True)
    up, right = (weight * rows).sum((1, 2)), (weight * columns).sum((1, 2))
    assert torch.allclose((up**2 + right**2).sqrt(), torch.full((100,), 20.0), atol=0.3)
    angles = torch.rad2deg(torch.atan2(right, -up))
    assert angles.abs().max() <= 30.5 and angles.min() < -20 and angles.max() > 20
    corners = rotate(torch.ones(50, 3, 64, 32), degrees=30.0, generator=rng())[:, :, [0, -1]][:, :, :, [0, -1]]
    assert corners.min() == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda p, g: random_sized_crop(p, area=(0.5, 1.0), aspect=(2.0, 3.0), generator=g),
        lambda p, g: rotate(p, degrees=10.0, generator=g),
    ],
)
def test_every_picture_is_cropped_and_turned_by_its_own_numbers(change):
    same = ramps(4)
    changed = change(same, rng())
    assert all(not torch.allclose(changed[0], other, atol=1e-3) for other in changed[1:])
    assert torch.equal(changed, change(same, rng())) and not torch.equal(changed, change(same, rng(1)))
