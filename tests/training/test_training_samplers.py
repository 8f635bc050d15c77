import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.errors import GclError
from gcl_cli.training.samplers import epoch_batches, identity_batches, person_batches


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_an_epoch_has_every_row_at_most_once_and_drops_the_incomplete_batch():
    rows = torch.arange(100, 135)
    batches = epoch_batches(rows, batch_size=8, steps=None, generator=rng())
    assert batches.shape == (4, 8)
    assert batches.unique().numel() == 32
    assert set(batches.flatten().tolist()) <= set(rows.tolist())
    assert not torch.equal(batches.flatten(), rows[:32])


def test_fewer_rows_than_a_batch_make_one_batch_in_which_they_repeat_evenly():
    batches = epoch_batches(torch.tensor([5, 6, 7]), batch_size=8, steps=None, generator=rng())
    assert batches.shape == (1, 8)
    assert sorted(batches.flatten().bincount(minlength=8)[5:].tolist()) == [2, 3, 3]


def test_asked_for_steps_go_round_the_rows_again_in_a_new_order():
    batches = epoch_batches(torch.arange(10), batch_size=5, steps=6, generator=rng())
    assert batches.shape == (6, 5)
    rounds = batches.view(3, 10)
    assert torch.equal(rounds.sort(dim=1).values, torch.arange(10).expand(3, 10))
    assert not torch.equal(rounds[0], rounds[1])


def test_no_rows_are_an_error_with_a_fix():
    with pytest.raises(GclError, match="no picture to train on") as caught:
        epoch_batches(torch.empty(0, dtype=torch.int64), batch_size=4, steps=None, generator=rng())
    assert "--radius" in caught.value.fix


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_groups_are_one_cluster_whose_companions_come_from_other_cameras(data):
    size = data.draw(st.integers(4, 30))
    labels = torch.tensor([*data.draw(st.lists(st.integers(-1, 4), min_size=size, max_size=size)), 5, 5])
    cameras = torch.tensor(data.draw(st.lists(st.integers(1, 3), min_size=size + 2, max_size=size + 2)))
    people, pictures, batches = data.draw(st.tuples(st.integers(1, 4), st.integers(2, 5), st.integers(1, 3)))
    drawn = person_batches(labels, cameras, people=people, pictures=pictures, batches=batches, generator=rng(size))
    assert drawn.shape == (batches, people * pictures)
    for group in drawn.view(-1, pictures):
        anchor, companions = group[0], group[1:]
        members = (labels == labels[anchor]).nonzero().flatten()
        elsewhere = members[cameras[members] != cameras[anchor]]
        pool = elsewhere if len(elsewhere) else members[members != anchor]
        assert labels[anchor] >= 0
        assert torch.isin(companions, pool).all()
        if len(pool) >= pictures - 1:
            assert companions.unique().numel() == pictures - 1


def test_all_clusters_take_part_before_one_comes_again_and_singletons_never():
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4, -1, -1])
    drawn = person_batches(labels, None, people=2, pictures=2, batches=4, generator=rng())
    turns = labels[drawn.view(2, 4, 2)[..., 0]]
    assert torch.equal(turns.sort(dim=1).values, torch.arange(4).expand(2, 4))


def test_fewer_clusters_than_people_repeat_clusters():
    drawn = person_batches(torch.tensor([0, 0, 0]), None, people=4, pictures=2, batches=1, generator=rng())
    assert drawn.shape == (1, 8)
    assert (drawn.view(4, 2)[:, 0] != drawn.view(4, 2)[:, 1]).all()


def test_every_member_can_be_the_anchor_and_every_other_one_its_companion():
    labels, cameras = torch.zeros(4, dtype=torch.int64), torch.tensor([1, 1, 2, 3])
    pairs = person_batches(labels, cameras, people=1, pictures=2, batches=400, generator=rng())
    found = {tuple(pair) for pair in pairs.tolist()}
    assert found == {(a, b) for a in range(4) for b in range(4) if cameras[a] != cameras[b]}


def test_only_singletons_are_an_error_with_a_fix():
    with pytest.raises(GclError, match="none of the clusters of 3 pictures") as caught:
        person_batches(torch.tensor([0, 1, -1]), None, people=2, pictures=2, batches=1, generator=rng())
    assert "--radius" in caught.value.fix


def test_equal_generators_plan_equal_epochs():
    labels = torch.arange(60) % 7
    plans = [person_batches(labels, None, people=3, pictures=4, batches=5, generator=rng(2)) for _ in range(2)]
    assert torch.equal(*plans)


def test_identity_batches_give_everybody_a_turn_and_repeat_only_where_pictures_are_few():
    labels = torch.tensor([0] * 6 + [1] * 2 + [-1] * 5 + [2])
    batches = identity_batches(labels, people=3, pictures=4, batches=5, generator=rng())
    assert batches.shape == (5, 12)
    for batch in batches:
        groups = batch.view(3, 4)
        assert sorted(labels[group].unique().item() for group in groups) == [0, 1, 2]
        for group in groups:
            label = int(labels[group[0]])
            assert group.unique().numel() == {0: 4, 1: 2, 2: 1}[label]
    assert {row for row in batches.flatten().tolist() if labels[row] == 0} == set(range(6))


def test_identity_batches_go_round_when_a_batch_asks_for_more_clusters_than_there_are():
    batches = identity_batches(torch.tensor([-1, 0, 1, 1]), people=4, pictures=2, batches=1, generator=rng())
    assert batches.flatten().bincount(minlength=4).tolist() == [0, 4, 2, 2]
