"""The rows of the paper's Table 3: each is one choice of the settings."""

import pytest
import torch
from training_world import CLUSTERING, Bars, new_networks, same, tensors_of, training_set

from gcl_cli.config import JointSettings
from gcl_cli.records import PseudoLabels
from gcl_cli.training import epoch_clusters, joint
from gcl_cli.training.joint import Joint, joint_state

GAN = {"discriminator", "image", "feature", "adversarial"}
ROWS = {  # row -> what is chosen, and the values of a step
    "1: L_gan": ({"losses": ("gan",)}, GAN),
    "2: L_vi": ({"losses": ("vi",)}, {"vi"}),
    "3: L_vi, augmented": ({"losses": ("vi",), "augment": "classic"}, {"vi"}),
    "4: L_gan + L_vi": ({"losses": ("gan", "vi")}, GAN | {"vi"}),
    "4a: L_gan + L'_vi": ({"losses": ("gan", "vi_syn")}, GAN | {"vi_syn"}),
    "4b: L_gan + L''_vi": ({"losses": ("gan", "vi_mem")}, GAN | {"vi_mem"}),
    "5: L_gan + L_vi + L'_vi": ({"losses": ("gan", "vi", "vi_syn")}, GAN | {"vi", "vi_syn"}),
    "5a: L_gan + L_vi + L''_vi": ({"losses": ("gan", "vi", "vi_mem")}, GAN | {"vi", "vi_mem"}),
    "6: all": ({}, GAN | {"vi", "vi_syn", "vi_mem"}),
    "6a: all, real negatives": ({"negatives_from": "real"}, GAN | {"vi", "vi_syn", "vi_mem"}),
    "6b: all, augmented": ({"augment": "classic"}, GAN | {"vi", "vi_syn", "vi_mem"}),
    "6c: all, two turns": ({"angles": (90, 270)}, GAN | {"vi", "vi_syn", "vi_mem"}),
}


@pytest.fixture(autouse=True)
def known_clusters(monkeypatch):
    labels = torch.arange(32).numpy() // 4
    monkeypatch.setattr(epoch_clusters, "cluster_features", lambda *_, **__: PseudoLabels(labels.copy(), 0.5))


def first_step(structures: Bars, **chosen):
    """A joint training after its first step, what that step found, and how often each network ran."""
    settings = JointSettings(**{"iterations": 1, "batch_size": 4, **CLUSTERING, **chosen})
    training, passes = Joint(joint_state(new_networks(), settings), training_set(), structures, settings), {}
    for name, network in training.state.networks.items():
        network.register_forward_pre_hook(lambda *_, name=name: passes.update({name: passes.get(name, 0) + 1}))
    before = {name: tensors_of(network) for name, network in training.state.networks.items()}
    values = next(training.epochs()).values
    moved = {name for name, network in training.state.networks.items() if not same(tensors_of(network), before[name])}
    return values, passes, moved


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_ablation_is_one_choice(row):
    chosen, expected = ROWS[row]
    structures = Bars()
    values, passes, moved = first_step(structures, **chosen)
    assert values.keys() == expected
    if "discriminator" in expected:
        assert moved == {"identity_encoder", "structure_encoder", "generator", "discriminator"}
        turned = {angle for _, angles in structures.asked[1::2] for angle in angles}
        assert turned <= ({2, 6} if "angles" in chosen else set(range(1, 8)))
    else:  # no view costs anything
        assert moved == {"identity_encoder"} == set(passes)
        assert structures.asked == []


def test_generation_alone_computes_no_contrast(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("nothing is contrasted")

    monkeypatch.setattr(joint, "negative_logsumexp", refuse)
    first_step(Bars(), losses=("gan",))
