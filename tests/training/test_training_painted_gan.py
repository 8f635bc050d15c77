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
from gcl_cli.records import SUBPIXELS
from gcl_cli.training.augmentation import denormalise, flip, normalise
from gcl_cli.training.drawn_views import PaintedStructures
from gcl_cli.training.gan_warmup import GanWarmup, gan_warmup_state
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.painted_gan import SHOWN, PaintedGan, draw_shown, painted_back, painted_part
from gcl_cli.training.ram import gan_memory
from gcl_cli.training.team import ALONE
from gcl_cli.weights.shipped_generator import load_shipped_generator, new_painted_gan

OWN_GREY = slice(6, 7)
ROWS, TURNS = torch.tensor([3, 9]), torch.tensor([2, 6])  # by 90 and 270 degrees


class Flows:
    """People stand in one block of the picture; a turned one is as many pixels further right as the angle's index."""

    angles = Blocks.angles

    def __call__(self, rows, angle_index):
        flows = torch.zeros(len(rows), 4, 64, 32, dtype=torch.int16)
        row, column = torch.meshgrid(torch.arange(64), torch.arange(32), indexing="ij")
        for flow, angle in zip(flows, angle_index.tolist(), strict=True):
            flow[:] = torch.stack([(column - angle) * SUBPIXELS, row * SUBPIXELS, *2 * [torch.full_like(row, 255)]])
            flow *= ((row >= 8) & (row < 56) & (column >= 8 + angle) & (column < 22 + angle)).short()
        return flows


TOLD = PaintedStructures(Bars(), Flows())
BLOCK = (..., slice(8, 56), slice(8, 22))


def networks(seed: int = 0):
    return {"identity_encoder": new_encoder(seed), **new_painted_gan(ARCHITECTURE, seed, CPU)}


def part(flipped=(False, False)):
    """Of two pictures, mirrored where `flipped`."""
    flipped = torch.tensor(flipped)
    real = flip(normalise(training_set().pictures[ROWS]), flipped)
    return painted_part(TOLD, ROWS, TURNS, real, real, flipped, rng=rng(), team=ALONE)


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
    photographs = training_set().pictures[ROWS].float() / 255
    whole = TOLD(photographs, ROWS, torch.zeros(2, dtype=torch.int64))
    assert torch.allclose(whole[:, COLOUR][BLOCK], photographs[BLOCK], atol=1e-6)
    assert torch.equal(made.own[:, GREY], whole[:, GREY]) and torch.equal(made.own[:, OWN_GREY], whole[:, OWN_GREY])
    kept = made.own[:, OPACITY].sum() / whole[:, OPACITY].sum()
    assert kept < 0.8 and (made.own[:, SEEN] <= whole[:, SEEN]).all()
    assert (made.own[:, COLOUR].sum(1) * (1 - made.own[:, OPACITY][:, 0]) == 0).all(), "hidden: no colour is left"
    assert torch.allclose(made.new, TOLD(photographs, ROWS, TURNS), atol=1e-6) and made.turn.tolist() == [90, 270]
    assert torch.equal(made.covered, whole[:, OPACITY])


def test_who_is_mirrored_turns_the_other_way_round():
    plain, mirrored = part(), part((True, False))
    assert torch.allclose(mirrored.new[0], plain.new[0].flip(2), atol=1e-5)
    assert torch.equal(mirrored.new[1], plain.new[1]) and torch.equal(mirrored.back[1], plain.back[1])
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


def test_the_cycle_paints_back_what_the_turned_view_shows():
    """By hand: turned by k places a person is k pixels further right, so that back is as many to the left."""
    made = part()
    novel = normalise(torch.rand(2, 3, 64, 32, generator=rng())).requires_grad_()
    own = painted_back(made, novel)
    assert torch.equal(own[:, GREY], made.own[:, GREY]) and torch.equal(own[:, OWN_GREY], made.own[:, OWN_GREY])
    there = torch.zeros(2, 1, 64, 32)
    there[BLOCK] = 1
    assert torch.equal(own[:, OPACITY], there) and torch.equal(own[:, SEEN], there)
    for view, drawn, turn in zip(own[:, COLOUR], novel, TURNS.tolist(), strict=True):
        shown = denormalise(drawn[None])[0].float() / 255
        assert torch.allclose(view[BLOCK], shown[..., 8:56, 8 + turn : 22 + turn], atol=0.003)
    own[:, COLOUR].sum().backward()
    taught = novel.grad.abs().sum((0, 1)) > 1e-3
    assert taught[8:56, 14:24].all() and not taught[:, :10].any() and not taught[:8].any()


def test_the_cycle_teaches_the_turned_view_through_what_is_painted_back():
    """Alone: no code leads from the turned view to the cycle here, and its own structure is grey."""
    gan = new_gan(precision="fp32")
    made, seen = part(), []

    def drawn(structure, turn, looks, behind):
        seen.append(structure)
        picture = normalise(structure[:, COLOUR])
        return (picture.requires_grad_() if picture.is_leaf else picture), structure[:, OPACITY]

    gan._drawn = drawn
    gan.painter.looks = lambda photographs, opacity, parts: torch.zeros(2, 96, 8)
    views = gan.views_of_part(made, None, freeze_statistics=True)
    (gradient,) = torch.autograd.grad((views.cycled - made.target).abs().mean(), views.novel)
    assert gradient.abs().sum() > 0
    assert torch.equal(seen[2], painted_back(made, views.novel))


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
