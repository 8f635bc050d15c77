"""Runs the parts of recipes/gpu.sh, each in a process of its own with a time limit, and tells what they found."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PARTS = str(Path(__file__).with_name("parts.py"))
Row = dict[str, Any]


class Part(NamedTuple):
    """What is started, and for how many seconds at most; together they stay below eight minutes."""

    name: str
    words: list[str]
    limit: int


def parts_of(python: str) -> list[Part]:
    """Every part, in order: what a user must know first comes first."""
    tests = [python, "-m", "pytest", "-m", "gpu", "-n", "0", "tests/device"]
    stages = [Part(stage, [python, PARTS, stage], 65) for stage in ("joint", "gan-warmup", "warmup")]
    return [
        Part("environment", [python, PARTS, "environment"], 20),
        Part("tests", tests, 90),
        *stages,
        Part("bodies", [python, PARTS, "bodies"], 30),
        Part("compiled", [python, PARTS, "compiled"], 100),
    ]


def main() -> None:
    """Run all parts; exit 1 where there is no card or a part failed."""
    toy, folder = bool(os.environ.get("GCL_GPU_TOY")), Path(os.environ.get("GCL_GPU", "gpu"))
    if not toy and not card_is_there():
        sys.exit(
            "Error: no NVIDIA card can be used here (nvidia-smi says more), so there is nothing to measure.\n"
            "To see that the script works: GCL_GPU_TOY=1 bash recipes/gpu.sh"
        )
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for part in parts_of(sys.executable):
        sys.stderr.write(f"== {part.name} (at most {part.limit} s)\n")
        found.append(run(part._replace(limit=10 * part.limit) if toy else part, folder))
    (folder / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.write(markdown(found))
    sys.exit(any(part["failed"] for part in found))


def card_is_there() -> bool:
    """Asked in a process of its own: this one must not hold memory of the card."""
    asked = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def run(part: Part, folder: Path) -> Row:
    """The rows that a part printed until it ended, or until its time was up; and why it failed, if it did."""
    said, problem = folder / f"{part.name}.txt", None
    with said.open("w") as file:
        try:
            ended = subprocess.run(part.words, cwd=ROOT, stdout=file, stderr=file, timeout=part.limit, check=False)
            problem = f"exit status {ended.returncode}: see {said}" if ended.returncode else None
        except subprocess.TimeoutExpired:
            problem = f"not done after {part.limit} s"
        except OSError as error:
            problem = str(error)
    lines = said.read_text(errors="replace").splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return {"part": part.name, "rows": rows, "failed": problem, "last": lines[-1] if lines else ""}


def markdown(found: list[Row]) -> str:
    """What was found, as docs/results.md has it."""
    by_name = {part["part"]: part for part in found}
    steps = [row for part in found for row in part["rows"] if "pictures_per_second" in row]
    lines = ["## One card", ""]
    lines += [f"- {name}: {value}" for row in rows_of(by_name, "environment") for name, value in row.items()]
    lines += [f"- tests on the card: {by_name['tests']['last'].strip('= ')}"] if "tests" in by_name else []
    lines += [f"- {name}: {value}" for row in rows_of(by_name, "bodies") for name, value in row.items()]
    lines += ["", *table(steps), "", *hours(steps, rows_of(by_name, "bodies"))]
    failed = [row for part in found for row in part["rows"] if "failed" in row]
    lines += [f"- {row['stage']}, batch {row['batch']}, {row['arithmetic']}: {row['failed']}" for row in failed]
    lines += [f"- **{part['part']} failed**: {part['failed']}" for part in found if part["failed"]]
    return "\n".join(lines) + "\n"


def rows_of(by_name: dict[str, Row], name: str) -> list[Row]:
    """The rows of a part, none where it was not run."""
    return by_name[name]["rows"] if name in by_name else []


def table(steps: Iterable[Row]) -> list[str]:
    """A line for each stage, batch and arithmetic."""
    head = "| stage | batch | in parts | arithmetic | pictures a second | GB | data, share of a step |"
    rows = [
        f"| {s['stage']} | {s['batch']} | {s['parts']} | {s['arithmetic']} | {s['pictures_per_second']:.1f} | "
        f"{s['gigabytes']:.1f} | {s['data_share']:.1%} |"
        for s in steps
    ]
    return [head, "|---|---|---|---|---|---|---|", *rows]


MARKET, VIEWS = 12_936, 8  # training pictures of Market-1501, and views of each
PAPER = {
    "warmup": (256, 50 * 200 * 256),
    "gan-warmup": (16, 40 * MARKET),
    "joint": (16, 20 * MARKET),
}  # batch, pictures


def hours(steps: list[Row], bodies: list[Row]) -> list[str]:
    """How long the paper's run on Market-1501 takes at the paper's batches, each stage in its fastest arithmetic."""
    each = {}
    for stage, (batch, pictures) in PAPER.items():
        rates = [s["pictures_per_second"] for s in steps if (s["stage"], s["batch"]) == (stage, batch)]
        if rates:
            each[stage] = pictures / max(rates) / 3600
    for row in bodies:
        each["mesh"] = MARKET / row["meshes a second"] / 3600
        each["render"] = VIEWS * MARKET / (row["views a second and core"] * (os.cpu_count() or 1)) / 3600
    if not each:
        return []
    told = ", ".join(f"{stage} {value:.1f}" for stage, value in each.items())
    missing = {*PAPER, "mesh", "render"} - each.keys()
    without = f" (without {', '.join(sorted(missing))}, which were not measured)" if missing else ""
    return [f"The paper's run on Market-1501, predicted: {sum(each.values()):.1f} hours{without}: {told}; and the "
            "clusterings, with Cluster Contrast as its warm-up."]  # fmt: skip


if __name__ == "__main__":
    main()
