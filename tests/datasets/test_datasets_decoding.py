import numpy as np
import pytest
import torch
from PIL import Image

from gcl_cli.datasets.decoding import read_crops, read_pictures
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


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_other_colour_modes_become_rgb(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode in ("L", "CMYK") else "a.png")
    Image.fromarray(crop(12, 6)).convert(mode).save(path)
    (pixels,) = read_crops(tmp_path, [path.name])
    with Image.open(path) as picture:
        np.testing.assert_array_equal(pixels, np.array(picture.convert("RGB")))


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
