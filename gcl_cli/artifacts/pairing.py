"""Files that are named as pictures are: whose each is. The whole name first, less of it only where that is unique."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

Key = Callable[[str], str]  # what of a name counts


def base(name: str) -> str:
    """A name without its folders."""
    return PurePosixPath(name).name


def stem(name: str) -> str:
    """A name without its ending."""
    return str(PurePosixPath(name).with_suffix(""))


def base_stem(name: str) -> str:
    """A name without folders and ending."""
    return PurePosixPath(name).stem


def owners(files: Iterable[str], pictures: Sequence[str], keys: Sequence[Key]) -> dict[str, tuple[str, int]]:
    """file -> the one picture that it is named as, and by which of `keys`, tried in turn; files of none are left out.

    A key that several pictures share tells nothing of them.
    """
    named = [unique(pictures, key) for key in keys]
    found = {}
    for file in files:
        for number, (key, picture_of) in enumerate(zip(keys, named, strict=True)):
            if (picture := picture_of.get(key(file))) is not None:
                found[file] = (picture, number)
                break
    return found


def one_each(files: Sequence[str], pictures: Sequence[str], keys: Sequence[Key]) -> dict[str, str]:
    """picture -> the file that has most of its name; none where several have as much."""
    of: dict[str, list[tuple[int, str]]] = {}
    for file, (picture, number) in owners(files, pictures, keys).items():
        of.setdefault(picture, []).append((number, file))
    best = {picture: [file for number, file in some if number == min(some)[0]] for picture, some in of.items()}
    return {picture: some[0] for picture, some in best.items() if len(some) == 1}


def unique(names: Iterable[str], key: Key) -> dict[str, str]:
    """key -> name, for the keys that one name alone has."""
    names = list(names)
    counts = Counter(key(name) for name in names)
    return {key(name): name for name in names if counts[key(name)] == 1}


def shortest(names: Sequence[str], keys: Sequence[Key]) -> list[str]:
    """Each name by the first of `keys` that tells it from all others; whole where none does."""
    tables = [unique(names, key) for key in keys]
    return [next((key(n) for key, t in zip(keys, tables, strict=True) if key(n) in t), n) for n in names]
