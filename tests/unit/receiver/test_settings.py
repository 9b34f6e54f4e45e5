"""Settings of a receiver: what they come to together."""

from __future__ import annotations

import re

import pytest

from rankcast.errors import SettingsError
from rankcast.settings import Layer, validate
from rankcast_receiver import Subscriber
from rankcast_receiver.settings import NetworkTable, ReceiverSettings, SaveTable


@pytest.mark.parametrize(
    ("fsync", "frames", "every"), [(False, 0, 0), (False, 5, 5), (True, 0, 1), (True, 5, 1)]
)
def test_save_fsync_is_a_sync_after_every_picture(fsync: bool, frames: int, every: int) -> None:
    assert SaveTable(dir="x", fsync=fsync, sync_frames=frames).frames_a_sync == every


@pytest.mark.parametrize("rank", [-1, 65_536])
def test_a_rank_that_no_packet_can_have_is_refused(rank: int) -> None:
    with pytest.raises(SettingsError, match=f"{rank}"):
        validate(ReceiverSettings, [Layer("here", {"stream": {"rank": rank}})])
    with pytest.raises(SettingsError, match="want 1 to 65535, or 0"):
        Subscriber(rank=rank)


def test_senders_are_given_by_address_or_by_the_name_of_a_camera() -> None:
    table = NetworkTable(connect=["line3", "tcp://10.0.0.5:5555", "line4@station7"])
    assert table.endpoints == ["tcp://10.0.0.5:5555"]
    assert [str(name) for name in table.names] == ["line3", "line4@station7"]


@pytest.mark.parametrize(
    "connect", ["", "10.0.0.5:5555", "udp://10.0.0.5:5555", "tcp:line3", "Line3", ["line3"] * 2, []]
)
def test_what_is_neither_is_refused(connect: str | list[str]) -> None:
    with pytest.raises(ValueError, match=r"want|twice"):
        NetworkTable(connect=connect)


@pytest.mark.parametrize(
    ("connect", "key", "servers", "allowed"),
    [
        ("line3", "", [], True),
        ("line3", "v.key", [], True),
        ("line3", "v.key", ["cam.pub"], True),
        ("line3", "", ["cam.pub"], False),
        ("tcp://10.0.0.5:5555", "v.key", ["cam.pub"], True),
        ("tcp://10.0.0.5:5555", "v.key", [], False),
        (["line3", "tcp://10.0.0.5:5555"], "v.key", [], False),
    ],
)
def test_only_cameras_by_name_need_no_server_key(
    connect: str | list[str], key: str, servers: list[str], allowed: bool
) -> None:
    values = {
        "network": {"connect": connect},
        "security": {"key": key, "server_keys": servers},
    }
    if allowed:
        validate(ReceiverSettings, [Layer("here", values)])
        return
    with pytest.raises(SettingsError, match="belong together"):
        validate(ReceiverSettings, [Layer("here", values)])


NATS = "nats://127.0.0.1:4222"


@pytest.mark.parametrize(
    ("values", "speed"),
    [
        ({"record": {"file": "a.mcap"}}, 0.0),
        ({"display": {"enabled": True}}, 1.0),
        ({"web": {"listen": "127.0.0.1:8080"}}, 1.0),
        ({"display": {"enabled": True}, "nats": {"since": "10m", "speed": 4.0}}, 4.0),
    ],
)
def test_the_past_is_as_fast_as_it_was_where_somebody_looks(
    values: dict[str, dict[str, object]], speed: float
) -> None:
    given = {"network": {"connect": NATS}, "nats": {"since": "10m"}, **values}
    past = validate(ReceiverSettings, [Layer("here", given)]).past
    assert past.since is not None
    assert past.speed == speed


@pytest.mark.parametrize(
    ("values", "live"),
    [
        ({}, False),
        ({"nats": {"since": "10m", "speed": 2.0}}, False),
        ({"nats": {}}, True),
        ({"display": {"enabled": True}}, True),
        ({"display": {"enabled": True}, "nats": {"since": "10m", "speed": 0.0}}, True),
        ({"web": {"listen": "127.0.0.1:8080"}}, True),
        ({"stream": {"mode": "live"}, "nats": {"since": "10m", "speed": 1.0}}, True),
    ],
)
def test_who_counts_the_past_gets_every_frame_of_it(
    values: dict[str, dict[str, object]], live: bool
) -> None:
    given = {"network": {"connect": NATS}, "nats": {"since": "10m"}, **values}
    assert validate(ReceiverSettings, [Layer("here", given)]).live is live


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"nats": {"since": "10m"}}, "need the address of a NATS server"),
        ({"nats": {"since": "yesterday"}, "network": {"connect": NATS}}, "such as 90s"),
        ({"nats": {"durable": "a"}, "network": {"connect": NATS}}, "give --record FILE.mcap"),
        ({"nats": {"durable": "a b"}, "network": {"connect": NATS}}, "durable"),
        ({"nats": {"durable": "a"}, "network": {"connect": NATS}, "record": {"file": "a.mcap"},
          "display": {"enabled": True}}, "recorder alone"),
        ({"nats": {"durable": "a", "since": "10m", "speed": 2.0}, "network": {"connect": NATS},
          "record": {"file": "a.mcap"}}, "got --speed 2 with --durable"),
        ({"nats": {"since": "10m"}, "network": {"connect": NATS}, "stream": {"mode": "live"}},
         "leave out stream.mode"),
    ],
)  # fmt: skip
def test_a_past_that_no_server_keeps_and_a_recorder_that_is_none_are_refused(
    values: dict[str, dict[str, object]], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        validate(ReceiverSettings, [Layer("here", values)])


NATS, TCP = "nats://127.0.0.1:4222", "tcp://127.0.0.1:5555"


@pytest.mark.parametrize(
    ("network", "nats", "said"),
    [
        ({"connect": TCP}, {"site": "berlin"}, "got --site berlin without a NATS server"),
        ({"connect": "line3"}, {"site": "berlin"}, "got --site berlin without a NATS server"),
        ({"connect": NATS}, {"speed": 2.0}, "got --speed 2 without --since"),
        ({"connect": NATS}, {"speed": 0.0}, "got --speed 0 without --since"),
        ({"connect": TCP, "camera": "berlin.line3"}, {}, "only cameras at nats:// addresses"),
        ({"connect": [TCP, NATS], "camera": "a.b"}, {}, "only cameras at nats:// addresses"),
        ({"connect": NATS, "camera": "a.b"}, {"site": "c"}, "got camera a.b with site c"),
        ({"connect": NATS, "camera": "a.b.c"}, {}, "got camera name 'b.c'"),
        ({"connect": NATS, "camera": "A.b"}, {}, "got site 'A'"),
        ({"connect": NATS, "camera": "a."}, {}, "got camera name ''"),
    ],
)
def test_what_has_no_effect_at_these_addresses_is_refused(
    network: dict[str, object], nats: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        validate(ReceiverSettings, [Layer("here", {"network": network, "nats": nats})])


@pytest.mark.parametrize(
    ("network", "nats"),
    [
        ({"connect": [TCP, NATS], "camera": "line3"}, {"site": "berlin"}),
        ({"connect": NATS, "camera": "berlin.line3,line4"}, {}),
        ({"connect": NATS, "camera": "berlin.line3"}, {"site": "berlin"}),
        ({"connect": NATS}, {"speed": 2.0, "since": "10m"}),
    ],
)
def test_cameras_of_sites_and_the_speed_of_the_past_are_allowed(
    network: dict[str, object], nats: dict[str, object]
) -> None:
    validate(ReceiverSettings, [Layer("here", {"network": network, "nats": nats})])


def test_a_subscriber_refuses_the_site_of_a_camera_that_has_none() -> None:
    with pytest.raises(SettingsError, match="give --camera line3"):
        Subscriber(TCP, camera="berlin.line3")
