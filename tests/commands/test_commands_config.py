"""`gcl config`: what may be set, and how."""

import json

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gcl_cli.cli import app
from gcl_cli.cli.options import validated
from gcl_cli.commands import config as settings
from gcl_cli.config.presets import PRESETS, settings_for
from gcl_cli.config.stages import STAGE_SETTINGS
from gcl_cli.errors import GclError


def row(stage: str, name: str) -> dict:
    return next(row for row in settings.run(stage)[stage] if row["setting"] == name)


def test_all_settings_of_all_stages_are_listed_with_a_meaning():
    listed = settings.run(None)
    assert {stage: [row["setting"] for row in rows] for stage, rows in listed.items()} == {
        stage: list(model.model_fields) for stage, model in STAGE_SETTINGS.items()
    }
    assert all(row["meaning"] and row["range"] and row["type"] for rows in listed.values() for row in rows)


def test_every_command_with_settings_is_listed():
    with_settings = {
        name for name, command in get_command(app).commands.items() if any(p.name == "set_more" for p in command.params)
    }
    assert with_settings - {"run"} == {stage for stage in STAGE_SETTINGS if "warmup-" not in stage}


@pytest.mark.parametrize("stage", STAGE_SETTINGS)
def test_what_presets_change_is_what_a_stage_gets(stage):
    for row in settings.run(stage)[stage]:
        for preset in PRESETS:
            got = settings_for(STAGE_SETTINGS[stage], stage, preset, {}).model_dump(mode="json")[row["setting"]]
            assert row["presets"].get(preset, row["default"]) == got


@pytest.mark.parametrize("stage", STAGE_SETTINGS)
def test_every_setting_can_be_typed_as_it_is_shown(stage):
    command = "gan-warmup" if stage == "gan-warmup-mesh" else stage.partition("-")[0] if "warmup-" in stage else stage
    options = {o for p in get_command(app).commands[command].params for o in (*p.opts, *p.secondary_opts)}
    for row in settings.run(stage)[stage]:
        if row["type"].startswith("--set "):
            default = row["default"]
            text = ",".join(map(str, default)) if isinstance(default, list) else str(default).lower()
            validated(stage, STAGE_SETTINGS[stage], {}, [row["type"].removeprefix("--set ") + text])
        elif stage in ("warmup", "joint", "mesh"):
            assert row["type"] in options


def test_warmup_stands_for_all_methods():
    assert list(settings.run("warmup")) == ["warmup", "warmup-jvtc", "warmup-mmcl", "warmup-act", "warmup-supervised"]
    assert list(settings.run("warmup-jvtc")) == ["warmup-jvtc"]


@pytest.mark.parametrize(
    ("stage", "name", "range_", "paper"),
    [
        ("joint", "epochs", "integer >= 1", "4.2"),
        ("joint", "memory_momentum", "number >= 0, < 1", "4.2, alpha"),
        ("joint", "radius", "number > 0, < 1, or none", None),
        ("mesh", "splits", "list of train, query or gallery", None),
        ("joint", "exclude_self", "true or false", None),
        ("warmup", "erase_area", "2 of number", None),
        ("warmup", "height", "integer >= 64, multiple of 32", "4.2"),
        ("warmup-jvtc", "clustering", "dbscan", None),
        ("mesh", "meshes", "text, or none", None),
    ],
)
def test_ranges_are_words(stage, name, range_, paper):
    assert (row(stage, name)["range"], row(stage, name)["paper"]) == (range_, paper)


def test_networks_of_a_preset_are_shown_where_they_are_chosen():
    assert row("warmup", "trunk")["presets"] == {"small": "resnet18", "tiny": "resnet18"}


def test_an_unknown_stage_names_the_known_ones():
    with pytest.raises(GclError, match="no settings of 'jiont'") as raised:
        settings.run("jiont")
    assert "joint" in raised.value.fix
    assert CliRunner().invoke(app, ["config", "jiont"]).exit_code == 2


def test_the_command_prints_json_when_piped():
    ran = CliRunner().invoke(app, ["config", "cluster"])
    assert json.loads(ran.stdout)["cluster"][0]["setting"] == "clustering"


@pytest.mark.parametrize("stage", [*STAGE_SETTINGS, "parity"])
def test_on_80_columns_every_name_is_whole(stage, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(app, ["config", stage, "--table"]).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    listed = {line.split()[0].lstrip("-").replace("-", "_") for line in lines if line.strip()}
    assert {row.get("setting") or row["row"] for row in settings.run(stage)[stage]} <= listed


def test_settings_stand_with_those_they_were_introduced_with():
    assert row("joint", "batch_size")["group"] == "L_gan (Eq. 1-4) and its optimizers."
    assert row("joint", "temperature")["group"] == "Generator and encoder together (Eq. 9)."
    assert row("joint", "k1")["group"] == row("cluster", "k1")["group"] == "Pseudo labels from features (section 3.2)."


def test_parity_lists_the_departures_and_what_follows_them():
    rows = {one["row"]: one for one in settings.run("parity")["parity"]}
    assert rows["D4"]["settings"] == {"joint": {"self_positive": "memory"}}
    assert "joint: self_positive=memory" in CliRunner().invoke(app, ["config", "parity", "--table"]).stdout
