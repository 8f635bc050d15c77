"""Words and options that a command does not know: what to type instead is said, and can be typed."""

import pytest
from typer.testing import CliRunner

from gcl_cli.cli import app


def said(*words: str) -> list[str]:
    ended = CliRunner().invoke(app, list(words))
    assert ended.exit_code == 2, ended.output
    return ended.output.strip().splitlines()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("evaluate crops", "Another data set is named with --dataset crops"),
        ("evaluate r50.pth", "Weights are named with --init r50.pth"),
        ("evaluate joint/main", "An artifact is named with --encoder joint/main"),
        ("evaluate imagenet", "Weights are named with --init imagenet"),
        ("gen-metrics fakes", "Two folders are compared with --real DIR --generated fakes"),
        ("render crops", "gcl render works on what the work folder holds; another one is named with --work DIR"),
        ("joint epochs=3", "A setting is given with --set epochs=3"),
        ("mesh one two", "gcl mesh takes DATA and no more."),
        ("export model.onnx", "The folder for the file is named with --to model.onnx"),
        ("search crops p.jpg --preset tiny", "It is an option of gcl warmup, gcl run."),
        ("joint --temperature 0.1", "That is a setting: --set temperature=VALUE"),
        ("warmup crops --epohcs 4", "Did you mean --epochs?"),
        ("warmup crops --temprature 1", "Did you mean --set temperature?"),
        ("status --colour", "See gcl status --help"),
        ("--work w status", "Options follow the command: gcl COMMAND --work ..."),
        ("search", "Example: gcl search crops photo.jpg --from-behind"),
        ("synth", "Example: gcl synth data/synth --ids 60 --cameras 4"),
    ],
)
def test_a_usage_error_ends_in_what_to_type(words, hint):
    assert said(*words.split())[-1] == hint


@pytest.mark.parametrize("command", ["", "mesh", "joint", "status"])
def test_h_is_help(command):
    long, short = (CliRunner().invoke(app, [*command.split(), word]) for word in ("--help", "-h"))
    assert short.exit_code == 0 and short.output == long.output and "Usage" in short.output


def test_mistyped_settings_and_commands_are_told_what_is_alike():
    assert "Did you mean temperature? All of them: gcl config joint" in said("joint", "--set", "tempreature=3")[-1]
    assert "Did you mean joint? Name one of: " in said("config", "jiont")[-1]
    assert "Did you mean 'warmup'" in said("warmpu")[-1]
    assert "Did you mean joint? Write STAGE.KEY=VALUE" in said("run", "--set", "jiont.epochs=3")[-1]
