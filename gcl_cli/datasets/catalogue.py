"""From what the user typed to a data set: find the folder, recognise its layout, check what it holds."""

from dataclasses import replace
from pathlib import Path

from gcl_cli.datasets import msmt17, plain_folder, split_folders
from gcl_cli.datasets.dataset import Dataset, Reading, Remark
from gcl_cli.datasets.known_sets import EDITIONS, KNOWN_SETS, differences, known_name, spelled
from gcl_cli.datasets.listing import FoundPictures, expanded, few, find_pictures, reachable, some
from gcl_cli.datasets.splits import CLASSIC, SplitSet, split_sets
from gcl_cli.errors import GclError


def resolve(data: str, data_root: Path) -> Path:
    """The folder that `data` means: a path that exists, else a folder under `data_root` by any usual spelling.

    A GclError lists what was looked for and what is there, or the folders among which to choose.
    """
    path = expanded(data)
    with reachable(path):
        if path.is_dir():
            return path
        if path.exists():
            raise GclError(
                f"{path} is a file; a folder of pictures was expected.", "Give the folder that holds the files."
            )
        folders = _folders(data_root)
    found = [folder for folder in folders if folder.name == data] or _spelled_alike(data, folders)
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(map(str, found))
        raise GclError(f"{data!r} may mean any of {choices}.", f"Give the folder itself: {found[0]}")
    raise GclError(
        f"There is no data set {data!r}: looked for the folder {path} and, under {data_root}, for "
        f"{_looked_for(data)}; found there: {', '.join(folder.name for folder in folders) or 'nothing'}.",
        "Give the path of a folder, or type --data-root DIR to say where the data sets are.",
    )


def open_dataset(
    root: Path, *, allow_subset: bool, camera_from: str | None = None, person_from: str | None = None
) -> Dataset:
    """Read the names in `root` (not the pictures) and check them against what a set of that name must hold.

    This decides what a data set is. Folders of splits are known by any usual name, at any depth, so that test pictures
    never train; any other folder is taken as it is, with a remark. A folder that goes by a published set's name and
    holds something else is a GclError, unless `allow_subset`.
    camera_from, person_from: "folder", a regular expression for a picture's path within its split, or "none"; None:
    what file names say.
    """
    reading = Reading(allow_subset, camera_from, person_from)
    with reachable(root):
        if not root.is_dir():
            raise GclError(f"There is no folder {root}.", "Give the path of a folder that exists.")
        found = find_pictures(root)
        here = _set_in(found)
        dataset = _read(found, here, reading)
    notes = dataset.notes
    name = known_name(dataset.root.resolve().name) or known_name(root.resolve().name)
    if name is None:
        return replace(dataset, notes=(*notes, *_taken_as_it_is(dataset)))
    different = differences(name, dataset.layout, dataset.splits)
    if different and not allow_subset:
        raise GclError(
            f"{dataset.root} goes by the name of {KNOWN_SETS[name].title} but differs: {'; '.join(different)}.",
            "Unpack the data set again, type --allow-subset to go on with what is there, or rename the folder.",
        )
    if different:
        notes = (*notes, Remark("data set", f"Not all of {KNOWN_SETS[name].title}: {'; '.join(different)}."))
    return replace(dataset, name=name, notes=notes)


def _set_in(found: FoundPictures) -> SplitSet | None:
    """The folders of splits that lie below a folder, at whatever depth; None where there are none.

    Archives unpack to a folder within a folder: without this a wrapped Market-1501 would pass for a plain folder, and
    its test pictures for training data. A GclError names the data sets where there are several.
    """
    if msmt17.recognise(found.root):
        return SplitSet("")
    sets = split_sets(found.folders, {name.rpartition("/")[0] for name in (*found.names, *found.unusable)})
    if len(sets) > 1:
        names = ", ".join(one.root for one in sets)
        raise GclError(
            f"{found.root} holds several data sets: {names}.", f"Give one of them, such as {found.root / sets[0].root}"
        )
    return sets[0] if sets else None


def _read(found: FoundPictures, here: SplitSet | None, reading: Reading) -> Dataset:
    if here is None:
        return plain_folder.read(found, reading)
    inside, notes = found.inside(here.root), _outside(found, here.root, reading)
    layout = msmt17.recognise(inside.root)
    if layout and any(CLASSIC.get(folder) in ("train", "gallery") for folder in inside.folders):
        raise GclError(
            f"{inside.root} holds two data sets: MSMT17's list files and folders like bounding_box_train.",
            "Move one of them to a folder of its own.",
        )
    dataset = msmt17.read(inside, layout, reading) if layout else split_folders.read(inside, here, reading)
    return replace(dataset, notes=(*notes, *dataset.notes))


def _outside(found: FoundPictures, root: str, reading: Reading) -> list[Remark]:
    """That the data set in `root` was taken, and what lies beside it; GclError where that is more than a few."""
    if not root:
        return []
    outside = [name for name in found.names if not name.startswith(f"{root}/")]
    if not few(len(outside), len(found.names)) and not reading.allow_subset:
        raise GclError(
            f"{found.root} holds a data set in {root}, and {len(outside):,} pictures beside it: {some(outside)}.",
            f"Give the one that is meant, such as {found.root / root}",
        )
    taken = Remark("data set", f"{found.root} holds a data set in {root}, which was taken.")
    left = f"{len(outside):,} pictures beside it were left out: {some(outside)}."
    return [taken, *([Remark("folders", left, left_out=len(outside))] if outside else [])]


def _taken_as_it_is(dataset: Dataset) -> list[Remark]:
    if dataset.splits.keys() == {"train"}:
        return []  # the reader of plain folders has said so
    sizes = ", ".join(f"{len(samples):,} {split}" for split, samples in dataset.splits.items())
    text = f"{dataset.name} is no published set's name: taken as it is, in {dataset.layout} style ({sizes} pictures)."
    return [Remark("data set", text)]


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _spelled_alike(data: str, folders: list[Path]) -> list[Path]:
    alike = [folder for folder in folders if spelled(data) and spelled(folder.name) == spelled(data)]
    name = known_name(data)
    if alike or name is None or spelled(data) in EDITIONS:
        return alike
    return [folder for folder in folders if known_name(folder.name) == name]


def _looked_for(data: str) -> str:
    name = known_name(data)
    if name is None or spelled(data) in EDITIONS:
        return data
    return f"{', '.join(sorted(KNOWN_SETS[name].spellings))} (in any case, with any punctuation)"
