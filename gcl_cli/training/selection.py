"""Which epoch's encoder to keep beside the last one, without looking at a test label.

The criterion is the stability of the clusters: the agreement (adjusted Rand index) of the labels that an epoch trained
on with those that its encoder gives afterwards, times the share of pictures that have a label. Labels that move from
epoch to epoch are wrong in one of them, and an encoder that leaves most pictures out agrees with itself for nothing.
It needs no generator, so that all rows of an ablation are treated alike, and no work that the next epoch would not do.
A measure on labelled validation data, where the user has some, takes its place.
"""

import torch
from torch import Tensor

from gcl_cli.clustering.agreement import adjusted_rand_index
from gcl_cli.records import PseudoLabels
from gcl_cli.training.state import TrainingState


def stability(before: Tensor, after: PseudoLabels) -> float:
    """How far the labels `before` [N] were confirmed by `after`, in about [0, 1]; noise agrees with nothing."""
    return adjusted_rand_index(before.cpu().numpy(), after.labels) * after.share_labelled


def keep_best(state: TrainingState, score: float) -> None:
    """Note the score of the epoch that ends now, and keep the encoder as it is now if no earlier one was better."""
    if score >= max(state.scores, default=score):
        encoder = state.networks["identity_encoder"].state_dict()
        state.best = {name: tensor.detach().clone() for name, tensor in encoder.items()}
    state.scores.append(score)


def selected(state: TrainingState) -> tuple[int, float, dict[str, Tensor]]:
    """The best epoch so far (from 1 on, the latest of equals), its score, and the encoder's state dict at its end."""
    scores = state.scores
    best = max(range(len(scores)), key=lambda epoch: (scores[epoch], epoch))
    return best + 1, scores[best], {name: torch.clone(tensor) for name, tensor in state.best.items()}
