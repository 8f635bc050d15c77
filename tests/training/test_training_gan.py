import pytest
import torch
from torch import nn
from training_world import CPU, HEIGHT, WIDTH, Bars, new_networks, rng, running_statistics, same, tensors_of

from gcl_cli.config import GanSettings
from gcl_cli.training.gan import ViewGan, by_kind, frozen_statistics, gan_optimizers
from gcl_cli.training.parts import Descent
from gcl_cli.training.state import TrainingState
from gcl_cli.training.structures import own_and_new
from gcl_cli.training.team import ALONE

BATCH = 3


def new_gan(*, training: bool = True, **settings) -> ViewGan:
    chosen = GanSettings(**settings)
    networks = new_networks()
    for network in networks.values():
        network.train(training)
    with torch.no_grad():  # an untrained discriminator hardly reacts: its gradient penalty would drown in rounding
        for layer in networks["discriminator"].modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.mul_(10)
    return ViewGan(TrainingState(networks, dict(gan_optimizers(networks, chosen)), rng()), chosen)


def batch():
    real = torch.randn(BATCH, 3, HEIGHT, WIDTH, generator=rng(5))
    return real, *own_and_new(Bars(), torch.tensor([0, 3, 6]), torch.tensor([1, 4, 7]), CPU)


def parameters(network):
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def scores(gan: ViewGan, pictures):
    with torch.no_grad():
        return gan.discriminator(pictures)


def stepped(gan, real, views):
    """One step of the discriminator; returns its values."""
    judging = Descent(gan.state.optimizers, "discriminator", parts=1, team=ALONE)
    loss = gan.discriminator_loss(real, views)
    judging.add(loss, {"discriminator": loss})
    return judging.step()


def test_views_are_the_forward_pass_of_the_paper():
    gan = new_gan(training=False)
    real, own, new = batch()
    views = gan.views(real, own, new, freeze_statistics=True)
    encode, structure, decode = gan.identity_encoder, gan.structure_encoder, gan.generator
    code = encode(real)
    reconstructed = decode(structure(own), decode.modulation(code.parts))
    novel = decode(structure(new), decode.modulation(code.parts))
    cycled = decode(structure(own), decode.modulation(encode(novel).parts))
    close = {"rtol": 1e-4, "atol": 1e-5}
    for got, expected in zip(views[1:4], (reconstructed, novel, cycled), strict=True):
        torch.testing.assert_close(got, expected, **close)
    for got, picture in zip((views.code, *views[4:7]), (real, reconstructed, novel, cycled), strict=True):
        torch.testing.assert_close(got.parts, encode(picture).parts, **close)
        torch.testing.assert_close(got.embedding, encode(picture).embedding, **close)
    torch.testing.assert_close(gan.reconstruct(real, own), reconstructed, **close)


def test_generated_pictures_leave_the_running_statistics_as_the_real_pass_alone_makes_them():
    real, own, new = batch()
    frozen, alone, all_four = new_gan(), new_gan(), new_gan()
    frozen.views(real, own, new, freeze_statistics=True)
    alone.identity_encoder(real)
    all_four.views(real, own, new, freeze_statistics=False)
    statistics = [running_statistics(gan.identity_encoder) for gan in (frozen, alone, all_four)]
    assert same(statistics[0], statistics[1])
    assert not same(statistics[0], statistics[2])
    assert statistics[2]["trunk.bn1.num_batches_tracked"] == 4


def test_frozen_statistics_still_normalise_by_the_batch_and_end_with_the_block():
    encoder = new_gan().identity_encoder
    real, _, _ = batch()
    expected = new_gan().identity_encoder(real).embedding
    before = running_statistics(encoder)
    with pytest.raises(ZeroDivisionError), frozen_statistics(encoder, True):
        assert torch.equal(encoder(real).embedding, expected)
        raise ZeroDivisionError
    assert same(running_statistics(encoder), before)
    encoder(real)
    assert not same(running_statistics(encoder), before)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pictures_and_codes_are_float32_in_either_precision(precision):
    views = new_gan(precision=precision).views(*batch(), freeze_statistics=True)
    assert {picture.dtype for picture in views[1:4]} == {torch.float32}
    assert {code.parts.dtype for code in (views.code, *views[4:7])} == {torch.float32}


def test_discriminator_loss_is_least_squares_against_each_kind_and_three_penalties():
    gan = new_gan(penalty_weight=0.3)
    real, own, new = batch()
    views = gan.views(real, own, new, freeze_statistics=True)
    loss = 0.0
    for fake in (views.reconstructed, views.novel, views.cycled):
        for on_fake, on_real in zip(scores(gan, fake.detach()), scores(gan, real), strict=True):
            loss += float(on_fake.square().mean() + (on_real - 1).square().mean())
    penalty = 0.0
    for scale in range(len(gan.discriminator.scales)):
        for picture in real:
            seen = picture[None].clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(gan.discriminator(seen)[scale].sum(), seen)
            penalty += float(gradient.square().sum()) / BATCH
    assert 0.3 * penalty > 0.01 * loss
    values = stepped(gan, real, views)
    assert values["discriminator"] == pytest.approx(loss + 3 * 0.3 * penalty, rel=1e-5)


def test_discriminator_step_moves_the_discriminator_alone_and_sends_nothing_to_the_generator():
    gan = new_gan()
    real, own, new = batch()
    views = gan.views(real, own, new, freeze_statistics=True)
    before = {name: parameters(network) for name, network in gan.state.networks.items()}
    stepped(gan, real, views)
    for name, network in gan.state.networks.items():
        assert same(parameters(network), before[name]) == (name != "discriminator")
        if name != "discriminator":
            assert all(parameter.grad is None for parameter in network.parameters())
    assert not real.requires_grad


def test_lazy_penalty_counts_the_discriminators_own_steps():
    plain, lazy = new_gan(penalty_weight=0.0), new_gan(penalty_weight=1e6, penalty_every=2)
    real, own, new = batch()
    views = plain.views(real, own, new, freeze_statistics=True)
    penalised = []
    for _ in range(4):
        lazy.discriminator.load_state_dict(plain.discriminator.state_dict())
        losses = [stepped(gan, real, views)["discriminator"] for gan in (plain, lazy)]
        penalised.append(losses[1] > losses[0] * (1 + 1e-6))
        for gan in (plain, lazy):
            gan.state.steps_done += 2  # a contrast-only step stands after each
    assert penalised == [True, False, True, False]


def test_generator_loss_is_equation_four():
    gan = new_gan(image_weight=5.0, feature_weight=4.0, adversarial_weight=3.0)
    real, own, new = batch()
    views = gan.views(real, own, new, freeze_statistics=True)
    total, values = gan.generator_loss(real, views)
    image = (real - views.reconstructed).abs().mean() + (real - views.cycled).abs().mean()
    target = views.code.parts
    feature = (target - views.code_reconstructed.parts).abs().mean() + (target - views.code_cycled.parts).abs().mean()
    adversarial = sum(
        2 * float((on_fake - 1).square().mean())
        for fake in (views.reconstructed, views.novel, views.cycled)
        for on_fake in scores(gan, fake)
    )
    expected = {"image": image.item(), "feature": feature.item(), "adversarial": adversarial}
    assert {name: value.item() for name, value in values.items()} == pytest.approx(expected, rel=1e-5)
    assert total.item() == pytest.approx(5 * image.item() + 4 * feature.item() + 3 * adversarial, rel=1e-5)


def test_generator_loss_reaches_generator_side_and_encoder_but_not_the_discriminator():
    gan = new_gan()
    real, own, new = batch()
    views = gan.views(real, own, new, freeze_statistics=True)
    stepped(gan, real, views)
    left = [parameter.grad.clone() for parameter in gan.discriminator.parameters()]
    gan.generator_loss(real, views)[0].backward()
    assert all(torch.equal(p.grad, was) for p, was in zip(gan.discriminator.parameters(), left, strict=True))
    for network in (gan.generator, gan.structure_encoder, gan.identity_encoder.trunk):
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_part_code_of_the_real_picture_is_a_fixed_target_of_the_feature_loss():
    gan = new_gan(image_weight=0.0, adversarial_weight=0.0)
    real, own, new = batch()
    views = gan.views(real, own, new, freeze_statistics=True)
    # leave only the target of L_feat connected to the encoder
    cut = views._replace(
        **{
            name: getattr(views, name)._replace(parts=getattr(views, name).parts.detach())
            for name in ("code_reconstructed", "code_cycled")
        }
    )
    gan.generator_loss(real, cut)[0].backward()
    assert not any(p.grad is not None and p.grad.any() for p in gan.identity_encoder.parameters())


def test_kinds_come_apart_as_they_were_put_together():
    maps = [torch.arange(6.0).view(6, 1, 1, 1), torch.arange(6.0).view(6, 1, 1, 1) + 10]
    kinds = by_kind(maps, 3)
    assert [[scale.flatten().tolist() for scale in kind] for kind in kinds] == [
        [[0.0, 1.0], [10.0, 11.0]], [[2.0, 3.0], [12.0, 13.0]], [[4.0, 5.0], [14.0, 15.0]],
    ]  # fmt: skip


def test_each_parameter_of_generator_side_and_discriminator_has_one_optimizer():
    networks = new_networks()
    optimizers = gan_optimizers(networks, GanSettings())
    held = {name: {id(p) for group in o.param_groups for p in group["params"]} for name, o in optimizers.items()}
    side = {id(p) for name in ("structure_encoder", "generator") for p in networks[name].parameters()}
    assert held == {"generator": side, "discriminator": {id(p) for p in networks["discriminator"].parameters()}}
    group = optimizers["generator"].param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-4, (0.0, 0.999), 5e-4)


def test_encoder_in_evaluation_mode_has_nothing_moved_by_the_four_passes():
    gan = new_gan(training=False)
    before = tensors_of(gan.identity_encoder)
    gan.views(*batch(), freeze_statistics=False)
    assert same(tensors_of(gan.identity_encoder), before)
