import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gcl_cli.datasets.decoding import BEHIND, read_crop, read_crops, read_pictures
from gcl_cli.errors import GclError


def crop(height, width, seed=0):
    """A colour gradient with noise, [h, w, 3] uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x * 255 / width, y * 255 / height, (x + y) % 256], axis=-1)
    return (smooth + rng.normal(0, 20, smooth.shape)).clip(0, 255).astype(np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def by_pillow(path, height, width):
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("name", ["a.jpg", "b.png", "c.bmp", "d.webp", "jpeg_in_disguise.png"])
@pytest.mark.parametrize("size", [(128, 64), (40, 20), (300, 90)])
def test_pixels_are_exactly_pillows(tmp_path, name, size):
    options = {"format": "JPEG"} if "disguise" in name else {}
    save(tmp_path / name, crop(*size), **options)
    pictures = read_pictures(tmp_path, [name], height=128, width=64, threads=1)
    assert pictures.dtype == torch.uint8
    np.testing.assert_array_equal(pictures[0].permute(1, 2, 0), by_pillow(tmp_path / name, 128, 64))


def test_any_subsampling_and_quality_of_jpeg_decodes_to_pillows_pixels(tmp_path):
    for quality, subsampling in [(95, 0), (75, 2), (20, 1)]:
        save(tmp_path / "a.jpg", crop(61, 33), quality=quality, subsampling=subsampling)
        (pixels,) = read_crops(tmp_path, ["a.jpg"])
        with Image.open(tmp_path / "a.jpg") as picture:
            np.testing.assert_array_equal(pixels, np.array(picture))


def test_order_is_that_of_the_names_whatever_the_threads(tmp_path):
    names = [f"deep/{i}.png" for i in range(20)]
    for i, name in enumerate(names):
        save(tmp_path / name, np.full((8, 4, 3), i, dtype=np.uint8))
    names.reverse()
    done = []
    pictures = read_pictures(tmp_path, names, height=16, width=8, threads=4, progress=done.append)
    assert pictures.shape == (20, 3, 16, 8)
    assert pictures[:, 0, 0, 0].tolist() == list(range(19, -1, -1))
    assert done == list(range(1, 21))


def test_crops_come_at_their_own_size(tmp_path):
    save(tmp_path / "a.png", crop(9, 5))
    save(tmp_path / "b.png", crop(7, 11, seed=1))
    first, second = read_crops(tmp_path, ["b.png", "a.png"])
    np.testing.assert_array_equal(first, crop(7, 11, seed=1))
    np.testing.assert_array_equal(second, crop(9, 5))


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1"])
def test_other_colour_modes_become_rgb(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode in ("L", "CMYK") else "a.png")
    Image.fromarray(crop(12, 6)).convert(mode).save(path)
    (pixels,) = read_crops(tmp_path, [path.name])
    with Image.open(path) as picture:
        np.testing.assert_array_equal(pixels, np.array(picture.convert("RGB")))


def hidden_below(mode: str, hidden: int) -> Image.Image:
    """A picture whose left half is transparent, with `hidden` stored there; its right half is of four greys."""
    grey = np.tile(np.array([10, 90, 170, 250], np.uint8).repeat(2), (12, 2))  # [12, 16]
    grey[:, :8] = hidden
    seen = np.zeros((12, 16), np.uint8)
    seen[:, 8:] = 255
    if mode == "L with a transparent level":
        return Image.fromarray(np.where(seen, grey, 33).astype(np.uint8))
    if mode == "16 bits":
        return Image.fromarray(np.where(seen, grey.astype(np.uint16) * 257, 1000).astype(np.uint16))
    if mode == "P":
        picture = Image.fromarray(np.where(seen, grey // 80, 7).astype(np.uint8), "P")
        picture.putpalette([level for level in (10, 90, 170, 250, 0, 0, 0, hidden) for _ in "RGB"])
        return picture
    picture = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(seen)])
    return picture.convert(mode)


@pytest.mark.parametrize(
    ("mode", "ending", "options"),
    [("RGBA", "png", {}), ("LA", "png", {}), ("RGBA", "webp", {"lossless": True, "exact": True}),
     ("P", "png", {"transparency": 7}), ("P", "gif", {"transparency": 7}),
     ("L with a transparent level", "png", {"transparency": 33}), ("16 bits", "png", {"transparency": 1000})],
)  # fmt: skip
def test_what_is_hidden_below_transparent_pixels_is_never_seen(tmp_path, mode, ending, options):
    expected = np.full((12, 16, 3), BEHIND, np.uint8)
    expected[:, 8:] = np.array([10, 90, 170, 250], np.uint8).repeat(2)[:, None]
    for hidden in (0, 60, 255):
        hidden_below(mode, hidden).save(tmp_path / f"a.{ending}", **options)
        np.testing.assert_array_equal(read_crop(tmp_path, f"a.{ending}"), expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_half_transparent_colours_are_mixed_with_what_is_behind(colour, opacity, other):
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGBA", (4, 6), (colour, colour, other, opacity)).save(Path(folder) / "a.png")
        seen = read_crop(Path(folder), "a.png")[0, 0]
    share = opacity / 255
    mixed = [
        share * level + (1 - share) * behind for level, behind in zip((colour, colour, other), BEHIND, strict=True)
    ]
    assert np.abs(seen - np.array(mixed)).max() <= 1


def test_pictures_are_composed_before_they_are_resized(tmp_path):
    """A thin outline would else get a fringe of the colours that are hidden beside it."""
    pixels = np.zeros((40, 20, 4), np.uint8)
    pixels[:, 8:12] = (200, 0, 0, 255)
    for hidden in (0, 255):
        pixels[:, :8, :3] = hidden
        Image.fromarray(pixels).save(tmp_path / f"{hidden}.png")
    black, white = read_pictures(tmp_path, ["0.png", "255.png"], height=16, width=8, threads=1)
    assert torch.equal(black, white)


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "webp"])
@pytest.mark.parametrize("kept", [0, 20, 200])
def test_an_unreadable_picture_is_an_error_that_names_the_file(tmp_path, ending, kept):
    save(tmp_path / f"good.{ending}", crop(64, 32))
    (tmp_path / f"bad.{ending}").write_bytes((tmp_path / f"good.{ending}").read_bytes()[:kept])
    with pytest.raises(GclError, match=rf"bad\.{ending} cannot be read"):
        read_pictures(tmp_path, [f"good.{ending}", f"bad.{ending}"], height=8, width=4, threads=2)


def test_a_missing_picture_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(GclError, match=r"gone\.jpg cannot be read"):
        list(read_crops(tmp_path, ["gone.jpg"]))


def test_no_names_give_no_pictures(tmp_path):
    assert read_pictures(tmp_path, [], height=8, width=4, threads=1).shape == (0, 3, 8, 4)
