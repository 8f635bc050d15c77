"""Clusters to look at, with the members that may not belong to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl_cli.artifacts.files import digest_of, read_json
from gcl_cli.artifacts.layout import WorkFolder, elsewhere
from gcl_cli.artifacts.manifest import Artifact, read_artifact
from gcl_cli.artifacts.tables import read_table
from gcl_cli.commands.report.album import Album, Picture
from gcl_cli.config import ReportSettings
from gcl_cli.errors import first_few
from gcl_cli.people.corrections import correction_rows
from gcl_cli.people.data import WorkData
from gcl_cli.records import Sample

QUESTIONS = 30  # pairs that are asked about
CAMERAS_SHOWN = 12  # of a cluster, by number


@dataclass(frozen=True)
class Member:
    """A picture of a cluster."""

    name: str
    picture: Picture
    camera: str
    doubt: str
    nearest: int | None  # the cluster that a doubtful member is nearer to; None for the others


@dataclass(frozen=True)
class Cluster:
    """One cluster, its doubtful members first."""

    label: int
    size: int
    cameras: str
    tightness: str
    doubt: str
    doubtful: int  # members that are nearer to another cluster
    two_people: str  # chance that it holds two people, in percent; empty: not known
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Question:
    """Two pictures of which somebody should say whether they show the same person."""

    first: Member
    second: Member
    clusters: tuple[int, int]
    pairs: int  # of pictures that an answer may put right
    expected: float  # and how many it is expected to


@dataclass(frozen=True)
class ClusterGallery:
    """The clusters shown and the counts of all."""

    reference: str
    encoder: str
    clusters: int
    doubtful: int
    noise: int
    pictures: int
    shown: tuple[Cluster, ...]
    questions: tuple[Question, ...]
    said: tuple[tuple[str, str, str], ...]  # corrections that the clusters obey already: kind, first, second
    somebody: dict[int, str]  # by cluster, the name of one of its pictures
    digest: str  # of the clusters and of what was said of them: what the browser remembers is of these alone
    elsewhere: str  # ` --work DIR` where a command would not find the folder by itself
    trust: dict[str, Any] | None  # what is to be expected of them; None: of an earlier version


def cluster_labels(folder: Path) -> dict[str, tuple[int, str]]:
    """By name of a picture its cluster (-1: none) and the doubt about it (empty where it is not known)."""
    rows = read_table(folder / "labels.csv")
    return {row["name"]: (int(row["label"]), row.get("doubt", "")) for row in rows}


def cluster_gallery(work: WorkFolder, data: WorkData, settings: ReportSettings, album: Album) -> ClusterGallery:
    """The most doubtful and the largest clusters of cluster/main; GclError where there is none."""
    artifact = read_artifact(work, "cluster/main")
    labels = cluster_labels(artifact.folder)
    entries: list[dict[str, Any]] = read_json(artifact.folder / "clusters.json")
    samples = {sample.name: sample for sample in data.split("train")}
    members: dict[int, list[str]] = {}
    for name, (label, _) in labels.items():
        members.setdefault(label, []).append(name)
    shown = tuple(
        _cluster(entry, members[entry["label"]], labels, samples, settings.members, album)
        for entry in chosen_clusters(entries, settings.clusters)
    )
    said = _said(artifact)
    return ClusterGallery(
        artifact.reference, _encoder(artifact), len(entries), sum(len(entry["suspicious"]) for entry in entries),
        len(members.get(-1, ())), len(labels), shown, _questions(artifact, labels, samples, album), said,
        {label: names[0] for label, names in members.items() if label >= 0},
        digest_of([artifact.manifest.digest, said]), elsewhere(work), _trust(artifact.folder),
    )  # fmt: skip


def _questions(
    artifact: Artifact, labels: Mapping[str, tuple[int, str]], samples: Mapping[str, Sample], album: Album
) -> tuple[Question, ...]:
    """The first of questions.json; none where an earlier version clustered."""
    path = artifact.folder / "questions.json"
    asked = read_json(path)[:QUESTIONS] if path.exists() else []
    shown = {
        name: _member(name, labels[name][1], {}, samples, album)
        for one in asked for name in (one["first"], one["second"])
    }  # fmt: skip
    return tuple(
        Question(
            shown[one["first"]], shown[one["second"]], (one["clusters"][0], one["clusters"][1]), one["pairs"],
            one["chance"] * one["pairs"],
        )
        for one in asked
    )  # fmt: skip


def _said(artifact: Artifact) -> tuple[tuple[str, str, str], ...]:
    """The corrections that the clusters were made with, so that more of them can be added; none where they are gone."""
    path = artifact.config.get("corrections")
    return tuple(correction_rows(path)) if path and Path(path).is_file() else ()


def chosen_clusters(entries: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """At most `count` entries of clusters.json: first those with most doubtful members, then the largest."""
    doubtful = sorted(entries, key=lambda entry: (-len(entry["suspicious"]), -entry["doubt"], entry["label"]))
    largest = sorted(entries, key=lambda entry: (-entry["size"], entry["label"]))
    order = [*doubtful[: (count + 1) // 2], *largest]
    return list({entry["label"]: entry for entry in order}.values())[:count]


def _cluster(
    entry: Mapping[str, Any], names: Sequence[str], labels: Mapping[str, tuple[int, str]],
    samples: Mapping[str, Sample], count: int, album: Album,
) -> Cluster:  # fmt: skip
    nearest = {suspicious["name"]: suspicious["nearest"] for suspicious in entry["suspicious"]}
    order = sorted(names, key=lambda name: -float(labels[name][1] or 0))
    shown = [*order[: (count + 1) // 2], *order[::-1][: count // 2]] if len(order) > count else order
    cameras = entry.get("cameras") or []
    return Cluster(
        entry["label"], entry["size"], _listed(cameras), f"{entry['tightness']:.2f}", f"{entry['doubt']:.2f}",
        len(nearest), f"{100 * entry['two_people']:.0f} %" if "two_people" in entry else "",
        tuple(_member(name, labels[name][1], nearest, samples, album) for name in shown),
    )  # fmt: skip


def _member(name: str, doubt: str, nearest: Mapping[str, int], samples: Mapping[str, Sample], album: Album) -> Member:
    camera = samples[name].camera
    kind = "doubtful member" if name in nearest else "member"
    return Member(
        name, album.photograph(name, f"{kind} {name}"), "" if camera is None else f"camera {camera}",
        f"{float(doubt):.2f}" if doubt else "", nearest.get(name),
    )  # fmt: skip


def _trust(folder: Path) -> dict[str, Any] | None:
    path = folder / "trust.json"
    return read_json(path) if path.exists() else None


def _listed(cameras: Sequence[int]) -> str:
    if not cameras:
        return "cameras unknown"
    some = first_few(cameras, CAMERAS_SHOWN)
    return f"{'camera' if len(cameras) == 1 else 'cameras'} {some}"


def _encoder(artifact: Artifact) -> str:
    return str(artifact.config.get("encoder", ""))
