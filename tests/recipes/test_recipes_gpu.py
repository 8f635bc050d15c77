"""recipes/gpu.sh without a card: its parts at toy size, what becomes of a part that fails, and the table."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "recipes" / "gpu"))


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The parts, at toy size."""
    monkeypatch.setenv("GCL_GPU_TOY", "1")
    import parts

    return parts


def told(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("stage", ["warmup", "gan-warmup", "joint"])
def test_a_stage_is_measured_at_toy_size_on_the_cpu(parts, stage: str, tmp_path: Path, capsys) -> None:
    parts.measure(stage, 4, "fp32", parts.new_views(tmp_path))
    (row,) = told(capsys)
    assert (row["stage"], row["batch"], row["parts"], row["arithmetic"]) == (stage, 4, 1, "fp32")
    assert row["pictures_per_second"] > 0 and 0 <= row["data_share"] < 1


def test_a_batch_that_does_not_fit_is_measured_in_parts(parts, monkeypatch, capsys) -> None:
    import torch

    def figures(training: int) -> dict[str, float]:
        if training == 1:
            raise torch.OutOfMemoryError("full")
        return {"pictures_per_second": 2.0}

    monkeypatch.setattr(parts, "new_training", lambda stage, batch, arithmetic, in_parts, views, change: in_parts)
    monkeypatch.setattr(parts, "figures", figures)
    parts.measure("joint", 64, "bf16", None)
    parts.measure("joint", 16, "bf16", None)
    fits, never = told(capsys)
    assert fits["parts"] == 4 and never["failed"] == "out of memory"


def test_the_environment_and_bodies_are_measured_at_toy_size(parts, capsys) -> None:
    parts.environment()
    parts.bodies()
    machine, bodies = told(capsys)
    assert machine["card"] == "no card: toy size on the CPU"
    assert bodies["meshes a second"] > 0 and bodies["views a second and core"] > 0


def test_a_part_that_fails_or_hangs_ends_alone_and_keeps_what_it_found(tmp_path: Path) -> None:
    import all_parts

    says = 'import time; print(\'{"stage": "joint"}\', flush=True); '
    hangs = all_parts.run(all_parts.Part("hangs", [sys.executable, "-c", says + "time.sleep(60)"], 2), tmp_path)
    fails = all_parts.run(all_parts.Part("fails", [sys.executable, "-c", says + "raise SystemExit(3)"], 20), tmp_path)
    assert hangs["rows"] == fails["rows"] == [{"stage": "joint"}]
    assert hangs["failed"] == "not done after 2 s" and fails["failed"].startswith("exit status 3")


def test_all_parts_together_take_eight_minutes_at_most() -> None:
    import all_parts

    assert sum(part.limit for part in all_parts.parts_of(sys.executable)) <= 8 * 60


def test_the_table_has_a_line_for_each_row_and_hours_from_the_fastest_arithmetic() -> None:
    import all_parts

    def row(stage: str, batch: int, arithmetic: str, rate: float) -> dict:
        return {"stage": stage, "batch": batch, "parts": 1, "arithmetic": arithmetic, "pictures_per_second": rate,
                "gigabytes": 9.87, "data_share": 0.25}  # fmt: skip

    rows = [row("joint", 16, "fp32", 10.0), row("joint", 16, "bf16", 71.87), row("joint", 64, "bf16", 99.0)]
    rows.append({"stage": "joint", "batch": 256, "arithmetic": "fp32", "failed": "out of memory"})
    page = all_parts.markdown([{"part": "joint", "rows": rows, "failed": "not done after 65 s", "last": ""}])
    assert "| joint | 16 | 1 | bf16 | 71.9 | 9.9 | 25.0% |" in page
    assert "predicted: 1.0 hours (without gan-warmup, mesh, render, warmup" in page  # 20 x 12,936 pictures
    assert "joint, batch 256, fp32: out of memory" in page and "**joint failed**: not done after 65 s" in page


def test_without_a_card_the_recipe_says_so_and_how_to_try_it(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a card")
    environment = {name: value for name, value in os.environ.items() if name != "GCL_GPU_TOY"}
    script = [sys.executable, str(ROOT / "recipes" / "gpu" / "all_parts.py")]
    ended = subprocess.run(script, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "no NVIDIA card" in ended.stderr and "GCL_GPU_TOY=1" in ended.stderr
    assert not (tmp_path / "gpu").exists()


@pytest.mark.slow
def test_the_whole_recipe_runs_at_toy_size(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {
        "GCL_GPU_TOY": "1", "GCL_GPU": str(tmp_path), "VIRTUAL_ENV": sys.prefix, "PATH": path, "PYTHONPATH": str(ROOT)
    }  # fmt: skip
    ended = subprocess.run(
        ["bash", str(ROOT / "recipes" / "gpu.sh")], env=environment, capture_output=True, text=True, check=False
    )
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [part["part"] for part in found][:2] == ["environment", "tests"] and not any(p["failed"] for p in found)
    assert "no card: toy size on the CPU" in ended.stdout and "| joint | 4 | 1 | bf16 |" in ended.stdout
