import re

import pytest
from pydantic_core import PydanticUndefined

from gcl_cli.cli import options as o
from gcl_cli.cli.options import validated
from gcl_cli.config import (
    WARMUP_METHODS,
    ClusterContrastSettings,
    ClusterSettings,
    EvaluateSettings,
    ExportSettings,
    GanWarmupSettings,
    GenMetricsSettings,
    JointSettings,
    MeshSettings,
    RenderSettings,
    ReportSettings,
    SearchSettings,
    SupervisedSettings,
    SynthSettings,
    VerifySettings,
    ViewsSettings,
    presets,
)
from gcl_cli.config.presets import settings_for
from gcl_cli.config.setting import typed_text
from gcl_cli.errors import GclError

STAGES = {
    "synth": SynthSettings, "mesh": MeshSettings, "render": RenderSettings, "warmup": ClusterContrastSettings,
    "gan-warmup": GanWarmupSettings, "joint": JointSettings, "cluster": ClusterSettings, "evaluate": EvaluateSettings,
    "gen-metrics": GenMetricsSettings, "views": ViewsSettings, "search": SearchSettings, "verify": VerifySettings,
    "export": ExportSettings, "report": ReportSettings,
    **{f"warmup-{name}": model for name, model in WARMUP_METHODS.items() if name != "cluster-contrast"},
}  # fmt: skip
SETTINGS = [(stage, name) for stage, model in STAGES.items() for name in model.model_fields]


def shown_in_help(stage: str, name: str) -> dict[str, str]:
    """`[default: 20; tiny: 6] (paper 4.1)` as {"default": "20", "tiny": "6"}."""
    text = o._default(stage, name, STAGES[stage].model_fields[name])
    shown = re.fullmatch(r"\[(.*)\](?: \(paper .*\))?", text)[1]
    return dict(one.split(": ", 1) for one in shown.split("; "))


@pytest.mark.parametrize(("stage", "name"), SETTINGS)
def test_a_default_typed_as_help_shows_it_reads_as_itself(stage, name):
    model = STAGES[stage]
    default = model.model_fields[name].default
    assert default is not PydanticUndefined
    shown = shown_in_help(stage, name)["default"]
    assert validated(stage, model, {name: shown}, []) == {name: default}
    assert validated(stage, model, {}, [f"{name}={shown}"]) == {name: default}


def test_only_what_the_user_chose_is_handed_on():
    assert validated("joint", JointSettings, {}, []) == {}
    assert validated("joint", JointSettings, {"epochs": "3"}, ["temperature=0.1"]) == {"epochs": 3, "temperature": 0.1}


@pytest.mark.parametrize("text", ["none", "None", "NONE"])
def test_none_means_no_value_where_that_is_allowed(text):
    assert validated("cluster", ClusterSettings, {"radius": text}, []) == {"radius": None}
    assert validated("joint", JointSettings, {"iterations": text}, []) == {"iterations": None}
    with pytest.raises(GclError, match=f"epochs: .*found {text}"):
        validated("joint", JointSettings, {"epochs": text}, [])


def test_none_stays_a_word_where_it_is_one():
    assert validated("warmup", ClusterContrastSettings, {"init": "none"}, []) == {"init": "none"}
    assert validated("joint", JointSettings, {"augment": "none"}, []) == {"augment": "none"}


def test_lists_are_written_with_commas_and_spaces_do_no_harm():
    assert validated("render", RenderSettings, {"angles": "0,90, 180"}, []) == {"angles": (0, 90, 180)}
    assert validated("joint", JointSettings, {"losses": "gan,vi"}, []) == {"losses": ("gan", "vi")}
    assert validated("warmup", ClusterContrastSettings, {}, ["erase_area=0.1,0.2"]) == {"erase_area": (0.1, 0.2)}
    assert validated("warmup", ClusterContrastSettings, {}, ["decay_at="]) == {"decay_at": ()}


def test_set_reads_truth_values_and_takes_dashes_for_underscores():
    assert validated("joint", JointSettings, {}, ["exclude-self=false"]) == {"exclude_self": False}


def test_the_last_set_counts_and_beats_an_option():
    assert validated("joint", JointSettings, {"epochs": "3"}, ["epochs=4", "epochs=5"]) == {"epochs": 5}


def test_an_unknown_setting_names_the_one_that_was_meant_and_where_all_are():
    with pytest.raises(GclError, match="temprature is no setting of gcl joint") as caught:
        validated("joint", JointSettings, {}, ["temprature=1"])
    assert "temperature" in caught.value.fix and caught.value.fix.endswith("gcl config joint")


def test_a_setting_without_a_value_says_that_the_value_is_missing():
    with pytest.raises(GclError, match="the value is missing") as caught:
        validated("joint", JointSettings, {}, ["temperature"])
    assert "--set temperature=VALUE" in caught.value.fix


@pytest.mark.parametrize(
    ("stage", "chosen", "more", "words"),
    [
        ("joint", {"epochs": "0"}, [], ["epochs", "at least 1", "found 0"]),
        ("joint", {"epochs": "many"}, [], ["epochs", "whole number", "found many"]),
        ("joint", {"batch_size": "1"}, [], ["batch-size", "found 1"]),
        ("joint", {}, ["temperature=-1"], ["temperature", "greater than 0", "found -1"]),
        ("joint", {"losses": "gan,vii"}, [], ["losses", "'vi_mem', 'mixup' or 'prototype'", "found gan,vii"]),
        ("joint", {"losses": "vi,prototype,mixup"}, [], ["losses mixup", "add gan"]),
        ("joint", {"losses": ","}, [], ["losses", "at least one"]),
        ("render", {"angles": "45,90"}, [], ["angles", "must be 0", "found 45,90"]),
        ("render", {"angles": "0,90,90"}, [], ["angles", "none twice", "found 0,90,90"]),
        ("mesh", {"splits": ""}, [], ["splits", "at least one"]),
        ("mesh", {"splits": "train,test"}, [], ["splits", "found train,test"]),
        ("gen-metrics", {"measures": "fid,fid"}, [], ["measures", "none twice"]),
        ("cluster", {"radius": "1.5"}, [], ["radius", "less than 1", "found 1.5"]),
        ("warmup", {}, ["erase_area=0.1"], ["erase-area", "found 0.1"]),
        ("warmup", {"learning_rate": "nan"}, [], ["learning-rate", "found nan"]),
        ("synth", {"seed": "-1"}, [], ["seed", "found -1"]),
        ("synth", {"images": "1"}, [], ["images", "found 1"]),
        ("synth", {"cameras": "1"}, [], ["cameras", "found 1"]),
        ("synth", {"shift": "1.5"}, [], ["shift", "found 1.5"]),
        ("joint", {}, ["image_weight=inf"], ["image-weight", "finite", "found inf"]),
    ],
)
def test_a_bad_value_names_the_option_and_what_was_found(stage, chosen, more, words):
    with pytest.raises(GclError) as caught:
        settings_for(STAGES[stage], stage, "paper", validated(stage, STAGES[stage], chosen, more))
    assert all(word in caught.value.problem for word in words), caught.value.problem
    assert "\n" not in caught.value.problem
    assert caught.value.fix == f"See gcl {stage} --help, or all settings: gcl config {stage}"


@pytest.mark.parametrize("stage", STAGES)
def test_help_shows_what_presets_make_of_a_default_and_that_reads_as_itself(stage):
    for name, info in STAGES[stage].model_fields.items():
        values = {preset: stages.get(stage, {}).get(name, info.default) for preset, stages in presets.PRESETS.items()}
        others = {preset: value for preset, value in values.items() if value != info.default}
        found = shown_in_help(stage, name)
        found.pop("default")
        assert found.keys() == others.keys()
        for preset, text in found.items():
            assert validated(stage, STAGES[stage], {name: text}, [])[name] == others[preset]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"), (True, "true"), (False, "false"), (3, "3"), (0.1, "0.1"), ("a b", "a b"),
        ((0, 45, -90), "0,45,-90"), (["gan", "vi"], "gan,vi"), ((1, None, True), "1,none,true"), ((), ""),
    ],
)  # fmt: skip
def test_a_value_as_it_is_typed(value, text):
    assert typed_text(value) == text


@pytest.mark.parametrize(
    ("stage", "name", "metavar"),
    [
        ("joint", "epochs", "INTEGER"), ("joint", "identity_rate", "NUMBER"), ("cluster", "radius", "NUMBER|none"),
        ("gan-warmup", "iterations", "INTEGER|none"), ("render", "angles", "INTEGER,..."), ("warmup", "init", "TEXT"),
        ("joint", "losses", "gan|vi|vi_syn|vi_mem|mixup|prototype,..."), ("warmup", "precision", "fp32|bf16|auto"),
    ],
)  # fmt: skip
def test_help_shows_what_may_be_typed(stage, name, metavar):
    assert o._metavar(STAGES[stage].model_fields[name].annotation) == metavar


@pytest.mark.parametrize(
    ("groups", "problem"), [(8, "batchnorm_groups (8) does not divide the people of a batch (12)"), (3, None)]
)
def test_settings_are_checked_with_the_preset_they_meet(groups, problem, tmp_path):
    chosen = validated("warmup", SupervisedSettings, {}, [f"batchnorm_groups={groups}"])
    if problem is None:
        assert settings_for(SupervisedSettings, "warmup-supervised", "tiny", chosen).batchnorm_groups == groups
        return
    with pytest.raises(GclError) as caught:
        settings_for(SupervisedSettings, "warmup-supervised", "tiny", chosen)
    assert caught.value.problem.startswith(problem) and "one of 1, 2, 3, 4, 6, 12" in caught.value.problem
    assert settings_for(SupervisedSettings, "warmup-supervised", "paper", chosen).batchnorm_groups == groups


@pytest.mark.parametrize(("stage", "name"), SETTINGS)
def test_no_word_of_the_library_that_checks_settings_reaches_a_user(stage, name):
    for value in ("x y", "-1e9", "1e99", "nan", "none", "", ",", "0,0,0,0,0,0,0,0,0,0", "1.5"):
        try:
            settings_for(STAGES[stage], stage, "tiny", validated(stage, STAGES[stage], {name: value}, []))
        except GclError as error:
            assert not any(word in error.problem.lower() for word in ("input", "valid", "value error", "pydantic", "{"))
