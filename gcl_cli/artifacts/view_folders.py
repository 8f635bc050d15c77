"""Rendered pictures as one file each, in the published layout: `{train,test}/render[_<degrees>]/<picture>`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gcl_cli.artifacts.pairing import base, base_stem, one_each, shortest, stem
from gcl_cli.errors import GclError

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
LAYOUT = "{train,test}/render[_<degrees>]/<picture>"


@dataclass(frozen=True)
class ViewFiles:
    """Which files show the pictures of a data set."""

    of: dict[str, dict[str, tuple[Path, ...]]]  # split -> picture -> one file an angle
    missing: tuple[str, ...]  # pictures of these splits that lack one angle or more
    unused: tuple[str, ...]  # files of no picture, relative to the root


def view_folder(split: str, angle: int) -> Path:
    """The folder of a split's views at `angle` degrees; query and gallery are both `test`."""
    return Path("train" if split == "train" else "test") / (f"render_{angle}" if angle else "render")


def find_views(root: Path, splits: Mapping[str, Sequence[str]], angles: Sequence[int]) -> ViewFiles:
    """The views under `root` of the pictures of every split that has some there.

    Files are named as the pictures are, with or without the folders and whatever the ending.
    Raises GclError when there are none at all, or none at one of the angles.
    """
    present = [split for split in splits if (root / view_folder(split, angles[0])).is_dir()]
    if not present:
        raise GclError(f"{root} has no rendered pictures: {_found(root)}.", f"Name the folder that has {LAYOUT} in it.")
    of: dict[str, dict[str, tuple[Path, ...]]] = {split: {} for split in present}
    missing: list[str] = []
    unused: set[str] = set()
    for folder in dict.fromkeys(view_folder(split, angles[0]).parent for split in present):
        mine = [split for split in present if view_folder(split, angles[0]).parent == folder]
        names = [name for split in mine for name in splits[split]]
        pairs = [_pairs_at(root, view_folder(mine[0], angle), names, unused) for angle in angles]
        for split in mine:
            whole = [name for name in splits[split] if all(name in pair for pair in pairs)]
            of[split] = {name: tuple(pair[name] for pair in pairs) for name in whole}
            missing += [name for name in splits[split] if name not in of[split]]
    return ViewFiles(of, tuple(missing), tuple(sorted(unused)))


def read_view(path: Path, height: int, width: int) -> np.ndarray:
    """One picture [height, width] uint8 in grey, resized where it is of another size; GclError if it is none."""
    try:
        with Image.open(path) as picture:
            grey = picture.convert("L")
    except (OSError, ValueError, SyntaxError) as problem:  # Pillow raises SyntaxError for some broken PNG files
        raise GclError(f"The picture {path} cannot be read: {problem}.", "Render it again, or remove it.") from problem
    if grey.size != (width, height):
        grey = grey.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(grey)


def file_names(pictures: Sequence[str]) -> dict[str, str]:
    """Under which name each picture's views lie in a folder: its own, without folders where that is unique."""
    return dict(zip(pictures, shortest(pictures, (base,)), strict=True))


def _pairs_at(root: Path, folder: Path, names: Sequence[str], unused: set[str]) -> dict[str, Path]:
    """Each picture's file in one folder; what is left over joins `unused`."""
    if not (root / folder).is_dir():
        raise GclError(
            f"{root / folder} does not exist: {_found(root)}.", "Name the angles that were rendered: --angles 0,90,..."
        )
    files = [
        path.relative_to(root / folder).as_posix()
        for path in (root / folder).rglob("*")
        if path.suffix.lower() in ENDINGS
    ]
    pairs = one_each(files, names, (str, stem, base, base_stem))
    unused |= {(folder / file).as_posix() for file in set(files) - set(pairs.values())}
    return {name: root / folder / file for name, file in pairs.items()}


def _found(root: Path) -> str:
    """What lies two levels deep, for an error."""
    if not root.is_dir():
        return "there is no such folder"
    folders = sorted(path.relative_to(root).as_posix() for path in root.glob("*/*") if path.is_dir())
    return f"found {', '.join(folders[:20])}" if folders else "its folders are empty"
