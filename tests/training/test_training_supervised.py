import copy

import pytest
import torch
from torch.nn import functional as F
from training_world import new_encoder, same, tensors_of, training_set, unbroken_and_resumed

from gcl_cli.config import SupervisedSettings
from gcl_cli.losses.identity import batch_hard_triplets, smoothed_cross_entropy
from gcl_cli.records import LabelledSet
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.warmups.supervised import Supervised, supervised_state

PLAIN = {"flip_probability": 0.0, "crop_padding": 0, "erase_probability": 0.0}


def known(order: torch.Tensor | None = None) -> LabelledSet:
    """The eight people of the tiny world, with their names."""
    seen, people = training_set(), torch.arange(32) // 4
    return LabelledSet(seen.pictures, people if order is None else order[people], seen.cameras)


def chosen(**changed) -> SupervisedSettings:
    few = {"epochs": 2, "iterations": 3, "people": 4, "pictures": 2, "batchnorm_groups": 2, "init": "none"}
    return SupervisedSettings(**{**few, **changed})


def new_loop(settings: SupervisedSettings, labelled: LabelledSet | None = None):
    labelled = labelled or known()
    state = supervised_state(new_encoder(), settings, labelled)
    return state, Supervised(state, labelled, settings).epochs()


def finished(settings: SupervisedSettings):
    state, loop = new_loop(settings)
    events = list(loop)
    return events, tensors_of(state.networks["identity_encoder"]), state.rng.get_state()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_equals_unbroken_bit_for_bit(precision, tmp_path):
    settings = chosen(precision=precision, optimizer="adamw")
    for unbroken, resumed in unbroken_and_resumed(lambda: new_loop(settings), (1, 4, 6), tmp_path):
        assert same(unbroken, resumed)


def test_one_seed_gives_one_run_and_another_seed_another():
    first, again, other = (finished(chosen(seed=seed)) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first[1], other[1])


def test_the_classifier_has_a_row_for_everyone_and_no_bias():
    state, _ = new_loop(chosen())
    classifier = state.networks["classifier"]
    assert classifier.weight.shape == (8, new_encoder().embedding_size) and classifier.bias is None


def test_the_loss_is_the_classification_and_the_weighted_triplets():
    settings = chosen(triplet_weight=0.7, margin=0.4, label_smoothing=0.2, batchnorm_groups=1, **PLAIN)
    state, loop = new_loop(settings)
    encoder, classifier = (copy.deepcopy(state.networks[name]) for name in ("identity_encoder", "classifier"))
    values = next(loop).values
    rows = state.batches[0]
    embeddings = encoder.train()(normalise(training_set().pictures[rows])).embedding
    classification = smoothed_cross_entropy(classifier(embeddings), rows // 4, smoothing=0.2)
    triplet = batch_hard_triplets(F.normalize(embeddings), rows // 4, margin=0.4).mean()
    assert values["classification"] == pytest.approx(classification.item(), rel=1e-4)
    assert values["triplet"] == pytest.approx(triplet.item(), rel=1e-4)
    assert values["loss"] == pytest.approx(classification.item() + 0.7 * triplet.item(), rel=1e-4)


def test_batches_hold_people_with_several_pictures_each():
    state, loop = new_loop(chosen())
    next(loop)
    for batch in state.batches:
        people = (batch // 4).view(4, 2)
        assert torch.equal(people[:, 0], people[:, 1]) and people[:, 0].unique().numel() == 4


def test_it_learns_who_is_who():
    settings = chosen(iterations=8, learning_rate=2e-3, batchnorm_groups=1, people=8, **PLAIN)
    first, *_, last = (event.values for event in new_loop(settings)[1] if event.kind == "step")
    assert first["share_right"] < 0.5 and last["share_right"] > 0.9
    assert last["loss"] < first["loss"]


def test_rate_falls_at_the_shares_of_the_run():
    state, loop = new_loop(chosen(epochs=4, iterations=2, decay_at=(0.5,), decay=0.1, learning_rate=1e-3))
    rates = [state.optimizers["identity"].param_groups[0]["lr"] for event in loop if event.kind == "step"]
    assert rates == pytest.approx([1e-3] * 4 + [1e-4] * 4)


def test_pictures_without_cameras_train():
    labelled = known()
    assert list(new_loop(chosen(epochs=1), LabelledSet(labelled.pictures, labelled.people))[1])
