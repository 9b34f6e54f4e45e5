"""Publisher and its socket thread, against a bare ZeroMQ subscriber."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zmq

from rankcast.errors import (
    RankcastError,
    SettingsError,
    TransportError,
    UnsupportedImageError,
)
from rankcast.net import SocketOptions, configure
from rankcast.runtime import ENCODE, NOBODY_WATCHING, Worker
from rankcast.wire import Kind, Packet, parse_status, split_message, unpack, viewer_topic
from rankcast_receiver import Subscriber
from rankcast_sender import Publisher
from rankcast_sender.sender_sockets import DEFAULT_SOCKET
from support.fakes import free_address, picture
from support.processes import run_script

WAIT_S = 10.0


class Viewer:
    """A bare subscriber with a receive time-out."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket

    def packet(self) -> tuple[str, Packet]:
        assert self.socket.poll(int(WAIT_S * 1000)), "nothing came"
        _, channel, data = split_message(memoryview(self.socket.recv()))
        return channel, unpack(data)

    def until(self, kind: Kind) -> list[Packet]:
        packets = []
        while not packets or packets[-1].header.kind is not kind:
            packets.append(self.packet()[1])
        return packets


@contextmanager
def viewer(address: str, topic: bytes = b"", queue_messages: int = 1000) -> Iterator[Viewer]:
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, queue_messages)
        socket.setsockopt(zmq.SUBSCRIBE, topic)
        socket.connect(address)
        yield Viewer(socket)


def test_frames_arrive_with_topic_sequence_and_metadata_and_the_end_carries_totals() -> None:
    address = free_address()
    with viewer(address) as view:
        # This viewer does not leave: only the time runs out.
        with Publisher(address, name="cam-1", codec="raw", realtime=False, linger_s=1) as publisher:
            assert publisher.wait_viewers(1, WAIT_S)
            for value in range(5):
                assert publisher.send(picture(value), meta={"value": value}) == value
        packets = view.until(Kind.END)
    frames = [packet for packet in packets if packet.header.kind is Kind.KEY]
    assert [packet.header.sequence for packet in frames] == list(range(5))
    assert [packet.header.meta["value"] for packet in frames] == list(range(5))
    assert {packet.header.stream_id for packet in packets} == {publisher.stream_id}
    end = parse_status(packets[-1])
    assert (end.grabbed, end.published, dict(end.lost), end.state) == (5, 5, {}, "ended")


@pytest.mark.parametrize(
    ("realtime", "given_ms", "in_force_ms"),
    [(True, 0, 5_000), (False, 0, 60_000), (True, 700, 700), (False, 7_000, 7_000)],
)
def test_a_viewer_that_takes_nothing_is_cut_off_in_time(
    monkeypatch: pytest.MonkeyPatch, realtime: bool, given_ms: int, in_force_ms: int
) -> None:
    found: list[int] = []

    def configured(socket: zmq.Socket[bytes], options: SocketOptions) -> None:
        configure(socket, options)
        if socket.type == zmq.XPUB:
            found.append(socket.getsockopt(zmq.TCP_MAXRT))

    monkeypatch.setattr("rankcast.net.transport.configure", configured)
    options = replace(DEFAULT_SOCKET, unacknowledged_ms=given_ms)
    with Publisher(free_address(), codec="raw", realtime=realtime, socket=options):
        assert found == [in_force_ms]


def test_nothing_is_encoded_while_nobody_watches_and_that_is_counted() -> None:
    with Publisher(free_address(), codec="raw") as publisher:
        for _ in range(3):
            assert publisher.send(picture()) is None
        assert publisher.packet_bytes == 0
        balance = publisher.balance()
    assert balance.lost == {NOBODY_WATCHING: 3}
    assert balance.under_way == 0


@pytest.mark.parametrize(
    ("image", "meta", "error"),
    [
        (np.ma.masked_equal(picture(), 0), None, UnsupportedImageError),
        (picture().astype(np.float32), None, UnsupportedImageError),
        (picture(), {"serial": [1]}, SettingsError),
        (picture(), {1: "serial"}, SettingsError),
        ([1, 2], None, UnsupportedImageError),
        (None, None, UnsupportedImageError),
    ],
)
def test_what_no_viewer_would_take_is_refused_without_viewers_too(
    image: Any, meta: Any, error: type[RankcastError]
) -> None:
    with Publisher(free_address(), codec="raw") as publisher:
        # As while a client waits for an original, which copies the newest picture.
        publisher.camera._newest._wanted = True
        with pytest.raises(error, match="got"):
            publisher.send(image, meta=meta)
        assert publisher.send(picture(), meta={"count": np.int64(3)}) is None
        balance = publisher.balance()
    assert balance.lost == {ENCODE: 1, NOBODY_WATCHING: 1}
    assert balance.under_way == 0


def test_a_new_viewer_gets_a_status_at_once_and_then_one_a_second() -> None:
    address = free_address()
    with Publisher(address, codec="raw") as publisher, viewer(address, b"cam/status\0") as view:
        channel, first = view.packet()
        _, second = view.packet()
    assert channel == "status"
    assert first.header.kind is second.header.kind is Kind.STATUS
    apart_s = (second.header.t_capture_mono_ns - first.header.t_capture_mono_ns) / 1e9
    assert apart_s < 1.5
    assert publisher.viewers == 0  # it took no frames


def test_the_status_says_how_near_the_last_pictures_were_and_the_totals_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rankcast_sender.camera.stream_figures.RATE_INTERVAL_S", 0.0)
    address = free_address()
    with viewer(address) as view, Publisher(address, codec="svd", rank=0.5) as publisher:
        assert publisher.wait_viewers(1, WAIT_S)
        assert "psnr_db" not in publisher.status().fidelity
        rng = np.random.default_rng(0)
        for _ in range(2):
            publisher.send(rng.integers(0, 256, (16, 24), np.uint8))
        first = publisher.status().fidelity
        assert (first["rank_min"], first["rank_max"], first["exact_frames"]) == (8, 8, 0)
        publisher.set(rank=1.0)
        publisher.send(rng.integers(0, 256, (16, 24), np.uint8))
        second = publisher.status().fidelity
        assert second == {
            "exact_frames": 1, "energy": 1.0, "energy_min": 1.0,
            "rank": 16.0, "rank_min": 16, "rank_max": 16,
        }  # fmt: skip
        assert publisher.status().fidelity == second, "no frame since"
        values = publisher.fidelity.values()
        assert (values["rank_min"], values["rank_max"], values["exact_frames"]) == (8, 16, 1)
        packets = view.until(Kind.KEY)
    assert first["psnr_db"] == pytest.approx(packets[-1].header.psnr_db, abs=1.0)


def test_a_viewer_that_leaves_is_no_longer_counted() -> None:
    address = free_address()
    with Publisher(address, codec="raw") as publisher:
        with viewer(address, b"cam/frames\0"):
            assert publisher.wait_viewers(1, WAIT_S)
        publisher.wait_viewers(1000, WAIT_S, stopped=lambda: publisher.viewers == 0)
        assert publisher.viewers == 0


def test_waiting_for_viewers_ends_when_out_of_time_or_stopped() -> None:
    with Publisher(free_address(), codec="raw") as publisher:
        assert not publisher.wait_viewers(1, 0.01)
        assert not publisher.wait_viewers(1, stopped=lambda: True)


def test_a_picture_that_the_codec_cannot_code_is_counted_and_the_next_one_goes_out() -> None:
    address = free_address()
    with viewer(address) as view:
        with Publisher(address, codec="jpeg") as publisher:
            assert publisher.wait_viewers(1, WAIT_S)
            with pytest.raises(UnsupportedImageError, match="16"):
                publisher.send(picture(dtype=np.uint16))
            assert publisher.send(picture()) == 0
            assert publisher.balance().lost == {ENCODE: 1}
        frames = [p for p in view.until(Kind.END) if p.header.kind.is_picture]
    assert [packet.header.sequence for packet in frames] == [0]


def test_without_real_time_a_viewer_that_stalls_still_gets_every_frame() -> None:
    address = free_address()
    count = 100
    with (
        viewer(address, queue_messages=1) as view,
        Publisher(address, codec="raw", realtime=False, linger_s=1) as publisher,
    ):
        assert publisher.wait_viewers(1, WAIT_S)

        def send_all() -> None:
            for value in range(count):
                publisher.send(picture(value, (200, 200)))

        sending = Worker("sending", send_all)
        sending.start()
        # Longer than a heartbeat would allow, with far more to send than buffers hold.
        assert not publisher.wait_viewers(2, 2.0)
        assert publisher.balance().passed < count
        received: list[int] = []
        while len(received) < count:
            received += _sequences([view.packet()[1]])
        sending.join(WAIT_S)
    assert received == list(range(count))


def _sequences(packets: list[Packet]) -> list[int]:
    return [packet.header.sequence for packet in packets if packet.header.kind.is_picture]


def test_a_busy_port_is_one_clear_error() -> None:
    address = free_address()
    with (
        Publisher(address, codec="raw"),
        pytest.raises(TransportError, match=f"cannot listen at {address}: Address.*in use"),
    ):
        Publisher(address, codec="raw")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bind": "5555"}, "want tcp://"),
        ({"name": "../../x"}, "camera name"),
        ({"codec": "vhs"}, "got codec 'vhs'"),
        ({"codec": "jpeg", "rank": 3}, "has no option 'rank'"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_opened(
    arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        Publisher(**{"bind": free_address(), **arguments})  # type: ignore[arg-type]


def test_closing_twice_is_fine() -> None:
    address = free_address()
    publisher = Publisher(address, codec="raw")
    publisher.close()
    with Publisher(address, codec="raw") as successor:  # the first close gave the address back
        publisher.close()
        with viewer(address):
            assert successor.wait_viewers(1, WAIT_S)


def test_junk_from_a_viewer_changes_nothing() -> None:
    address = free_address()
    with zmq.Context() as context, context.socket(zmq.XSUB) as junk:
        junk.setsockopt(zmq.LINGER, 0)
        junk.connect(address)
        with Publisher(address, codec="raw") as publisher, viewer(address) as view:
            for message in (b"", b"\x07junk", b"\x01" + b"x" * 500, b"\x00cam/frames\0"):
                junk.send(message)
            assert publisher.wait_viewers(1, WAIT_S)
            assert publisher.send(picture(7)) == 0
            frame = view.until(Kind.KEY)[-1]
            assert publisher.balance().lost == {}
    assert frame.header.stream_id == publisher.stream_id
    assert bytes(frame.body) == picture(7).tobytes()


def test_a_viewer_counts_once_however_often_it_subscribes_and_goes_with_its_connection() -> None:
    address = free_address()
    with Publisher(address, codec="raw") as publisher:
        with viewer(address, b"cam/frames\0") as view:
            for topic in (b"cam/frames\0", b"", b"cam/status\0", viewer_topic(b"1" * 16, None)):
                view.socket.setsockopt(zmq.SUBSCRIBE, topic)
            assert publisher.wait_viewers(1, WAIT_S)
            assert not publisher.wait_viewers(2, 0.5)
        publisher.wait_viewers(1000, WAIT_S, stopped=lambda: publisher.viewers == 0)
        assert publisher.viewers == 0


def test_two_receivers_are_two_viewers() -> None:
    address = free_address()
    with (
        Publisher(address, name="left", codec="raw") as publisher,
        Subscriber(address, camera="left"),
        Subscriber(address),
        Subscriber(address, camera="right"),
    ):
        assert publisher.wait_viewers(2, WAIT_S)
        assert not publisher.wait_viewers(3, 0.5)


UNCLOSED = """
import sys
import numpy as np
from rankcast_sender import Publisher
publisher = Publisher(sys.argv[1], codec="raw")
publisher.send(np.zeros((8, 8), np.uint8))
"""


def test_a_program_that_forgets_to_close_its_publisher_still_ends() -> None:
    done = run_script(UNCLOSED, free_address())
    assert done.returncode == 0
    assert "without closing its publisher" in done.stderr


def test_a_packet_that_viewers_would_refuse_is_refused_here_and_the_next_one_goes_out() -> None:
    address = free_address()
    with viewer(address) as view:
        with Publisher(address, codec="raw", max_packet_bytes=2000) as publisher:
            assert publisher.wait_viewers(1, WAIT_S)
            with pytest.raises(UnsupportedImageError, match="the limit is 2000"):
                publisher.send(picture(shape=(100, 100)))
            assert publisher.send(picture(shape=(10, 10))) == 0
            assert publisher.balance().lost == {ENCODE: 1}
        assert _sequences(view.until(Kind.END)) == [0]


def test_a_second_plain_subscriber_gets_a_key_frame_too() -> None:
    address = free_address()
    topic = b"cam/frames\0"
    with (
        Publisher(address, codec="svd-patch", gop=1000) as publisher,
        viewer(address, topic) as first,
    ):
        assert publisher.wait_viewers(1, WAIT_S)
        assert publisher.send(picture(1)) == publisher.key_sequence == 0
        first.packet()  # else the second could still be sent that one
        with viewer(address, topic) as second:
            for value in range(2, 200):
                publisher.send(picture(value))
                if second.socket.poll(20):
                    break
            kinds = [second.packet()[1].header.kind]
            while Kind.KEY not in kinds:
                publisher.send(picture(3))
                kinds.append(second.packet()[1].header.kind)
        assert publisher.key_sequence is not None
        assert publisher.key_sequence > 0
