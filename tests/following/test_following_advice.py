"""What is said of a training before it begins."""

import pytest

from gcl_cli.config import Architecture, GanWarmupSettings, JointSettings
from gcl_cli.config.parity import parity_settings
from gcl_cli.config.presets import settings_for
from gcl_cli.config.stages import gan_warmup_key
from gcl_cli.following.advice import tell_parity

MODELS = {"gan-warmup": GanWarmupSettings, "joint": JointSettings}


def told(stage: str, preset: str, head: str, capsys: pytest.CaptureFixture[str], **changed: object) -> str:
    chosen = parity_settings(stage, "reference") | changed
    key = gan_warmup_key("mesh") if stage == "gan-warmup" else stage  # the published generator's
    tell_parity("reference", stage, settings_for(MODELS[stage], key, preset, chosen), chosen, Architecture(head=head))
    return capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("stage", MODELS)
@pytest.mark.parametrize("head", ["projection", "batchnorm"])
def test_parity_with_the_papers_preset_and_a_published_head_needs_no_word(stage, head, capsys):
    assert told(stage, "paper", head, capsys) == ""


def test_without_parity_nothing_is_said(capsys):
    tell_parity("none", "joint", settings_for(JointSettings, "joint", "tiny", {}), {}, Architecture())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("preset", ["small", "tiny"])
def test_parity_after_a_smaller_preset_names_what_that_leaves(preset, capsys):
    said = told("joint", preset, "projection", capsys)
    for words in ("k1=20 (published: 30)", "identity_rate=0.001 (published: 0.00035)", "decay_at=(0.6,)", "precision="):
        assert words in said
    assert "bnneck" not in said and "radius" not in said and "sheet_every" not in said
    assert "k1" not in told("joint", preset, "projection", capsys, k1=25)  # the user's own choice is no surprise
    assert "epochs=3 (published: 40)" in told("gan-warmup", preset, "projection", capsys)


def test_parity_with_the_default_warmups_head_says_that_it_is_another(capsys):
    said = told("joint", "paper", "bnneck", capsys)
    assert "bnneck" in said and "gcl warmup DATA --method jvtc" in said and "preset" not in said
