"""One camera at a relay: what goes on, what viewers are told, and what the camera is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

import rankcast
from rankcast.frame import Scalar
from rankcast.net import LinkState
from rankcast.runtime import Balance
from rankcast.wire import (
    Kind,
    Limits,
    Status,
    frames_topic,
    pack_status,
    parse_catch_up,
    status_topic,
    viewer_topic,
)
from rankcast_receiver.state import CameraState, Evidence, State, judge
from rankcast_receiver.stream import CameraStream, StreamOptions, read_message
from rankcast_relay.relayed_camera import RelayedCamera
from rankcast_sender.joins import MOST_PACKETS, CameraJoins
from rankcast_sender.sockets import Channel, NewStream, NumberedPacket, Outgoing, StreamPause

TOPIC = viewer_topic(bytes(range(16)), None)
TOKEN = bytes(range(16))


class FakeOutlet:
    """Sends at once, as the thread of the socket would."""

    def __init__(self) -> None:
        self.items: list[Outgoing] = []
        self.catch_ups: list[bytes] = []
        self.open = True

    def send(self, channel: Channel, packet: Outgoing) -> bool:
        if not self.open:
            return False
        self.items.append(packet)
        if isinstance(packet, NewStream):
            channel.begin(packet)
        elif isinstance(packet, StreamPause):
            channel.paused = True
        elif isinstance(packet, NumberedPacket):
            if packet.data:
                channel.on_sent()
                if channel.joins is not None:
                    channel.joins.sent(packet.data, packet.sequence)
            channel.sent = packet.sequence + 1
        return True

    def catch_up(self, channel: Channel, token: bytes) -> None:  # noqa: ARG002
        self.catch_ups.append(token)

    @property
    def kinds(self) -> str:
        letters = {NewStream: "N", StreamPause: "E", NumberedPacket: "p"}
        return "".join(
            "-" if isinstance(item, NumberedPacket) and not item.data else letters[type(item)]
            for item in self.items
        )


class Bench:
    """A camera whose packets a test makes; `alone`: one viewer alone can be reached."""

    def __init__(self, *, alone: bool = True, name: str = "cam", at_server: bool = False) -> None:
        self.name = name
        self.stream = CameraStream(name, StreamOptions(on_demand=True))
        self.outlet = FakeOutlet()
        self.published: list[RelayedCamera] = []
        self.wanted: list[CameraJoins] = []
        self.camera = RelayedCamera(
            name, self.stream, 0, at_server, "me", self.outlet,
            self.make_joins if alone else None, self.published.append,
        )  # fmt: skip
        self.restart()

    def make_joins(self, channel: Channel, ask: Callable[[bytes], object]) -> CameraJoins:
        def send(token: bytes) -> None:
            self.outlet.catch_up(channel, token)

        return CameraJoins(channel.name, Limits(), self.wanted.append, send, ask)

    def restart(self) -> None:
        self.encoder = rankcast.Encoder("svd-patch", gop=10_000)
        self.ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)

    def packet(self) -> bytes:
        self.ramp = np.roll(self.ramp, 1, axis=1)
        return self.encoder.encode(self.ramp)

    def frames(self, count: int = 1) -> None:
        for _ in range(count):
            self.arrive(frames_topic(self.name) + self.packet())

    def say(self, kind: Kind = Kind.STATUS, **values: object) -> None:
        status = replace(Status(published=self.encoder.sequence), **values)  # type: ignore[arg-type]
        data = pack_status(kind, self.encoder.stream_id, status, 1, 2)
        self.arrive(status_topic(self.name) + data)

    def arrive(self, message: bytes) -> None:
        received = read_message(memoryview(message), Limits(), 0.0)
        for item in self.stream.decode([received]).messages:
            self.camera.take(item)

    def balanced(self) -> bool:
        return self.camera.balance().under_way == 0


def test_viewers_are_told_of_the_substreams_that_go_on_alone() -> None:
    bench = Bench()
    bench.say(streams={"main": "64x64", "sub": "32x32", "tiny": "16x16"})
    assert bench.camera.status().streams == {}
    bench.camera.told_streams = frozenset({"sub"})
    assert bench.camera.status().streams == {"main": "64x64", "sub": "32x32"}


def test_what_is_published_while_nobody_watches_a_substream_is_missed_by_nobody() -> None:
    bench = Bench(name="cam.sub")
    bench.stream.rest()
    bench.say()
    assert bench.camera.status().relay["idle"] is True
    for _ in range(5):
        bench.packet()  # somebody else watches it at the sender
    bench.say()
    bench.stream.resume()
    for _ in range(2):
        bench.packet()
    bench.frames(3)
    assert "idle" not in bench.camera.status().relay
    assert bench.outlet.kinds == "N--ppp"
    assert bench.camera.balance() == Balance(3, 3, {})
    assert bench.camera.channel.sent == 10
    bench.stream.rest()
    bench.camera.rest()
    for _ in range(4):
        bench.packet()
    bench.say()
    assert bench.camera.status().relay["idle"] is True
    assert bench.camera.balance() == Balance(3, 3, {})


def test_nobody_joins_by_what_was_kept_before_a_substream_was_left() -> None:
    bench = Bench(name="cam.sub")
    bench.stream.rest()
    bench.say()
    bench.stream.resume()
    bench.frames(3)
    joins = bench.camera.joins
    assert joins is not None
    assert joins.joined(TOPIC) is not None
    bench.stream.rest()
    bench.camera.rest()
    assert joins.joined(TOPIC) is None
    bench.stream.resume()
    bench.frames(1)  # goes on from what nobody here has: all wait for a key frame
    assert joins.joined(TOPIC) is None
    assert bench.camera.keyframes.due(time.monotonic() + 10.0)


def test_viewers_learn_that_the_sender_behind_a_relay_records_events() -> None:
    bench = Bench()
    bench.say(events=True)
    assert bench.camera.status().events
    bench.say(events=False)
    assert not bench.camera.status().events


def test_nothing_goes_on_before_the_first_status_and_then_everything_in_order() -> None:
    bench = Bench()
    bench.frames(3)
    assert (bench.outlet.kinds, bench.published) == ("", [])
    bench.say()
    assert bench.published == [bench.camera]
    assert bench.outlet.kinds == "Nppp"
    bench.frames(2)
    assert bench.outlet.kinds == "Nppppp"
    assert bench.balanced()
    assert bench.camera.status().published == 5


def test_frames_lost_on_the_uplink_are_counted_here_and_by_viewers() -> None:
    bench = Bench()
    bench.say()
    bench.frames(2)
    for _ in range(3):
        bench.packet()
    bench.say()  # says that five were published
    assert bench.outlet.kinds == "Npp-"
    status = bench.camera.status()
    assert status.published == 5
    assert status.relay["lost"] == 3
    assert bench.camera.balance().lost == {"network_gap": 3}


def test_the_end_is_told_once_and_another_stream_goes_on_with_the_same_channel() -> None:
    bench = Bench()
    bench.say()
    bench.frames(1)
    for _ in range(3):
        bench.say(Kind.END, state="ended")
    assert bench.outlet.kinds == "NpE"
    bench.restart()
    bench.frames(1)
    bench.say()
    assert bench.outlet.kinds == "NpENp"
    assert not bench.camera.channel.paused
    assert bench.camera.stream_id == bench.encoder.stream_id
    assert bench.balanced()


@pytest.mark.parametrize(
    ("path", "why"), [("a,me,b", "this relay itself"), (",".join("abcdefgh"), "limit is 8")]
)
def test_a_camera_that_must_not_be_relayed_is_not(path: str, why: str) -> None:
    bench = Bench()
    relay: dict[str, Scalar] = {"path": path}
    bench.frames(2)
    bench.say(relay=relay)
    bench.frames(2)
    assert (bench.outlet.kinds, bench.published) == ("", [])
    assert why in bench.camera.refusal
    assert bench.camera.balance().lost == {"refused_camera": 4}


def test_the_status_is_that_of_the_camera_with_what_is_the_relays_own() -> None:
    bench = Bench()
    bench.say(
        state="waiting", source="camera:0", control=7, viewers=1, keys={"authorized": 3},
        relay={"path": "a", "station": "2"},
    )  # fmt: skip
    bench.camera.report(b"anna", 10, 4, 12.5, None)
    status = bench.camera.status()
    assert (status.state, status.source, status.control, status.keys) == (
        "waiting", "camera:0", 0, {},
    )  # fmt: skip
    assert (status.reporting, status.viewers_lost, status.viewers_latency_p99_ms) == (1, 4, 12.5)
    assert (status.relay["hops"], status.relay["path"]) == (2, "a,me")
    assert status.station == ".2"
    assert bench.stream.reported is not None
    assert bench.stream.reported() == {
        "delivered": 0, "lost": 4, "network_lost": 0, "latency_p99_ms": 12.5,
    }  # fmt: skip


def test_viewers_are_told_which_uplink_is_down_and_why() -> None:
    bench = Bench()
    bench.say()
    bench.camera.uplink = CameraState("cam", "tcp://plant:5555", State.SENDER_DEAD, "gone")
    status = bench.camera.status()
    state, detail = judge(
        Evidence(LinkState.UP, 60.0, True, status_age_s=0.1, camera_state="live",
                 uplink=status.uplink)
    )  # fmt: skip
    assert state is State.NETWORK_DEAD
    assert detail == "the relay gets no pictures from tcp://plant:5555: sender dead: gone"
    bench.camera.uplink = CameraState("cam", "tcp://plant:5555", State.LIVE)
    assert bench.camera.status().uplink == ""


def test_viewers_that_join_a_short_group_get_it_and_the_camera_hears_nothing() -> None:
    bench = Bench()
    bench.say()
    assert bench.camera.joins.joined(TOPIC) is None, "nobody lacks anything yet"
    bench.frames(5)
    found = bench.camera.joins.joined(TOPIC)
    assert found is not None
    assert len(parse_catch_up(memoryview(found)[len(frames_topic("cam")) :])) == 5
    bench.camera.tick()
    assert not bench.stream.needs_keyframe
    assert bench.camera.keyframes.asked == 0


def test_a_long_group_is_decoded_once_and_all_who_wait_go_on_from_a_reference() -> None:
    bench = Bench()
    bench.say()
    bench.frames(MOST_PACKETS + 5)
    joins = bench.camera.joins
    assert joins.joined(TOPIC) is None
    assert bench.wanted == [joins]
    joins.make_reference(lambda: False)
    assert bench.outlet.catch_ups == [TOKEN]
    bench.frames(3)
    found = joins.joined(TOPIC)
    assert found is not None
    stream = CameraStream("cam", StreamOptions(live=False))
    stream.decode([read_message(memoryview(TOPIC + found), Limits(), 0.0, TOKEN)])
    received = read_message(memoryview(frames_topic("cam") + bench.packet()), Limits(), 0.0)
    assert stream.decode([received]).frame is not None
    joins.make_reference(lambda: False)
    assert joins.references == 1
    assert bench.camera.keyframes.asked == 0


def test_a_lost_frame_is_asked_for_once_for_all_viewers_and_only_until_the_key_frame() -> None:
    bench = Bench()
    bench.say()
    bench.frames(3)
    bench.packet()
    bench.frames(2)
    bench.camera.tick()
    assert bench.camera.keyframes.asked == 1
    assert bench.stream.needs_keyframe
    assert not bench.camera.catch_up(TOKEN), "no catch-up helps"
    bench.encoder.request_keyframe()
    bench.frames(1)
    bench.camera.tick()
    assert not bench.stream.needs_keyframe
    assert bench.camera.catch_up(TOKEN)


def test_a_viewer_that_catch_ups_do_not_help_gets_a_key_frame() -> None:
    bench = Bench()
    bench.say()
    bench.frames(3)
    assert [bench.camera.catch_up(TOKEN) for _ in range(4)] == [True, True, True, False]
    assert bench.camera.request_keyframe(bench.camera.stream_id, 2, b"anna")
    until = time.monotonic() + 5
    while not bench.stream.needs_keyframe:  # not right behind another key frame
        assert time.monotonic() < until
        bench.camera.tick()


def test_what_cannot_be_decoded_sends_those_who_wait_to_the_camera() -> None:
    asked: list[bytes] = []
    joins = CameraJoins("cam", Limits(max_side=16), lambda _: None, lambda _: None, asked.append)
    bench = Bench()
    packets: Sequence[bytes] = [bench.packet() for _ in range(MOST_PACKETS + 2)]
    for packet in packets:
        header = rankcast.wire.unpack(packet).header
        joins.expect(header)
        joins.sent(packet, header.sequence)
    assert joins.joined(TOPIC) is None
    joins.make_reference(lambda: False)
    assert asked == [TOPIC]


def test_frames_that_the_sockets_no_longer_take_count_as_stopped() -> None:
    bench = Bench()
    bench.say()
    bench.outlet.open = False
    bench.frames(2)
    assert bench.camera.balance().lost == {"stopped": 2}
    assert bench.balanced()


def test_nothing_goes_to_a_server_while_nobody_watches_there() -> None:
    bench = Bench(alone=False)
    bench.say()
    bench.frames(2)
    assert bench.outlet.kinds == "N--"
    assert bench.camera.balance().lost == {"nobody_watching": 2}
    bench.camera.channel.viewers = 1
    bench.frames(2)
    assert bench.outlet.kinds == "N--pp"
    assert bench.balanced()


def test_a_viewer_that_joins_at_a_server_gets_a_key_frame_unless_every_packet_is_one() -> None:
    bench = Bench(alone=False)
    bench.say()
    bench.frames(1)
    bench.camera.channel.on_join(b"/anna")
    assert bench.camera.keyframes.asked == 0
    bench.frames(1)
    bench.camera.channel.on_join(b"/anna")
    assert bench.camera.keyframes.asked == 1


def test_a_server_that_is_too_slow_costs_frames_up_to_a_key_frame_that_is_asked_for() -> None:
    bench = Bench(alone=False)
    bench.say()
    bench.camera.channel.viewers = 1
    bench.frames(2)
    slow = True
    bench.camera.channel.congested = lambda: slow
    bench.frames(1)
    slow = False
    bench.frames(2)
    assert bench.outlet.kinds == "Npp---"
    assert bench.camera.keyframes.asked == 1
    bench.encoder.request_keyframe()
    bench.frames(2)
    assert bench.outlet.kinds == "Npp---pp"
    assert bench.camera.balance().lost == {"slow_server": 3}
    assert bench.balanced()


def test_a_packet_that_a_server_did_not_take_is_no_packet_passed_on() -> None:
    bench = Bench(alone=False)
    bench.say()
    bench.camera.channel.viewers = 1
    bench.frames(2)
    assert bench.camera.channel.on_unsent is not None
    bench.camera.ledger.enter()
    bench.camera.channel.on_unsent()
    bench.frames(1)
    assert bench.outlet.kinds == "Npp-"
    assert bench.camera.ledger.balance().lost == {"slow_server": 2}


def test_a_dot_makes_a_substream_unless_it_follows_the_site_of_a_refused_camera() -> None:
    assert Bench(name="cam.sub").camera.is_substream
    assert not Bench(name="site.cam", at_server=True).camera.is_substream
