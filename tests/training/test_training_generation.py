import pytest
import torch
from training_world import CPU, HEIGHT, WIDTH, Bars, new_networks, same, tensors_of, training_set

from gcl_cli.training.augmentation import denormalise, normalise
from gcl_cli.training.generation import BATCH, generate
from gcl_cli.training.structures import to_signal


@pytest.fixture(scope="module")
def networks():
    """Untrained ones, with a last layer strong enough that pictures do not round to one grey."""
    made = new_networks()
    with torch.no_grad():
        made["generator"].painter[-1].weight.mul_(5)
    return made


@pytest.fixture(scope="module")
def pictures():
    return training_set().pictures


def test_pictures_are_identity_of_the_photograph_in_the_structure_of_row_and_angle(networks, pictures):
    rows, turns = torch.tensor([3, 9, 3]), torch.tensor([0, 2, 5])
    made = generate(networks, pictures, Bars(), rows, turns)
    for i, (row, turn) in enumerate(zip(rows, turns, strict=True)):
        with torch.no_grad():
            parts = networks["identity_encoder"](normalise(pictures[row][None])).parts
            structure = networks["structure_encoder"](to_signal(Bars()(row[None], turn[None]), CPU))
            decoder = networks["generator"]
            expected = denormalise(decoder(structure, decoder.modulation(parts)))[0]
        assert (made[i].int() - expected.int()).abs().max() <= 1  # a batch may round otherwise
    assert made.shape == (3, 3, HEIGHT, WIDTH) and made.dtype == torch.uint8
    assert not torch.equal(made[0], made[2])  # another side of the same person


def test_networks_are_in_evaluation_mode_and_unchanged(networks, pictures):
    for network in networks.values():
        network.train()
    before = {name: tensors_of(network) for name, network in networks.items()}
    generate(networks, pictures, Bars(), torch.tensor([0, 1]), torch.tensor([1, 2]))
    assert not any(network.training for network in networks.values())
    assert same({name: tensors_of(network) for name, network in networks.items()}, before)


def test_more_pictures_than_a_batch_come_in_the_order_asked_for(networks, pictures):
    rows = torch.arange(BATCH + 6) % len(pictures)
    turns = torch.arange(BATCH + 6) % 8
    made = generate(networks, pictures, Bars(), rows, turns)
    alone = generate(networks, pictures, Bars(), rows[-4:], turns[-4:])
    assert len(made) == BATCH + 6
    assert (made[-4:].int() - alone.int()).abs().max() <= 1
