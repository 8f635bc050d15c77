"""Which part of a data set a folder holds, by its name, in any usual spelling: `bounding_box_train`, `image_query`.

A folder of pictures to test with must never train because it is called a little differently, so names are read word
by word: what a picture is and which set it belongs to (`bounding`, `image`, `market`) says nothing, the rest must be
the words of one split.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

CLASSIC = {"bounding_box_train": "train", "query": "query", "bounding_box_test": "gallery"}  # Market-1501's own
VALIDATION = "validation"  # a part that neither trains nor is searched
_WORDS = {
    "train": "training|trains?",
    "query": "quer(?:ies|ys?)|probes?",
    "gallery": "galler(?:ies|ys?)|testing|tests?",
    VALIDATION: "validation|valid|val",
}
_REST = (
    "bounding|bbox|box(?:es)?|images?|imgs?|pictures?|pics?|photos?|crop(?:s|ped)?|data|sets?|splits?|masks?|persons?|"
    "people|pedestrians?|vehicles?|reid|market|duke|mtmc|msmt|veri|cuhk|mars|all"
)


def _of(*splits: str) -> re.Pattern[str]:
    """Names made of words of these splits, and of words that say none."""
    return re.compile(f"(?:{'|'.join([*(_WORDS[split] for split in splits), _REST])})*")


_NONE = _of()
_SAID = (  # the first that a name is made of is what it says
    (VALIDATION, _of(VALIDATION)),
    ("train", _of("train", VALIDATION)),
    ("gallery", _of("gallery")),
    ("query", _of("query", "gallery")),
    (VALIDATION, _of(VALIDATION, "query", "gallery")),
)
_TEST_WORDS = re.compile("|".join(_WORDS[split] for split in ("query", "gallery", VALIDATION)))
_PARTS_OF_A_NAME = re.compile("[A-Z]?[a-z]+|[A-Z]+")


@dataclass
class SplitSet:
    """One data set below a folder that was looked into."""

    root: str  # where it is; "" for that folder itself
    folders: dict[str, list[str]] = field(default_factory=dict)  # split -> its folders below `root`, sorted


def split_of(folder: str) -> str | None:
    """The split that a folder's own name says, or `VALIDATION`; None where it says none, or several."""
    plain = "".join(letter for letter in folder.lower() if letter.isalnum())
    words = re.sub(r"v?\d+", "", plain)  # image_train_v2
    if _NONE.fullmatch(words):
        return None
    return next((split for split, made in _SAID if made.fullmatch(words)), None)


def sounds_like_a_test(folder: str) -> bool:
    """Whether a folder's own name has a word for pictures to test with, whatever its other words are."""
    return any(_TEST_WORDS.fullmatch(part.lower()) for part in _PARTS_OF_A_NAME.findall(folder))


def placed(folder: str) -> tuple[str, str, str] | None:
    """The data set, the split and the split's folder that a folder lies in; None where no name on its path says any.

    `test/query` and `test/gallery` are query and gallery; what lies below training pictures trains.
    """
    parts = folder.split("/")
    for first, part in enumerate(parts):
        split, last = split_of(part), first + 1
        if split is None:
            continue
        while split == "gallery" and last < len(parts) and split_of(parts[last]) in ("query", "gallery"):
            split, last = str(split_of(parts[last])), last + 1
        return "/".join(parts[:first]), split, "/".join(parts[:last])
    return None


def split_sets(folders: Iterable[str], filled: Iterable[str]) -> list[SplitSet]:
    """The data sets among `folders`, each with its splits' folders; of one within another the outer alone.

    filled: the folders that have pictures in them. An empty one counts only where it has a name of Market-1501's.
    """
    sets: dict[str, SplitSet] = {}
    filled = set(filled)
    for folder in sorted(folders):
        place = placed(folder)
        if place is None or not (folder in filled or (folder == place[2] and folder.rpartition("/")[2] in CLASSIC)):
            continue
        root, split, top = place
        mine = sets.setdefault(root, SplitSet(root)).folders.setdefault(split, [])
        inner = top.removeprefix(f"{root}/")
        mine += [] if inner in mine else [inner]
    return [found for root, found in sorted(sets.items()) if not any(_within(root, other) for other in sets)]


def _within(folder: str, other: str) -> bool:
    return folder != other and (not other or folder.startswith(f"{other}/"))
