"""`gcl run`: what is kept, what is made, and how it goes on; with stages that publish at once, and once for real."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import made_work
import pytest
from typer.testing import CliRunner

from gcl_cli import console
from gcl_cli.api import status
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.tables import read_table
from gcl_cli.cli import app
from gcl_cli.commands.run import command as running
from gcl_cli.commands.run.forecast import Forecast, step_seconds
from gcl_cli.commands.run.requests import Wishes
from gcl_cli.commands.run.sizing import size_for
from gcl_cli.config.presets import PRESETS, settings_for
from gcl_cli.config.stages import STAGE_SETTINGS
from gcl_cli.errors import GclError
from gcl_cli.inventory.survey import survey
from gcl_cli.session import Session

ROOT = Path(__file__).resolve().parents[2]
STEPS = ["mesh", "render", "warmup", "evaluate warmup", "gan-warmup", "joint", "evaluate joint", "gen-metrics"]
TOY = """
from gcl_cli.config import presets
clustering = {"radius": 0.5, "k1": 8, "k2": 3, "min_samples": 2, "precision": "fp32"}
presets.PRESETS["tiny"] = {
    "architecture": {
        "trunk": "resnet18", "trunk_width": 16, "height": 64, "width": 32, "generator_width": 4,
        "modulation_width": 16, "discriminator_width": 4, "discriminator_scales": 2, "padding": "zeros",
    },
    "warmup": {"epochs": 1, "iterations": 2, "people": 4, "pictures": 2, "batchnorm_groups": 1, "init": "none",
               **clustering},
    "gan-warmup": {"epochs": 1, "iterations": 1, "batch_size": 4},
    "joint": {"epochs": 1, "iterations": 1, "batch_size": 4, **clustering},
}
from gcl_cli.cli import main
main()
"""


class Stages:
    """Stands for all stages: publishes what they would, without computing."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.chosen: dict[str, dict] = {}
        self.fails: dict[str, BaseException] = {}

    def __getitem__(self, stage: str):
        def run(job) -> dict:
            work, reference, named = Path(job.session.work), f"{stage}/main", {}
            if job.source:
                reference = f"{stage}/{job.source.replace('/', '-')}"
                named = {"generator" if stage == "gen-metrics" else "encoder": job.source}
            if stage == "cluster":
                reference = "cluster/main"
            self.calls.append(reference)
            self.chosen[reference] = job.chosen
            if reference in self.fails:
                made_work.interrupted(work, reference, job.chosen, preset=job.preset, **named)
                raise self.fails.pop(reference)
            return made_work.made(work, reference, job.chosen, preset=job.preset, **named).manifest.result

        return run


@pytest.fixture
def stages(monkeypatch) -> Stages:
    fake = Stages()
    monkeypatch.setattr(running, "STAGES", fake)
    return fake


@pytest.fixture
def gcl(tmp_path, monkeypatch, stages):
    """Run `gcl run` beside a data set `crops`; returns the steps with their states."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GCL_WORK", raising=False)
    made_work.market(tmp_path / "crops")

    def run(*words: str) -> dict[str, str]:
        stages.calls.clear()
        ran = CliRunner().invoke(app, ["run", "crops", *words])
        assert ran.exit_code == 0, ran.output
        return {row["step"]: row["state"] for row in json.loads(ran.stdout)["steps"]}

    return run


def test_everything_is_made_once_and_kept_then(gcl, stages):
    assert gcl("--preset", "tiny") == dict.fromkeys(STEPS, "made")
    assert gcl("--preset", "tiny") == dict.fromkeys(STEPS, "kept") and stages.calls == []
    assert gcl() == dict.fromkeys(STEPS, "kept")


def test_the_report_has_the_figures_and_where_the_files_are(gcl):
    gcl("--preset", "tiny")
    report = json.loads(CliRunner().invoke(app, ["run", "--json"]).stdout)
    assert report["retrieval"] == [{"after": part, **made_work.FIGURES} for part in ("warmup", "joint")]
    assert report["steps"][3]["files"] == "work/evaluate/warmup-main"
    assert all(Path(row["files"], "manifest.json").is_file() for row in report["steps"])


UNLABELLED = ["mesh", "render", "warmup", "gan-warmup", "joint", "gen-metrics", "cluster"]


@pytest.fixture
def unlabelled(gcl, tmp_path):
    """`gcl run` on the same pictures without query and gallery, four of them."""
    for split in ("query", "bounding_box_test"):
        for path in (tmp_path / "crops" / split).iterdir():
            path.replace(tmp_path / "crops" / "bounding_box_train" / path.name.replace("_c", "_c1", 1))
        (tmp_path / "crops" / split).rmdir()
    return gcl


def test_without_labels_the_chain_ends_with_who_is_who(unlabelled, stages):
    assert unlabelled("--preset", "tiny") == dict.fromkeys(UNLABELLED, "made")
    assert stages.calls[-1] == "cluster/main"
    assert unlabelled() == dict.fromkeys(UNLABELLED, "kept")


def test_the_last_screen_says_how_many_people_where_the_labels_are_and_what_to_type(unlabelled, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    unlabelled("--preset", "tiny", "--set", "cluster.k1=7")
    result = json.loads(CliRunner().invoke(app, ["run", "--json"]).stdout)
    names = [row["name"] for row in read_table(Path("work/cluster/main/labels.csv"))]
    assert (
        result["answer"]["people"] == {"about": 3, "from": 2, "to": 5}
        and result["answer"]["labelled"] == len(names) - 1
    )
    assert [step["type"].split()[:2] for step in result["next"]] == [["gcl", c] for c in ("report", "search", "export")]
    gallery, picture = shlex.split(result["next"][1]["type"])[2:]
    assert Path(gallery).is_dir() and Path(picture) == Path(gallery) / names[0]
    running.show(result)
    shown = capsys.readouterr().out
    assert f"About 3 people (2 to 5) on {len(names) - 1} of {len(names)} pictures" in shown
    assert "about 62% (40% to 80%) of pairs with one label show one person" in shown
    assert "may stand for two people: 0" in shown and "labels 0 and 1 may be one person (75%)" in shown
    assert "work/cluster/main/labels.csv" in shown and "1 pictures belong to nobody" in shown
    assert f"1 pictures are nearer to another person than to their own, such as {names[0]}" in shown
    assert "gcl report" in shown


def test_what_to_type_next_names_a_work_folder_that_lies_elsewhere(unlabelled):
    unlabelled("--preset", "tiny", "--work", "my work")
    result = json.loads(CliRunner().invoke(app, ["run", "--work", "my work", "--json"]).stdout)
    assert all(shlex.split(step["type"])[-2:] == ["--work", "my work"] for step in result["next"])


def test_with_query_and_gallery_the_chain_ends_with_the_figures(gcl):
    gcl("--preset", "tiny")
    assert {"answer", "next"}.isdisjoint(json.loads(CliRunner().invoke(app, ["run", "--json"]).stdout))


def test_on_a_cpu_few_pictures_get_the_small_networks_and_a_share_of_the_epochs(gcl, stages):
    ran = CliRunner().invoke(app, ["run", "crops", "--device", "cpu", "--until", "warmup"])
    assert "2 pictures: preset small, with 35% of its epochs" in ran.stderr
    assert stages.chosen["warmup/main"] == {"epochs": 15}
    stages.fails["joint/main"] = KeyboardInterrupt()
    CliRunner().invoke(app, ["run", "--device", "cpu", "--set", "joint.losses=vi"])
    assert stages.chosen["joint/main"] == {"epochs": 7, "losses": ("vi",)}  # of the same size, a command later
    assert gcl("--device", "cpu")["joint"] == "made"


def test_who_names_a_preset_gets_all_of_it(gcl, stages):
    gcl("--preset", "small")
    assert stages.chosen["warmup/main"] == stages.chosen["joint/main"] == {}
    made_work.remade(Path("work"), "gan-warmup/main")
    assert gcl()["joint"] == "made" and stages.chosen["joint/main"] == {}  # nor is it cut down later


@pytest.mark.parametrize(("pictures", "share"), [(2, 0.35), (525, 0.35), (750, 0.5), (1499, 1), (1500, 1)])
def test_the_epochs_grow_with_the_pictures(pictures, share):
    size = size_for(pictures, on_card=False)
    usual = PRESETS["small"]["joint"]["epochs"]
    assert size.preset == "small"
    assert size.chosen.get("joint", {"epochs": usual}) == {"epochs": round(share * usual)}


@pytest.mark.parametrize("pictures", [400, 5000])
def test_clusters_are_narrower_where_cameras_are_not_known(pictures):
    known, unknown = (size_for(pictures, on_card=False, cameras_known=answer) for answer in (True, False))
    for stage in ("warmup", "joint"):
        assert unknown.chosen[stage] == known.chosen.get(stage, {}) | {"radius": 0.32}
    assert "--radius 0.32" in unknown.said and "radius" not in known.said
    assert size_for(pictures, on_card=True, cameras_known=False).chosen == {}


def test_four_hundred_pictures_take_less_than_ten_minutes_on_two_cores():
    size, seconds = size_for(400, on_card=False), 0.0
    for stage in ("mesh", "render", "warmup", "gan-warmup", "joint", "gen-metrics", "cluster"):
        settings = settings_for(STAGE_SETTINGS[stage], stage, size.preset, size.chosen.get(stage, {}))
        seconds += step_seconds(stage, settings, size.preset, {"train": 400}, cores=2, on_card=False)
    assert seconds < 600


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        (["--preset", "tiny"], {"height": 128, "width": 64}),
        (["--preset", "tiny", "--set", "warmup.height=64", "--set", "warmup.width=32"], {"height": 64, "width": 32}),
        (["--preset", "small", "--set", "render.height=256"], {"height": 256, "width": 64}),
        (["--preset", "paper"], {}),
    ],
)
def test_bodies_are_drawn_at_the_size_of_the_networks(gcl, stages, words, drawn):
    gcl(*words)
    assert stages.chosen["render/main"] == drawn


def test_update_takes_in_new_pictures_before_the_chain(gcl, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(running.update, "run", lambda session, data: asked.append((session.work, data)))
    assert gcl("--update", "--preset", "tiny") == dict.fromkeys(STEPS, "made") and asked == []  # nothing to extend yet
    assert gcl("--update") == dict.fromkeys(STEPS, "kept") and asked == [("work", "crops")]
    assert gcl() == dict.fromkeys(STEPS, "kept") and len(asked) == 1


class Board:
    """A board at one moment."""

    def __init__(self, states: dict[str, str], seconds: dict[str, float], at_step: float, share: float) -> None:
        self.states, self.seconds, self.at_step = states, seconds, at_step
        self.meter = type("Meter", (), {"share": share})


@pytest.mark.parametrize(
    ("states", "seconds", "at_step", "share", "left"),
    [
        (("left", "left", "left", "left"), {}, 0, 0, 10 + 20 + 100 + 300),  # as expected
        (("made", "running", "left", "left"), {"mesh": 30}, 15, 0, (60 - 15) + 100 + 300),  # pictures take three times
        (("made", "made", "running", "left"), {"mesh": 10, "render": 20}, 50, 0, 50 + 300),
        (("made", "made", "running", "left"), {"mesh": 10, "render": 20}, 50, 0.25, 150 + 300),  # as its bar says
        (("kept", "kept", "made", "left"), {"mesh": 0, "render": 0, "warmup": 50}, 0, 0, 150),  # trainings take half
        (("made", "made", "running", "left"), {"mesh": 10, "render": 20}, 150, 0, 300),  # never less than nothing
    ],
)
def test_what_is_left_is_what_was_expected_at_the_pace_so_far(states, seconds, at_step, share, left):
    forecast = Forecast({"mesh": 10, "render": 20, "warmup": 100, "joint": 300})
    titles = ("mesh", "render", "warmup", "joint")
    assert forecast(Board(dict(zip(titles, states, strict=True)), seconds, at_step, share)) == pytest.approx(left)


def test_a_gpu_gets_the_size_of_the_paper():
    assert size_for(400, on_card=True).preset == "paper" and size_for(400, on_card=True).chosen == {}


def test_until_ends_with_a_step_and_its_measure(gcl):
    assert list(gcl("--preset", "tiny", "--until", "warmup")) == STEPS[:4]
    assert gcl("--until", "joint") == dict(zip(STEPS, ["kept"] * 4 + ["made"] * 3, strict=False))


def test_from_makes_a_step_and_all_that_follow_anew(gcl, stages):
    gcl("--preset", "tiny")
    assert gcl("--from", "gan-warmup") == dict(zip(STEPS, ["kept"] * 4 + ["made"] * 4, strict=True))
    assert stages.calls == ["gan-warmup/main", "joint/main", "evaluate/joint-main", "gen-metrics/joint-main"]


def test_from_after_until_is_refused(gcl):
    ran = CliRunner().invoke(app, ["run", "crops", "--from", "joint", "--until", "warmup"])
    assert ran.exit_code == 2 and "--from joint comes after --until warmup" in ran.stderr


def test_only_what_became_stale_is_made_anew_with_the_settings_it_had(gcl, stages):
    gcl("--preset", "tiny", "--set", "joint.epochs=3")
    made_work.remade(Path("work"), "gan-warmup/main")
    # joint comes out as it was, to the byte: what was measured on it is fresh again
    assert gcl() == dict(zip(STEPS, ["kept"] * 5 + ["made"] + ["kept"] * 2, strict=True))
    assert stages.chosen["joint/main"] == {"epochs": 3}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GclError("The disk is full.", "Make room.")])
@pytest.mark.parametrize("step", ["warmup/main", "evaluate/warmup-main", "joint/main"])
def test_the_same_command_goes_on_after_an_error_or_an_interruption(gcl, stages, step, error):
    words = ["run", "crops", "--preset", "tiny", "--set", "joint.epochs=3"]
    stages.fails[step] = error
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == (130 if isinstance(error, KeyboardInterrupt) else 2), ran.output
    assert "The same command goes on from there." in ran.stderr and "Traceback" not in ran.output
    assert (Path("work") / f"{step}.partial" / "checkpoints").exists()
    before, done = len(stages.calls), gcl(*words[2:])
    assert list(done.values()) == ["kept"] * (before - 1) + ["made"] * (len(STEPS) - before + 1)
    assert stages.calls[0] == step


def test_after_an_interrupted_from_the_command_without_it_goes_on(gcl, stages):
    gcl("--preset", "tiny")
    stages.fails["joint/main"] = KeyboardInterrupt()
    ran = CliRunner().invoke(app, ["run", "--from", "warmup", "--set", "warmup.epochs=9"])
    assert ran.exit_code == 130 and "The same command without --from goes on" in ran.stderr
    done = gcl("--set", "warmup.epochs=9")
    assert done == dict(zip(STEPS, ["kept"] * 5 + ["made"] * 3, strict=True))
    assert not list(Path("work").rglob("*.partial"))


def test_what_is_replaced_lies_there_until_the_new_one_is_complete(gcl, stages):
    gcl("--preset", "tiny")
    stages.fails["warmup/main"] = KeyboardInterrupt()
    CliRunner().invoke(app, ["run", "--from", "warmup"])
    work = WorkFolder(Path("work"))
    assert {e.state for e in survey(work).entries} == {"fresh", "interrupted"}
    for reference in ("warmup/main", "joint/main", "evaluate/joint-main"):  # all that --from makes anew
        assert read_artifact(work, reference).folder == work.artifact(reference)
    rows = {row["type"]: row["because"] for row in status(work="work")["next"]}
    assert rows["gcl run"].startswith("does what is left: warmup, ")
    assert "gcl clean" not in rows
    done = gcl()  # without --from: goes on with it, and makes what follows anew
    assert [done[step] for step in ("mesh", "render", "warmup", "joint")] == ["kept", "kept", "made", "made"]
    assert not list(Path("work").rglob("*.partial")) and not list(Path("work").rglob("remake"))
    assert set(gcl().values()) == {"kept"}


def test_the_preset_of_the_warmup_there_is_counts_even_when_it_is_made_anew(gcl, stages):
    gcl("--preset", "tiny")
    stages.fails["mesh/main"] = KeyboardInterrupt()
    CliRunner().invoke(app, ["run", "--from", "mesh"])
    gcl()
    manifest = json.loads(Path("work/warmup/main/manifest.json").read_text())
    assert manifest["config"]["preset"] == "tiny"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "small"], "warmup/main was made with other settings (preset tiny -> small)"),
        (["--set", "joint.epochs=4"], "joint/main was made with other settings (epochs 3 -> 4)"),
        (["--set", "joint.decay_at=0.1"], "decay_at [0.6] -> [0.1]"),
    ],
)
def test_other_settings_than_those_of_what_is_there_are_refused_before_anything_is_done(gcl, stages, words, said):
    gcl("--preset", "tiny", "--set", "joint.epochs=3")
    stages.calls.clear()
    ran = CliRunner().invoke(app, ["run", *words])
    assert ran.exit_code == 2 and said in ran.stderr and "--from" in ran.stderr
    assert stages.calls == []
    part = "warmup" if "--preset" in words else "joint"
    assert CliRunner().invoke(app, ["run", *words, "--from", part]).exit_code == 0


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("epochs=3", "--set epochs=3: the stage is missing"),
        ("views.k1=3", "views is no step"),
        ("joint.nope=3", "nope is no setting of gcl joint"),
        ("joint.epochs=0", "at least 1"),
    ],
)
def test_a_wrong_setting_is_refused_at_once(gcl, pair, said):
    ran = CliRunner().invoke(app, ["run", "crops", "--set", pair])
    assert ran.exit_code == 2 and said in ran.stderr and not Path("work").exists()


def test_a_step_made_by_hand_is_taken_as_it_is(gcl, stages):
    gcl("--preset", "tiny", "--until", "render")
    made_work.made(Path("work"), "warmup/main", {"epochs": 5, "seed": 3})
    assert gcl() == dict(zip(STEPS, ["kept"] * 3 + ["made"] * 5, strict=True))


def test_what_only_its_own_command_can_make_is_left_to_it(gcl, stages):
    gcl("--preset", "tiny", "--until", "render")
    folder = made_work.interrupted(Path("work"), "warmup/main")
    begun = json.loads((folder / "run.json").read_text())
    del begun["seal"]
    (folder / "run.json").write_text(json.dumps(begun | {"inputs": begun["inputs"] | {"source": "digest"}}))
    ran = CliRunner().invoke(app, ["run"])
    assert ran.exit_code == 2 and "--source that gcl run does not know" in ran.stderr


def test_a_changed_file_is_not_kept(gcl):
    gcl("--preset", "tiny")
    Path("work/warmup/main/weights.safetensors").write_text("changed")
    ran = CliRunner().invoke(app, ["run"])
    assert ran.exit_code == 2 and "warmup/main is damaged" in ran.stderr


def test_missing_weights_are_told_at_the_beginning(gcl, monkeypatch, tmp_path):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    ran = CliRunner().invoke(app, ["run", "crops", "--preset", "paper"])
    notes = [line for line in ran.stderr.splitlines() if line.startswith("Note: gcl")]
    assert ["ImageNet" in notes[0], "FID" in notes[1]] == [True, True] and len(notes) == 2
    assert ran.stderr.index(notes[1]) < ran.stderr.index("[1/8] mesh: running")


def test_on_a_terminal_the_steps_and_the_running_bar_are_one_display(monkeypatch):
    import io

    from rich.console import Console

    written = io.StringIO()
    screen = Console(file=written, force_terminal=True, width=100, highlight=False, color_system=None)
    monkeypatch.setattr(console, "_talk", lambda: screen)
    with console.board(["mesh", "render", "warmup"]) as board:
        board.begin("mesh")
        board.end("mesh", "kept")
        board.begin("render")
        with console.meter("render train", 10) as meter:
            meter.advance(4)
            console.say("a remark")
            screen.print(board)
    shown = written.getvalue()
    assert "4/10" in shown and "a remark" in shown and "1 left" in shown
    assert console.Board.shown is None and board.bar is None
    with console.meter("alone", 2) as meter:  # a display of its own again
        meter.advance()


def killed_after(words: list[str], folder: Path, line: str) -> str:
    """Run toy-size gcl in a process of its own, and kill it when it says `line`."""
    process = subprocess.Popen(
        [sys.executable, "-c", TOY, *words], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    said = []
    for text in process.stderr:
        said.append(text)
        if line in text:
            process.send_signal(signal.SIGKILL)
            break
    process.wait(timeout=60)
    return "".join(said)


def toy_gcl(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """A command of toy size in a process of its own, without a way to fetch anything."""
    offline = {"https_proxy": "http://127.0.0.1:9", "TORCH_HOME": str(folder / "nothing")}
    return subprocess.run(
        [sys.executable, "-c", TOY, *words], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)} | offline,
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip


TOY_STEPS = [
    "--preset", "tiny", "--threads", "1", "--device", "cpu", "--set", "render.height=64", "--set", "render.width=32",
    "--set", "render.backend=numpy", "--set", "gen-metrics.angles=90,180",
]  # fmt: skip


@pytest.mark.slow
def test_without_labels_and_network_the_real_chain_ends_with_an_answer_and_what_it_says_to_type_works(tmp_path):
    made = toy_gcl(tmp_path, "synth", "people", "--ids", "12", "--cameras", "2", "--images", "2", "--no-labels")
    assert made.returncode == 0, made.stderr
    clustering = ["--set", "cluster.k1=8", "--set", "cluster.k2=3", "--set", "cluster.min_samples=2"]
    ran = toy_gcl(tmp_path, "run", "people", *TOY_STEPS, *clustering)
    assert ran.returncode == 0, ran.stderr
    assert "FID needs Inception weights that cannot be fetched" in ran.stderr and "It is left out." in ran.stderr
    result = json.loads(ran.stdout)
    assert result["answer"]["people"]["about"] >= 1 and (tmp_path / result["answer"]["labels"]).exists()
    for step in result["next"]:
        typed = toy_gcl(
            tmp_path, *shlex.split(step["type"])[1:], *(["--pictures", "20"] if "report" in step["type"] else [])
        )
        assert typed.returncode == 0, (step, typed.stderr)


@pytest.mark.slow
def test_the_real_chain_goes_on_after_it_was_killed_between_steps(tmp_path):
    assert toy_gcl(tmp_path, "synth", "people", "--ids", "12", "--cameras", "2", "--images", "2").returncode == 0
    words = ["run", "people", *TOY_STEPS, "--set", "gen-metrics.measures=encoder,dssim,identity"]
    said = killed_after(words, tmp_path, "[4/8] evaluate warmup: running")
    assert "[3/8] warmup: made" in said, said
    ran = toy_gcl(tmp_path, *words)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert [row["state"] for row in report["steps"]] == ["kept"] * 3 + ["made"] * 5
    assert [row["after"] for row in report["retrieval"]] == ["warmup", "joint"]
    assert report["generated_views"][0]["dssim"] > 0
    found = json.loads(toy_gcl(tmp_path, "status", "--json").stdout)
    assert {row["state"] for row in found["artifacts"]} == {"fresh"} and found["next"] == []


def test_options_reach_the_steps(gcl, stages, monkeypatch):
    seen = []
    monkeypatch.setattr(running, "run", lambda *given: seen.append(given) or {"steps": []})
    ran = CliRunner().invoke(
        app, ["run", "crops", "--work", "w", "--data-root", "d", "--device", "cpu", "--threads", "2", "--allow-subset",
              "--until", "joint", "--from", "mesh", "--set", "joint.epochs=3", "--set", "mesh.sheet=2"],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    options, data, wishes = seen[0]
    assert options == Session("w", data_root="d", allow_subset=True, device="cpu", threads=2) and data == "crops"
    assert wishes == Wishes(None, "joint", "mesh", {"joint": {"epochs": 3}, "mesh": {"sheet": 2}})
