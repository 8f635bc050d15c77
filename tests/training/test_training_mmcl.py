import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from training_world import new_encoder, same, tensors_of, training_set, unbroken_and_resumed

from gcl_cli.config import MmclSettings
from gcl_cli.losses.multi_label import multi_label, predict_labels
from gcl_cli.records import TrainingSet
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.warmups.mmcl import Mmcl, mmcl_state

PLAIN = {
    "flip_probability": 0.0, "erase_probability": 0.0, "crop_area": (1.0, 1.0), "crop_aspect": (2.0, 2.0),
    "rotation": 0.0, "colour_jitter": 0.0,
}  # fmt: skip


class Styles:
    """Versions in which only the camera is to be seen; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], list[int]]] = []

    def __call__(self, rows: Tensor, cameras: Tensor) -> Tensor:
        self.asked.append((rows.tolist(), cameras.tolist()))
        return (40 + 50 * cameras).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 64, 32)


def chosen(**changed) -> MmclSettings:
    few = {"epochs": 3, "iterations": 3, "batch_size": 8, "multi_label_from": 1, "init": "none", "learning_rate": 1e-3}
    return MmclSettings(**{**few, **changed})


def new_loop(settings: MmclSettings, data: TrainingSet | None = None):
    state = mmcl_state(new_encoder(), settings)
    return state, Mmcl(state, data or training_set(), settings).epochs()


def finished(settings: MmclSettings):
    state, loop = new_loop(settings)
    events = list(loop)
    return events, tensors_of(state.networks["identity_encoder"]), state.rng.get_state()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_equals_unbroken_bit_for_bit(precision, tmp_path):
    settings = chosen(precision=precision)
    for unbroken, resumed in unbroken_and_resumed(lambda: new_loop(settings), (1, 4, 7), tmp_path):
        assert same(unbroken, resumed)


def test_resumed_equals_unbroken_with_camera_versions(tmp_path):
    def loop():
        seen = training_set()
        return new_loop(chosen(), TrainingSet(seen.pictures, seen.cameras, versions=Styles()))

    for unbroken, resumed in unbroken_and_resumed(loop, (2, 5), tmp_path):
        assert same(unbroken, resumed)


def test_one_seed_gives_one_run_and_another_seed_another():
    first, again, other = (finished(chosen(seed=seed)) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first[1], other[1])


def test_the_memory_begins_at_zero_and_takes_the_first_features_whole():
    state, loop = new_loop(chosen(iterations=2, **PLAIN))
    encoder = copy.deepcopy(state.networks["identity_encoder"])
    values = next(loop).values
    rows = state.batches[0]
    features = F.normalize(encoder.train()(normalise(training_set().pictures[rows])).embedding)
    assert values["loss"] == pytest.approx(5 + 1)  # every similarity to an empty memory is 0
    assert torch.allclose(state.bank[rows], features, atol=1e-5)
    others = torch.ones(32, dtype=torch.bool)
    others[rows] = False
    assert not state.bank[others].any()


def test_a_later_step_uses_the_predicted_labels_and_the_grown_momentum():
    settings = chosen(epochs=4, iterations=4, memory_limit=0.8, label_threshold=0.3, **PLAIN)
    state, loop = new_loop(settings)
    for event in loop:
        if event.kind == "epoch" and event.epoch == 1:
            break
    encoder, memory = copy.deepcopy(state.networks["identity_encoder"]), state.bank.clone()
    values = next(loop).values
    rows = state.batches[0]
    features = F.normalize(encoder.train()(normalise(training_set().pictures[rows])).embedding)
    labels = predict_labels(memory, rows, threshold=0.3, candidates=10)
    loss = multi_label(features @ memory.T, labels, positive_weight=5.0, hard_share=0.01)
    assert values["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert values["labels_each"] == labels.sum(1).float().mean().item() > 1
    moved = F.normalize(0.4 * memory[rows] + 0.6 * features, dim=1)  # 0.8 * epoch 2 of 4
    assert torch.allclose(state.bank[rows], moved, atol=1e-5)


def test_single_labels_come_first_and_the_momentum_grows_from_zero():
    settings = chosen(epochs=4, multi_label_from=2, label_threshold=-1.0)
    epochs = [event.values for event in new_loop(settings)[1] if event.kind == "epoch"]
    assert [values["memory_momentum"] for values in epochs] == [0, 0.125, 0.25, 0.375]
    assert [values["labels_each"] > 1 for values in epochs] == [False, False, True, True]


def test_layers_after_the_trunk_learn_faster_and_all_rates_fall_together():
    settings = chosen(iterations=2, decay_at=(2 / 3,), decay=0.1, learning_rate=1e-3, new_layer_factor=10.0)
    state, loop = new_loop(settings)
    rates = [
        [group["lr"] for group in state.optimizers["identity"].param_groups] for event in loop if event.kind == "step"
    ]
    assert [rate for pair in rates for rate in pair] == pytest.approx([1e-3, 1e-2] * 4 + [1e-4, 1e-3] * 2)


def test_every_access_draws_a_camera_for_each_picture():
    styles, seen = Styles(), training_set()
    data = TrainingSet(seen.pictures, seen.cameras + 1, versions=styles)
    state, loop = new_loop(chosen(epochs=1, iterations=12, **PLAIN), data)
    list(loop)
    assert [rows for rows, _ in styles.asked] == state.batches.tolist()
    drawn = [camera for _, cameras in styles.asked for camera in cameras]
    assert set(drawn) == {1, 2} and 0.3 < drawn.count(1) / len(drawn) < 0.7
    asked = [(row, camera) for rows, cameras in styles.asked for row, camera in zip(rows, cameras, strict=True)]
    assert len({camera for row, camera in asked if row == asked[0][0]}) == 2  # the same picture, in both styles


def test_an_epoch_is_one_pass_unless_steps_are_asked_for():
    state, loop = new_loop(chosen(iterations=None))
    assert next(loop).steps == 4 and state.batches.unique().numel() == 32


def test_the_loss_falls():
    settings = chosen(epochs=4, iterations=8, multi_label_from=3, learning_rate=3e-3, batch_size=8)
    losses = [event.values["loss"] for event in new_loop(settings)[1] if event.kind == "epoch"]
    assert losses[-1] < 0.7 * losses[0]
