"""From what the user typed to a data set: find the folder, recognise its layout, check what it holds."""

from dataclasses import replace
from pathlib import Path

from gcl_cli.datasets import market_layout, msmt17, plain_folder
from gcl_cli.datasets.dataset import Dataset
from gcl_cli.datasets.known_sets import EDITIONS, KNOWN_SETS, differences, known_name, spelled
from gcl_cli.datasets.listing import expanded, reachable
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


def open_dataset(root: Path, *, allow_subset: bool) -> Dataset:
    """Read the names in `root` (not the pictures) and check them against what a set of that name must hold.

    A folder that goes by a published set's name and holds something else is a GclError, unless `allow_subset`;
    any other folder is taken as it is, with a remark.
    """
    with reachable(root):
        if not root.is_dir():
            raise GclError(f"There is no folder {root}.", "Give the path of a folder that exists.")
        inner = _unwrapped(root)
        dataset = _read(inner, allow_subset)
    remarks = dataset.remarks
    if inner != root:
        remarks = (f"{root} holds a data set in {inner.name}, which was taken.", *remarks)
    name = known_name(inner.resolve().name) or known_name(root.resolve().name)
    if name is None:
        return replace(dataset, remarks=(*remarks, *_taken_as_it_is(dataset)))
    different = differences(name, dataset.layout, dataset.splits)
    if different and not allow_subset:
        raise GclError(
            f"{inner} goes by the name of {KNOWN_SETS[name].title} but differs: {'; '.join(different)}.",
            "Unpack the data set again, type --allow-subset to go on with what is there, or rename the folder.",
        )
    if different:
        remarks = (*remarks, f"Not all of {KNOWN_SETS[name].title}: {'; '.join(different)}.")
    return replace(dataset, name=name, remarks=remarks)


def recognise(root: Path) -> str:
    """The layout of `root`: "market" (any of the three-folder styles), "msmt17-v1", "msmt17-v2" or "plain"."""
    in_lists = msmt17.recognise(root)
    in_folders = market_layout.recognised(root)
    if in_lists and in_folders:
        raise GclError(
            f"{root} holds two data sets: MSMT17's list files and folders like bounding_box_train.",
            "Move one of them to a folder of its own.",
        )
    return in_lists or ("market" if in_folders else "plain")


def _read(root: Path, allow_subset: bool) -> Dataset:
    layout = recognise(root)
    if layout == "market":
        return market_layout.read(root)
    if layout == "plain":
        return plain_folder.read(root)
    return msmt17.read(root, layout, allow_subset=allow_subset)


def _unwrapped(root: Path) -> Path:
    """`root`, or the one data set inside it: archives often unpack to a folder within a folder.

    Without this a wrapped Market-1501 would pass for a plain folder, and its test pictures for training data.
    """
    if recognise(root) != "plain":
        return root
    inside = [folder for folder in _folders(root) if recognise(folder) != "plain"]
    if len(inside) > 1:
        names = ", ".join(folder.name for folder in inside)
        raise GclError(f"{root} holds several data sets: {names}.", f"Give one of them, such as {inside[0]}")
    return inside[0] if inside else root


def _taken_as_it_is(dataset: Dataset) -> list[str]:
    if dataset.layout == "plain":
        return []  # the reader of plain folders has said so
    sizes = ", ".join(f"{len(samples):,} {split}" for split, samples in dataset.splits.items())
    return [f"{dataset.name} is no published set's name: taken as it is, in {dataset.layout} style ({sizes} pictures)."]


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
