"""What is looked at beside a training, every epoch, and never learned from."""

from typing import Any

import numpy as np

from gcl_cli.clustering.agreement import adjusted_rand_index
from gcl_cli.people.data import WorkData
from gcl_cli.records import Event, Observer
from gcl_cli.training.state import TrainingState


def true_agreement(data: WorkData, state: TrainingState) -> tuple[Observer, ...]:
    """Observes `true_ari`, the agreement of an epoch's pseudo labels with the true people, where all are known.

    A figure for the reader: the true labels stay in here.
    """
    people = [sample.person for sample in data.split("train") if sample.person is not None]
    if len(people) < len(data.split("train")):
        return ()
    true = np.array(people, dtype=np.int64)

    def observe(_: Event) -> dict[str, Any]:
        return {"true_ari": adjusted_rand_index(state.labels.cpu().numpy(), true)} if len(state.labels) else {}

    return (observe,)
