"""Pictures that a user names one by one, and the folder that results go to."""

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from gcl_cli.datasets.dataset import PICTURE_ENDINGS
from gcl_cli.datasets.listing import expanded, reachable, require_fit
from gcl_cli.errors import GclError

LONGEST = 60  # characters of a derived name, of up to four bytes each: file systems end at 255 bytes


def picture_files(images: Sequence[str]) -> list[Path]:
    """The pictures a user named, each once; GclError where one is not a file."""
    files = list(dict.fromkeys(expanded(image) for image in images))
    for file in files:
        require_fit(str(file))
        with reachable(file):
            if file.is_dir():
                raise GclError(f"{file} is a folder; a picture was expected.", f"Name pictures: {file}/*.jpg")
            if not file.is_file():
                endings = ", ".join(sorted(PICTURE_ENDINGS))
                raise GclError(f"There is no picture {file}.", f"Give the path of a picture ({endings}).")
    return files


def target_folder(to: str) -> Path:
    """The folder that results go to, made where it does not exist; GclError where that is impossible."""
    folder = expanded(to)
    require_fit(to)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        usable, reason = os.access(folder, os.W_OK), "it cannot be written to"
    except OSError as error:
        usable, reason = False, str(error)
    if not usable:
        raise GclError(f"--to {to} is no folder for results: {reason}.", "Name another folder: --to DIR")
    return folder


def folder_names(files: Sequence[Path]) -> list[str]:
    """For each file a name of its own, made of its stem, that is safe as the name of a folder on any system."""
    taken: set[str] = set()
    names = []
    for file in files:
        plain = re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFC", file.stem))[:LONGEST].strip("_") or "picture"
        name, number = plain, 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def refuse_overwriting(sources: Iterable[Path], targets: Iterable[Path]) -> None:
    """GclError where a result would take the place of a picture that it is made from."""
    both = {path.resolve() for path in sources} & {path.resolve() for path in targets}
    if both:
        raise GclError(f"The result would overwrite the picture {min(both)}.", "Name another folder: --to DIR")
