"""Which clock the time stamps of a camera were read from, at a sender, a relay and a server."""

from __future__ import annotations

import pytest

from rankcast_receiver.clock.sender_clock import MEASURED
from rankcast_receiver.clock.station_clocks import MAX_NAMES, MAX_STATIONS, StationClocks

ADDRESS = "tcp://10.0.0.5:5555"


def at_relay(**stations: str) -> StationClocks:
    clocks = StationClocks(ADDRESS, per_camera=False)
    for camera, station in stations.items():
        clocks.note(camera, station, relayed=True)
    return clocks


def test_all_cameras_of_a_sender_have_its_clock_once_one_status_has_come() -> None:
    clocks = StationClocks(ADDRESS, per_camera=False)
    assert clocks.of("a") is not clocks.sender
    clocks.note("a", "", relayed=False)
    assert clocks.of("a") is clocks.of("b") is clocks.of("b.half") is clocks.sender
    assert clocks.to_ping == {"": clocks.sender}
    assert clocks.known == {ADDRESS: clocks.sender}


def test_a_camera_behind_a_relay_has_no_measured_clock_before_its_own_status() -> None:
    clocks = at_relay(a="")
    assert clocks.of("a") is clocks.sender
    unknown = clocks.of("b")
    assert unknown not in clocks.to_ping.values()
    clocks.note("b", "1", relayed=True)
    assert clocks.to_ping == {"": clocks.sender, "b": clocks.of("b")}
    assert clocks.of("b") is unknown  # with what its packets told until now


def test_cameras_of_one_station_share_a_clock_and_its_pings() -> None:
    clocks = at_relay(a="", b="1", c="1", d="2")
    assert clocks.of("b") is clocks.of("c") is not clocks.of("d")
    assert sorted(clocks.to_ping) == ["", "c", "d"]


def test_a_substream_has_the_clock_of_its_camera_before_its_own_status() -> None:
    clocks = at_relay(a="", b="1")
    assert clocks.of("a.half") is clocks.sender
    assert clocks.of("b.half") is clocks.of("b")
    assert clocks.of("c.half") is not clocks.sender


def test_a_station_is_pinged_by_the_name_of_a_camera_not_of_its_substream() -> None:
    clocks = at_relay(a="", b="1")
    for stream in ("b.half", "c.half"):
        clocks.note(stream, "1", relayed=True)
    clocks.note("c", "1", relayed=True)
    clocks.note("c.quarter", "1", relayed=True)
    assert sorted(clocks.to_ping) == ["", "c"]


def test_substreams_take_no_place_of_cameras() -> None:
    clocks = at_relay(**{f"c{number}": "1" for number in range(MAX_NAMES - 1)})
    for number in range(MAX_NAMES - 1):
        clocks.note(f"c{number}.half", "1", relayed=True)
    clocks.note("late", "1", relayed=True)
    assert clocks.of("late") is clocks.of("c0")


def test_a_known_camera_changes_its_station_also_where_no_place_is_left() -> None:
    clocks = at_relay(**{f"c{number}": "1" for number in range(MAX_NAMES)})
    clocks.note("c0", "2", relayed=True)
    assert clocks.of("c0") is not clocks.of("c1")


def test_another_session_forgets_the_stations_and_measures_anew() -> None:
    clocks = at_relay(a="", b="1")
    before = clocks.of("b")
    clocks.begin_session()
    for camera in ("a", "b"):
        assert clocks.of(camera) not in (before, clocks.sender)
    assert clocks.to_ping == {"": clocks.sender}


def test_a_sender_is_taken_for_one_in_its_next_session_too_until_a_status_says_otherwise() -> None:
    clocks = StationClocks(ADDRESS, per_camera=False)
    clocks.note("a", "", relayed=False)
    clocks.begin_session()
    assert clocks.of("a") is clocks.sender
    clocks.note("a", "", relayed=True)
    assert clocks.of("a") is clocks.sender
    assert clocks.of("b") is not clocks.sender


def at_sender() -> StationClocks:
    """Clocks of a sender that are measured."""
    clocks = StationClocks(ADDRESS, per_camera=False)
    clocks.note("a", "", relayed=False)
    assert clocks.hear("a", b"first")
    clocks.sender.answer(0, 1, 2, 3)
    return clocks


def is_measured(clocks: StationClocks) -> bool:
    return clocks.sender.known == MEASURED


def test_another_session_with_the_same_process_keeps_what_is_known_of_its_clock() -> None:
    clocks = at_sender()
    for _ in range(2):
        clocks.begin_session()
        assert clocks.hear("a", b"first")
        assert is_measured(clocks)


@pytest.mark.parametrize("camera", ["a", "b"])
def test_another_process_in_another_session_is_measured_anew_from_its_first_packet_on(
    camera: str,
) -> None:
    clocks = at_sender()
    clocks.begin_session()
    assert not clocks.hear(camera, b"second")
    assert not is_measured(clocks)
    assert clocks.hear(camera, b"second")


def test_another_process_whose_packets_are_read_before_its_session_is_told_is_measured_anew() -> (
    None
):
    clocks = at_sender()
    assert clocks.hear("a", b"second")
    clocks.begin_session()
    assert not is_measured(clocks)
    assert clocks.hear("a", b"second")


def test_another_stream_within_a_session_keeps_the_clock() -> None:
    clocks = at_sender()
    assert clocks.hear("a", b"second")
    assert clocks.hear("b", b"third")
    assert is_measured(clocks)


def test_another_session_with_a_relay_discards_what_is_known_of_the_same_streams() -> None:
    clocks = at_relay(a="")
    clocks.hear("a", b"first")
    clocks.sender.answer(0, 1, 2, 3)
    clocks.begin_session()
    assert not is_measured(clocks)
    assert clocks.hear("a", b"first")


def test_a_camera_that_moves_to_another_station_gets_its_clock() -> None:
    clocks = at_relay(a="", b="1", c="2")
    clocks.note("b", "2", relayed=True)
    assert clocks.of("b") is clocks.of("c")
    assert sorted(clocks.to_ping) in (["", "b"], ["", "c"])


def test_stations_beyond_the_limit_are_not_pinged_and_have_no_clock_of_another() -> None:
    clocks = at_relay(**{f"c{number}": str(number) for number in range(MAX_STATIONS + 5)})
    found = [clocks.of(f"c{number}") for number in range(MAX_STATIONS + 5)]
    assert len(clocks.to_ping) == 1 + MAX_STATIONS
    assert len(set(map(id, found))) == len(found)
    assert clocks.sender not in found


def test_invented_names_are_bounded() -> None:
    clocks = at_relay(**{f"c{number}": "1" for number in range(2 * MAX_NAMES)})
    assert clocks.of(f"c{MAX_NAMES - 1}") is clocks.of("c0")
    assert clocks.of(f"c{MAX_NAMES}") is not clocks.of("c0")
    server = StationClocks(ADDRESS, per_camera=True)
    for number in range(2 * MAX_NAMES):
        server.of(f"site.c{number}")
    assert len(server.known) == MAX_NAMES
    for number in range(2 * MAX_NAMES):
        server.hear(f"site.c{number}", b"id")
    assert len(server._stream_ids) == MAX_NAMES
    assert server.of("site.c0") is server.of("site.c0")
