"""Printing never fails a command: closed, full and narrow streams, and what is no number."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gcl_cli.artifacts.checkpoints import load_checkpoint, save_checkpoint
from gcl_cli.artifacts.files import read_json, write_json
from gcl_cli.machine.json_text import json_text

COMMAND = f"{sys.executable} -m gcl_cli"


def shell(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1]), **variables},
    )  # fmt: skip


@pytest.mark.parametrize(
    "streams", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", ">/dev/full", ">/dev/full 2>/dev/full", "| true"]
)
def test_a_command_ends_well_wherever_its_output_goes(tmp_path, streams):
    ended = shell(f"{COMMAND} status {streams}; echo ended ${{PIPESTATUS[0]}} >&2", tmp_path)
    assert "Traceback" not in ended.stderr and "Exception ignored" not in ended.stderr
    assert ended.stderr.endswith("ended 0\n")


def test_a_full_device_is_told_on_stderr(tmp_path):
    assert "could not be written: [Errno 28]" in shell(f"{COMMAND} config joint >/dev/full", tmp_path).stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_letters_that_stdout_lacks_are_escaped_and_json_stays_json(tmp_path, encoding):
    folder = tmp_path / "人物-é"
    folder.mkdir()
    ended = shell(f"{COMMAND} status --json --work '{folder}'", tmp_path, PYTHONIOENCODING=encoding)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["work"] == str(folder)


def test_a_file_that_is_opened_is_not_given_the_number_of_a_closed_stream(tmp_path):
    script = "import sys; from gcl_cli.cli.streams import keep_streams_open as k; k(); f = open('x', 'w'); " \
             "sys.stdout.write('lost'); sys.stdout.flush(); f.write(str(f.fileno() > 2))"  # fmt: skip
    shell(f'{sys.executable} -c "{script}" >&- <&-', tmp_path)
    assert (tmp_path / "x").read_text() == "True"


def test_what_is_no_number_is_null_at_any_depth_and_checkpoints_keep_it(tmp_path):
    value = {"a": float("nan"), "b": [1.5, (float("inf"), None)], "c": {"d": -float("inf"), "e": "NaN"}}
    wanted = {"a": None, "b": [1.5, [None, None]], "c": {"d": None, "e": "NaN"}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == wanted == json.loads(json_text(value))
    save_checkpoint(tmp_path / "checkpoints", 1, {"best": -float("inf"), "lost": float("nan")})
    state = load_checkpoint(tmp_path / "checkpoints")
    assert state["best"] == -float("inf") and state["lost"] != state["lost"]
    assert "NaN" not in (tmp_path / "checkpoints" / "000000001" / "tree.json").read_text()


def test_names_that_are_no_unicode_can_be_written(tmp_path):
    write_json(tmp_path / "x.json", ["\udcff.jpg"])
    assert read_json(tmp_path / "x.json") == ["\udcff.jpg"]


def test_a_current_folder_that_is_gone_is_named(tmp_path):
    ended = shell(f"mkdir g && cd g && rmdir ../g && {COMMAND} mesh {tmp_path} --work {tmp_path}/w", tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "Error: The current folder is gone: it was removed, moved or unmounted after the shell went there.",
        "Go to a folder that is there, such as: cd ~",
    ]


WAIT = """
import os, signal, sys
sys.argv = ["gcl", "doctor"]
import builtins
real = builtins.__import__
def importing(name, *rest, **more):
    if name == sys.argv_stop:
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *rest, **more)
sys.argv_stop = sys.stdin.readline().strip()
builtins.__import__ = importing
from gcl_cli.cli import main
main()
"""


@pytest.mark.parametrize("module", ["contextlib", "typer", "pydantic", "numpy", "torch", "torchvision.models"])
def test_ctrl_c_while_modules_are_imported_is_one_line(tmp_path, module):
    ended = subprocess.run([sys.executable, "-c", WAIT], cwd=tmp_path, input=module, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.splitlines()[-1].startswith("Interrupted.") and "Traceback" not in ended.stderr
