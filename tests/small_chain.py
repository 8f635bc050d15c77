"""All commands on a few synthetic people, small enough to be killed, filled up and stopped again and again."""

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from forked_commands import Forked

from gcl_cli.artifacts.folders import TEMPORARY
from gcl_cli.artifacts.manifest import MANIFEST

ALONE = ["--threads", "1", "--json"]
TRAINING = ["--device", "cpu", *ALONE, "--checkpoint-every", "2", "--precision", "fp32"]
CLUSTERING = ["--radius", "0.5", "--set", "k1=8", "--set", "k2=3", "--set", "min_samples=2"]
NETWORKS = [
    "trunk_width=16", "height=64", "width=32", "generator_width=4", "modulation_width=16", "discriminator_width=4",
    "people=4", "pictures=2",
]  # fmt: skip
COMMANDS = {  # what leaves an artifact
    "mesh": ["mesh", "--set", "splits=train,query", "--set", "sheet=2", "--device", "cpu", *ALONE],
    "render": ["render", "--set", "height=64", "--set", "width=32", "--set", "backend=numpy", *ALONE],
    "warmup": [
        "warmup", "--preset", "tiny", "--epochs", "3", *CLUSTERING, *TRAINING, "--set", "iterations=4",
        *(word for pair in NETWORKS for word in ("--set", pair)),
    ],
    "gan-warmup": [
        "gan-warmup", "--epochs", "2", "--reconstruction-epochs", "1", "--iterations", "3", "--batch-size", "4",
        *TRAINING,
    ],
    "joint": [
        "joint", "--epochs", "3", "--iterations", "3", "--batch-size", "4", "--set", "contrast_steps=1", *CLUSTERING,
        *TRAINING,
    ],
    "cluster": ["cluster", "--encoder", "warmup/main", *CLUSTERING, "--device", "cpu", *ALONE],
    "evaluate": ["evaluate", "--encoder", "warmup/main", "--set", "save_embeddings=true", "--device", "cpu", *ALONE],
    "gen-metrics": [
        "gen-metrics", "--generator", "gan-warmup/main", "--measures", "encoder,dssim,identity", "--pictures", "8",
        "--angles", "90,180", "--device", "cpu", *ALONE,
    ],
}  # fmt: skip
TIMED = ("time", "pictures_per_second", "sheet", "views")  # what depends on the clock and the name
FLEETING = re.compile(  # moments, and how many pictures this very search had to embed
    rb'\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d|"(?:embedded|removed)": \d+|<dt>(?:embedded|removed)</dt><dd>\d+'
)


@dataclass(frozen=True)
class Command:
    """A command, where it leaves what it makes, and what is there that must be the same every time."""

    words: list[str]
    made: list[Path]
    contents: Callable[[Path], object]


def artifact(work: Path, stage: str, name: str) -> Command:
    words = [*COMMANDS[stage], "--work", str(work), "--name", name]
    return Command(words, [work / stage / name], contents)


def written(words: list[str], *made: Path) -> Command:
    return Command(words, list(made), files_in)


def contents(folder: Path) -> tuple[dict[str, str], list[dict]]:
    """Digests of all files, and the lines of the metrics without what depends on the clock and the name."""
    manifest = json.loads((folder / MANIFEST).read_text())
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {*manifest["outputs"], MANIFEST, "metrics.jsonl"}
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    lines = [line.get("result", line) for line in lines]
    kept = [{k: v for k, v in line.items() if k not in TIMED and not k.startswith("seconds_")} for line in lines]
    return manifest["outputs"], kept


def files_in(folder: Path) -> dict[str, str]:
    """Digests of all files below a folder, or of one file, without moments and what is half written."""
    paths = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    timeless = (MANIFEST, "metrics.jsonl")
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(FLEETING.sub(b"", path.read_bytes())).hexdigest()
        for path in paths
        if path.suffix != TEMPORARY and path.name not in timeless and not is_unfinished(path.relative_to(folder))
    }


def is_unfinished(path: Path) -> bool:
    return any(part.endswith(".partial") for part in path.parts)


def writing(work: Path, name: str, to: Path) -> Command:
    """The commands that write where they are told to."""
    people, at = work.with_name("people"), ["--work", str(work)]
    picture = str(min((people / "query").iterdir()))
    where = ["--to", str(to), *at, *ALONE]
    return {
        "synth": lambda: written(["synth", str(to), "--ids", "4", "--cameras", "2", "--images", "2", *ALONE], to),
        "views": lambda: written(["views", picture, *where], to),
        "search": lambda: written(["search", str(people / "bounding_box_test"), picture, *where], work / "search", to),
        "export": lambda: written(["export", "--format", "safetensors", "--encoder", "warmup/main", *where], to),
        "export --format onnx": lambda: written(["export", "--format", "onnx", "--encoder", "warmup/main", *where], to),
        "report": lambda: written(["report", *where[:1], f"{to}.html", *where[2:]], to.with_name(f"{to.name}.html")),
    }[name]()


def run_to_its_end(command: Command, said: Path) -> float:
    """Returns the seconds it took."""
    process = Forked(command.words, said)
    assert process.wait() == 0, process.talk()
    return time.monotonic() - process.begun


def make_chain(folder: Path) -> Path:
    """A work folder with the artifacts of twelve people that the commands read."""
    people, work = folder / "people", folder / "work"
    synth = ["synth", str(people), "--ids", "12", "--cameras", "2", "--images", "2", *ALONE]
    run_to_its_end(written(synth, people), folder / "said.txt")
    for stage in ("mesh", "render", "warmup", "gan-warmup"):
        command = artifact(work, stage, "main")
        first = [stage, str(people), *command.words[1:]] if stage == "mesh" else command.words
        run_to_its_end(Command(first, command.made, contents), folder / "said.txt")
    return work
