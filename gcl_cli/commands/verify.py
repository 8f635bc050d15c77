"""`gcl verify`: two pictures -> how likely they show the same person, and how often strangers pass for one."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.config import VerifySettings
from gcl_cli.config.presets import settings_for
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.datasets.grammars import read_names
from gcl_cli.errors import GclError, did_you_mean
from gcl_cli.people.data import WorkData, open_data
from gcl_cli.people.given_files import picture_files
from gcl_cli.retrieval.likeness import FalseAccepts, read_likeness
from gcl_cli.session import Session
from gcl_cli.training.features import embed
from gcl_cli.weights.starting_weights import OpenedEncoder, open_encoder


@dataclass(frozen=True)
class Shown:
    """A picture that a user means."""

    root: Path
    name: str  # relative to the root
    camera: int | None


def run(session: Session, first: str, second: str, chosen: dict[str, Any], *, encoder: str | None) -> dict[str, Any]:
    """Compare two pictures; returns the chance that they show one person.

    Each is a picture anywhere, a name in the data set, or its row in labels.csv (1 = the first).
    """
    settings, work = settings_for(VerifySettings, "verify", "paper", chosen), session.folder
    opened = open_data(session, None)
    pictures = [_shown(text, opened) for text in (first, second)]
    made_with = read_artifact(work, f"cluster/{settings.clusters}").config["encoder"]
    source = open_encoder(work, encoder=encoder or made_with, init=None, stages=("joint", "warmup"))
    likeness = read_likeness(work, settings.clusters, source.reference, source.inputs)
    cosine = _cosine(pictures, source, session)
    cameras, curve = likeness.curve(*(picture.camera for picture in pictures))
    passed, chance = curve.strangers.threshold(settings.false_accepts), curve.chance(cosine, prior=settings.prior)
    return {
        "first": str(pictures[0].root / pictures[0].name), "second": str(pictures[1].root / pictures[1].name),
        "answer": _in_words(cosine, passed, chance, settings.false_accepts), "same_person": round(chance, 4),
        "prior": settings.prior,
        "similarity": round(cosine, 4), "threshold": round(passed.threshold, 4),
        "false_accepts": passed.in_short(settings.false_accepts), "cameras": cameras, "encoder": source.reference,
        "learned_from": f"cluster/{settings.clusters}",
    }  # fmt: skip


def _in_words(cosine: float, passed: FalseAccepts, chance: float, rate: float) -> str:
    """The answer: the same person where few enough strangers are as alike, different people where that is likelier."""
    if chance < 0.5:
        return "different people"
    if passed.pairs * rate < 1:
        return f"perhaps the same person: {passed.pairs} pairs of strangers are too few to tell {rate:.1%} of them"
    if cosine < passed.threshold:
        return "perhaps the same person: strangers are as alike too often"
    return "the same person"


def _shown(text: str, opened: WorkData) -> Shown:
    """The picture that `text` means; GclError where there is none."""
    samples = {sample.name: sample for split in opened.dataset.splits.values() for sample in split}
    names = opened.names("train")
    if text.isdecimal() and not Path(text).exists():
        if not 1 <= int(text) <= len(names):
            problem = f"There is no row {text}: labels.csv has 1 to {len(names)}."
            raise GclError(problem, "Give one of these, or a picture.")
        text = names[int(text) - 1]
    if text in samples:
        return Shown(opened.root, text, samples[text].camera)
    try:
        (file,) = picture_files([text])
    except GclError as error:
        words = (error.fix, did_you_mean(text, samples), "Or give a row of labels.csv, such as 1.")
        raise GclError(error.problem, " ".join(word for word in words if word)) from error
    inside = file.resolve().is_relative_to(opened.root.resolve())
    own = samples.get(file.resolve().relative_to(opened.root.resolve()).as_posix()) if inside else None
    return Shown(Path(), str(file), own.camera if own else read_names([file.name])[1][0].camera)


def _cosine(pictures: list[Shown], source: OpenedEncoder, session: Session) -> float:
    """How alike the embeddings of two pictures are, from -1 to 1; GclError where the encoder gives no numbers."""
    network, size = source.load(session.open_device()), source.architecture
    read = (read_pictures(p.root, [p.name], height=size.height, width=size.width, threads=1) for p in pictures)
    rows = [embed(network, picture, precision="fp32") for picture in read]
    cosine = float((rows[0] * rows[1]).sum())
    if math.isnan(cosine):
        raise GclError(f"{source.reference} gives no numbers: its weights have diverged.", "Choose another --encoder.")
    return cosine
