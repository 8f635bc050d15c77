"""What Tab offers, asked as bash asks."""

import pytest
from typer.testing import CliRunner

from gcl_cli.cli import app


def offered(line: str) -> list[str]:
    """The words that bash is given for a line that ends where the cursor stands."""
    words = line.split(" ")
    asked = {"_GCL_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    return CliRunner().invoke(app, [], prog_name="gcl", env=asked).stdout.split()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("warmup/main", "joint/long", "gan-warmup/main", "joint/begun.partial"):
        (tmp_path / "work" / name).mkdir(parents=True)
        if not name.endswith("partial"):
            (tmp_path / "work" / name / "manifest.json").write_text("{}")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("gcl joint --losses vi_", ["vi_syn", "vi_mem"]),
        ("gcl joint --losses gan,vi_", ["gan,vi_syn", "gan,vi_mem"]),
        ("gcl joint --losses vi_syn,vi_", ["vi_syn,vi_mem"]),
        ("gcl joint --set self_", ["self_positive="]),
        ("gcl joint --set refresh=", ["refresh=none", "refresh=noise", "refresh=all"]),
        ("gcl joint --set exclude_self=f", ["exclude_self=false"]),
        ("gcl joint --radius n", ["none"]),
        ("gcl warmup crops --set trunk=resnet1", ["trunk=resnet18"]),
        ("gcl warmup crops --set new_layer", ["new_layer_factor="]),
        ("gcl warmup crops --method m", ["mmcl"]),
        ("gcl warmup crops --init imagenet-", ["imagenet-v2"]),
        ("gcl evaluate --encoder ", ["joint/long", "warmup/main"]),
        ("gcl evaluate --work elsewhere --encoder ", []),
        ("gcl views p.jpg --generator ", ["gan-warmup/main", "joint/long", "shipped"]),
        ("gcl run crops --set gan", ["gan-warmup."]),
        ("gcl run crops --set joint.self", ["joint.self_positive="]),
        ("gcl config par", ["parity"]),
    ],
)
def test_tab_offers_what_may_be_typed(line, wanted):
    assert offered(line) == wanted
