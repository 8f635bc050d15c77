"""`gcl views`: photographs of people -> the same people from other sides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from gcl_cli.artifacts.files import digest_of
from gcl_cli.artifacts.sheets import Cell, owner_of_png, save_drawing, write_sheet
from gcl_cli.config import ViewsSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.errors import GclError
from gcl_cli.people.given_files import folder_names, free_name, owner, picture_files, refuse_overwriting, target_folder
from gcl_cli.people.rendered_views import as_image
from gcl_cli.people.turning import TurnedPeople, ViewGenerator, open_view_generator, turn_people
from gcl_cli.session import Session
from gcl_cli.weights.shipped_generator import SHIPPED

SHEET = "sheet"
SHOWN_HEIGHT = 256  # of a picture on the sheet, so that those of small networks can be looked at


def run(
    session: Session, images: Sequence[str], to: str, generator: str | None, chosen: dict[str, Any]
) -> dict[str, Any]:
    """Generate the people on `images` from all sides; writes `<picture>/<degrees>.png` and a sheet into `to`."""
    settings = settings_for(ViewsSettings, "views", "paper", chosen)
    files = picture_files(images)
    opened = open_view_generator(session.folder, generator, session.open_device())
    target = target_folder(to)
    owners = [owner(file) for file in files]
    folders = [target / name for name in folder_names(files, owners, lambda name: _owner_of(target / name))]
    views = [folder / f"{angle:03d}.png" for folder in folders for angle in settings.angles]
    together = digest_of(owners)
    sheet = target / f"{free_name(SHEET, together, lambda name: owner_of_png(target / f'{name}.png'))}.png"
    refuse_overwriting(files, [*views, sheet])
    people = turn_people(opened, files, settings.angles)
    pictures = people.generated if settings.backdrop == "own" else _cut_outs(people, opened)
    for folder in folders:
        folder.mkdir(exist_ok=True)
    whose = [one for one in owners for _ in settings.angles]
    for path, picture, one in zip(views, pictures.flatten(0, 1), whose, strict=True):
        save_drawing(path, Image.fromarray(as_image(picture)), owner=one)
    _draw_sheet(sheet, files, people, together)
    rows = [
        {"picture": str(file), "body": status, "views": str(folder)}
        for file, status, folder in zip(files, people.status, folders, strict=True)
    ]
    return {"generator": opened.reference, "angles": settings.angles, "people": rows, "sheet": str(sheet)}


def _owner_of(folder: Path) -> str | None:
    """Whose views a folder has; None where it has none."""
    pictures = sorted(folder.glob("*.png")) if folder.is_dir() else []
    return owner_of_png(pictures[0]) if pictures else None


def _cut_outs(people: TurnedPeople, opened: ViewGenerator) -> Tensor:
    if people.cut_outs is None:
        raise GclError(
            f"{opened.reference} draws whole pictures: there is nothing to cut people out by.",
            f"Leave out --backdrop none, or add --generator {SHIPPED}",
        )
    return people.cut_outs


def _draw_sheet(path: Path, files: Sequence[Path], people: TurnedPeople, owner: str) -> None:
    """For each person the photograph and the generated pictures, and below each the body that it follows."""
    rows, titles = [], []
    shown = zip(files, people.photographs, people.generated, people.bodies, strict=True)
    for file, photograph, generated, bodies in shown:
        rows.append([Cell(as_image(picture)) for picture in (photograph, *generated)])
        rows.append([Cell(body.numpy()) for body in bodies])
        titles += [f"generated: {file.name}", "the body that it follows"]
    headings = ("photograph", *(f"{angle}°" for angle in people.angles))
    write_sheet(path, rows, titles=titles, headings=headings, height=SHOWN_HEIGHT, owner=owner)
