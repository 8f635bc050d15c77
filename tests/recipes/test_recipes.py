"""The recipes: scripts that a newcomer runs unmodified."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.sh"))
QUICKSTART = ["bash", str(ROOT / "recipes" / "quickstart.sh")]

TOY = """
people="--ids 12 --cameras 2 --images 2"
warmup="--epochs 2 --iterations 3 --radius 0.6"
gan_warmup="--reconstruction-epochs 1 --epochs 1 --iterations 2"
joint="--epochs 2 --iterations 1"
"""


def here_installed(**variables: str) -> dict[str, str]:
    """The environment of a recipe that finds this project installed, and `variables` beside."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"VIRTUAL_ENV": sys.prefix, "PATH": path, "PYTHONPATH": str(ROOT)} | variables


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_every_recipe_parses(recipe: Path) -> None:
    subprocess.run(["bash", "-n", str(recipe)], check=True)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_every_recipe_says_what_it_is_for(recipe: Path) -> None:
    lines = recipe.read_text().splitlines()
    first_words = lines[1] if lines[0].startswith("#!") else lines[0]
    assert first_words.startswith("# ")


@pytest.mark.parametrize(("given", "installed"), [("data/market", "."), ("[test]", ".[test]"), ("", ".")])
def test_a_recipe_with_an_argument_installs_the_project_and_not_its_argument(
    given: str, installed: str, tmp_path: Path
) -> None:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "python").write_text('#!/bin/sh\necho "$@"\n')
    (binaries / "python").chmod(0o755)
    sourced = f'set -eu; . "{ROOT}/recipes/environment.sh"'
    environment = os.environ | {"VIRTUAL_ENV": str(tmp_path), "PATH": f"{binaries}:{os.environ['PATH']}"}
    typed_in, _ = typed(["bash", "-c", sourced, "recipe", *([given] if given else [])], environment)
    assert typed_in == f"-m pip install --quiet --editable {installed}\n"


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], str]:
    """The quickstart at toy size: the folder that holds `quickstart`, its environment, and what it printed."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "toy").write_text(TOY)
    environment = here_installed(GCL_QUICKSTART=str(folder / "quickstart"), GCL_QUICKSTART_SETTINGS=str(folder / "toy"))
    return folder, environment, typed(QUICKSTART, environment)[0]


def typed(command: list[str], environment: dict[str, str], folder: Path = ROOT) -> tuple[str, str]:
    """What a command prints and says; it must succeed."""
    run = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout, run.stderr


@pytest.mark.slow
def test_quickstart_runs_unmodified_at_toy_size_and_repeats_a_deleted_step_alone(quickstart) -> None:
    folder, environment, printed = quickstart
    for words in ("mAP, rank-1 after the warm-up", "identity kept", "seconds a step", "overlay.png", "views.png"):
        assert words in printed

    removed = folder / "quickstart" / "work" / "evaluate" / "joint-main"
    shutil.rmtree(removed)
    _, said = typed(QUICKSTART, environment)
    assert said.count("is complete already") == 10
    assert (removed / "result.json").exists()


@pytest.mark.slow
def test_the_tour_runs_after_the_quickstart(quickstart) -> None:
    folder, environment, _ = quickstart
    _, _, rest = (ROOT / "docs" / "tour.md").read_text().partition("<!-- tour -->\n```bash\n")
    first, *lines = rest.partition("```")[0].splitlines()
    assert first.startswith(". .venv/bin/activate && export GCL_WORK=quickstart/work ")  # here it is active already
    script = "\n".join(("set -eu", "export GCL_WORK=quickstart/work", *lines))
    script = script.replace("--epochs 6 ", "--epochs 1 --radius 0.7 ")  # as the toy's other trainings
    typed(["bash", "-c", script], environment, folder)
    for made in ("report.html", "views/sheet.png", "found/search.html"):
        assert (folder / "quickstart" / made).stat().st_size > 1000
    measured = {path.name for path in (folder / "quickstart" / "work" / "evaluate").iterdir()}
    assert {"joint-plain", "reranked"} <= measured


BENCHMARKS = [path for path in RECIPES if "benchmark.sh" in path.read_text() and path.name != "benchmark.sh"]

TOY_BENCHMARK = """
preset=tiny
data=--allow-subset
render="--height 128 --width 64"
warmup="--epochs 2 --iterations 2 --set batch_size=8 --set cluster_from=1 --set cluster_every=1 --set source_epochs=1"
gan_warmup="--reconstruction-epochs 1 --epochs 1 --iterations 2"
joint="--epochs 1 --iterations 1 --radius 0.7"
evaluate="--temporal --set temporal_rho=0.05"
"""


@pytest.fixture(scope="session")
def toy_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small sets under the names of the published ones."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("market", "duke", "msmt17")):
        make = [sys.executable, "-m", "gcl_cli", "synth", str(folder / name), "--ids", "8", "--cameras", "2"]
        subprocess.run([*make, "--images", "2", "--seed", str(seed)], check=True, cwd=ROOT, capture_output=True)
    return folder


@pytest.mark.parametrize("recipe", BENCHMARKS, ids=lambda path: path.name)
def test_every_published_experiment_says_what_the_paper_reports(recipe: Path) -> None:
    head = recipe.read_text().partition("set -euo")[0]
    assert "The paper reports (mAP/rank-1)" in head and "JVTC+" in head


@pytest.mark.slow
@pytest.mark.parametrize("recipe", BENCHMARKS, ids=lambda path: path.name)
def test_published_experiments_run_unmodified_at_toy_size(recipe: Path, toy_sets: Path, tmp_path: Path) -> None:
    (tmp_path / "toy").write_text(TOY_BENCHMARK)
    environment = here_installed(
        GCL_DATA=str(toy_sets),
        GCL_WORK=str(tmp_path / "work"),
        GCL_BENCHMARK_SETTINGS=str(tmp_path / "toy"),
    )
    typed(["bash", str(recipe)], environment)
    for measured in ("warmup-main", "joint-main"):
        assert len(list((tmp_path / "work" / "evaluate").glob(f"{measured}*"))) == 2


def test_the_list_of_recipes_names_them_all() -> None:
    listed = (ROOT / "recipes" / "README.md").read_text()
    benches = sorted((ROOT / "recipes").glob("bench_*.py"))
    parts = {"environment.sh", "benchmark.sh"}  # sourced by the others
    assert [p.name for p in (*RECIPES, *benches) if p.name not in parts and p.name not in listed] == []


TOY_ABLATION = """
people="--ids 12 --cameras 2 --images 2"
seeds="1 2"
warmup="--preset tiny --set height=64 --set width=32 --set trunk_width=16 --epochs 2 --iterations 3 --radius 0.6"
gan_warmup="--reconstruction-epochs 1 --epochs 1 --iterations 2"
epochs=1
joint="--iterations 1 --radius 0.7"
recipe="$joint --set contrast_steps=1"
"""


@pytest.mark.slow
def test_the_ablation_has_every_row_and_keeps_what_is_finished(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text(TOY_ABLATION)
    environment = here_installed(
        GCL_ABLATION=str(tmp_path / "run"),
        GCL_ABLATION_SETTINGS=str(tmp_path / "toy"),
    )
    command = ["bash", str(ROOT / "recipes" / "ablation.sh")]
    (printed, _), (_, said) = (typed(command, environment) for _ in range(2))
    rows = ("warm-up", "continued", "full", "full-recipe", "vi-classic", "vi-classic-same-time", "gan", "vi", "gan-vi",
            "gan-vi-syn", "gan-vi-mem", "full-real-negatives", "gcl-plus", "vi-same-time")  # fmt: skip
    for row in rows:
        assert f" {row} " in printed, row
    assert "±" in printed  # two seeds of the rows that matter most
    assert said.count("is complete already") >= 2 * len(rows)


TOY_NOVEL_VIEWS = """
people="--ids 12 --cameras 2 --images 2"
seeds="1 2"
warmup="--epochs 2 --iterations 3 --radius 0.6"
warmup_photographs="$warmup"
continued="--epochs 1 --iterations 2 --radius 0.6"
contrast="--epochs 1 --iterations 2 --radius 0.7"
novel="$contrast"
gan_warmup="--reconstruction-epochs 1 --epochs 1 --iterations 2"
paper="--epochs 1 --iterations 1 --radius 0.7 --augment none --set contrast_steps=0"
recipe="--epochs 1 --iterations 1 --radius 0.7 --set contrast_steps=1"
"""


@pytest.mark.slow
def test_the_recipe_of_novel_views_has_every_row_on_every_set(toy_sets: Path, tmp_path: Path) -> None:
    (tmp_path / "toy").write_text(TOY_NOVEL_VIEWS)
    shutil.copytree(toy_sets / "market", tmp_path / "street")  # a published set's name would promise its pictures
    environment = here_installed(
        GCL_NOVEL_VIEWS=str(tmp_path / "run"),
        GCL_NOVEL_VIEWS_SETTINGS=str(tmp_path / "toy"),
        GCL_NOVEL_VIEWS_PHOTOGRAPHS=str(tmp_path / "street"),
        GCL_NOVEL_VIEWS_SETS="private photographs",
        COLUMNS="120",  # the longest row's name in one line
    )
    printed, _ = typed(["bash", str(ROOT / "recipes" / "novel_views.sh")], environment)
    rows = ("warm-up", "control-contrast", "control-continued", "painted", "generated", "painted-own-backdrop",
            "painted-turned-alone", "painted-cut-out-alone", "joint-paper", "joint-recipe",
            "joint-recipe-without-painted")  # fmt: skip
    for row in rows:
        assert printed.count(f" {row} ") == 2, row
    for name in ("private", "photographs"):
        scored = {path.name for path in (tmp_path / "run" / name / "work" / "gen-metrics").iterdir()}
        assert len(scored) == 4 and "painted" in scored
