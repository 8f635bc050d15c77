import copy

import pytest
import torch
from torch.nn import functional as F
from training_world import (
    CLUSTERING,
    CPU,
    Bars,
    new_networks,
    running_statistics,
    same,
    tables,
    tensors_of,
    training_set,
    unbroken_and_resumed,
)

from gcl_cli.config import JointSettings
from gcl_cli.errors import GclError
from gcl_cli.records import PseudoLabels
from gcl_cli.training import epoch_clusters, gan, joint
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.features import embed
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.parts import Descent
from gcl_cli.training.structures import to_signal

LABELS = torch.arange(32) // 4  # the true people ...
NOISE = [3, 30, 31]
LABELS[NOISE] = -1  # ... and three pictures of no cluster
GAN_VALUES = {"discriminator", "image", "feature", "adversarial"}
CONTRAST_VALUES = {"vi", "vi_syn", "vi_mem"}
GAN_SIDE = ("structure_encoder", "generator", "discriminator")


@pytest.fixture
def known_clusters(monkeypatch):
    """Every epoch finds LABELS; returns the features that were clustered."""
    seen = []

    def find(features, cameras, *, settings, nearest):
        assert nearest is None
        seen.append(features.clone())
        return PseudoLabels(LABELS.numpy().copy(), 0.5)

    monkeypatch.setattr(epoch_clusters, "cluster_features", find)
    return seen


def chosen(**changed) -> JointSettings:
    few = {"epochs": 1, "iterations": 1, "batch_size": 4}
    return JointSettings(**{**few, **CLUSTERING, **changed})


def new_joint(settings: JointSettings, structures: Bars | None = None) -> Joint:
    return Joint(joint_state(new_networks(), settings), training_set(), structures or Bars(), settings)


def new_loop(settings: JointSettings):
    training = new_joint(settings)
    return training.state, training.epochs()


def all_tensors(training: Joint):
    return {name: tensors_of(network) for name, network in training.state.networks.items()}


def finished(settings: JointSettings):
    training = new_joint(settings)
    events = list(training.epochs())
    return events, all_tensors(training), tables(training.state), training.state.rng.get_state()


def moved(training: Joint, before):
    return {name for name, now in all_tensors(training).items() if not same(now, before[name])}


def spied(monkeypatch, place, name):
    """The arguments of every call of place.name, which still does its work."""
    calls, original = [], getattr(place, name)

    def spy(*arguments, **named):
        calls.append(arguments)
        return original(*arguments, **named)

    monkeypatch.setattr(place, name, spy)
    return calls


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "camera_contrast"), [("fp32", 0.0), ("bf16", 0.5)])
def test_resumed_equals_unbroken_bit_for_bit(precision, camera_contrast, tmp_path):
    settings = chosen(
        epochs=2, iterations=2, contrast_steps=1, augment="classic", penalty_every=2, negatives=6, precision=precision,
        camera_contrast=camera_contrast,
    )  # fmt: skip
    stops = (1, 4, 5, 7)  # inside an epoch, at its last step, right after its end, inside the next
    for unbroken, resumed in unbroken_and_resumed(lambda: new_loop(settings), stops, tmp_path):
        assert same(unbroken[1], resumed[1])
        assert unbroken[0] == resumed[0]


def test_one_seed_gives_one_run_and_another_seed_another():
    first, again, other = (finished(chosen(iterations=2, seed=seed)) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first[1], other[1])


def test_global_chance_is_not_touched():
    _, loop = new_loop(chosen(augment="classic", contrast_steps=1))
    before = torch.get_rng_state()
    list(loop)
    assert torch.equal(torch.get_rng_state(), before)


def test_epoch_reports_clusters_and_means_over_the_steps_that_had_the_value():
    _, loop = new_loop(chosen(iterations=2, contrast_steps=1))
    *steps, epoch = list(loop)
    for name in GAN_VALUES | CONTRAST_VALUES:
        values = [event.values[name] for event in steps if name in event.values]
        assert len(values) == (4 if name == "vi" else 2)
        assert epoch.values[name] == pytest.approx(sum(values) / len(values))
    assert {"clusters", "share_labelled", "share_cross_camera", "radius"} <= epoch.values.keys()


def test_everything_is_trained(known_clusters):
    training = new_joint(chosen())
    before = all_tensors(training)
    assert all(network.training for network in training.state.networks.values())
    list(training.epochs())
    assert moved(training, before) == {"identity_encoder", *GAN_SIDE}
    encoder, now = before["identity_encoder"], tensors_of(training.state.networks["identity_encoder"])
    still = {name for name in encoder if torch.equal(encoder[name], now[name])}
    assert still == {"head.norm.bias"}  # held at 0; parameters and running statistics move


# --- memory, labels and batches ---------------------------------------------------------------------------------------


def test_memory_starts_as_the_features_of_evaluation_mode(known_clusters):
    training = new_joint(chosen())
    expected = embed(training.gan.identity_encoder, training_set().pictures, precision="fp32")
    next(training.epochs())
    assert torch.equal(known_clusters[0], expected)


@pytest.mark.parametrize("losses", [("gan", "vi", "vi_syn", "vi_mem"), ("vi",)])
def test_memory_rows_of_the_batch_move_to_the_features_and_no_others(known_clusters, losses):
    training = new_joint(chosen(losses=losses))
    encoder = copy.deepcopy(training.gan.identity_encoder).train()
    next(training.epochs())
    rows = training.state.batches[0]
    with torch.no_grad():
        features = F.normalize(encoder(normalise(training_set().pictures[rows])).embedding, dim=1)
    expected = known_clusters[0].clone()
    expected[rows] = F.normalize(0.2 * expected[rows] + 0.8 * features, dim=1)
    memory = training.state.bank
    assert torch.allclose(memory, expected, atol=1e-5)
    others = [row for row in range(32) if row not in rows.tolist()]
    assert torch.equal(memory[others], known_clusters[0][others])


def test_noise_rows_are_renewed_at_each_epoch_and_only_they(known_clusters):
    training = new_joint(chosen(epochs=2))
    loop = training.epochs()
    next(loop)
    left = training.state.bank.clone()
    fresh = embed(training.gan.identity_encoder, training_set().pictures, precision="fp32")
    next(loop)  # the epoch ends, and looks at what the next one will learn from
    clustered = (LABELS >= 0).nonzero().flatten()
    assert torch.allclose(known_clusters[1][NOISE], fresh[NOISE], atol=1e-6)
    assert not torch.allclose(left[NOISE], fresh[NOISE], atol=1e-3)
    assert torch.equal(known_clusters[1][clustered], left[clustered])


def test_noise_rows_can_stay_as_the_published_code_leaves_them(known_clusters):
    list(new_joint(chosen(epochs=2, refresh="none")).epochs())
    assert torch.equal(known_clusters[1][NOISE], known_clusters[0][NOISE])


def test_all_rows_can_be_renewed_before_each_clustering(known_clusters):
    training = new_joint(chosen(epochs=2, refresh="all"))
    loop = training.epochs()
    while next(loop).kind == "step":
        pass
    fresh = embed(training.gan.identity_encoder, training_set().pictures, precision="fp32")
    next(loop)
    assert torch.allclose(known_clusters[1], fresh, atol=1e-6)


def test_nothing_to_renew_where_every_picture_is_clustered(monkeypatch):
    labels = torch.arange(32).numpy() // 4
    monkeypatch.setattr(epoch_clusters, "cluster_features", lambda *_, **__: PseudoLabels(labels, 0.5))
    training = new_joint(chosen(epochs=2))
    assert len(list(training.epochs())) == 4


def test_noise_is_negative_to_everyone_and_own_cluster_to_nobody(known_clusters, monkeypatch):
    calls = spied(monkeypatch, joint, "negative_logsumexp")
    training = new_joint(chosen())
    next(training.epochs())
    ((_, memory, mask),) = calls
    own = LABELS[training.state.batches[0]]
    assert memory.data_ptr() == training.state.bank.data_ptr()
    assert torch.equal(mask, LABELS[None, :] != own[:, None])


def test_only_clustered_pictures_are_visited_and_each_once_a_pass(known_clusters):
    training = new_joint(chosen(losses=("vi",), iterations=None, batch_size=7))
    list(training.epochs())
    batches = training.state.batches
    assert batches.shape == (29 // 7, 7)
    assert len(set(batches.flatten().tolist())) == 28
    assert not set(batches.flatten().tolist()) & set(NOISE)


def test_turns_that_were_not_rendered_are_refused():
    with pytest.raises(GclError, match="no angle 30"):
        new_joint(chosen(angles=(30,)))


# --- losses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "losses",
    [("gan",), ("gan", "vi"), ("gan", "vi", "vi_syn"), ("gan", "vi_mem"), ("gan", "vi", "vi_syn", "vi_mem")],
)
def test_what_descends_is_the_sum_of_the_chosen_losses(known_clusters, monkeypatch, losses):
    training, calls = new_joint(chosen(losses=losses)), []

    class Spied(Descent):
        def __init__(self, optimizers, *sides, **named):
            super().__init__(optimizers, *sides, **named)
            self.sides = sides

        def add(self, loss, values):
            calls.append((loss.detach(), self.sides))
            super().add(loss, values)

    for place in (joint, gan):
        monkeypatch.setattr(place, "Descent", Spied)
    values = next(training.epochs()).values
    terms = [name for name in losses if name != "gan"]
    assert values.keys() == GAN_VALUES | set(terms)
    ((_, judging), (loss, sides)) = calls
    assert judging == ("discriminator",)
    gan_part = 5 * values["image"] + 5 * values["feature"] + values["adversarial"]
    assert loss.item() == pytest.approx(gan_part + sum(values[name] for name in terms), rel=1e-5)
    assert sides == ("generator", "identity")


def test_generation_alone_still_trains_the_encoder(known_clusters):
    training = new_joint(chosen(losses=("gan",), identity_weight_decay=0.0))
    before = {n: p.detach().clone() for n, p in training.gan.identity_encoder.trunk.named_parameters()}
    next(training.epochs())
    assert not same(before, dict(training.gan.identity_encoder.trunk.named_parameters()))


def test_contrast_alone_draws_no_views_and_leaves_the_generator_side(known_clusters):
    bars = Bars()
    training = new_joint(chosen(losses=("vi",), iterations=2), bars)
    before = all_tensors(training)
    events = list(training.epochs())
    assert all(event.values.keys() == {"vi"} for event in events[:2])
    assert bars.asked == []
    assert moved(training, before) == {"identity_encoder"}


def test_terms_are_equations_six_to_eight_written_out(known_clusters, monkeypatch):
    training = new_joint(chosen(temperature=0.1))
    terms = spied(monkeypatch, joint, "view_contrast")
    sums = spied(monkeypatch, joint, "negative_logsumexp")
    values = next(training.epochs()).values
    rows = training.state.batches[0]
    ((real, first, _), (novel, own, _), (again, second, _)), ((pushed, _, mask),) = terms, sums
    assert again is novel
    memory, expected = known_clusters[0], dict.fromkeys(("vi", "vi_syn", "vi_mem"), 0.0)
    assert torch.equal(pushed, novel) and torch.equal(own, real)
    for b, row in enumerate(rows.tolist()):
        peers = [j for j in range(32) if LABELS[j] == LABELS[row] and j != row]
        for drawn in (first[b], second[b]):
            assert any(torch.equal(drawn, memory[j]) for j in peers)
        negative = sum(torch.exp(novel[b] @ memory[j] / 0.1) for j in range(32) if mask[b, j])
        for name, anchor, positive in (("vi", real, first), ("vi_syn", novel, real), ("vi_mem", novel, second)):
            pull = torch.exp(anchor[b] @ positive[b] / 0.1)
            expected[name] -= torch.log(pull / (pull + negative)).item() / len(rows)
    assert {name: values[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_clusters_are_contrasted_camera_by_camera_where_that_is_asked(known_clusters, monkeypatch):
    training = new_joint(chosen(camera_contrast=0.5, camera_temperature=0.1))
    terms = spied(monkeypatch, joint, "view_contrast")
    told = next(training.epochs()).values["camera_contrast"]
    cameras, memory, real = training_set().cameras, known_clusters[0], terms[0][0]
    seen = {(int(k), int(c)) for k, c in zip(LABELS, cameras, strict=True) if k >= 0}
    centroid = {(k, c): F.normalize(memory[(k == LABELS) & (cameras == c)].sum(0), dim=0) for k, c in seen}
    within, across = [], []
    for feature, row in zip(real, training.state.batches[0].tolist(), strict=True):
        label, camera = int(LABELS[row]), int(cameras[row])
        pull = {pair: torch.exp(feature @ centroid[pair] / 0.1) for pair in seen}
        within.append(-torch.log(pull[label, camera] / sum(pull[k, c] for k, c in seen if c == camera)))
        others = [pair for pair in seen if pair[0] == label and pair[1] != camera]
        everybody = sum(pull[k, c] for k, c in seen if k != label) + sum(pull[pair] for pair in others)
        across += [torch.stack([-torch.log(pull[pair] / everybody) for pair in others]).mean()] if others else []
    expected = 0.5 * (torch.stack(within).mean() + torch.stack(across).mean())
    assert told == pytest.approx(expected.item(), rel=1e-4)


def test_negatives_may_push_the_real_view(known_clusters, monkeypatch):
    terms = spied(monkeypatch, joint, "view_contrast")
    sums = spied(monkeypatch, joint, "negative_logsumexp")
    next(new_joint(chosen(negatives_from="real")).epochs())
    assert torch.equal(sums[0][0], terms[0][0])
    assert not torch.equal(sums[0][0], terms[1][0])


def test_without_a_view_negatives_push_the_real_picture(known_clusters, monkeypatch):
    terms = spied(monkeypatch, joint, "view_contrast")
    sums = spied(monkeypatch, joint, "negative_logsumexp")
    next(new_joint(chosen(losses=("vi",), negatives_from="synth")).epochs())
    assert torch.equal(sums[0][0], terms[0][0])


@pytest.mark.parametrize("self_positive", ["batch", "memory"])
def test_positive_of_the_novel_view_is_the_batch_with_or_the_memory_without_gradient(known_clusters, self_positive):
    training = new_joint(chosen(losses=("gan", "vi_syn"), self_positive=self_positive))
    next(training.epochs())
    _, (part,), _ = training._joint_parts(training.state.batches[0])
    real, novel = (
        F.normalize(torch.randn(4, training.gan.identity_encoder.embedding_size), dim=1).requires_grad_(True)
        for _ in range(2)
    )
    terms = training._contrast_terms(part, real, novel)
    assert terms.keys() == {"vi_syn"}
    terms["vi_syn"].backward()
    assert bool(real.grad is not None and real.grad.any()) == (self_positive == "batch")
    assert novel.grad.any()
    memory = training.state.bank
    assert not memory.requires_grad


def test_few_negatives_are_drawn_where_few_are_asked_for(known_clusters, monkeypatch):
    sums = spied(monkeypatch, joint, "negative_logsumexp")
    next(new_joint(chosen(negatives=5)).epochs())
    assert sums[0][2].sum(1).tolist() == [5] * 4


# --- steps ------------------------------------------------------------------------------------------------------------


def test_contrast_only_steps_follow_each_joint_step_and_leave_the_generator_side(known_clusters):
    training = new_joint(chosen(iterations=2, contrast_steps=2, batch_size=3))
    loop, kinds = training.epochs(), []
    before = all_tensors(training)
    for _ in range(6):
        event = next(loop)
        contrast_only = event.values.keys() == {"vi"}
        kinds.append(contrast_only)
        assert moved(training, before) == ({"identity_encoder"} if contrast_only else {"identity_encoder", *GAN_SIDE})
        before = all_tensors(training)
    assert kinds == [False, True, True, False, True, True]
    assert next(loop).kind == "epoch"


@pytest.mark.parametrize("losses", [("gan",), ("gan", "vi_syn", "vi_mem")])
def test_without_l_vi_there_are_no_contrast_only_steps(known_clusters, losses):
    events = list(new_joint(chosen(iterations=2, contrast_steps=3, losses=losses)).epochs())
    assert len(events) == 2 + 1
    assert all(event.values.keys() >= GAN_VALUES for event in events)


def test_generator_step_sees_the_updated_discriminator_and_leaves_it_no_gradient(known_clusters):
    training = new_joint(chosen())
    discriminator, seen = training.gan.discriminator, []

    def note(module, _inputs):
        seen.append((next(module.parameters()).detach().clone(), next(module.parameters()).requires_grad))

    discriminator.register_forward_pre_hook(note)
    next(training.epochs())
    (fakes, learns), (reals, _), (judged, still_learns) = seen
    assert torch.equal(fakes, reals) and learns
    assert not torch.equal(judged, reals) and not still_learns
    assert torch.equal(judged, next(discriminator.parameters()))
    assert all(parameter.grad is None for parameter in discriminator.parameters())


@pytest.mark.parametrize("update", ["real", "all"])
def test_running_statistics_move_by_real_pictures_alone_or_by_all_four_passes(known_clusters, update):
    training = new_joint(chosen(batchnorm_update=update))
    encoder = copy.deepcopy(training.gan.identity_encoder).train()
    next(training.epochs())
    encoder(normalise(training_set().pictures[training.state.batches[0]]))
    expected, found = running_statistics(encoder), running_statistics(training.gan.identity_encoder)
    close = all(torch.allclose(found[name], value, atol=1e-6) for name, value in expected.items())
    assert close == (update == "real")
    assert found["head.norm.num_batches_tracked"] == {"real": 1, "all": 4}[update]


def test_identity_rate_falls_at_the_shares_of_the_epochs_and_the_others_stay(known_clusters):
    training = new_joint(chosen(epochs=4, losses=("vi",), decay_at=(0.5, 0.75), decay=0.1, identity_rate=1e-2))
    rates = [
        [training.state.optimizers[side].param_groups[0]["lr"] for side in ("identity", "generator", "discriminator")]
        for event in training.epochs()
        if event.kind == "step"
    ]
    assert [rate[0] for rate in rates] == pytest.approx([1e-2, 1e-2, 1e-3, 1e-4])
    assert {tuple(rate[1:]) for rate in rates} == {(1e-4, 1e-4)}


def test_momentum_of_the_encoder_is_nesterovs_and_may_be_none():
    group = new_joint(chosen()).state.optimizers["identity"].param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.9, True, 5e-4)
    assert len(list(new_joint(chosen(identity_momentum=0.0, losses=("vi",))).epochs())) == 2


# --- augmentation -----------------------------------------------------------------------------------------------------

STILL = {"crop_padding": 0, "erase_probability": 0.0, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0}


def test_classic_augmentation_flips_structures_with_the_pictures(known_clusters, monkeypatch):
    bars = Bars()
    training = new_joint(chosen(augment="classic", flip_probability=0.5, batch_size=16, **STILL), bars)
    views = spied(monkeypatch, training.gan, "views")
    next(training.epochs())
    ((seen, own, new),) = views
    rows = training.state.batches[0]
    plain = normalise(training_set().pictures[rows])
    (_, own_angles), (_, new_angles) = bars.asked
    flips = 0
    for b in range(len(rows)):
        straight, mirrored = (torch.allclose(seen[b], picture, atol=1e-5) for picture in (plain[b], plain[b].flip(2)))
        assert straight != mirrored
        flips += mirrored
        for given, angles in ((own, own_angles), (new, new_angles)):
            drawn = to_signal(Bars()(rows[b][None], torch.tensor([angles[b]])), CPU)[0]
            assert torch.equal(given[b], drawn.flip(2) if mirrored else drawn)
    assert 0 < flips < 16


def test_generator_paints_the_target_without_shift_and_erasing(known_clusters, monkeypatch):
    training = new_joint(chosen(augment="classic", flip_probability=0.0, erase_probability=1.0))
    views, losses = spied(monkeypatch, training.gan, "views"), spied(monkeypatch, training.gan, "generator_loss")
    judged = spied(monkeypatch, training.gan, "discriminator_loss")
    next(training.epochs())
    seen, target = views[0][0], losses[0][0]
    assert judged[0][0] is target
    assert (seen == 0).all(1).flatten(1).any(1).all()  # an erased patch in each
    assert not (target == 0).all(1).any()


def test_without_augmentation_encoder_and_generator_get_the_pictures_as_they_are(known_clusters, monkeypatch):
    training = new_joint(chosen())
    views, losses = spied(monkeypatch, training.gan, "views"), spied(monkeypatch, training.gan, "generator_loss")
    next(training.epochs())
    plain = normalise(training_set().pictures[training.state.batches[0]])
    assert torch.equal(views[0][0], plain) and torch.equal(losses[0][0], plain)
