import io
import json

import pytest
from rich.console import Console

from gcl_cli import console


@pytest.fixture
def terminal(monkeypatch):
    """stderr as a terminal of its own; returns what is written to it."""
    written = io.StringIO()
    screen = Console(file=written, force_terminal=True, width=200, highlight=False, emoji=False, color_system=None)
    monkeypatch.setattr(console, "_talk", lambda: screen)
    return written


class Clock:
    """A clock that moves when told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_a_complaint_is_two_lines_on_stderr_as_they_are(capsys):
    console.complain("no [bold]such[/bold] file: a:x:b :smile: " + "long " * 60 + "end", "type: gcl mesh [DATA]")
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        err == "Error: no [bold]such[/bold] file: a:x:b :smile: " + "long " * 60 + "end" + "\ntype: gcl mesh [DATA]\n"
    )


def test_a_problem_of_several_lines_is_told_in_one(capsys):
    console.complain("it failed:\n  because\nof this", "do\nthat")
    assert capsys.readouterr().err.splitlines() == ["Error: it failed: because of this", "do that"]


def test_talk_goes_to_stderr(capsys):
    console.say("remark [x]")
    console.warn("mind this")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "remark [x]\nNote: mind this\n")


RESULT = {"mAP": 12.3456, "splits": [{"split": "train", "n": 3}, {"split": "query", "more": None}], "name": "ü [b]:x:"}


def test_a_piped_result_is_json(capsys):
    console.show(RESULT, as_json=None)
    out, err = capsys.readouterr()
    assert json.loads(out) == RESULT and err == ""


@pytest.mark.parametrize(("as_json", "table"), [(True, False), (None, True), (False, True)])
def test_on_a_terminal_a_result_is_a_table_unless_json_is_asked_for(capsys, monkeypatch, as_json, table):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    console.show(RESULT, as_json=as_json)
    out = capsys.readouterr().out
    assert out.startswith("{") != table
    if table:
        assert "12.35" in out and "ü [b]:x:" in out
        titles = next(line for line in out.splitlines() if "more" in line)
        assert titles.index("split") < titles.index(" n ") < titles.index("more")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"), (0.000123456, "0.0001235"), (3, "3"), (True, "True"), ([1, 0.5], "1, 0.5"), ("a_b", "a_b"),
        ({"rank_1": 0.5, "n": None}, "rank 1 0.5  n -"), ([], ""),
    ],
)  # fmt: skip
def test_values_are_shown_short(value, text):
    assert console._text(value) == text


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(console, "time", clock)
    with console.meter("mesh", 100) as meter:
        for _ in range(100):
            clock.now += 1
            meter.advance(note="fine")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "mesh: 15/100  1.0/s  1 min 25 s left  fine"
    assert lines[-1] == "mesh: 100/100  1.0/s  0 s left  fine"
    assert len(lines) == 7


def test_the_rate_of_a_resumed_job_counts_only_what_this_run_did(capsys, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(console, "time", clock)
    with console.meter("mesh", 100, done=60) as meter:
        clock.now += 20
        meter.advance(20)
    assert capsys.readouterr().err == "mesh: 80/100  1.0/s  20 s left\n"


def test_on_a_terminal_the_bar_knows_a_total_that_is_found_out_later(terminal):
    with console.meter("warmup", total=1) as meter:
        meter.total = 40
        for _ in range(10):
            meter.advance(note="loss 0.5")
        meter.tell("epoch 1/4: loss 0.5")
    shown = terminal.getvalue()
    assert "10/40" in shown and "epoch 1/4: loss 0.5" in shown and "loss 0.5" in shown


def test_a_board_says_what_is_left_and_when_it_ends(terminal, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(console, "time", clock)
    with console.board(["mesh", "joint"], lambda board: 300.0) as board:
        board.begin("mesh")
        clock.now += 61
        console._talk().print(board)
    assert "1 left" in terminal.getvalue() and "1 min 01 s so far, about 5 min 00 s left, until " in terminal.getvalue()


def test_a_long_note_leaves_room_for_the_bar(monkeypatch):
    written = io.StringIO()
    narrow = Console(file=written, force_terminal=True, width=100, highlight=False, emoji=False, color_system=None)
    monkeypatch.setattr(console, "_talk", lambda: narrow)
    with console.meter("joint", 10) as meter:
        meter.advance(4, note="epoch 1  " + "  ".join(f"loss_{number} 1.234" for number in range(9)))
    shown = written.getvalue()
    assert "4/10" in shown and "loss_0 1.234" in shown and "loss_8" not in shown
