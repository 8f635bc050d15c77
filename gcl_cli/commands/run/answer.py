"""The end of a chain without labels: about how many people, who is who, what is doubtful, and what to type next."""

import shlex
from importlib.util import find_spec
from typing import Any

from gcl_cli import console
from gcl_cli.artifacts.files import read_json
from gcl_cli.artifacts.formats import read_labels
from gcl_cli.artifacts.layout import elsewhere
from gcl_cli.artifacts.manifest import Artifact, read_artifact
from gcl_cli.errors import first_few
from gcl_cli.inventory.steps import Step
from gcl_cli.people.data import WorkData
from gcl_cli.session import Session

SHOWN = 5  # doubtful labels of a kind


def answer(session: Session, opened: WorkData, steps: tuple[Step, ...]) -> dict[str, Any]:
    """`answer` and `next` of a result; empty where the steps do not end with clusters."""
    if steps[-1].stage != "cluster":
        return {}
    artifact = read_artifact(session.folder, steps[-1].reference)
    return {"answer": _answer(artifact), "next": _next(session, opened, artifact)}


def show_answer(result: dict[str, Any]) -> None:
    """The last screen, on stdout: a tree."""
    said = result["answer"]
    people, precision = said["people"], said["precision"]
    title = (
        f"About {people['about']} people ({people['from']} to {people['to']}) on {said['labelled']:,} of "
        f"{said['pictures']:,} pictures; about {precision['about']:.0%} ({precision['from']:.0%} to "
        f"{precision['to']:.0%}) of pairs with one label show one person"
    )
    branches = {
        "who is who": [(f"{said['labels']}  a picture a line: {', '.join(said['columns'])}", ""), (said["sheet"], "")],
        "doubtful": [(line, "yellow") for line in said["doubtful"]],
        "type next": [(f"{step['type']}  # {step['because']}", "bold") for step in result["next"]],
    }
    console.show_tree(title, {branch: leaves for branch, leaves in branches.items() if leaves})


def _answer(artifact: Artifact) -> dict[str, Any]:
    result, path = artifact.manifest.result, artifact.folder / "labels.csv"
    with path.open(encoding="utf-8-sig") as file:
        columns = file.readline().strip().split(",")
    return {
        "people": result["people"], "precision": result["expected_precision"], "pictures": result["pictures"],
        "labelled": round(result["share_labelled"] * result["pictures"]), "labels": str(path), "columns": columns,
        "sheet": result["sheet"], "doubtful": _doubtful(artifact),
    }  # fmt: skip


def _doubtful(artifact: Artifact) -> list[str]:
    """What to look at first, in words; empty where nothing is doubtful."""
    clusters = read_json(artifact.folder / "clusters.json")
    strays = [one["name"] for cluster in clusters for one in cluster["suspicious"]]
    noise = int((read_labels(artifact.folder / "labels.csv")[1] < 0).sum())
    result, said = artifact.manifest.result, []
    if mixed := result["hold_two_people"]:
        said.append(f"labels that may stand for two people: {first_few(mixed, SHOWN)}")
    for pair in result["one_person"][:SHOWN]:
        said.append(f"labels {pair['clusters'][0]} and {pair['clusters'][1]} may be one person ({pair['chance']:.0%})")
    if strays:
        said.append(f"{len(strays)} pictures are nearer to another person than to their own, such as {strays[0]}")
    if noise:
        said.append(f"{noise} pictures belong to nobody (label -1)")
    return said


def _next(session: Session, opened: WorkData, artifact: Artifact) -> list[dict[str, str]]:
    """What to type next, and why; each works as it stands."""
    names, labels = read_labels(artifact.folder / "labels.csv")
    somebody = names[int((labels == labels[labels >= 0].mode().values).nonzero()[0])]  # of the largest cluster
    picture = shlex.join([str(opened.root), str(opened.root / somebody)])
    exporting = all(find_spec(package) for package in ("onnx", "onnxscript", "onnxruntime"))
    rows = {
        "gcl report": "all of it on one page, the clusters among it",
        f"gcl search {picture}": "where else is this person?",
        f"gcl export{'' if exporting else ' --format safetensors'}": "the encoder, for other programs",
    }
    return [{"type": command + elsewhere(session.folder), "because": why} for command, why in rows.items()]
