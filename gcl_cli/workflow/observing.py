"""What is looked at beside a training, every epoch, and never learned from."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gcl_cli.clustering.agreement import adjusted_rand_index
from gcl_cli.records import Event
from gcl_cli.training.state import TrainingState
from gcl_cli.workflow.data import WorkData

Observer = Callable[[Event], dict[str, Any]]  # at the end of an epoch, with what earlier ones saw: more of its values


def true_agreement(data: WorkData, state: TrainingState) -> tuple[Observer, ...]:
    """Observes `true_ari`, the agreement of an epoch's pseudo labels with the true people, where all are known.

    A figure for the reader: the true labels stay in here.
    """
    people = [sample.person for sample in data.split("train") if sample.person is not None]
    if len(people) < len(data.split("train")):
        return ()
    true = np.array(people, dtype=np.int64)

    def observe(_: Event) -> dict[str, Any]:
        labels = state.tensors.get("labels")
        return {} if labels is None else {"true_ari": adjusted_rand_index(labels.cpu().numpy(), true)}

    return (observe,)
