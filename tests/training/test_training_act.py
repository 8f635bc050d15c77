import copy
import math

import numpy as np
import pytest
import torch
from training_world import new_encoder, same, tensors_of, training_set, unbroken_and_resumed

from gcl_cli.config import ActSettings
from gcl_cli.losses.identity import batch_hard_triplets
from gcl_cli.records import LabelledSet, PseudoLabels, TrainingSet
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.warmups import act
from gcl_cli.training.warmups.act import Act, act_state

PLAIN = {"flip_probability": 0.0, "erase_probability": 0.0}
# six clusters of five pictures, and two outliers; their own people are 4 pictures each, so clusters mix some
LABELS = np.concatenate([np.repeat(np.arange(6), 5), [-1, -1]])


def known(people: torch.Tensor | None = None) -> LabelledSet:
    return LabelledSet(training_set(seed=7).pictures, torch.arange(32) // 4 if people is None else people)


def chosen(**changed) -> ActSettings:
    few = {
        "epochs": 4, "cluster_every": 2, "iterations": 3, "people": 4, "pictures": 2, "init": "none", "k1": 8, "k2": 3,
        "min_samples": 2, "rho": 0.06, "learning_rate": 1e-3,
    }  # fmt: skip
    return ActSettings(**{**few, **changed})


def new_loop(settings: ActSettings, source: LabelledSet | None = None, data: TrainingSet | None = None):
    state = act_state(new_encoder(), settings)
    return state, Act(state, data or training_set(), settings, source=source or known()).epochs()


def finished(settings: ActSettings, **others):
    state, loop = new_loop(settings, **others)
    events = list(loop)
    return events, {name: tensors_of(network) for name, network in state.networks.items()}, state.rng.get_state()


@pytest.fixture
def given_clusters(monkeypatch):
    """Clusters and outliers that are known."""
    monkeypatch.setattr(act, "cluster_distance", lambda *_, **__: PseudoLabels(LABELS, 0.3))


@pytest.mark.parametrize(("precision", "stops"), [("fp32", (1, 3, 5)), ("bf16", (4,))])
def test_resumed_equals_unbroken_bit_for_bit(precision, stops, tmp_path):
    settings = chosen(precision=precision, epochs=3, iterations=2)
    for unbroken, resumed in unbroken_and_resumed(lambda: new_loop(settings), stops, tmp_path):
        assert same(unbroken, resumed)


def test_one_seed_gives_one_run_and_another_seed_another():
    first, again, other = (finished(chosen(seed=seed, epochs=2)) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first[1], other[1])


def test_the_people_of_the_source_are_not_looked_at():
    names = torch.randperm(32, generator=torch.Generator().manual_seed(0))
    assert same(finished(chosen(epochs=2)), finished(chosen(epochs=2), source=known(names)))


def test_both_encoders_start_equal_and_take_turns(given_clusters):
    state, loop = new_loop(chosen(iterations=4, margin=9.0))
    weights = [{n: p.detach().clone() for n, p in net.named_parameters()} for net in state.networks.values()]
    assert same(*weights)
    for event in loop:
        if event.kind == "epoch":
            break
        now = [{n: p.detach().clone() for n, p in net.named_parameters()} for net in state.networks.values()]
        moved = [not same(before, after) for before, after in zip(weights, now, strict=True)]
        assert moved == ([False, True] if event.step % 2 else [True, False])  # B at even steps, counted from 0
        assert set(event.values) == ({"co_loss"} if event.step % 2 else {"loss"})
        weights = now


def losses(encoder, rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    code = encoder.train()(normalise(training_set().pictures[rows]))
    pooled = code.parts.mean(2)
    return sum(batch_hard_triplets(f, labels[rows], margin=0.5) for f in (pooled, code.embedding))


def test_b_learns_from_the_clustered_pictures_that_a_is_surest_of(given_clusters):
    state, loop = new_loop(chosen(keep_first=0.5, **PLAIN))
    a, b = (copy.deepcopy(network) for network in state.networks.values())
    value = next(loop).values["co_loss"]
    rows, labels = state.batches[0][0], torch.from_numpy(LABELS)
    assert (labels[rows] >= 0).all()
    surest = rows[losses(a, rows, labels).argsort(stable=True)[:4]]
    assert value == pytest.approx(losses(b, surest, labels).mean().item(), rel=1e-4)


def test_a_learns_from_clustered_pictures_and_the_outliers_that_b_is_surest_of(given_clusters):
    state, loop = new_loop(chosen(keep_first=0.5, **PLAIN))
    next(loop)
    a, b = (copy.deepcopy(network) for network in state.networks.values())
    value = next(loop).values["loss"]
    rows, outliers = state.batches[1]
    assert set(outliers.tolist()) <= {30, 31}
    labels = torch.where(state.labels >= 0, state.labels, state.tables["outlier_labels"])
    surest = outliers[losses(b, outliers, labels).argsort(stable=True)[:4]]
    assert value == pytest.approx(losses(a, torch.cat([rows, surest]), labels).mean().item(), rel=1e-4)


def test_outliers_have_the_label_of_a_clustered_picture_and_others_none(given_clusters):
    state, loop = new_loop(chosen())
    next(loop)
    outliers = state.tables["outlier_labels"]
    assert (outliers[:30] == -1).all() and (outliers[30:] >= 0).all()


def test_without_outliers_a_learns_from_clustered_pictures_alone(monkeypatch):
    monkeypatch.setattr(act, "cluster_distance", lambda *_, **__: PseudoLabels(np.arange(32) // 4, 0.3))
    state, loop = new_loop(chosen(epochs=1))
    assert len(list(loop)) == 4 and state.batches.shape == (3, 1, 8)


def test_rounds_cluster_anew_at_the_first_radius_and_keep_more(monkeypatch):
    radii, true_clustering = [], act.cluster_distance

    def spy(distance, features, *, settings):
        radii.append(settings.radius)
        return true_clustering(distance, features, settings=settings)

    monkeypatch.setattr(act, "cluster_distance", spy)
    state, loop = new_loop(chosen(epochs=6, iterations=1, keep_first=0.5, keep_growth=0.3))
    epochs = [event.values for event in loop if event.kind == "epoch"]
    assert radii[0] is None and radii[1:] == [float(state.tables["radius"])] * 2
    assert epochs[0]["radius"] == float(state.tables["radius"])
    assert [values["share_kept"] for values in epochs] == pytest.approx([0.5, 0.5, 0.8, 0.8, 1, 1])


def test_a_radius_that_was_asked_for_stays():
    epochs = [event.values for event in new_loop(chosen(radius=0.45))[1] if event.kind == "epoch"]
    assert {values["radius"] for values in epochs if values["fallback"] is None} <= {0.45}


def test_hdbscan_has_no_radius_to_keep():
    _, loop = new_loop(chosen(clustering="hdbscan", min_cluster_size=2, epochs=3))
    epochs = [event.values for event in loop if event.kind == "epoch"]
    assert all(values["radius"] is None or not math.isnan(values["radius"]) for values in epochs)


def test_epochs_report_clusters_shares_and_both_losses():
    for values in (event.values for event in new_loop(chosen())[1] if event.kind == "epoch"):
        assert values["clusters"] >= 2 and 0 < values["share_labelled"] <= 1
        assert math.isfinite(values["loss"]) and math.isfinite(values["co_loss"])
