"""Pictures that a user names one by one, and the folder that results go to."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path

from gcl_cli.artifacts.files import digest_of, sha256
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


def folder_names(
    files: Sequence[Path], owners: Sequence[str] = (), owner_of: Callable[[str], str | None] = lambda name: None
) -> list[str]:
    """For each file a name of its own, made of its stem, that is safe as the name of a folder on any system.

    owners: what tells each file from all others; owner_of: whose a name is already. Names of others are passed over.
    """
    taken: dict[str, str] = {}
    names = []
    for file, mine in zip(files, owners or map(str, range(len(files))), strict=True):
        plain = re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFC", file.stem))[:LONGEST].strip("_") or "picture"
        name = free_name(plain, mine, lambda name: taken.get(name.casefold(), owner_of(name)))
        taken[name.casefold()] = mine
        names.append(name)
    return names


def free_name(plain: str, mine: str, owner_of: Callable[[str], str | None]) -> str:
    """`plain`, with a number where that belongs to somebody else: what another command wrote is never overwritten."""
    names = (plain if number == 1 else f"{plain}-{number}" for number in count(1))
    return next(name for name in names if owner_of(name) in (None, mine))


def owner(file: Path) -> str:
    """What tells a picture from all others, also from those of its name; says nothing of where it lies."""
    return digest_of([str(file.resolve()), sha256(file)])


def refuse_overwriting(sources: Iterable[Path], targets: Iterable[Path]) -> None:
    """GclError where a result would take the place of a picture that it is made from."""
    both = {path.resolve() for path in sources} & {path.resolve() for path in targets}
    if both:
        raise GclError(f"The result would overwrite the picture {min(both)}.", "Name another folder: --to DIR")
