"""Variables of schedulers and of MPI that look like those of a team."""

import pytest

from gcl_cli.machine import ranks

MEETING = {"MASTER_ADDR": "node1", "MASTER_PORT": "29500"}
TEAM = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", **MEETING}


@pytest.fixture
def started(monkeypatch):
    """Set the environment; nothing of another one is left."""

    def start(variables):
        for name in (*ranks.NAMES, "LOCAL_RANK", ranks.TORCHRUN):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return start


@pytest.mark.parametrize(
    "variables",
    [
        {}, {"RANK": "1"}, {"WORLD_SIZE": "8"}, {"RANK": "3", "WORLD_SIZE": "8"}, {"LOCAL_RANK": "2"},
        {**TEAM, "WORLD_SIZE": ""}, {**TEAM, "RANK": "x"}, {**TEAM, "RANK": "-1"}, {**TEAM, "RANK": "4"},
        {**TEAM, "MASTER_ADDR": ""}, {**TEAM, "WORLD_SIZE": "four"}, {**TEAM, "RANK": "0", "WORLD_SIZE": "1"},
        {**TEAM, "RANK": "¹"},
    ],
)  # fmt: skip
def test_half_of_a_team_s_variables_or_nonsense_is_no_team(started, variables):
    started(variables)
    assert ranks.place() == ranks.ALONE and ranks.leads() and not ranks.by_torchrun()


def test_whatever_says_all_that_a_meeting_needs_makes_a_team(started):
    started(TEAM)
    assert ranks.place() == ranks.Place(1, 4, 1) and not ranks.leads() and not ranks.by_torchrun()
    started({**TEAM, ranks.TORCHRUN: "none"})
    assert ranks.by_torchrun()
    started({**TEAM, "LOCAL_RANK": "?"})
    assert ranks.place().local == 0
    ranks.stay_alone()
    assert ranks.place() == ranks.ALONE


def test_variables_that_say_nothing_are_told(started):
    started({"RANK": "3", "WORLD_SIZE": "8"})
    assert ranks.foreign() == ["RANK=3", "WORLD_SIZE=8"]
    for variables in ({}, TEAM, {"RANK": "0", "WORLD_SIZE": "1"}):
        started(variables)
        assert ranks.foreign() == []
