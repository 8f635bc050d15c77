"""How likely each match is the person who is looked for, and whether that person is in the gallery at all."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.commands.search.page import Found
from gcl_cli.config import SearchSettings
from gcl_cli.datasets.grammars import read_names
from gcl_cli.errors import GclError
from gcl_cli.retrieval.likeness import ANY, Likeness, read_likeness
from gcl_cli.weights.starting_weights import OpenedEncoder

SCORE = "cosine, 1 = alike"
EVEN = 0.5  # prior of a match: the best few of a gallery are the person about as often as not


def with_answers(
    found: list[Found], known: Likeness | None, gallery: int, rate: float
) -> tuple[list[Found], dict[str, Any]]:
    """The ranked lists with the chance of every match, and the answers: who is there, and who is nobody's match.

    rate: share of people who are not in the gallery of `gallery` pictures, and for whom somebody may be found. Nothing
    changes where `known` is None.
    """
    if known is None:
        return found, {}
    passed = known.threshold_of_search(rate, gallery)
    cameras = _cameras([*(one.query for one in found), *(m.picture for one in found for m in one.matches)])
    answered = [replace(_with_chances(one, known, cameras), nobody=_best(one) < passed.threshold) for one in found]
    answers = [
        {
            "query": one.query, "answer": "nobody in this gallery" if one.nobody else one.matches[0].picture,
            "similarity": round(_best(one), 4), "threshold": round(passed.threshold, 4),
            "same_person": one.matches[0].same_person if one.matches else None,
        }
        for one in answered
    ]  # fmt: skip
    return answered, {"answers": answers, "false_accepts": passed.in_short(rate)}


def meaning(work: WorkFolder, settings: SearchSettings, source: OpenedEncoder) -> str:
    """What a similarity stands for, in words: as clusters made with this encoder know it, where there are any."""
    if settings.changes:
        return f"{SCORE}; what plain similarities stand for does not hold with --{settings.changes[0]}"
    try:
        even = read_likeness(work, settings.clusters, source.reference, source.inputs).curves[ANY].even()
    except GclError:
        return f"{SCORE}; clusters made with this encoder would tell which is the same person (gcl cluster)"
    known = "never, with this encoder" if even is None else f"from {even:.3f} on"
    by = f"cluster/{settings.clusters}; --unknown says how likely"
    return f"{SCORE}; likelier the same person than not: {known} ({by})"


def _best(one: Found) -> float:
    return one.matches[0].similarity if one.matches else -1.0


def _with_chances(one: Found, known: Likeness, cameras: dict[str, int | None]) -> Found:
    """A ranked list with the chance of every match."""
    matches = []
    for match in one.matches:
        _, curve = known.curve(cameras[one.query], cameras[match.picture])
        matches.append(replace(match, same_person=round(curve.chance(match.similarity, prior=EVEN), 4)))
    return replace(one, matches=tuple(matches))


def _cameras(names: Sequence[str]) -> dict[str, int | None]:
    """The camera that each name says."""
    different = list(dict.fromkeys(names))
    return dict(zip(different, (sample.camera for sample in read_names(different)[1]), strict=True))
