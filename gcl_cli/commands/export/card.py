"""The model card of an export: what went into the weights, how good they are, and what they are not for."""

from collections.abc import Iterator, Mapping
from typing import Any

from gcl_cli.artifacts.dataset_record import place_of, recall
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import MANIFEST, read_manifest
from gcl_cli.datasets.known_sets import known_name
from gcl_cli.weights.starting_weights import IMAGENET, OpenedEncoder

SYNTH_RECORD = "synth.json"  # what `gcl synth` leaves beside its pictures
OWN_WORDS = "no terms known to gcl: ask whoever made it whether you may use it, and for what"
CHECK = "check the terms with the publisher"
DATA_TERMS = {  # published set -> who made it: its terms are the publisher's to tell, and may change
    "market1501": f"Market-1501, published by L. Zheng et al. (ICCV 2015): {CHECK}",
    "dukemtmc": f"DukeMTMC-reID, published by Z. Zheng et al. (ICCV 2017), withdrawn by its authors: {CHECK}",
    "msmt17": f"MSMT17, published by L. Wei et al. (CVPR 2018): {CHECK}",
}
SYNTHETIC = "people drawn by `gcl synth`, nobody's picture: Apache-2.0, as gcl"
BODIES = "bodies by gcl's model (data CC0 1.0) and MediaPipe's landmarks (Apache-2.0)"
INIT_TERMS = "weights learned from ImageNet's pictures, published with torchvision or as a package: " + CHECK
NOT_FOR = """\
- It compares clothes and shapes of people in pictures. It does not know who anybody is, and two people in like clothes
  are one to it. Nothing that matters to a person may be decided by it without a person's own look at the pictures.
- Pictures of people are personal data, and so are embeddings of them: have a reason that the law accepts, tell those
  who are seen, and delete both when that reason is gone. In the European Union, identifying people at a distance in
  public by such features is forbidden or tightly bound (Regulation (EU) 2024/1689).
- It must not sort people by origin, religion, health, opinion, sex or age, nor look for people because of them.
- Its figures hold for pictures like those of its set. Other cameras, seasons and clothes need figures of their own.
"""


def write_card(work: WorkFolder, source: OpenedEncoder, about: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The card in Markdown. about: what the description says; files: name and sha256 of every file beside it."""
    lines = [
        f"# {source.reference}", "",
        "A network that turns the picture of one person into a vector; vectors of the same person lie close together. "
        f"Made by {about['made_by']}.", "",
        "## How to use it", "",
        f"- Pictures: {about['pictures']}", f"- Embeddings: {about['embeddings']}",
        *(f"- `{name}`, sha256 {digest}" for name, digest in files.items()), "",
        "## What went into the weights", "", *_ingredients(work, source), "",
        "The code that trained it is under the Apache License 2.0. The weights are yours to license only as far as the "
        "terms above allow.", "",
        "## Figures", "", *(_figures(work, source) or ["None were measured in this work folder: `gcl evaluate`."]),
        *_cost(about.get("int8")), "",
        "## What it is not for", "", NOT_FOR,
    ]  # fmt: skip
    return "\n".join(lines)


def _ingredients(work: WorkFolder, source: OpenedEncoder) -> list[str]:
    """The data set, and every artifact and file that the weights were made of, with digests and terms."""
    said = dict.fromkeys(_read(work, source.inputs))
    if not source.is_artifact:
        terms = INIT_TERMS if source.reference in IMAGENET else OWN_WORDS
        said = {f"- Weights `{source.label.removeprefix('init-')}` as they are: {terms}{_digest(source.inputs)}": None}
    return list(said)


def _digest(inputs: Mapping[str, str]) -> str:
    return "".join(f" (sha256 {digest})" for digest in inputs.values())


def _read(work: WorkFolder, inputs: Mapping[str, str]) -> Iterator[str]:
    for name, digest in inputs.items():
        folder = work.artifact(name)
        if name == "dataset":
            yield _data_set(work, digest)
        elif (folder / MANIFEST).exists():
            manifest = read_manifest(folder)
            more = f": {BODIES}" if manifest.stage == "mesh" else _init(manifest.config)
            yield f"- `{name}`, made {manifest.finished[:10]} (manifest {digest}){more}"
            yield from _read(work, manifest.inputs)
        else:
            yield f"- {name}: {OWN_WORDS} (sha256 {digest})"


def _data_set(work: WorkFolder, digest: str) -> str:
    record = recall(work) if work.dataset_file.exists() else {}
    if record.get("digest") != digest:
        return f"- Another data set than the work folder's (digest {digest}): {OWN_WORDS}"
    root, count = place_of(work, record), record["pictures"].get("train", 0)
    terms = DATA_TERMS.get(known_name(record["name"]) or "", OWN_WORDS)
    if (root / SYNTH_RECORD).exists():
        terms = SYNTHETIC
    return f"- Data set `{record['name']}`, {count} training pictures (digest {digest}): {terms}"


def _init(config: Mapping[str, Any]) -> str:
    """What an artifact's weights began with, where its settings say so."""
    init = config.get("init")
    if init is None:
        return ""
    known = {"none": "random numbers", **dict.fromkeys(IMAGENET, f"{init}: {INIT_TERMS}")}
    return f"; began with {known.get(init, f'`{init}`')}"


def _figures(work: WorkFolder, source: OpenedEncoder) -> list[str]:
    """What evaluations of this very encoder found."""
    found = []
    for path in sorted(work.root.glob(f"evaluate/*/{MANIFEST}")):
        manifest = read_manifest(path.parent)
        if source.is_artifact and manifest.inputs.get(source.reference) == source.inputs[source.reference]:
            result, data = manifest.result, manifest.config.get("dataset", "unknown")
            found.append(
                f"- `evaluate/{manifest.name}`, data set {data}: mAP {result['mAP']:.1f} %, "
                f"rank-1 {result['rank_1']:.1f} % on {result['queries']} queries"
            )
    return found


def _cost(int8: Mapping[str, Any] | None) -> list[str]:
    """What the file in eight bits loses."""
    if int8 is None:
        return []
    nearest, ten = 100 * int8["same_nearest"], 100 * int8["same_neighbours"]
    lines = [
        f"- In eight bits, on {int8['pictures']} pictures of the set: the nearest other picture stays for "
        f"{nearest:.1f} %, of the ten nearest {ten:.1f} % stay; cosine to the embedding in 32 bits "
        f"{int8['cosine_mean']:.4f}, lowest {int8['cosine_lowest']:.4f}"
    ]
    if "fp32" in int8:
        exact, small = int8["fp32"], int8["int8"]
        lines.append(
            f"- On {int8['queries']} queries and {int8['gallery']} gallery pictures: mAP {exact['mAP']:.1f} % in 32 "
            f"bits, {small['mAP']:.1f} % in eight; rank-1 {exact['rank_1']:.1f} and {small['rank_1']:.1f} %"
        )
    return lines
