import math

import pytest
import torch
from torch import nn

from gcl_cli.training.divergence import (
    FEWEST,
    WINDOW,
    DivergenceError,
    refuse_collapse,
    refuse_divergence,
    refuse_spoiled,
)


def after(losses, **others):
    """What is remembered of steps with these losses."""
    history = {}
    for loss in losses:
        refuse_divergence(history, {"loss": loss, **others})
    return history


@pytest.mark.parametrize("lost", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_divergence_at_any_step(lost):
    for history in ({}, after([1.0] * 30)):
        with pytest.raises(DivergenceError, match="the loss 'image' is"):
            refuse_divergence(history, {"loss": 1.0, "image": lost})
        assert "image" not in history


@pytest.mark.parametrize(("usual", "bearable"), [(3.0, 60.0), (0.01, 20.0), (1.0, 20.0)])
def test_twenty_times_the_median_explodes_and_small_losses_may_jump(usual, bearable):
    history = after([usual] * FEWEST)
    refuse_divergence(history, {"loss": bearable})
    with pytest.raises(DivergenceError, match=r"more than 20 times"):
        refuse_divergence(history, {"loss": bearable * 1.01})


def test_the_first_steps_are_taken_as_they_are_and_one_outlier_does_not_move_what_is_usual():
    history = after([*[1.0] * (FEWEST - 1), 1e9])
    with pytest.raises(DivergenceError):
        refuse_divergence(history, {"loss": 30.0})


def test_what_is_usual_follows_a_loss_that_falls_and_only_so_many_steps_are_kept():
    history = after([100.0] * 50 + [2.0] * WINDOW)
    assert history["loss"] == [2.0] * WINDOW
    with pytest.raises(DivergenceError):
        refuse_divergence(history, {"loss": 41.0})


def test_a_step_that_explodes_is_not_remembered():
    history = after([1.0] * FEWEST)
    with pytest.raises(DivergenceError):
        refuse_divergence(history, {"loss": 1e6})
    assert max(history["loss"]) == 1.0


def test_counts_and_words_are_no_losses():
    history = after([1.0] * FEWEST, clusters=3, fallback=None)
    refuse_divergence(history, {"clusters": 10**9, "objective": "full"})
    assert history.keys() == {"loss"}


def test_spoiled_weights_and_statistics_are_found():
    layer = nn.BatchNorm1d(3)
    refuse_spoiled({"encoder": layer})
    layer.running_var[1] = math.nan
    with pytest.raises(DivergenceError, match="weights of the identity encoder are no longer finite"):
        refuse_spoiled({"sound": nn.Linear(2, 2), "identity_encoder": layer})
    big = nn.Linear(1, 1)
    nn.init.constant_(big.weight, torch.finfo(torch.float32).max)
    refuse_spoiled({"big": big})


@pytest.mark.parametrize(
    ("epochs", "stopped"),
    [
        ("x", False), ("xxx", False),  # there never were any
        ("o", False), ("ox", False), ("oxx", True), ("xox", False), ("xoxx", True), ("oxoxo", False), ("xxoxx", True),
    ],
)  # fmt: skip
def test_clusters_have_collapsed_after_two_epochs_without_where_there_were_some(epochs, stopped):
    history = []
    for epoch in epochs[:-1]:
        refuse_collapse(history, "nothing but noise" if epoch == "x" else None)
    last = "nothing but noise" if epochs[-1] == "x" else None
    if not stopped:
        refuse_collapse(history, last)
        return
    with pytest.raises(DivergenceError, match=r"2 epochs in a row \(nothing but noise\)") as caught:
        refuse_collapse(history, last)
    assert caught.value.of_clusters
