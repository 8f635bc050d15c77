import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gcl_cli import console
from gcl_cli.cli import app
from gcl_cli.commands import synth as synth_stage
from gcl_cli.commands.cluster import command as cluster_stage
from gcl_cli.commands.evaluate import command as evaluate_stage
from gcl_cli.commands.joint import command as joint_stage
from gcl_cli.commands.warmup import command as warmup_stage
from gcl_cli.config import EvaluateSettings, JointSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.errors import GclError
from gcl_cli.session import Session

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (
    "synth", "mesh", "render", "warmup", "gan-warmup", "joint", "cluster", "evaluate", "gen-metrics",
    "run", "update", "status", "clean", "doctor", "config", "views", "search", "verify", "export", "report",
)  # fmt: skip
HEAVY = (
    "torch", "torchvision", "numpy", "scipy", "sklearn", "skimage", "PIL", "trimesh", "safetensors", "ai_edge_litert",
)  # fmt: skip


@pytest.fixture
def gcl(tmp_path, monkeypatch):
    """Run `gcl` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GCL_WORK", raising=False)
    monkeypatch.delenv("GCL_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    return lambda *words: CliRunner().invoke(app, list(words))


def fresh(code: str) -> subprocess.CompletedProcess:
    """Run Python code in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_commands_are_those_of_the_pipeline_in_its_order(gcl):
    assert tuple(get_command(app).commands) == COMMANDS


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_help_tells_every_command_in_one_panel_in_a_whole_sentence(gcl, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    lines = gcl("--help").stdout.splitlines()
    assert max(map(len, lines)) <= int(columns)
    said = " ".join(" ".join(lines).replace("│", " ").split())
    for name, command in get_command(app).commands.items():
        sentence = " ".join(command.help.partition("Example:")[0].split())
        assert said.count(f"{name} {sentence}") == 1
    places = [said.index(f"─ {panel} ─") for panel in ("Pipeline", "Measure", "Use", "Look after", "Options")]
    assert places == sorted(places)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_that_the_command_itself_reads(gcl, command):
    shown = gcl(command, "--help")
    assert shown.exit_code == 0
    example = re.search(rf"Example: gcl {command}(.*)\n", shown.stdout)
    assert example, shown.stdout
    get_command(app).commands[command].make_context(command, example[1].split())  # raises on words it does not know
    first = shown.stdout.strip().splitlines()[2].strip()
    assert first[0].isupper()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_a_page_of_options_names_the_others_and_explains_all_when_asked(gcl, command):
    options = [p for p in get_command(app).commands[command].params if p.param_type_name == "option"]
    assert all(p.help for p in options)
    page, everything = gcl(command, "--help").stdout, gcl(command, "--help-all").stdout
    explained = {p.opts[0] for p in options if f"\n  {p.opts[0]} " in page}
    assert len(explained) == min(len(options), 15)
    named = page.partition("More options: ")[2].partition(". To have")[0]
    assert set(re.findall(r"--[a-z-]+", named)) == {p.opts[0] for p in options} - explained
    assert all(f"\n  {p.opts[0]} " in everything for p in options) and "More options" not in everything


def test_the_result_is_chosen_by_where_it_goes_unless_the_user_does():
    for command in get_command(app).commands.values():
        assert [p.default for p in command.params if p.name == "as_json"] == [None]


def test_tables_can_be_had_from_a_pipe(gcl):
    piped = gcl("status", "--table")
    assert piped.exit_code == 0 and not piped.stdout.startswith("{")
    assert json.loads(gcl("status").stdout) == json.loads(gcl("status", "--json").stdout)
    assert gcl("clean", "--table").stdout.startswith("┌")


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys, contextlib, io\nfrom typer.main import get_command\nfrom gcl_cli.cli import app\n"
        "for words in [['--version'], ['--help']] + [[c, '--help'] for c in get_command(app).commands]:\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "        app(words)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    ran = fresh(code)
    assert ran.stdout.strip() == "[]", ran.stdout + ran.stderr


@pytest.mark.parametrize("stage", ["mesh", "render", "cluster", "evaluate", "warmup", "gan_warmup", "joint"])
def test_a_stage_waits_for_torch_alone_before_it_begins(stage):
    slow = ("torchvision", "sklearn", "torch._dynamo", "matplotlib")  # two seconds each
    ran = fresh(
        f"import sys, gcl_cli.commands.{stage}.command\nprint([name for name in {slow} if name in sys.modules])"
    )
    assert ran.stdout.strip() == "[]", ran.stdout + ran.stderr


def test_help_answers_in_half_a_second():
    if os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        pytest.skip("the machine is too busy to time anything")
    seconds = []
    for _ in range(5):
        before = os.times()
        ran = subprocess.run([sys.executable, "-m", "gcl_cli", "--help"], cwd=ROOT, capture_output=True, timeout=60)
        after = os.times()  # of the processor, which a busy neighbour hardly changes
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
        assert ran.returncode == 0
    assert min(seconds) < 0.5


def market(root: Path, splits=("bounding_box_train", "query", "bounding_box_test")) -> Path:
    for split in splits:
        for name in ("0002_c1s1_000451_03.jpg", "0007_c2s1_000001_01.jpg"):
            (root / split).mkdir(parents=True, exist_ok=True)
            (root / split / name).write_bytes(b"not opened")
    return root


@pytest.mark.parametrize(
    ("words", "problem", "fix"),
    [
        (["render"], "work has no data set yet", "gcl mesh DATA"),
        (["warmup"], "work has no data set yet", "gcl warmup DATA"),
        (["mesh", "nowhere"], "no data set 'nowhere'", "--data-root"),
        (["cluster"], "work has no data set yet", "gcl mesh DATA"),
        (["evaluate"], "warmup/main does not exist", "gcl warmup DATA"),
        (["evaluate", "--encoder", "joint/other"], "joint/other does not exist", "gcl joint --name other"),
        (["evaluate", "--encoder", "warmpu"], "no stage 'warmpu'", "warmup"),
        (["gen-metrics"], "gan-warmup/main does not exist", "gcl gan-warmup"),
        (["joint", "--set", "nope=1"], "nope is no setting of gcl joint", "gcl config joint"),
        (
            ["joint", "--epochs", "0"],
            "epochs: must be at least 1 (found 0)",
            "gcl joint --help",
        ),
        (["warmup", "crops", "--name", "a/b"], "--name 'a/b'", "without"),
        (["warmup", "crops", "--init", "no.safetensors"], "there is no such file", "Name a weight file"),
        (["warmup", "crops", "--preset", "tiny", "--init", "imagenet"], "no ImageNet weights", "--init none"),
        (
            ["warmup", "crops", "--preset", "tiny", "--init", "foreign.pth"],
            "foreign.pth cannot be read as weights",
            "whole",
        ),
        (["warmup", "market"], "goes by the name of Market-1501", "--allow-subset"),
        (["mesh", "plain", "--splits", "train,query"], "has no query pictures", "Market-1501"),
        (["synth", "plain"], "plain exists and is no synthetic data set", "does not exist yet"),
    ],
)
def test_what_a_user_can_mend_is_told_in_two_lines(gcl, tmp_path, words, problem, fix):
    market(tmp_path / "crops")
    market(tmp_path / "market")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.jpg").write_bytes(b"")
    (tmp_path / "foreign.pth").write_bytes(b"PK\x03\x04" + bytes(100))
    ran = gcl(*words)
    told = [line for line in ran.stderr.splitlines() if not line.startswith("Note: ")]
    assert ran.exit_code == 2, ran.output
    assert ran.stdout == "" and len(told) == 2, ran.output
    assert told[0].startswith("Error: ") and problem in told[0] and fix in told[1]
    assert "Traceback" not in ran.output


def test_two_lines_and_code_2_hold_in_a_process_of_its_own(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "gcl_cli", "joint", "--set", "nope=1", "--work", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, len(ran.stderr.splitlines())) == (2, "", 2)


def test_a_bug_keeps_its_traceback(gcl, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(cluster_stage, "run", broken)
    ran = gcl("cluster")
    assert isinstance(ran.exception, ZeroDivisionError) and ran.exit_code == 1


def test_an_interruption_says_how_to_go_on(gcl, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster_stage, "run", interrupted)
    ran = gcl("cluster")
    assert ran.exit_code == 130 and ran.stdout == ""
    assert "The same command goes on" in ran.stderr and "Traceback" not in ran.output


@pytest.mark.parametrize("words", [["cluster"], ["cluster", "--json"]])
def test_stdout_is_the_result_alone_and_stderr_the_talk(gcl, monkeypatch, words):
    def talkative(*_, **__):
        console.say("a remark")
        with console.meter("cluster", 1) as meter:
            meter.advance()
        console.warn("mind this")
        return {"clusters": 3, "rows": [{"a": None}]}

    monkeypatch.setattr(cluster_stage, "run", talkative)
    ran = gcl(*words)
    assert json.loads(ran.stdout) == {"clusters": 3, "rows": [{"a": None}]}
    assert "a remark" in ran.stderr and "cluster: 1/1" in ran.stderr and "Note: mind this" in ran.stderr


@pytest.fixture
def calls(monkeypatch):
    """What the commands hand to their stages, instead of running them."""
    seen = []

    def record(*arguments, **keywords):
        seen.append((arguments, keywords))
        return {}

    for stage in (warmup_stage, joint_stage, cluster_stage, evaluate_stage, synth_stage):
        monkeypatch.setattr(stage, "run", record)
    return seen


def test_options_environment_and_defaults_reach_the_stage(gcl, calls, monkeypatch):
    monkeypatch.setenv("GCL_WORK", "from-environment")
    gcl("joint", "--epochs", "3", "--radius", "none", "--losses", "gan,vi", "--no-camera-aware", "--threads", "2")
    (options, generator, chosen), _ = calls[0]
    assert options == Session(work="from-environment", threads=2) and generator == "main"
    assert chosen == {"epochs": 3, "radius": None, "losses": ("gan", "vi"), "camera_aware": False}
    assert settings_for(JointSettings, "joint", "tiny", chosen).radius is None
    gcl("joint", "--work", "typed", "--name", "mine", "--restart", "--data-root", "sets", "--device", "cpu")
    assert calls[1][0][0] == Session("typed", "mine", True, "sets", False, "cpu", None)


def test_without_options_nothing_is_chosen_so_that_presets_count(gcl, calls):
    gcl("warmup", "crops", "--preset", "tiny")
    gcl("warmup", "crops", "--preset", "tiny", "--epochs", "7", "--set", "k1=9")
    gcl("warmup")
    found = []
    for (_, data, job), _ in calls:
        settings = job.settings()
        found.append((data, job.preset, settings.epochs, settings.k1, settings.init))
    assert found == [
        ("crops", "tiny", 44, 20, "none"), ("crops", "tiny", 7, 9, "none"), (None, "paper", 50, 30, "imagenet"),
    ]  # fmt: skip


def test_flags_and_their_opposites(gcl, calls):
    gcl("evaluate", "--rerank", "--dataset", "duke", "--allow-subset", "--encoder", "warmup/x")
    (options, dataset, encoder, chosen), _ = calls[0]
    assert (dataset, encoder, chosen, options.allow_subset) == ("duke", "warmup/x", {"rerank": True}, True)
    assert EvaluateSettings().rerank is False


def test_synth_needs_no_work_folder(gcl, calls):
    gcl("synth", "people", "--ids", "10", "--threads", "1")
    assert calls == [(("people", {"ids": 10}), {"threads": 1, "restart": False})]
    assert gcl("synth", "people", "--work", "x").exit_code == 2


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("warmup", "[default: 50; small: 44; tiny: 44]"),
        ("warmup", "[default: imagenet; small: none; tiny: none]"),
        ("warmup", "[default: none; paper: 0.6; small: 0.38; tiny: 0.38]"),
        ("joint", "[default: gan,vi,vi_syn,vi_mem] (paper Eq. 9)"),
        ("joint", "[default: 16] (paper 4.2)"),
        ("joint", "[default: true]"),
    ],
)
def test_help_shows_the_defaults_of_all_presets(gcl, command, shown):
    assert shown in re.sub(r"\s+", " ", gcl(command, "--help-all").stdout)


def test_an_unknown_preset_command_or_option_is_refused(gcl):
    for words in (["warmup", "--preset", "huge"], ["train"], ["joint", "--epoch-s", "3"], ["joint", "--threads", "0"]):
        ran = gcl(*words)
        assert ran.exit_code == 2 and ran.stdout == "" and "Traceback" not in ran.output
    assert "paper" in gcl("warmup", "--preset", "huge").stderr


def test_the_version_is_printed(gcl):
    from gcl_cli import __version__

    assert gcl("--version").stdout.strip() == __version__


def test_an_error_keeps_both_lines_on_its_way_between_processes():
    error = GclError("problem", "fix")
    kind, arguments = error.__reduce__()
    again = kind(*arguments)
    assert (again.problem, again.fix, str(again)) == ("problem", "fix", "problem\nfix")
