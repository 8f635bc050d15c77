import copy
import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from training_world import (
    CLUSTERING,
    new_encoder,
    rng,
    running_statistics,
    same,
    tensors_of,
    training_set,
    unbroken_and_resumed,
)

from gcl_cli.config import ClusterContrastSettings
from gcl_cli.records import PseudoLabels, TrainingSet
from gcl_cli.training import epoch_clusters
from gcl_cli.training import state as training_state
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.bank import ClusterMemory
from gcl_cli.training.camera_centroids import CameraClusters
from gcl_cli.training.colours import between, colour_features
from gcl_cli.training.features import embed
from gcl_cli.training.warmups import cluster_contrast
from gcl_cli.training.warmups.cluster_contrast import ClusterContrast, cluster_contrast_state

PLAIN = {"flip_probability": 0.0, "crop_padding": 0, "erase_probability": 0.0}


def chosen(**changed) -> ClusterContrastSettings:
    few = {"epochs": 2, "iterations": 3, "people": 4, "pictures": 2, "batchnorm_groups": 2, "init": "none"}
    return ClusterContrastSettings(**{**few, **CLUSTERING, **changed})


def new_loop(settings: ClusterContrastSettings, *, colour_start: bool = True, data: TrainingSet | None = None):
    state = cluster_contrast_state(new_encoder(), settings)
    return state, ClusterContrast(state, data or training_set(), settings, colour_start=colour_start).epochs()


def finished(settings: ClusterContrastSettings):
    state, loop = new_loop(settings)
    events = list(loop)
    return events, tensors_of(state.networks["identity_encoder"]), state.rng.get_state()


def one_step(settings: ClusterContrastSettings):
    """The state before and after the first step, its event, and a copy of the encoder as it was before."""
    state, loop = new_loop(settings)
    before = copy.deepcopy(state.networks["identity_encoder"])
    event = next(loop)
    return state, event, before


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_equals_unbroken_bit_for_bit(precision, tmp_path):
    settings = chosen(precision=precision, optimizer="adamw", colour_epochs=1)
    for unbroken, resumed in unbroken_and_resumed(lambda: new_loop(settings), (1, 3, 4, 6), tmp_path):
        assert same(unbroken[1], resumed[1])
        assert unbroken[0] == resumed[0]


def test_a_run_with_cameras_colours_and_a_cosine_resumes_bit_for_bit(tmp_path):
    settings = chosen(
        schedule="cosine", rise=0.2, colour_epochs=0, colour_fade=0.6, camera_contrast=0.5, camera_contrast_from=0.5,
    )  # fmt: skip
    for unbroken, resumed in unbroken_and_resumed(lambda: new_loop(settings), (1, 3, 4, 6), tmp_path):
        assert same(unbroken[1], resumed[1])
        assert unbroken[0] == resumed[0]


def test_centroids_camera_by_camera_join_the_loss_from_their_share_of_the_run_on():
    state, loop = new_loop(chosen(camera_contrast=0.5, camera_contrast_from=0.5, **PLAIN))
    told = [event.values for event in loop if event.kind == "step"]
    assert [("camera_contrast" in values) for values in told] == [False] * 3 + [True] * 3
    assert all(values["camera_contrast"] > 0 for values in told[3:])
    seen = CameraClusters.of(state.labels, training_set().cameras)
    assert len(state.tables["camera_centroids"]) == len(seen.cluster)


def test_clusters_seen_by_a_camera_are_told_apart():
    labels, cameras = torch.tensor([1, 0, -1, 1, 0, 1]), torch.tensor([7, 3, 3, 3, 3, 7])
    seen = CameraClusters.of(labels, cameras)
    assert seen.of_picture.tolist() == [2, 0, -1, 1, 0, 2]
    assert seen.cluster.tolist() == [0, 1, 1] and seen.camera.tolist() == [0, 0, 1]


def test_cameras_that_are_not_known_leave_the_loss_alone():
    settings = chosen(epochs=1, camera_contrast=0.5, camera_contrast_from=0.0)
    _, loop = new_loop(settings, data=TrainingSet(training_set().pictures))
    assert all("camera_contrast" not in event.values for event in loop)


def test_colours_give_way_to_features(monkeypatch):
    shares = []
    true_between = cluster_contrast.between
    monkeypatch.setattr(
        cluster_contrast, "between", lambda *rows, share: shares.append(share) or true_between(*rows, share=share)
    )
    list(new_loop(chosen(epochs=5, iterations=1, colour_epochs=1, colour_fade=0.8))[1])
    assert shares == pytest.approx([0.25, 0.5, 0.75])  # then features alone


def test_between_colours_and_features_similarities_mix_by_the_squares_of_their_shares():
    colours, features = (F.normalize(torch.randn(6, size, generator=rng(size)), dim=1) for size in (5, 3))
    mixed = between(colours, features, None, share=0.6)
    sides = [F.normalize(rows - rows.mean(0), dim=1) for rows in (colours, features)]
    expected = (0.16 * sides[0] @ sides[0].T + 0.36 * sides[1] @ sides[1].T) / (0.16 + 0.36)
    assert torch.allclose(mixed @ mixed.T, expected, atol=1e-6)


def test_a_run_of_minutes_ends_with_the_epoch_in_which_they_are_over(monkeypatch, tmp_path):
    clock = iter(range(0, 10_000, 10))  # ten seconds a look
    monkeypatch.setattr(training_state.time, "monotonic", lambda: next(clock))
    settings = chosen(epochs=1, minutes=1.5, schedule="cosine", learning_rate=1.0)  # three steps, 40 s an epoch
    state, loop = new_loop(settings)
    rates = [state.optimizers["identity"].param_groups[0]["lr"] for event in loop if event.kind == "step"]
    assert state.epoch == 3 and state.seconds == 120
    shares = [0, 40 / 90, 80 / 90]
    assert rates[::3] == pytest.approx([0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2 for share in shares])
    again, loop = new_loop(settings)
    for _ in range(5):
        next(loop)
    kept = copy.deepcopy(again.snapshot())
    resumed, loop = new_loop(settings)
    resumed.restore(kept)
    list(loop)
    assert resumed.epoch == 3


def test_one_seed_gives_one_run_and_another_seed_another():
    first, again, other = (finished(chosen(seed=seed)) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first[1], other[1])


def test_global_chance_is_not_touched():
    _, loop = new_loop(chosen(epochs=1))
    before = torch.get_rng_state()
    list(loop)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_batchnorm_groups_are_the_chunks_one_after_another(groups):
    state, _, before = one_step(chosen(batchnorm_groups=groups, **PLAIN))
    pictures = normalise(training_set().pictures[state.batches[0]])
    before.train()
    for chunk in pictures.chunk(groups):
        before(chunk)
    after = running_statistics(state.networks["identity_encoder"])
    assert after["trunk.bn1.num_batches_tracked"] == groups
    assert all(torch.allclose(after[name], value) for name, value in running_statistics(before).items())


@pytest.mark.parametrize("hard", [False, True])
def test_loss_is_the_contrast_with_old_centroids_which_then_move_towards_the_features(hard):
    settings = chosen(hard=hard, **PLAIN)
    state, event, before = one_step(settings)
    rows, labels = state.batches[0], state.labels
    memory = ClusterMemory.from_features(embed(before, training_set().pictures, precision="fp32"), labels)
    before.train()
    chunks = normalise(training_set().pictures[rows]).chunk(settings.batchnorm_groups)
    features = F.normalize(torch.cat([before(chunk).embedding for chunk in chunks]), dim=1)
    loss = F.cross_entropy(features @ memory.centroids.T / 0.05, labels[rows])
    assert event.values["loss"] == pytest.approx(loss.item(), rel=1e-5)
    memory.update(features.detach(), labels[rows], momentum=0.1, hard=hard)
    assert torch.allclose(state.tables["centroids"], memory.centroids, atol=1e-6)


def test_colours_are_clustered_in_the_first_epochs_only(monkeypatch):
    widths = []
    true_clustering = epoch_clusters.cluster_features

    def spy(features, cameras, **named):
        widths.append(features.shape[1])
        return true_clustering(features, cameras, **named)

    monkeypatch.setattr(epoch_clusters, "cluster_features", spy)
    settings = chosen(epochs=4, iterations=1, colour_epochs=2)
    embedding, colours = new_encoder().embedding_size, colour_features(training_set().pictures, None).shape[1]
    state, loop = new_loop(settings)
    list(loop)
    assert widths == [colours, colours, embedding, embedding]
    assert state.tables["centroids"].shape[1] == embedding
    widths.clear()
    list(new_loop(settings, colour_start=False)[1])
    assert widths == [embedding] * 4


class Middle:
    """Cut-outs whose people fill the middle of their pictures, whole and opaque."""

    angles = (0, 90)

    def __call__(self, rows, angle_index):
        views = torch.cat([training_set().pictures[rows], torch.zeros(len(rows), 1, 64, 32, dtype=torch.uint8)], dim=1)
        views[:, 3, 8:56, 8:24] = 255
        return views


def cut_out_set() -> TrainingSet:
    return replace(training_set(), painted=Middle())


def test_the_first_colours_are_those_of_the_people_where_they_are_cut_out():
    data, covered = cut_out_set(), Middle()(torch.arange(len(training_set())), 0)[:, 3]
    encoder = new_encoder()
    for of, expected in (("body", covered), ("crop", None)):
        settings = chosen(colours_of=of)
        loop = ClusterContrast(cluster_contrast_state(encoder, settings), data, settings, colour_start=True)
        assert torch.equal(loop.colours, colour_features(data.pictures, data.cameras, expected))


def test_as_many_people_as_asked_for_stand_before_other_backdrops():
    data, rows = cut_out_set(), torch.arange(24)
    for share in (0.0, 0.5, 1.0):
        settings = chosen(other_backdrop=share)
        loop = ClusterContrast(cluster_contrast_state(new_encoder(), settings), data, settings, colour_start=True)
        before = data.pictures.clone()
        seen = torch.cat([loop._seen(rows) for _ in range(20)])
        assert torch.equal(data.pictures, before)
        true = data.pictures[rows].repeat(20, 1, 1, 1)
        assert torch.equal(seen[:, :, 8:56, 8:24], true[:, :, 8:56, 8:24])  # nobody changes
        outside = (seen != true).flatten(1).any(1).float().mean()
        assert outside == share if share in (0.0, 1.0) else abs(outside - share) < 0.07


def test_a_run_before_other_backdrops_resumes_bit_for_bit(tmp_path):
    settings = chosen(other_backdrop=0.5, colours_of="body")
    for unbroken, resumed in unbroken_and_resumed(lambda: new_loop(settings, data=cut_out_set()), (1, 4), tmp_path):
        assert same(unbroken[1], resumed[1])
        assert unbroken[0] == resumed[0]


def test_centroids_of_the_colour_clusters_are_means_of_features():
    settings = chosen(epochs=1, iterations=1, memory_momentum=0.99999, **PLAIN)
    state, _, before = one_step(settings)
    features = embed(before, training_set().pictures, precision="fp32")
    labels = state.labels
    for label, centroid in enumerate(state.tables["centroids"]):
        assert torch.allclose(centroid, F.normalize(features[labels == label].mean(0), dim=0), atol=1e-4)


def test_rate_falls_at_the_shares_of_the_run():
    state, loop = new_loop(chosen(epochs=5, iterations=2, decay_at=(0.4, 0.8), decay=0.1, learning_rate=1.0e-3))
    rates = [state.optimizers["identity"].param_groups[0]["lr"] for event in loop if event.kind == "step"]
    assert rates == pytest.approx([1e-3] * 4 + [1e-4] * 4 + [1e-5] * 2)


def test_the_bias_of_the_embedding_norm_stays_zero():
    state, loop = new_loop(chosen(epochs=1))
    list(loop)
    assert not state.networks["identity_encoder"].head.norm.bias.any()


def test_epoch_reports_clusters_and_the_mean_loss():
    _, loop = new_loop(chosen())
    events = list(loop)
    for epoch in (0, 1):
        losses = [e.values["loss"] for e in events if e.kind == "step" and e.epoch == epoch]
        (report,) = (e.values for e in events if e.kind == "epoch" and e.epoch == epoch)
        assert report["loss"] == pytest.approx(sum(losses) / 3)
        assert report["clusters"] >= 2 and 0 < report["share_labelled"] <= 1 and report["radius"] == 0.5
        assert 0 <= report["share_cross_camera"] <= 1


def test_pictures_without_cameras_train_and_report_no_share_across_cameras():
    events = list(new_loop(chosen(epochs=1), data=TrainingSet(training_set().pictures))[1])
    assert events[-1].values["share_cross_camera"] is None


def test_batches_hold_clustered_pictures_alone(monkeypatch):
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2] + [-1] * 24).numpy()
    monkeypatch.setattr(epoch_clusters, "cluster_features", lambda *_, **__: PseudoLabels(labels, 0.5))
    state, loop = new_loop(chosen(epochs=1))
    next(loop)
    assert set(state.batches.flatten().tolist()) <= set(range(8))
