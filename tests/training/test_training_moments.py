"""Adam's moments by name: a stage that resumes them steps as the one before would have."""

import copy

import torch
from torch import nn
from torch.optim import Adam
from training_world import rng, same

from gcl_cli.training.moments import named_moments, resume_moments


def new_networks() -> dict[str, nn.Module]:
    networks: dict[str, nn.Module] = {"painter": nn.Conv2d(3, 4, 3), "judge": nn.Linear(5, 2)}
    for network in networks.values():
        for parameter in network.parameters():
            parameter.data.copy_(torch.randn(parameter.shape, generator=rng(1)))
    networks["painter"].to(memory_format=torch.channels_last)
    return networks


def optimizer_of(networks: dict[str, nn.Module], rate: float = 0.01) -> Adam:
    return Adam([p for network in networks.values() for p in network.parameters()], lr=rate, betas=(0.0, 0.999))


def steps(networks: dict[str, nn.Module], optimizer: Adam, seeds: range) -> None:
    for seed in seeds:
        for network in networks.values():
            for parameter in network.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=rng(seed))
        optimizer.step()


def weights(networks: dict[str, nn.Module]) -> dict[str, dict[str, torch.Tensor]]:
    return {name: network.state_dict() for name, network in networks.items()}


def test_resumed_moments_step_as_the_optimizer_that_they_come_from():
    first = new_networks()
    before = optimizer_of(first)
    steps(first, before, range(3))
    kept = {name: value.clone() for name, value in named_moments(first, {"both": before}).items()}
    resumed, fresh = copy.deepcopy(first), copy.deepcopy(first)
    after = optimizer_of(resumed)
    resume_moments(resumed, after, kept)
    untouched = {name: value.clone() for name, value in kept.items()}
    steps(first, before, range(3, 5))
    steps(resumed, after, range(3, 5))
    steps(fresh, optimizer_of(fresh), range(3, 5))
    assert same(weights(resumed), weights(first)) and not same(weights(fresh), weights(first))
    assert same(kept, untouched)  # they are copies


def test_names_are_those_of_network_parameter_and_kind():
    networks = new_networks()
    optimizer = optimizer_of(networks)
    assert named_moments(networks, {"both": optimizer}) == {}
    steps(networks, optimizer, range(2))
    found = named_moments(networks, {"both": optimizer})
    assert found.keys() == {
        f"{place}.{kind}"
        for place in ("painter.weight", "painter.bias", "judge.weight", "judge.bias")
        for kind in ("exp_avg", "exp_avg_sq", "step")
    }
    assert found["judge.bias.step"] == 2 and found["painter.weight.exp_avg_sq"].shape == (4, 3, 3, 3)


def test_rates_and_what_has_no_moments_stay_as_they_are():
    networks = new_networks()
    optimizer = optimizer_of(networks)
    steps(networks, optimizer, range(1))
    judge = {n: v for n, v in named_moments(networks, {"both": optimizer}).items() if n.startswith("judge.")}
    other = optimizer_of(networks, rate=0.5)
    resume_moments(networks, other, judge)
    assert other.param_groups[0]["lr"] == 0.5
    assert {type(p).__name__ for p in other.state} == {"Parameter"} and len(other.state) == 2
