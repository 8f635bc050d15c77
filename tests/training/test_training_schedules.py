from types import SimpleNamespace

import pytest

from gcl_cli.training.schedules import every_nth, is_joint_step, learning_rate, set_learning_rate


def test_joint_rate_falls_once_at_epoch_10_of_20():
    rates = [learning_rate(3.5e-4, step=epoch, steps=20, decay_at=(0.5,), decay=0.1) for epoch in range(20)]
    assert rates == pytest.approx([3.5e-4] * 10 + [3.5e-5] * 10)


def test_cluster_contrast_rate_falls_every_20_of_50_epochs():
    rates = [learning_rate(1.0, step=epoch, steps=50, decay_at=(0.4, 0.8), decay=0.1) for epoch in range(50)]
    assert rates == pytest.approx([1.0] * 20 + [0.1] * 20 + [0.01] * 10)


def test_rate_without_decay_is_constant():
    assert {learning_rate(1e-4, step=step, steps=9, decay_at=(), decay=0.1) for step in range(9)} == {1e-4}


def test_every_parameter_group_gets_the_rate():
    optimizer = SimpleNamespace(param_groups=[{"lr": 1.0, "betas": (0.0, 0.999)}, {"lr": 2.0}])
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups == [{"lr": 0.25, "betas": (0.0, 0.999)}, {"lr": 0.25}]


@pytest.mark.parametrize("every", [1, 4])
def test_a_loss_of_every_nth_step_keeps_its_mean_weight(every):
    weights = [every_nth(0.01, step=step, every=every) for step in range(20)]
    assert sum(weights) / 20 == pytest.approx(0.01)
    assert sum(weight > 0 for weight in weights) == 20 // every
    assert weights[0] > 0


def test_four_contrast_steps_follow_each_joint_step():
    assert [step for step in range(12) if is_joint_step(step, contrast_steps=4)] == [0, 5, 10]
    assert all(is_joint_step(step, contrast_steps=0) for step in range(5))
