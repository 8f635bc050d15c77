import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from training_world import HEIGHT, WIDTH, new_encoder, same, tensors_of, training_set, unbroken_and_resumed

from gcl_cli.config import JvtcSettings
from gcl_cli.losses.consistency import global_consistency, local_consistency, version_means
from gcl_cli.records import LabelledSet, PseudoLabels, TrainingSet
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.features import embed
from gcl_cli.training.warmups import jvtc
from gcl_cli.training.warmups.jvtc import Jvtc, jvtc_state

PLAIN = {"flip_probability": 0.0, "erase_probability": 0.0, "colour_jitter": 0.0}


def chosen(**changed) -> JvtcSettings:
    few = {
        "epochs": 4, "iterations": 2, "batch_size": 4, "versions": 2, "cluster_from": 1, "cluster_every": 2,
        "temporal_from": 3, "k1": 8, "k2": 3, "rho": 0.1, "head": "bnneck",
    }  # fmt: skip
    return JvtcSettings(**{**few, **changed})


def timed(slots: bool = False) -> TrainingSet:
    """The little world with times: person by person, the second camera 700 frames after the first."""
    data = training_set()
    rows = torch.arange(len(data))
    return replace(data, times=rows // 4 * 5000 + rows % 4 * 700, slots=rows // 16 if slots else None)


def source(people: int = 5) -> LabelledSet:
    pictures = training_set(seed=9).pictures
    return LabelledSet(pictures, torch.arange(len(pictures)) % people)


def new_loop(settings, *, data=None, known=None, colour_start=False):
    state = jvtc_state(new_encoder(), settings, known)
    data = data if data is not None else training_set()
    return state, Jvtc(state, data, settings, source=known, colour_start=colour_start).epochs()


def epochs(settings: JvtcSettings, **arguments):
    return [event.values for event in new_loop(settings, **arguments)[1] if event.kind == "epoch"]


@pytest.mark.parametrize("known", [None, source()], ids=["unsupervised", "with source"])
def test_resumed_equals_unbroken_bit_for_bit(known, tmp_path):
    settings = chosen()
    stops = (1, 5, 9)  # events: two steps and the end of an epoch, four times
    for unbroken, resumed in unbroken_and_resumed(
        lambda: new_loop(settings, data=timed(), known=known, colour_start=True), stops, tmp_path
    ):
        assert same(unbroken[1], resumed[1])
        assert unbroken[0] == resumed[0]


def test_one_seed_gives_one_run_and_another_seed_another():
    def finished(seed: int):
        state, loop = new_loop(chosen(seed=seed))
        return list(loop), tensors_of(state.networks["identity_encoder"]), state.rng.get_state()

    first, again, other = (finished(seed) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first[1], other[1])


def test_global_chance_is_not_touched():
    encoder, known = new_encoder(), source()
    before = torch.get_rng_state()
    state = jvtc_state(encoder, chosen(), known)
    list(Jvtc(state, timed(), chosen(), source=known, colour_start=True).epochs())
    assert torch.equal(torch.get_rng_state(), before)


def test_step_is_the_sum_of_the_losses_and_the_memory_moves_to_the_means_of_versions():
    settings = chosen(cluster_from=0, global_weight=0.5, memory_growth=0.3, versions=1, **PLAIN)
    state, loop = new_loop(settings)
    before = copy.deepcopy(state.networks["identity_encoder"])
    start = embed(before, training_set().pictures, precision="fp32")
    event = next(loop)
    rows, labels = state.batches[0], state.labels
    z = before.train()(normalise(training_set().pictures[rows])).embedding[:, None, :]
    members = labels[rows][:, None] == labels
    assert event.values["local"] == pytest.approx(local_consistency(z, temperature=0.1).item(), rel=1e-4)
    expected = global_consistency(z, start, members, temperature=0.05).item()
    assert event.values["global"] == pytest.approx(expected, rel=1e-4)
    assert torch.allclose(state.bank[rows], version_means(z), atol=1e-5)  # epoch 0: replaced
    others = [row for row in range(len(start)) if row not in rows.tolist()]
    assert torch.equal(state.bank[others], start[others])


def test_weight_of_the_memory_grows_to_its_limit(monkeypatch):
    weights = []
    true_update = jvtc.MemoryBank.update

    def spy(self, indices, features, *, momentum):
        weights.append(momentum)
        true_update(self, indices, features, momentum=momentum)

    monkeypatch.setattr(jvtc.MemoryBank, "update", spy)
    state, loop = new_loop(chosen(epochs=5, iterations=1, memory_growth=0.3, memory_limit=0.8, cluster_from=99))
    list(loop)
    assert weights == pytest.approx([0, 0.3, 0.6, 0.8, 0.8])
    assert torch.allclose(state.bank.norm(dim=1), torch.ones(32), atol=1e-5)


def test_global_loss_begins_with_the_first_clusters():
    reports = epochs(chosen(cluster_from=2))
    assert ["global" in report for report in reports] == [False, False, True, True]
    assert ["clusters" in report for report in reports] == [False, False, True, True]


def test_labels_are_renewed_every_few_epochs(monkeypatch):
    asked = []
    monkeypatch.setattr(jvtc.Jvtc, "_cluster", lambda self: asked.append(self.state.epoch) or {"clusters": 3})
    reports = epochs(chosen(epochs=8, iterations=1, cluster_from=1, cluster_every=3))
    assert asked == [1, 4, 7]
    assert [report.get("clusters") for report in reports] == [None] + [3] * 7


def test_colours_give_the_first_clusters_of_a_network_that_knows_nothing(monkeypatch):
    widths = []
    true_distance = jvtc.feature_distance
    monkeypatch.setattr(jvtc, "feature_distance", lambda f: widths.append(f.shape[1]) or true_distance(f))
    settings = chosen(epochs=4, iterations=1, cluster_every=1, colour_epochs=2)
    width = new_encoder().embedding_size
    list(new_loop(settings, colour_start=True)[1])
    assert widths == [1000, 1000, width]
    widths.clear()
    list(new_loop(settings, colour_start=False)[1])
    assert widths == [width] * 3


def test_times_take_part_from_their_epoch_on():
    assert [r.get("distance") for r in epochs(chosen(), data=timed())] == [None, "visual", "visual", "visual-temporal"]


def test_without_times_clusters_stay_visual_and_it_is_said_once():
    reports = epochs(chosen(epochs=8, iterations=1, temporal_from=2))
    assert all(r["distance"] == "visual" for r in reports[1:])
    assert [r.get("fallback") for r in reports] == [None] * 3 + [jvtc.NO_TIMES] + [None] * 4


def test_a_single_cluster_teaches_nothing_and_it_is_said(monkeypatch):
    monkeypatch.setattr(jvtc, "percentile_dbscan", lambda d, **_: PseudoLabels(np.zeros(d.size, int), 0.9))
    report = epochs(chosen(epochs=2))[-1]
    assert report["global"] == 0 and report["clusters"] == 0
    assert "radius 0.9: 1;" in report["fallback"]


def test_no_cluster_spans_two_slots():
    state, loop = new_loop(chosen(), data=timed(slots=True))
    assert [e.values.get("distance") for e in loop if e.kind == "epoch"][-1] == "visual-temporal"
    labels = state.labels
    assert not set(labels[:16].tolist()) & set(labels[16:].tolist())


@pytest.mark.parametrize(("known", "factor"), [(None, 0.8), (source(), 1.0)])
def test_radius_shrinks_where_no_source_was_seen(known, factor, monkeypatch):
    factors = []

    def spy(distance, *, rho, factor, min_samples, radius, floor):
        factors.append(factor)
        return PseudoLabels(torch.arange(distance.size).numpy() % 4, 0.1)

    monkeypatch.setattr(jvtc, "percentile_dbscan", spy)
    list(new_loop(chosen(), known=known)[1])
    assert set(factors) == {factor}


def test_new_layers_learn_faster_and_the_rate_falls_for_all():
    settings = chosen(epochs=5, learning_rate=0.02, new_layer_factor=5, decay_at=(0.4, 0.8))
    state, loop = new_loop(settings, known=source())
    rates = [[g["lr"] for g in state.optimizers["identity"].param_groups] for e in loop if e.kind == "epoch"]
    assert [rate for rate, _ in rates] == pytest.approx([0.02, 0.02, 0.002, 0.002, 0.0002])
    assert all(new == pytest.approx(5 * old) for old, new in rates)


def test_source_is_learned_in_a_pass_of_its_own_by_a_classifier_of_its_own():
    settings = chosen(**PLAIN)
    known = source(people=5)
    state, loop = new_loop(settings, known=known)
    classifier = state.networks["source_classifier"]
    assert classifier.weight.shape == (5, new_encoder().embedding_size)
    encoder, head = copy.deepcopy(state.networks["identity_encoder"]).train(), copy.deepcopy(classifier)
    event = next(loop)
    rows, target = state.tables["source_batches"][0], state.batches[0]
    assert len(rows) == len(target) * settings.versions
    encoder(normalise(training_set().pictures[target.repeat_interleave(2)]))  # moves no weights, only statistics
    scores = head(F.relu(encoder(normalise(known.pictures[rows])).embedding))
    assert event.values["source"] == pytest.approx(F.cross_entropy(scores, known.people[rows]).item(), rel=1e-4)
    assert not torch.equal(classifier.weight, head.weight)


def test_an_epoch_with_a_source_is_one_pass_of_it():
    state, loop = new_loop(chosen(iterations=None, epochs=1), known=source())
    assert next(loop).steps == 32 // 8
    assert sorted(state.tables["source_batches"].flatten().tolist()) == list(range(32))


def test_labels_of_the_source_do_not_reach_the_target():
    _, loop = new_loop(chosen(), known=source(people=2))
    few = [e.values["clusters"] for e in loop if e.kind == "epoch" and "clusters" in e.values]
    _, loop = new_loop(chosen(), known=source(people=16))
    many = [e.values["clusters"] for e in loop if e.kind == "epoch" and "clusters" in e.values]
    assert len(few) == len(many) == 3 and min(few + many) >= 2


class Styles:
    """Every picture as a plane of its row and camera; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], list[int]]] = []

    def __call__(self, rows: Tensor, cameras: Tensor) -> Tensor:
        self.asked.append((rows.tolist(), cameras.tolist()))
        return (rows * 7 + cameras).to(torch.uint8)[:, None, None, None].expand(-1, 3, HEIGHT, WIDTH).clone()


def test_versions_are_those_of_different_cameras():
    styles = Styles()
    data = replace(training_set(), cameras=torch.arange(32) % 4 + 1, versions=styles)
    state, loop = new_loop(chosen(versions=3, epochs=3, iterations=4), data=data)
    next(loop)
    assert styles.asked[0][0] == state.batches[0].repeat_interleave(3).tolist()
    list(loop)
    drawn = [cameras[i : i + 3] for _, cameras in styles.asked for i in range(0, len(cameras), 3)]
    assert all(len(set(three)) == 3 for three in drawn)
    assert {camera for three in drawn for camera in three} == {1, 2, 3, 4}


def test_more_versions_than_cameras_are_refused():
    data = replace(training_set(), versions=Styles())
    with pytest.raises(jvtc.GclError, match="2 cameras"):
        new_loop(chosen(versions=3), data=data)


def test_copies_stand_for_versions_where_there_are_none(monkeypatch):
    seen = []
    true_encoder = new_encoder()
    monkeypatch.setattr(jvtc.Jvtc, "_augmented", lambda self, pictures: seen.append(pictures) or normalise(pictures))
    state = jvtc_state(true_encoder, chosen(colour_jitter=0.5), None)
    next(Jvtc(state, training_set(), chosen(colour_jitter=0.5), source=None, colour_start=False).epochs())
    first, second = seen[0][0], seen[0][1]
    assert not torch.allclose(first, second, atol=0.02)
    contrast = torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]
    assert contrast > 0.8  # the same picture in other colours
