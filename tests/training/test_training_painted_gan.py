"""L_gan of a painted generator, in its warm-up and in joint steps."""

import pytest
import torch
from test_training_novel_views import Blocks
from training_world import (
    ARCHITECTURE,
    CLUSTERING,
    CPU,
    Bars,
    new_encoder,
    rng,
    same,
    training_set,
    unbroken_and_resumed,
)

from gcl_cli.config import GanWarmupSettings, JointSettings
from gcl_cli.networks.painted_generator import COLOUR, GREY, OPACITY, SEEN
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.drawn_views import PaintedStructures
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.painted_gan import SHOWN, PaintedGan, draw_shown, painted_part
from gcl_cli.training.ram import gan_memory
from gcl_cli.training.team import ALONE
from gcl_cli.weights.shipped_generator import load_shipped_generator, new_painted_gan

OWN_GREY = slice(6, 7)
ROWS, TURNS = torch.tensor([3, 9]), torch.tensor([2, 6])  # by 90 and 270 degrees


class Seen(Blocks):
    """Everything of the own side is seen, and nothing of the others."""

    def __call__(self, rows, angle_index):
        return super().__call__(rows, angle_index)[:, 3:] * (angle_index == 0)[:, None, None, None]


TOLD = PaintedStructures(Bars(), Blocks(), Seen())


def networks(seed: int = 0):
    return {"identity_encoder": new_encoder(seed), **new_painted_gan(ARCHITECTURE, seed, CPU)}


def part(flipped=(False, False)):
    real = normalise(training_set().pictures[ROWS])
    return painted_part(TOLD, ROWS, TURNS, real, real, torch.tensor(flipped), rng=rng(), team=ALONE)


def new_gan(**changed) -> PaintedGan:
    settings = JointSettings(**changed)
    return PaintedGan(joint_state(networks(), settings), settings)


def test_a_new_painter_draws_as_the_generator_that_ships_whatever_the_codes_say():
    painter, shipped = networks()["generator"].eval(), load_shipped_generator(CPU)
    made, photographs = part(), training_set().pictures[ROWS].float() / 255
    codes = torch.rand(2, painter.codes.in_features, 4)
    looks = painter.looks(photographs, made.covered, codes)
    assert torch.equal(looks, shipped.appearance(photographs, made.covered))
    assert torch.equal(painter(made.new, made.turn, looks), shipped(made.new, made.turn, looks))


def test_a_part_has_the_structures_with_the_own_texture_mostly_hidden():
    made = part()
    whole = TOLD(ROWS, torch.zeros(2, dtype=torch.int64))
    assert torch.equal(made.own[:, GREY], whole[:, GREY]) and torch.equal(made.own[:, OWN_GREY], whole[:, OWN_GREY])
    kept = made.own[:, OPACITY].sum() / whole[:, OPACITY].sum()
    assert kept < 0.8 and (made.own[:, SEEN] <= whole[:, SEEN]).all()
    assert (made.own[:, COLOUR].sum(1) * (1 - made.own[:, OPACITY][:, 0]) == 0).all(), "hidden: no colour is left"
    assert torch.equal(made.new, TOLD(ROWS, TURNS)) and made.turn.tolist() == [90, 270]
    assert torch.equal(made.covered, whole[:, OPACITY])


def test_who_is_mirrored_turns_the_other_way_round():
    plain, mirrored = part(), part((True, False))
    assert torch.equal(mirrored.new[0], plain.new[0].flip(2)) and torch.equal(mirrored.new[1], plain.new[1])
    assert mirrored.turn.tolist() == [270, 270]
    assert torch.equal(mirrored.covered[0], plain.covered[0].flip(2))


def test_at_most_half_of_the_texture_is_shown_and_sometimes_hardly_any():
    shares = draw_shown(400, rng()).mean((1, 2, 3))
    assert shares.mean() == pytest.approx(SHOWN / 2, abs=0.02)
    assert shares.min() == 0 and shares.max() < 0.85


def test_nobody_is_drawn_over_what_is_behind_them():
    gan = new_gan(precision="fp32")
    views = gan.views_of_part(part(), None, freeze_statistics=True)
    real = normalise(training_set().pictures[ROWS])
    beside = (..., slice(0, 6), slice(0, 3))  # a corner, where neither body nor block is
    for made in views.fakes():
        assert made.shape == real.shape
        assert (made[beside] - real[beside]).abs().max() < 0.2


def test_l_gan_teaches_the_identity_encoder_through_the_codes():
    gan = new_gan(precision="fp32", feature_weight=0.0, adversarial_weight=0.0)
    parameters = list(gan.identity_encoder.trunk.parameters())

    def taught() -> float:
        made = part()
        loss, _ = gan.generator_loss(made.target, gan.views_of_part(made, None, freeze_statistics=True))
        gradients = torch.autograd.grad(loss, [*parameters, gan.painter.codes.weight], allow_unused=True)
        assert gradients[-1].abs().sum() > 0
        return sum(float(g.abs().sum()) for g in gradients[:-1] if g is not None)

    with torch.no_grad():
        gan.painter.codes.weight.normal_(std=0.05, generator=rng())
    assert taught() > 0


def test_the_memory_of_a_step_is_told_without_touching_anything():
    settings = JointSettings(batch_size=4, checkpoint_activations=True)
    gan = PaintedGan(joint_state(networks(), settings), settings)
    plain = new_gan(batch_size=4)
    pictures = training_set().pictures
    assert 0 < gan_memory(gan, pictures).activations < gan_memory(plain, pictures).activations


def warm_up():
    settings = GanWarmupSettings(
        generator="painted", epochs=1, reconstruction_epochs=0, iterations=3, batch_size=4, precision="fp32"
    )
    state = gan_warmup_state(networks(), settings)
    return state, GanWarmup(state, training_set(), TOLD, settings).epochs()


def joint(**changed):
    settings = JointSettings(
        epochs=2, iterations=1, contrast_steps=1, batch_size=4, augment="classic", precision="fp32", **CLUSTERING,
        **changed,
    )  # fmt: skip
    state = joint_state(networks(), settings)
    return state, Joint(state, training_set(), TOLD, settings).epochs()


@pytest.mark.parametrize("loop", [warm_up, joint])
def test_resumed_equals_unbroken_bit_for_bit(tmp_path, loop):
    for unbroken, resumed in unbroken_and_resumed(loop, (1, 2), tmp_path):
        assert same(unbroken, resumed)


def test_people_of_gcl_plus_are_mixed_as_well():
    _, steps = joint(losses=("gan", "vi", "vi_syn", "vi_mem", "mixup", "prototype"))
    values = next(steps).values
    assert {"image", "feature", "adversarial", "prototype"} <= values.keys()
