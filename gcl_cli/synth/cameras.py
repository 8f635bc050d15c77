"""A camera: where it hangs, the light it sees by, and what it does to a picture."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from gcl_cli.synth.scenes import SCENES
from gcl_cli.synth.streams import stream

HEIGHT, WIDTH = 128, 64  # of a finished crop, pixels
OVERSAMPLING = 2  # the crop is drawn at twice its size; `develop` averages blocks of 2 x 2


@dataclass(frozen=True)
class Camera:
    """What makes the pictures of one camera alike. The light is fixed in camera axes: one place, one time of day."""

    number: int  # as in the file names, from 1
    pitch: float  # radians the camera looks down
    distance: float  # metres to the people
    light: tuple[float, float, float]  # unit vector towards the light, camera axes
    key: float  # strength of that light
    ambient: float  # strength of the light from all around
    white_balance: tuple[float, float, float]  # gains, exposure included
    gamma: float
    saturation: float
    haze: float  # share of grey veil
    blur: float  # standard deviation in pixels of the finished crop
    noise: float  # standard deviation, 1 = full scale
    quality: int  # JPEG
    resolution: float  # size of the sensor's crop as a share of the finished one
    headings: tuple[float, float]  # yaw of people who come and of people who go, radians
    scenes: tuple[int, ...]


def camera(seed: int, number: int, *, shift: float, private_scenes: bool = False) -> Camera:
    """Camera `number` of the set; `shift` in [0, 1] scales how much its colours differ from the other cameras'.

    It sees three of the scenes that all cameras share, or with `private_scenes` one that no other camera sees.
    """
    random = stream(seed, "camera", number)
    azimuth = random.uniform(0, 2 * np.pi)
    light = np.array([0.7 * np.cos(azimuth), -0.8, 0.7 * np.sin(azimuth) - 0.25])
    light /= np.linalg.norm(light)
    warmth, tint, exposure = (
        random.normal(0, 0.09 * shift),
        random.normal(0, 0.025 * shift),
        random.normal(0, 0.22 * shift),
    )
    heading = float(random.uniform(0, 2 * np.pi))
    return Camera(
        number=number,
        pitch=float(random.uniform(0.08, 0.38)),
        distance=float(random.uniform(4.5, 11)),
        light=(float(light[0]), float(light[1]), float(light[2])),
        key=float(random.uniform(0.35, 0.95)),
        ambient=float(random.uniform(0.35, 0.60)),
        white_balance=tuple((np.array([1 + warmth, 1 + tint, 1 - warmth]) * np.exp(exposure)).tolist()),
        gamma=float(np.exp(random.normal(0, 0.13 * shift))),
        saturation=float(random.uniform(1 - 0.4 * shift, 1.1)),
        haze=float(random.uniform(0, 0.13 * shift)),
        blur=float(random.uniform(0.35, 0.95)),
        noise=float(random.uniform(0.008, 0.028)),
        quality=int(random.integers(62, 94)),
        resolution=float(random.uniform(0.6, 1.0)),
        headings=(heading, heading + np.pi + float(random.normal(0, 0.5))),
        scenes=(SCENES + number,) if private_scenes else tuple(random.choice(SCENES, 3, replace=False).tolist()),
    )


@dataclass(frozen=True)
class Exposure:
    """How one picture of a camera was taken; its grain apart, which falls anew on every picture."""

    brightness: float
    resolution: float  # size of the sensor's crop as a share of the finished one
    blur: float  # standard deviation in pixels of the finished crop


def expose(random: np.random.Generator, taken_by: Camera) -> Exposure:
    """The exposure of one picture."""
    return Exposure(
        brightness=float(np.exp(random.normal(0, 0.06))),
        resolution=taken_by.resolution * random.uniform(0.85, 1.1),
        blur=taken_by.blur * random.uniform(0.6, 1.2),
    )


def develop(random: np.random.Generator, linear: np.ndarray, taken_by: Camera, exposure: Exposure) -> Image.Image:
    """The finished crop of linear light [2 HEIGHT, 2 WIDTH, 3]: optics, sensor and colour of one camera."""
    picture = develop_without_grain(linear, taken_by, exposure)
    grain = random.standard_normal((HEIGHT, WIDTH, 1), np.float32)
    colour_grain = random.standard_normal((HEIGHT, WIDTH, 3), np.float32)
    noise = np.float32(taken_by.noise) * (grain + np.float32(0.4) * colour_grain)
    return _picture(np.asarray(picture, np.float32) / 255 + noise)


def develop_without_grain(linear: np.ndarray, taken_by: Camera, exposure: Exposure) -> Image.Image:
    """The same before its grain: what the camera would show on average."""
    colours = _tone(_halved(linear) * np.float32(0.25 * exposure.brightness), taken_by)
    return _through_optics(_picture(colours), exposure)


def shares(seen: np.ndarray, exposure: Exposure) -> Image.Image:
    """How much of each pixel of a finished crop `seen` [2 HEIGHT, 2 WIDTH] bool covers: grey, 255 = all of it."""
    return _through_optics(_picture(_halved(seen.astype(np.float32)) * np.float32(0.25)), exposure)


def _halved(values: np.ndarray) -> np.ndarray:
    """The sum of every block of 2 x 2 of [2H, 2W, ...]."""
    rows = values[0::2] + values[1::2]
    halved: np.ndarray = rows[:, 0::2] + rows[:, 1::2]
    return halved


def _through_optics(picture: Image.Image, exposure: Exposure) -> Image.Image:
    if exposure.resolution < 0.95:
        coarse = (max(24, int(WIDTH * exposure.resolution)), max(48, int(HEIGHT * exposure.resolution)))
        picture = picture.resize(coarse, Image.Resampling.BILINEAR).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    return picture.filter(ImageFilter.GaussianBlur(exposure.blur))


def _tone(colours: np.ndarray, taken_by: Camera) -> np.ndarray:
    """Displayed colours [..., 3] of linear light: white balance, saturation, shoulder, gamma and haze."""
    balanced = colours * np.array(taken_by.white_balance, np.float32)
    grey = balanced @ np.full((3, 1), 1 / 3, np.float32)
    saturated = np.clip(grey + (balanced - grey) * np.float32(taken_by.saturation), 0, 1.6)
    compressed = np.clip(1.15 * saturated / (1 + 0.25 * saturated), 0, 1)
    displayed = np.power(compressed, np.float32(taken_by.gamma / 2.2))
    return displayed * np.float32(1 - taken_by.haze) + np.float32(0.75 * taken_by.haze)


def _picture(colours: np.ndarray) -> Image.Image:
    return Image.fromarray((np.clip(colours, 0, 1) * 255).astype(np.uint8))
