"""When a receiver replaces its connection to a server, and when it stops doing so."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from rankcast.nats.client.connection import NatsState
from rankcast.net import LinkState
from rankcast_receiver.nats.renewals import (
    MAX_MOVE_PAUSE_S,
    MAX_PAUSE_S,
    PAUSE_S,
    SILENT_S,
    Pauses,
    Renewals,
)

DAY_S = 86_400


class Connection:
    """A connection to one of several servers, replaced at once."""

    def __init__(self, *servers: str) -> None:
        self.servers = servers
        self.state = NatsState(LinkState.UP, 0.0, "", 1)
        self.is_up = True
        self.now_s = 0.0
        self.renewed_s: list[float] = []

    @property
    def has_others(self) -> bool:
        return len(self.servers) > 1

    def renew(self, why: str) -> None:  # noqa: ARG002
        self.renewed_s.append(self.now_s)
        self.begin_session()

    def begin_session(self) -> None:
        self.state = NatsState(LinkState.UP, self.now_s, "", self.state.sessions + 1)


@dataclass
class Path:
    old: bool = False

    def only_old(self, now_s: float) -> bool:  # noqa: ARG002
        return self.old


def renewals_of(connection: Connection, path: Path | None = None, **options: Any) -> Renewals:
    options = {"live": True, "moves": True, "jitter": lambda: 1.0, **options}
    return Renewals(connection, path or Path(), **options)  # type: ignore[arg-type]


def pass_time(
    renewals: Renewals, connection: Connection, until_s: float, step_s: float = 0.1
) -> None:
    while connection.now_s < until_s:
        connection.now_s += step_s
        renewals.tick(connection.now_s, ended=False)


def test_a_connection_that_brings_only_old_pictures_is_renewed_ever_more_rarely() -> None:
    pauses, due = Pauses(jitter=lambda: 1.0), []
    for tenth in range(2000):
        if pauses.over(tenth / 10):
            due.append(tenth / 10)
    between = [later - earlier for earlier, later in itertools.pairwise(due)]
    assert between == sorted(between)
    assert between[:3] == [PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S]
    assert between[-1] == 60.0
    assert pauses.over(2000.0)
    assert pauses.over(2000.0 + PAUSE_S)  # the last one had helped for long


def test_pauses_stay_bounded_for_weeks_in_which_nothing_helps() -> None:
    pauses, now_s, due = Pauses(), 0.0, []
    while now_s < 30 * DAY_S:
        if pauses.over(now_s):
            due.append(now_s)
        now_s += 5.0
    between = [later - earlier for earlier, later in itertools.pairwise(due)]
    assert 30_000 < len(due) < 60_000
    assert max(between) <= 1.25 * MAX_PAUSE_S + 5.0


def test_old_pictures_for_days_renew_a_connection_about_once_a_minute() -> None:
    connection = Connection("a:1")
    renewals = renewals_of(connection, Path(old=True))
    renewals.heard_s = 0.0
    pass_time(renewals, connection, 2 * DAY_S, 5.0)
    assert 2 * 24 * 60 / 1.5 < len(connection.renewed_s) < 2 * 24 * 60 / 0.75


def test_a_silent_camera_is_looked_for_once_at_each_server_and_then_waited_for() -> None:
    connection = Connection("a:1", "b:1", "c:1")
    renewals = renewals_of(connection)
    renewals.heard_s = 0.0
    pass_time(renewals, connection, 3 * DAY_S, 5.0)
    assert len(connection.renewed_s) == 3
    assert SILENT_S < connection.renewed_s[0] < SILENT_S + 5.1
    first, second = (b - a for a, b in itertools.pairwise(connection.renewed_s))
    assert PAUSE_S <= first < second


def test_a_camera_that_is_heard_and_falls_silent_again_is_looked_for_again() -> None:
    connection = Connection("a:1", "b:1")
    renewals = renewals_of(connection)
    renewals.heard_s = 0.0
    pass_time(renewals, connection, 600.0)
    assert len(connection.renewed_s) == 2
    renewals.heard_s = connection.now_s
    pass_time(renewals, connection, 1200.0)
    assert len(connection.renewed_s) == 4


def test_a_session_that_no_move_has_made_and_a_new_server_begin_another_search() -> None:
    connection = Connection("a:1", "b:1")
    renewals = renewals_of(connection)
    renewals.heard_s = 0.0
    pass_time(renewals, connection, 600.0)
    connection.begin_session()
    pass_time(renewals, connection, 1200.0)
    assert len(connection.renewed_s) == 4
    connection.servers += ("c:1",)
    pass_time(renewals, connection, 1800.0)
    assert len(connection.renewed_s) == 7


def test_a_search_among_many_servers_pauses_for_ten_minutes_at_most() -> None:
    connection = Connection(*(f"s{number}:1" for number in range(32)))
    renewals = renewals_of(connection)
    renewals.heard_s = 0.0
    pass_time(renewals, connection, DAY_S, 2.0)
    between = [later - earlier for earlier, later in itertools.pairwise(connection.renewed_s)]
    assert len(connection.renewed_s) == 32
    assert MAX_MOVE_PAUSE_S <= between[-1] < MAX_MOVE_PAUSE_S + 2.1


def test_viewers_of_one_camera_do_not_move_at_the_same_instant() -> None:
    first, second = [], []
    for _ in range(50):
        connection = Connection("a:1", "b:1")
        # With the factor of real viewers.
        renewals = Renewals(connection, Path(), live=True, moves=True)  # type: ignore[arg-type]
        renewals.heard_s = 0.0
        pass_time(renewals, connection, 20.0)
        first.append(connection.renewed_s[0])
        second.append(connection.renewed_s[1] - connection.renewed_s[0])
    for times_s, nominal_s in ((first, SILENT_S), (second, PAUSE_S)):
        assert max(times_s) - min(times_s) > 0.3 * nominal_s
        assert min(times_s) > 0.74 * nominal_s
        assert max(times_s) < 1.26 * nominal_s + 0.2
