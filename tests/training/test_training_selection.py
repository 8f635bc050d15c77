import numpy as np
import pytest
import torch
from torch import nn

from gcl_cli.records import PseudoLabels
from gcl_cli.training import stopwatch
from gcl_cli.training.epoch_clusters import agreement_with
from gcl_cli.training.selection import keep_best, selected, stability
from gcl_cli.training.state import TrainingState
from gcl_cli.training.stopwatch import Stopwatch


def new_state() -> TrainingState:
    return TrainingState({"identity_encoder": nn.BatchNorm1d(2)}, {}, torch.Generator())


def found(*labels: int) -> PseudoLabels:
    return PseudoLabels(np.array(labels), 0.5)


@pytest.mark.parametrize(
    ("before", "after", "value"),
    [
        ((0, 0, 1, 1), (1, 1, 0, 0), 1.0),
        ((0, 0, 1, 1), (0, 1, 0, 1), -0.5),
        ((0, 0, -1, -1), (0, 0, -1, -1), 0.5),  # it agrees with itself, but knows half of the pictures
        ((-1, -1, -1, -1), (-1, -1, -1, -1), 0.0),
    ],
)
def test_stability_is_agreement_times_the_share_of_pictures_with_a_label(before, after, value):
    assert stability(torch.tensor(before), found(*after)) == pytest.approx(value)


def test_agreement_is_unknown_in_the_first_epoch():
    assert agreement_with(found(0, 0, 1, 1), torch.empty(0, dtype=torch.int64)) == {"agreement": None}
    assert agreement_with(found(0, 0, 1, 1), torch.tensor([5, 5, 2, 2])) == {"agreement": 1.0}


@pytest.mark.parametrize(("scores", "best"), [((0.3,), 1), ((0.2, 0.9, 0.5), 2), ((0.9, 0.1, 0.9), 3), ((-0.1, 0), 2)])
def test_the_encoder_of_the_best_epoch_is_kept_as_it_was_then(scores, best):
    state = new_state()
    for epoch, score in enumerate(scores, start=1):
        state.networks["identity_encoder"].running_mean.fill_(epoch)
        state.networks["identity_encoder"].num_batches_tracked += 1
        keep_best(state, score)
    state.networks["identity_encoder"].running_mean.fill_(99)
    epoch, score, weights = selected(state)
    assert (epoch, score) == (best, scores[best - 1])
    assert weights["running_mean"].tolist() == [best, best] and weights["num_batches_tracked"] == best
    assert weights.keys() == state.networks["identity_encoder"].state_dict().keys()


def test_what_was_kept_survives_a_checkpoint():
    state, resumed = new_state(), new_state()
    keep_best(state, 0.5)
    resumed.restore(state.snapshot())
    keep_best(resumed, 0.4)
    assert selected(resumed)[:2] == (1, 0.5) and selected(state)[:2] == (1, 0.5)
    assert state.scores == [0.5], "what was restored is no copy"


def test_inner_work_counts_once_and_taking_starts_anew(monkeypatch):
    clock = iter([10.0, 12.0, 17.0, 18.0, 30.0, 30.5])
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: next(clock))
    watch = Stopwatch()
    with watch.timing("training"), watch.timing("data"):  # 10 to 12, 12 to 17, 17 to 18; then nobody's
        pass
    with watch.timing("data"):
        pass
    assert watch.take() == {"training": 3.0, "data": 5.5}
    assert watch.take() == {}


def test_the_stopwatch_goes_on_after_an_error():
    watch = Stopwatch()
    with pytest.raises(KeyError), watch.timing("training"), watch.timing("data"):
        raise KeyError
    assert watch.take().keys() == {"training", "data"} and watch._inside == []
