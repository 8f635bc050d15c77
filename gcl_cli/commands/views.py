"""`gcl views`: photographs of people -> the same people from other sides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.sheets import Cell, save_drawing, write_sheet
from gcl_cli.config import ViewsSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.machine.devices import choose_device, set_threads
from gcl_cli.people.given_files import folder_names, picture_files, refuse_overwriting, target_folder
from gcl_cli.people.turning import TurnedPeople, open_view_generator, turn_people
from gcl_cli.records import RunOptions

SHEET = "sheet.png"
SHOWN_HEIGHT = 256  # of a picture on the sheet, so that those of small networks can be looked at


def run(
    options: RunOptions, images: Sequence[str], to: str, generator: str | None, chosen: dict[str, Any]
) -> dict[str, Any]:
    """Generate the people on `images` from all sides; writes `<picture>/<degrees>.png` and a sheet into `to`."""
    settings = settings_for(ViewsSettings, "views", "paper", chosen)
    files = picture_files(images)
    set_threads(options.threads)
    opened = open_view_generator(WorkFolder(Path(options.work)), generator, choose_device(options.device))
    target = target_folder(to)
    folders = [target / name for name in folder_names(files)]
    views = [folder / f"{angle:03d}.png" for folder in folders for angle in settings.angles]
    refuse_overwriting(files, [*views, target / SHEET])
    people = turn_people(opened, files, settings.angles)
    for folder in folders:
        folder.mkdir(exist_ok=True)
    for path, picture in zip(views, people.generated.flatten(0, 1), strict=True):
        save_drawing(path, Image.fromarray(_as_image(picture)))
    _draw_sheet(target / SHEET, people)
    rows = [
        {"picture": str(file), "body": status, "views": str(folder)}
        for file, status, folder in zip(files, people.status, folders, strict=True)
    ]
    return {"generator": opened.reference, "angles": settings.angles, "people": rows, "sheet": str(target / SHEET)}


def _draw_sheet(path: Path, people: TurnedPeople) -> None:
    """For each person the photograph and the generated pictures, and below each the body that it follows."""
    rows = []
    for photograph, generated, bodies in zip(people.photographs, people.generated, people.bodies, strict=True):
        rows.append([Cell(_as_image(picture)) for picture in (photograph, *generated)])
        rows.append([Cell(body.numpy()) for body in bodies])
    write_sheet(path, rows, headings=("photo", *(str(angle) for angle in people.angles)), height=SHOWN_HEIGHT)


def _as_image(picture: Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).numpy()
