"""Batches of pictures into network space, with and without random changes; every picture gets its own numbers.

Random numbers come from the generator given; the pictures may live on another device than it does.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.machine.devices import sent
from gcl_cli.networks.normalisation import IMAGENET_MEAN, IMAGENET_STD

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma


class AugmentedPictures(NamedTuple):
    """What the classic augmentation makes of a batch, ready for the networks."""

    encoder_input: Tensor  # [B, 3, H, W] ImageNet-normalised: flipped, jittered, shifted, partly erased
    target: Tensor  # [B, 3, H, W] ImageNet-normalised: flipped and jittered alike, for the reconstruction
    flipped: Tensor  # [B] bool; the structure pictures must be flipped where it is True


def normalise(pictures: Tensor) -> Tensor:
    """Pictures [B, 3, H, W], uint8 or float in [0, 1], to float32 with ImageNet mean 0 and spread 1 (section 4.2)."""
    white = 1.0 if pictures.is_floating_point() else 255.0
    mean, std = _per_channel(IMAGENET_MEAN, pictures.device), _per_channel(IMAGENET_STD, pictures.device)
    return pictures.to(torch.float32, copy=True).mul_(1 / (white * std)).sub_(mean / std)


def denormalise(pictures: Tensor) -> Tensor:
    """ImageNet-normalised pictures [B, 3, H, W] to uint8; what lies outside black and white is clamped."""
    return in_colour(pictures.detach().float()).mul_(255).round_().to(torch.uint8)


def in_colour(pictures: Tensor) -> Tensor:
    """ImageNet-normalised pictures [B, 3, H, W] in [0, 1] again; differentiable, but where they had to be clamped."""
    mean, std = _per_channel(IMAGENET_MEAN, pictures.device), _per_channel(IMAGENET_STD, pictures.device)
    return (pictures * std + mean).clamp(0, 1)


def draw_flips(count: int, *, probability: float, generator: torch.Generator) -> Tensor:
    """Which of `count` pictures are to be mirrored: [count] bool on the generator's device."""
    return _uniform(count, 0.0, 1.0, generator) < probability


def flip(pictures: Tensor, flipped: Tensor) -> Tensor:
    """Mirror the pictures [B, C, H, W] left to right where `flipped` [B] is True."""
    chosen = torch.arange(len(pictures), device=pictures.device) + len(pictures) * sent(flipped, pictures.device)
    return torch.cat([pictures, pictures.flip(3)]).index_select(0, chosen)


def pad_and_crop(pictures: Tensor, *, padding: int, generator: torch.Generator) -> Tensor:
    """Shift each picture [B, C, H, W] by up to `padding` pixels each way; what comes in from outside is 0 (black).

    padding: pixels at a height of 256, scaled with the height of the pictures (Cluster Contrast: 10).
    """
    batch, channels, height, width = pictures.shape
    border = round(padding * height / 256)
    padded = F.pad(pictures, (border, border, border, border))  # [B, C, H + 2 border, W + 2 border]
    padded_height, padded_width = padded.shape[2:]
    offsets = torch.randint(2 * border + 1, (2, batch, 1, 1), generator=generator, device=generator.device)
    top, left = sent(offsets, pictures.device)
    planes = torch.arange(batch * channels, device=pictures.device).view(batch, channels, 1)
    lines = torch.arange(height, device=pictures.device)
    starts = (planes * padded_height + top + lines) * padded_width + left  # [B, C, H]
    # A crop is H lines of W neighbouring values: one gather over all lines of the batch, five times faster than pixels.
    windows = padded.flatten().unfold(0, width, 1)
    return windows.index_select(0, starts.flatten()).view(batch, channels, height, width)


def jitter(
    pictures: Tensor, *, brightness: float, contrast: float, saturation: float, generator: torch.Generator
) -> Tensor:
    """Change the colours of float pictures [B, 3, H, W] in [0, 1]; the result is clamped to [0, 1].

    Each strength s in [0, 1] draws a factor from [1 - s, 1 + s] per picture: brightness scales all values, contrast
    their distance to the picture's mean grey, saturation their distance to the pixel's own grey.
    """
    batch, _, height, width = pictures.shape
    light, spread, colour = (
        sent(_uniform(batch, 1 - strength, 1 + strength, generator), pictures.device).view(batch, 1, 1)
        for strength in (brightness, contrast, saturation)
    )
    grey = sent(torch.tensor(GREY), pictures.device)
    # The three are linear in the colour of a pixel, so that one 3 x 3 matrix and one offset a picture do them all.
    matrix = light * spread * (colour * torch.eye(3, device=pictures.device) + (1 - colour) * grey)  # [B, 3, 3]
    mean_grey = (pictures.mean((2, 3)) @ grey).view(batch, 1, 1)
    offset = light * (1 - spread) * mean_grey
    changed = torch.baddbmm(offset.expand(batch, 3, 1), matrix, pictures.flatten(2))  # [B, 3, H * W]
    return changed.clamp_(0, 1).view(batch, 3, height, width)


def random_sized_crop(
    pictures: Tensor, *, area: tuple[float, float], aspect: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Enlarge a random rectangle of each float picture [B, C, H, W] to the full size, bilinearly.

    area: the rectangle's share of the picture, uniform between the two, at most 1; aspect: its height over width in
    pixels, uniform between the two as far as the rectangle fits.
    """
    batch, _, height, width = pictures.shape
    pixels = _uniform(batch, *area, generator) * (height * width)
    ratio = _fitting_aspect(pixels, height, width, aspect, generator)
    rows, columns = (pixels * ratio).sqrt() / height, (pixels / ratio).sqrt() / width  # [B] shares of height and width
    down = (1 - rows) * _uniform(batch, -1.0, 1.0, generator)  # the rectangle's centre, -1 and 1 being the borders
    right = (1 - columns) * _uniform(batch, -1.0, 1.0, generator)
    zeros = torch.zeros_like(rows)
    return _resample(pictures, [[columns, zeros, right], [zeros, rows, down]], outside="border")


def rotate(pictures: Tensor, *, degrees: float, generator: torch.Generator) -> Tensor:
    """Turn each float picture [B, C, H, W] about its centre by up to `degrees` either way, bilinearly.

    What comes in from outside is 0 (black).
    """
    batch, _, height, width = pictures.shape
    angle = torch.deg2rad(_uniform(batch, -degrees, degrees, generator))
    cosine, sine, zeros = angle.cos(), angle.sin(), torch.zeros_like(angle)
    matrix = [[cosine, -sine * (height / width), zeros], [sine * (width / height), cosine, zeros]]
    return _resample(pictures, matrix, outside="zeros")


def erase(
    pictures: Tensor,
    *,
    probability: float,
    area: tuple[float, float],
    aspect: tuple[float, float],
    generator: torch.Generator,
) -> Tensor:
    """Blank, in place, a random rectangle of normalised pictures [B, 3, H, W] with the ImageNet mean, which is 0 there.

    probability: of a rectangle at all; area: its share of the picture, uniform between the two; aspect: height over
    width, uniform between the two as far as the rectangle fits (random erasing, Zhong et al. 2020).
    """
    batch, _, height, width = pictures.shape
    chosen = _uniform(batch, 0.0, 1.0, generator) < probability
    pixels = _uniform(batch, *area, generator) * (height * width)
    ratio = _fitting_aspect(pixels, height, width, aspect, generator)
    rows = _random_span((pixels * ratio).sqrt(), height, generator) & chosen[:, None]  # [B, H]
    columns = _random_span((pixels / ratio).sqrt(), width, generator)  # [B, W]
    rows, columns = (sent(span, pictures.device).to(pictures.dtype) for span in (rows, columns))
    kept = 1 - rows[:, None, :, None] * columns[:, None, None, :]  # [B, 1, H, W]
    return pictures.mul_(kept)


def warm_up_augmentation(
    pictures: Tensor,
    *,
    flip_probability: float,
    crop_padding: int,
    erase_probability: float,
    erase_area: tuple[float, float],
    erase_aspect: tuple[float, float],
    colour_jitter: float,
    generator: torch.Generator,
) -> Tensor:
    """Flip, shift, normalise and erase uint8 pictures [B, 3, H, W] (Cluster Contrast, ACCV 2022).

    colour_jitter: strength of a change of brightness, contrast and saturation before that; 0 leaves them alone.
    """
    flipped = flip(pictures, draw_flips(len(pictures), probability=flip_probability, generator=generator))
    if colour_jitter > 0:
        # Paper: Cluster Contrast leaves colours alone. Here: presets that start from chance jitter them, since a
        # network without pretraining takes a camera's cast for the person.
        strengths = dict.fromkeys(("brightness", "contrast", "saturation"), colour_jitter)
        flipped = jitter(flipped.float().div_(255), **strengths, generator=generator)
    shifted = pad_and_crop(flipped, padding=crop_padding, generator=generator)
    return erase(
        normalise(shifted), probability=erase_probability, area=erase_area, aspect=erase_aspect, generator=generator
    )


def classic_augmentation(
    pictures: Tensor,
    *,
    flip_probability: float,
    brightness: float,
    contrast: float,
    saturation: float,
    crop_padding: int,
    erase_probability: float,
    erase_area: tuple[float, float],
    erase_aspect: tuple[float, float],
    generator: torch.Generator,
) -> AugmentedPictures:
    """The classical augmentation of Tab. 3 for uint8 pictures [B, 3, H, W]: flip, jitter, shift, erasing.

    Flip and colours change what the generator has to reconstruct, so the target carries them as well; a shift would
    part the picture from its mesh and an erased patch is not to be painted, so only the encoder sees those.
    """
    # Paper: the joint stage sees pictures as they are. Here: this augmentation may be switched on (best on small sets).
    flipped = draw_flips(len(pictures), probability=flip_probability, generator=generator)
    coloured = jitter(
        flip(pictures, flipped).float().div_(255),
        brightness=brightness,
        contrast=contrast,
        saturation=saturation,
        generator=generator,
    )
    shifted = normalise(pad_and_crop(coloured, padding=crop_padding, generator=generator))
    erased = erase(shifted, probability=erase_probability, area=erase_area, aspect=erase_aspect, generator=generator)
    return AugmentedPictures(erased, normalise(coloured), sent(flipped, pictures.device))


def _fitting_aspect(
    pixels: Tensor, height: int, width: int, aspect: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Height over width of rectangles of `pixels` [B], between the two as far as they fit into height x width: [B]."""
    tallest = (height**2 / pixels).clamp(max=aspect[1])
    flattest = torch.minimum((pixels / width**2).clamp(min=aspect[0]), tallest)
    return _uniform(len(pixels), flattest, tallest, generator)


def _resample(pictures: Tensor, matrix: list[list[Tensor]], *, outside: str) -> Tensor:
    """Pictures [B, C, H, W] read at matrix @ (x, y, 1), x and y from -1 to 1 over the picture; 2 x 3 entries of [B]."""
    moved = sent(torch.stack([torch.stack(row, dim=1) for row in matrix], dim=1), pictures.device)  # [B, 2, 3]
    grid = F.affine_grid(moved, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode=outside, align_corners=False)


def _random_span(length: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A run of `length` [B] out of `size` places at a random start: [B, size] bool."""
    length = length.round().clamp(1, size)
    start = (_uniform(len(length), 0.0, 1.0, generator) * (size - length + 1)).floor()
    places = torch.arange(size, device=length.device)
    return (places >= start[:, None]) & (places < (start + length)[:, None])


def _uniform(count: int, low: Tensor | float, high: Tensor | float, generator: torch.Generator) -> Tensor:
    """`count` uniform numbers in [low, high) on the generator's device."""
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)


def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Three numbers as a tensor [3, 1, 1] that multiplies pictures channel by channel."""
    return sent(torch.tensor(values), device).view(3, 1, 1)
