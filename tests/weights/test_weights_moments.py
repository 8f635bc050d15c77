"""The moments beside the generator's weights: written, read, missing, and of other networks."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Adam

from gcl_cli.errors import GclError
from gcl_cli.training.moments import named_moments
from gcl_cli.training.state import TrainingState
from gcl_cli.weights.moments import FILE, go_on_with_moments, save_moments


def new_state(*, stepped: bool) -> TrainingState:
    networks: dict[str, nn.Module] = {"generator": nn.Linear(3, 2), "discriminator": nn.Linear(2, 1)}
    state = TrainingState(networks, {n: Adam(m.parameters()) for n, m in networks.items()}, torch.Generator())
    for name in networks if stepped else ():
        for parameter in networks[name].parameters():
            parameter.grad = torch.ones_like(parameter)
        state.optimizers[name].step()
    return state


def made(folder) -> Any:
    """What an artifact is to the reader of its moments."""
    return SimpleNamespace(folder=folder, reference="gan-warmup/main")


def moments_of(state: TrainingState) -> dict[str, torch.Tensor]:
    return named_moments(state.networks, state.optimizers)


def test_moments_come_back_as_they_were_written(tmp_path):
    state, later = new_state(stepped=True), new_state(stepped=False)
    save_moments(made(tmp_path), state)
    go_on_with_moments(made(tmp_path), later)
    found = moments_of(later)
    assert found.keys() == moments_of(state).keys() and len(found) == 12
    assert all(torch.equal(value, found[name]) for name, value in moments_of(state).items())


def test_an_artifact_without_moments_still_starts_and_it_is_said(tmp_path, capsys):
    save_moments(made(tmp_path), new_state(stepped=False))
    assert not (tmp_path / FILE).exists()
    state = new_state(stepped=False)
    go_on_with_moments(made(tmp_path), state)
    assert moments_of(state) == {}
    assert "gan-warmup/main keeps no moments of Adam" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m: m | {"generator.weight.exp_avg": torch.zeros(2, 4)}, "generator.weight.exp_avg is unknown or of"),
        (lambda m: m | {"painter.weight.exp_avg": torch.zeros(2, 3)}, "painter.weight.exp_avg is unknown or of"),
        (lambda m: m | {"generator.weight.exp_avg": torch.full((2, 3), torch.nan)}, "not finite"),
    ],
)
def test_moments_of_other_networks_are_refused(tmp_path, spoil, said):
    save_moments(made(tmp_path), new_state(stepped=True))
    save_file(spoil(load_file(tmp_path / FILE)), tmp_path / FILE)
    with pytest.raises(GclError, match=said):
        go_on_with_moments(made(tmp_path), new_state(stepped=False))
