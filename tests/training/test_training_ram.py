import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_world import Bars, new_networks, rng, same, tensors_of, training_set

from gcl_cli.config import GanWarmupSettings, JointSettings
from gcl_cli.training.gan import ViewGan
from gcl_cli.training.gan_warmup import gan_warmup_state
from gcl_cli.training.joint import joint_state
from gcl_cli.training.ram import encoder_memory, gan_memory, kept_for_gradients
from gcl_cli.training.structures import own_and_new

HERE = Path(__file__).resolve().parent


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["gan-warmup", "joint"])
@pytest.mark.parametrize(("settings", "factor"), [({}, 1.5), ({"checkpoint_activations": True}, 1.7)])
def test_the_estimate_is_near_the_peak_of_a_step(stage, settings, factor):
    program = [sys.executable, str(HERE / "peak_memory.py"), stage, "64", json.dumps(settings)]
    done = subprocess.run(
        program, cwd=HERE.parent.parent, env=environment(), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["total"] / factor <= found["measured"] <= factor * found["total"], found


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, HERE.parents[:2])), "OMP_NUM_THREADS": "1"}


def test_graphs_are_counted_without_parameters_and_shared_memory_once():
    layer = torch.nn.Linear(3, 5)
    inputs = torch.ones(2, 3, requires_grad=True)

    def compute():
        hidden = layer(inputs)  # keeps its input of 24 bytes and its weight
        return hidden.exp() + hidden.detach().exp().mul(hidden)  # keeps two results of 40 bytes, and nothing twice

    result, kept = kept_for_gradients(compute, [layer])
    assert result.shape == (2, 5)
    assert kept == 24 + 40 + 40


def warm_up(**settings) -> ViewGan:
    chosen = GanWarmupSettings(**settings)
    return ViewGan(gan_warmup_state(new_networks(), chosen), chosen)


def test_activations_grow_with_a_part_of_the_batch_and_shrink_when_recomputed():
    pictures = training_set().pictures
    eight, sixteen, in_parts, recomputed = (
        gan_memory(warm_up(**chosen), pictures)
        for chosen in (
            {"batch_size": 8},
            {"batch_size": 16},
            {"batch_size": 16, "batchnorm_groups": 2},
            {"batch_size": 16, "checkpoint_activations": True},
        )
    )
    assert in_parts == eight
    assert sixteen.activations == pytest.approx(2 * eight.activations, rel=0.02)
    assert recomputed.activations < 0.75 * sixteen.activations


def test_networks_count_weights_gradients_and_moments_of_what_is_trained():
    networks = new_networks()
    size = {name: sum(p.nbytes for p in network.parameters()) for name, network in networks.items()}
    side = size["structure_encoder"] + size["generator"] + size["discriminator"]
    frozen = warm_up(batch_size=2)
    pictures = training_set().pictures
    found = gan_memory(frozen, pictures)
    assert found.networks == size["identity_encoder"] + 4 * side
    assert found.data == pictures.nbytes


def test_estimating_changes_nothing_that_training_depends_on():
    settings = JointSettings(batch_size=4)
    state = joint_state(new_networks(), settings)
    before, random = {n: tensors_of(network) for n, network in state.networks.items()}, torch.get_rng_state()
    found = gan_memory(ViewGan(state, settings), training_set().pictures)
    assert same({n: tensors_of(network) for n, network in state.networks.items()}, before)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None for network in state.networks.values() for p in network.parameters())
    assert found.data == 32 * (3 * 64 * 32 + 4 * state.networks["identity_encoder"].embedding_size)
    one = encoder_memory(state, training_set().pictures, batch_size=4, precision="fp32")
    assert 0 < one.activations < found.activations and one.total == sum(one)
    more = encoder_memory(state, training_set().pictures, batch_size=4, precision="fp32", beside=1000)
    assert more.total == one.total + 1000


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_recomputed_activations_give_the_same_gradients_and_statistics_bit_for_bit(precision):
    real = torch.randn(3, 3, 64, 32, generator=rng(5))
    own, new = own_and_new(Bars(), torch.tensor([0, 3, 6]), torch.tensor([1, 4, 7]), torch.device("cpu"))
    ends = []
    for recompute in (False, True):
        settings = JointSettings(checkpoint_activations=recompute, precision=precision)
        gan = ViewGan(joint_state(new_networks(), settings), settings)
        for freeze in (True, False):  # the statistics of one pass, then of four
            views = gan.views(real, own, new, freeze_statistics=freeze)
            (gan.generator_loss(real, views)[0] + views.code_novel.embedding.square().mean()).backward()
        (gan.reconstruct(real, own) - real).abs().mean().backward()
        networks = gan.state.networks
        gradients = {
            n: {k: p.grad for k, p in net.named_parameters() if p.grad is not None} for n, net in networks.items()
        }
        ends.append((gradients, {n: tensors_of(network) for n, network in networks.items()}))
    assert len(ends[0][0]["identity_encoder"]) > 30
    assert same(*ends)
