"""Where the published code left the paper (D1 - D28): each switch does what its row says."""

import pytest
import torch
import torch.nn.functional as F
from training_world import CLUSTERING, Bars, new_networks, rng, same, training_set, unbroken_and_resumed

from gcl_cli.clustering.jaccard import jaccard_distance
from gcl_cli.clustering.radius import percentile_radius
from gcl_cli.config import GanSettings, GanWarmupSettings, JointSettings
from gcl_cli.config.parity import REFERENCE, parity_settings
from gcl_cli.losses.adversarial import discriminator_logistic, generator_logistic
from gcl_cli.records import PseudoLabels
from gcl_cli.training import epoch_clusters, joint
from gcl_cli.training.bank import draw_positives
from gcl_cli.training.features import embed
from gcl_cli.training.gan import ViewGan, gan_optimizers
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.state import TrainingState

LABELS = torch.arange(32) // 4
LABELS[[3, 30, 31]] = -1
TOY = {"epochs": 1, "iterations": 1, "batch_size": 4, **CLUSTERING}


@pytest.fixture
def known_clusters(monkeypatch):
    """Every epoch finds LABELS; returns copies of the features that were clustered."""
    seen = []

    def find(features, *_, **__):
        seen.append(features.clone())
        return PseudoLabels(LABELS.numpy().copy(), 0.5)

    monkeypatch.setattr(epoch_clusters, "cluster_features", find)
    return seen


def new_joint(structures: Bars | None = None, **chosen) -> Joint:
    settings = JointSettings(**TOY | chosen)
    return Joint(joint_state(new_networks(), settings), training_set(), structures or Bars(), settings)


def reference(row: str, command: str = "joint"):
    return REFERENCE[row].settings[command]


def test_d1_the_last_turn_is_never_drawn():
    bars = Bars()
    settings = GanWarmupSettings(**{"epochs": 1, "iterations": 1, "batch_size": 32} | reference("D1", "gan-warmup"))
    next(GanWarmup(gan_warmup_state(new_networks(), settings), training_set(), bars, settings).epochs())
    (_, own), (_, turned) = bars.asked
    assert set(own) == {0} and set(turned) == set(range(1, 7))  # all but 315 degrees, number 7


def test_d4_and_d5_positives_are_memory_rows_among_them_the_pictures_own(known_clusters, monkeypatch):
    drawn, given = [], []

    def draw(labels, rows, **named):
        drawn.append(draw_positives(labels, torch.arange(28)[LABELS[:28] >= 0], **named))  # of every picture
        return draw_positives(labels, rows, **named)

    original = joint.view_contrast
    monkeypatch.setattr(joint, "draw_positives", draw)
    monkeypatch.setattr(joint, "view_contrast", lambda *a, **named: (given.append(a), original(*a, **named))[1])
    rows = torch.arange(28)[LABELS[:28] >= 0]
    for chosen, owns in (({}, False), (reference("D5"), True), (reference("D4"), False)):
        training = new_joint(**chosen)
        next(training.epochs())
        assert bool((drawn[-1] == rows).any()) == owns
        (real, *_), (_, own, _), _ = given[-3:]
        memory = known_clusters[-1][training.state.batches[0]]
        assert torch.equal(own, memory if chosen == reference("D4") else real)
        assert own.requires_grad == (chosen != reference("D4"))


def test_d6_memory_rows_move_at_each_step_or_all_before_each_clustering(known_clusters):
    """Eq. 5 with the features of the epoch: .2 of the old row, .8 of the new one."""
    training = new_joint(epochs=2, losses=("vi",), memory_update="epoch", refresh="none", iterations=2)
    for event in training.epochs():
        if event.kind == "step":
            assert torch.equal(training.state.bank, known_clusters[event.epoch])
        if event.kind == "step" and event.epoch == 0:
            fresh = embed(training.gan.identity_encoder, training_set().pictures, precision="fp32")
    expected = F.normalize(0.2 * known_clusters[0] + 0.8 * fresh, dim=1)
    torch.testing.assert_close(known_clusters[1], expected, rtol=1e-5, atol=1e-6)
    stepwise = new_joint(losses=("vi",), **reference("D6"))
    next(stepwise.epochs())
    assert not torch.equal(stepwise.state.bank, known_clusters[-1])


@pytest.mark.parametrize(
    ("chosen", "rates"),
    [
        ({}, [1e-4, 1e-4, 1e-4, 1e-4]),
        (reference("D7"), [1e-5, 1e-5, 1e-5, 1e-5]),
        ({"gan_decay_at": (0.5,)}, [1e-4, 1e-4, 1e-5, 1e-5]),  # the paper's: tenfold lower from the half on
    ],
)
def test_d7_rates_of_the_generator_are_low_throughout_or_fall(known_clusters, chosen, rates):
    training = new_joint(epochs=4, losses=("vi",), **chosen)
    optimizers, found = training.state.optimizers, []
    for event in training.epochs():
        if event.kind == "step":
            found.append([optimizers[side].param_groups[0]["lr"] for side in ("generator", "discriminator")])
    assert found == [[pytest.approx(rate)] * 2 for rate in rates]


@pytest.mark.parametrize(
    ("form", "on_real", "on_fake", "wanted"),
    [("least_squares", 0.25, 4.0, 2 * 9.0), ("logistic", 0.2014133, 0.126928, -0.126928)],
)
def test_d11_either_form_of_the_adversarial_loss_by_hand(form, on_real, on_fake, wanted, monkeypatch):
    """Scores of 1.5 for real and -2 for generated pictures: log(1 + e^-1.5) = .2014133, log(1 + e^-2) = .126928."""
    settings = GanSettings(adversarial=form, penalty_weight=0.0, image_weight=0, feature_weight=0)
    networks = new_networks()
    gan = ViewGan(TrainingState(networks, dict(gan_optimizers(networks, settings)), rng()), settings)
    real = torch.randn(2, 3, 64, 32, generator=rng())
    structure = torch.zeros(2, 1, 64, 32)
    views = gan.views(real, structure, structure, freeze_statistics=True)

    def score(pictures):
        judged = torch.full((len(pictures), 1, 1, 1), 1.5 if pictures is real else -2.0, requires_grad=True)
        return [judged]

    monkeypatch.setattr(gan.discriminator, "forward", score)
    discriminator = gan.discriminator_loss(real, views)
    generator, values = gan.generator_loss(real, views)
    assert discriminator.item() == pytest.approx(3 * (on_real + on_fake), rel=1e-5)
    assert generator.item() == pytest.approx(3 * wanted, rel=1e-5) == values["adversarial"].item()


def test_d11_logistic_losses_are_equation_three():
    """Against log D(x) + log(1 - D(y)) itself, with D the sigmoid of the scores."""
    real, fake = [torch.tensor([[[[0.3, -1.0]]]])], [torch.tensor([[[[2.0, -0.5]]]])]
    reals, fakes = real[0].sigmoid().log().mean(), (1 - fake[0].sigmoid()).log().mean()
    torch.testing.assert_close(discriminator_logistic(real, [fake]), -(reals + fakes))
    torch.testing.assert_close(generator_logistic([fake]), fakes)


def test_d12_d13_and_d18_in_one_run(known_clusters, monkeypatch):
    """Four batches move the statistics; rows of noise stay as they were at the start; nobody is augmented."""
    monkeypatch.setattr(joint, "classic_augmentation", None)
    training = new_joint(epochs=2, **reference("D12") | reference("D13") | reference("D18"))
    list(training.epochs())
    assert int(training.gan.identity_encoder.head.norm.num_batches_tracked) == 2 * 4
    assert torch.equal(known_clusters[1][LABELS < 0], known_clusters[0][LABELS < 0])


def test_d15_the_radius_is_found_anew_in_every_epoch(monkeypatch):
    seen, original = [], epoch_clusters.cluster_features

    def find(features, *arguments, **named):
        seen.append(features.clone())
        return original(features, *arguments, **named)

    monkeypatch.setattr(epoch_clusters, "cluster_features", find)
    chosen = reference("D15") | {"rho": 0.05, "camera_aware": False, "identity_rate": 0.05}
    radii = [e.values["radius"] for e in new_joint(epochs=2, losses=("vi",), **chosen).epochs() if e.kind == "epoch"]
    expected = [percentile_radius(jaccard_distance(memory, k1=8, k2=3), rho=0.05, floor=0) for memory in seen[:2]]
    assert radii == pytest.approx(expected)
    assert radii[0] != pytest.approx(radii[1], rel=1e-3)


def test_with_all_rows_at_once_resumed_equals_unbroken_bit_for_bit(tmp_path):
    chosen = parity_settings("joint", "reference") | {"iterations": 1, "epochs": 2, "rho": 0.05}

    def new_loop():
        training = new_joint(**chosen)
        return training.state, training.epochs()

    for unbroken, resumed in unbroken_and_resumed(new_loop, (2,), tmp_path):
        assert same(unbroken[1], resumed[1])
        assert unbroken[0] == resumed[0]
