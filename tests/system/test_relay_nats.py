"""A relay between ZeroMQ and a real NATS server, in both directions."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

from rankcast.frame import Scalar
from rankcast.net import ControlClient, control_endpoint
from rankcast.wire import Reply
from rankcast_receiver import Subscriber
from rankcast_receiver.state import State
from support.fakes import free_address
from support.nats_server import NatsServer, nats_server
from support.processes import rankcast
from support.relaying import relaying
from support.viewers import WAIT_S, Viewer, sending

SMALL = "synthetic:conveyor?width=160&height=128&fps=30"
ONE_GROUP = ("--set", "codec.gop=100000", "--set", "codec.keyframe_interval_s=0")
AT_BERLIN = ("--set", "nats.site=berlin")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path) as running:
        yield running


class PacketTap:
    """Notes the digest of every packet that a receiver gets, by stream and sequence."""

    def __init__(self, address: str) -> None:
        self.digests: dict[tuple[bytes, int], bytes] = {}
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._address = address
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with Subscriber(
            self._address, live=False, stay=True, on_demand=True, stopped=self._stop.is_set
        ) as subscriber:
            for batch in subscriber.packets():
                for arrived in subscriber.decoder.decode(batch):
                    for item in arrived.messages:
                        if item.is_picture:
                            header = item.packet.header
                            digest = hashlib.sha256(item.data).digest()
                            with self._changed:
                                self.digests[header.stream_id, header.sequence] = digest
                                self._changed.notify_all()

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.digests) >= count, WAIT_S)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def check_same_bytes(at_camera: PacketTap, behind: PacketTap, least: int = 40) -> None:
    both = at_camera.digests.keys() & behind.digests.keys()
    assert len(both) >= least
    assert all(at_camera.digests[key] == behind.digests[key] for key in both)


def ask(subscriber: Subscriber, camera: str, op: str, **args: Scalar) -> Reply:
    replies: Queue[Reply] = Queue()
    subscriber.ask(camera, op, args, replies.put)
    reply = replies.get(timeout=WAIT_S)
    assert reply.ok, reply.error
    return reply


@pytest.mark.slow
def test_packets_of_a_sender_arrive_through_a_relay_at_a_server_as_they_were_sent(
    tmp_path: Path, server: NatsServer
) -> None:
    with (
        sending(tmp_path, source=SMALL) as sender,
        relaying(tmp_path, sender.address, options=AT_BERLIN, address=server.address) as relay,
    ):
        taps = [PacketTap(sender.address), PacketTap(server.address)]
        try:
            with Viewer(server.address, camera="cam") as viewer:
                seen = viewer.wait_more(60)
                (name,) = viewer.subscriber.streams
                status = viewer.subscriber.streams[name].status
                assert name == "berlin.cam"
                assert status is not None
                assert status.relay["hops"] == 1
                assert status.viewers == 2
                assert max(one.age_ms for one in seen[10:]) < 2000
                assert viewer.subscriber.balance().lost.get("network_gap", 0) == 0
            taps[1].wait(40)
        finally:
            for tap in taps:
                tap.stop()
        report = relay.stop()
        sender.stop()
    check_same_bytes(*taps)
    assert report["forwarded"] >= 60
    assert set(report["lost"]) <= {"nobody_watching", "stopped"}


def test_packets_at_a_server_arrive_behind_a_relay_as_they_were_sent(
    tmp_path: Path, server: NatsServer
) -> None:
    with (
        sending(tmp_path, "--site", "berlin", source=SMALL, address=server.address) as sender,
        relaying(tmp_path, server.address) as relay,
    ):
        taps = [PacketTap(server.address), PacketTap(relay.address)]
        try:
            with Viewer(relay.address) as viewer:
                viewer.wait_more(60)
                (name,) = viewer.subscriber.streams
                status = viewer.subscriber.streams[name].status
                assert name == "berlin-cam"
                assert status is not None
                assert (status.relay["hops"], status.station) == (1, "berlin.cam")
            taps[1].wait(40)
        finally:
            for tap in taps:
                tap.stop()
        report = relay.stop()
        sender.stop()
    check_same_bytes(*taps)
    assert set(report["lost"]) <= {"stopped"}


@pytest.mark.slow
@pytest.mark.parametrize("to_server", [True, False])
def test_requests_pass_through_a_relay_and_a_server(
    tmp_path: Path, server: NatsServer, to_server: bool
) -> None:
    sender_at, relay_at = (None, server.address) if to_server else (server.address, None)
    with (
        sending(tmp_path, source=SMALL, address=sender_at) as sender,
        relaying(tmp_path, sender.address, address=relay_at,
                 options=("--site", "default")) as relay,
        Viewer(relay.address) as viewer,
    ):  # fmt: skip
        viewer.wait_more(5)
        (name,) = viewer.subscriber.streams
        assert name == ("default.cam" if to_server else "cam")
        if to_server:
            assert ask(viewer.subscriber, name, "set", quality=33)
            assert ask(viewer.subscriber, name, "get").result["quality"] == 33
            assert ask(viewer.subscriber, name, "status").result["relay"]["hops"] == 1
        else:
            with ControlClient(control_endpoint(relay.address)) as client:
                assert client.call("set", "cam", {"quality": 33}, timeout_s=WAIT_S).result == {
                    "quality": 33
                }
                assert client.call("get", "cam", timeout_s=WAIT_S).result["quality"] == 33
                assert client.call("original", "cam", timeout_s=WAIT_S).packet
        relay.stop()
        sender.stop()


@pytest.mark.slow
def test_a_camera_that_appears_later_is_published_and_answers_too(
    tmp_path: Path, server: NatsServer
) -> None:
    later = free_address()
    with (
        sending(tmp_path, source=SMALL) as sender,
        relaying(tmp_path, sender.address, later, address=server.address) as relay,
        Viewer(server.address, camera="cam-1") as viewer,
    ):
        viewer.wait_more(10)
        with (
            sending(tmp_path, source=SMALL, address=later) as second,
            Viewer(server.address, camera="cam-2") as other,
        ):
            other.wait_more(10)
            reply = ask(other.subscriber, "default.cam-2", "set", quality=44)
            assert reply.result == {"quality": 44}
            second.stop()
        viewer.wait_more(10)
        assert set(relay.stop()["cameras"]) == {"cam-1", "cam-2"}
        sender.stop()


@pytest.mark.slow
def test_viewers_that_join_a_long_group_at_a_server_get_a_key_frame_through_two_relays(
    tmp_path: Path, server: NatsServer
) -> None:
    with (
        sending(tmp_path, *ONE_GROUP, source=SMALL) as sender,
        relaying(tmp_path, sender.address) as first,
        relaying(tmp_path, first.address, address=server.address) as second,
        Viewer(server.address) as viewer,
    ):
        viewer.wait_more(40)
        with Viewer(server.address) as other:
            other.wait_more(10)
        report = second.stop()
        first.stop()
        sender.stop()
    assert 1 <= report["keyframe_requests"] <= 8


@pytest.mark.slow
def test_a_viewer_at_a_server_is_told_that_the_camera_died_and_goes_on_when_it_is_back(
    tmp_path: Path, server: NatsServer
) -> None:
    with (
        sending(tmp_path, source=SMALL) as sender,
        relaying(tmp_path, sender.address, address=server.address) as relay,
        Viewer(server.address, stay=True) as viewer,
    ):
        viewer.wait_more(10)
        killed = time.monotonic()
        sender.process.process.kill()
        viewer.wait_state(State.NETWORK_DEAD, killed)
        with sending(tmp_path, source=SMALL, address=sender.address) as second:
            first_stream = viewer.seen[-1].stream_id
            viewer.wait_for(lambda seen: seen[-1].stream_id != first_stream)
            viewer.wait_more(10)
            second.stop()
            viewer.wait_state(State.ENDED, killed)
        relay.stop()


@pytest.mark.slow
def test_a_server_that_is_restarted_costs_viewers_behind_a_relay_no_restart(
    tmp_path: Path, server: NatsServer
) -> None:
    with (
        sending(tmp_path, source=SMALL) as sender,
        relaying(tmp_path, sender.address, address=server.address) as relay,
        Viewer(server.address, stay=True) as viewer,
    ):
        viewer.wait_more(10)
        server.kill()
        server.start()
        viewer.wait_more(20)
        report = relay.stop()
        sender.stop()
    assert report["lost"].keys() <= {"nobody_watching", "slow_server", "stopped"}


@pytest.mark.slow
def test_relays_in_a_circle_through_a_server_multiply_nothing(
    tmp_path: Path, server: NatsServer
) -> None:
    first = free_address()
    with (
        sending(tmp_path, source=SMALL) as sender,
        relaying(tmp_path, sender.address, server.address, address=first) as one,
        relaying(tmp_path, first, options=("--site", "loop"), address=server.address) as two,
        Viewer(server.address, camera="cam-1") as viewer,
    ):
        one.process.wait_line("loop-cam-1-2 is not relayed: it comes from this relay itself")
        viewer.wait_more(10)
        status = viewer.subscriber.streams["loop.cam-1"].status
        assert status is not None
        assert status.relay["hops"] == 2
        assert set(two.stop()["cameras"]) == {"cam-1"}
        report = one.stop()
        sender.stop()
    assert report["cameras"]["cam-1"]["error"] is None
    assert report["cameras"]["loop-cam-1-2"]["forwarded"] == 0


@pytest.mark.slow
def test_a_relay_ignores_a_copy_of_a_camera_at_the_server_of_its_own(
    tmp_path: Path, server: NatsServer
) -> None:
    with (
        sending(tmp_path, "--site", "berlin", source=SMALL, address=server.address) as sender,
        relaying(tmp_path, server.address) as one,
        Viewer(one.address) as viewer,
        relaying(tmp_path, one.address, options=("--site", "loop"),
                 address=server.address) as two,
    ):  # fmt: skip
        one.process.wait_line("loop.berlin-cam is the same stream as berlin.cam and is left out")
        viewer.wait_more(10)
        two.stop()
        assert set(one.stop()["cameras"]) == {"berlin-cam"}
        sender.stop()


def test_a_relay_from_a_server_to_a_server_is_refused_with_one_line(
    server: NatsServer,
) -> None:
    with rankcast("--from", server.address, "--to", server.address, module="rankcast_relay") as it:
        assert it.wait() == 2
    assert "a relay takes nats:// at one side only" in it.lines[-1]


@pytest.mark.slow
def test_a_second_camera_of_one_name_is_refused_with_one_line(
    tmp_path: Path, server: NatsServer
) -> None:
    at = server.address
    with (
        sending(tmp_path, "--site", "a", "--name", "b-cam", source=SMALL, address=at) as first,
        relaying(tmp_path, at) as relay,
        Viewer(relay.address) as viewer,
    ):
        viewer.wait_more(5)
        with sending(tmp_path, "--site", "a-b", "--name", "cam", source=SMALL, address=at) as it:
            relay.process.wait_line(
                "a-b.cam is not relayed: a.b-cam is called a-b-cam here already: give --site"
            )
            it.stop()
        viewer.wait_more(5)
        assert set(viewer.subscriber.streams) == {"a-b-cam"}
        assert set(relay.stop()["cameras"]) == {"a-b-cam", "a-b.cam"}
        first.stop()


@pytest.mark.slow
def test_both_sides_may_be_unix_sockets(tmp_path: Path) -> None:
    with (
        sending(tmp_path, source=SMALL, address=f"ipc://{tmp_path}/cam") as sender,
        relaying(tmp_path, sender.address, address=f"ipc://{tmp_path}/site") as relay,
        Viewer(relay.address) as viewer,
    ):
        viewer.wait_more(10)
        relay.stop()
        sender.stop()
