import os

import pytest
from artifacts_making import make, start

from gcl_cli.artifacts.files import digest_of, write_json
from gcl_cli.artifacts.layout import MADE_BY, WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.errors import GclError


@pytest.fixture
def work(tmp_path):
    return WorkFolder(tmp_path)


def test_a_stale_artifact_is_refused_with_the_command_that_mends_it(work):
    make(work, "mesh", content=1)
    make(work, "render", reads=["mesh"])
    make(work, "mesh", content=2, restart=True)
    with pytest.raises(GclError, match="render is stale: mesh/main was made anew") as caught:
        read_artifact(work, "render")
    assert "gcl render --restart" in caught.value.fix


def test_other_settings_with_the_same_output_make_it_stale_too(work):
    make(work, "mesh", content=1, threshold=0.5)
    make(work, "render", reads=["mesh"])
    make(work, "mesh", content=1, threshold=0.6, restart=True)
    with pytest.raises(GclError, match="stale"):
        read_artifact(work, "render")


def test_a_source_remade_with_the_same_outcome_makes_nothing_stale(work):
    first = make(work, "mesh", content=1)
    made = make(work, "render", reads=["mesh"])
    again = make(work, "mesh", content=1, restart=True)
    assert again.manifest.digest == first.manifest.digest
    assert read_artifact(work, "render").manifest == made.manifest


def test_staleness_reaches_through_the_artifacts_in_between(work):
    make(work, "mesh", content=1)
    make(work, "render", reads=["mesh"])
    make(work, "gan-warmup", "mine", reads=["render"])
    make(work, "mesh", content=2, restart=True)
    with pytest.raises(GclError, match="render/main is stale") as caught:
        read_artifact(work, "gan-warmup/mine")
    assert "gcl render --restart" in caught.value.fix


def test_the_command_that_mends_a_named_artifact_names_it(work):
    make(work, "mesh", content=1)
    make(work, "render", "wide", reads=["mesh"])
    make(work, "mesh", content=2, restart=True)
    with pytest.raises(GclError) as caught:
        read_artifact(work, "render/wide")
    assert "gcl render --name wide --restart" in caught.value.fix


def test_an_artifact_outlives_the_deletion_of_its_source(work):
    make(work, "mesh")
    made = make(work, "render", reads=["mesh"])
    for path in sorted(work.artifact("mesh").iterdir()):
        path.unlink()
    work.artifact("mesh").rmdir()
    assert read_artifact(work, "render").manifest == made.manifest


@pytest.mark.parametrize("damage", ["change", "delete"])
def test_damaged_output_is_refused(work, damage):
    made = make(work, content=123)
    read_artifact(work, "mesh")  # its digests are remembered now
    output = made.folder / "content.json"
    if damage == "change":
        before = output.stat().st_mtime_ns
        output.write_text("12345\n")
        os.utime(output, ns=(before, before))  # such as a copy that keeps times
    else:
        output.unlink()
    with pytest.raises(GclError, match=r"damaged: content.json") as caught:
        read_artifact(work, "mesh")
    assert "gcl mesh DATA" in caught.value.fix and str(made.folder) in caught.value.fix


@pytest.mark.parametrize("stage", MADE_BY)
def test_a_missing_input_names_the_command_that_makes_it(work, stage):
    with pytest.raises(GclError, match=f"{stage} does not exist") as caught:
        read_artifact(work, stage)
    assert f"gcl {stage}" in caught.value.fix


def test_a_missing_name_says_which_there_are_but_not_unfinished_ones(work):
    make(work, "warmup", "jvtc")
    with start(work, "warmup", "begun").begin(restart=False) as run:
        write_json(run.folder / "manifest.json", {})
    with pytest.raises(GclError, match=r"there is: jvtc\)"):
        read_artifact(work, "warmup")


def test_an_unfinished_input_says_so(work):
    with start(work, "warmup", "jvtc").begin(restart=False):
        pass
    with pytest.raises(GclError, match="warmup/jvtc is not finished") as caught:
        read_artifact(work, "warmup/jvtc")
    assert "gcl warmup DATA --name jvtc" in caught.value.fix


def test_an_unknown_stage_names_the_known_ones(work):
    with pytest.raises(GclError, match="no stage 'warmpu'") as caught:
        read_artifact(work, "warmpu/main")
    assert all(stage in caught.value.fix for stage in MADE_BY)


def test_the_digest_of_a_value_does_not_depend_on_the_order_of_its_keys():
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
