"""ReplayedStreams: packets of a recording are placed under the stream of their loop."""

from __future__ import annotations

from dataclasses import replace

from rankcast.wire import Header, Kind, Packet, Replay, Status
from rankcast_receiver.stream.received_packet import ReceivedPacket
from rankcast_receiver.stream.replayed_streams import ReplayedStreams

THEN, NOW, LATER = b"recorded", b"thisloop", b"nextloop"
REPLAY = Replay(THEN, 0, 1.0, 1_000, 500_000, 900_000)


def received(header: Header, status: Status | None = None, camera: str = "cam") -> ReceivedPacket:
    packet = Packet(header, memoryview(b""), 40)
    return ReceivedPacket(camera, 0.0, packet, memoryview(b"data"), status)


def status(stream: bytes, replay: Replay | None, camera: str = "cam") -> ReceivedPacket:
    header = Header(Kind.STATUS, stream, 0, t_capture_mono_ns=7, t_capture_utc_ns=8)
    return received(header, Status(replay=replay), camera)


def picture(stream: bytes = THEN, camera: str = "cam") -> ReceivedPacket:
    header = Header(Kind.KEY, stream, 5, t_capture_mono_ns=3_000, t_capture_utc_ns=1)
    return received(header, camera=camera)


def stream_of(packet: ReceivedPacket) -> bytes:
    assert packet.packet is not None
    return packet.packet.header.stream_id


def test_a_live_stream_stays_as_it_is() -> None:
    streams, live = ReplayedStreams(), picture()
    streams.place(status(THEN, None))
    assert streams.place(live) is live


def test_a_recorded_packet_gets_the_stream_of_the_status_and_keeps_its_bytes() -> None:
    streams = ReplayedStreams()
    streams.place(status(NOW, REPLAY))
    placed = streams.place(picture())
    assert stream_of(placed) == NOW
    assert bytes(placed.data) == b"data"


def test_each_loop_is_another_stream() -> None:
    streams = ReplayedStreams()
    streams.place(status(NOW, REPLAY))
    assert stream_of(streams.place(picture())) == NOW
    streams.place(status(LATER, replace(REPLAY, loop=1)))
    assert stream_of(streams.place(picture())) == LATER


def test_a_packet_counts_as_made_when_it_was_due_at_the_sender() -> None:
    streams = ReplayedStreams()
    streams.place(status(NOW, REPLAY))
    assert streams.place(picture()).sender_times() == (502_000, 902_000)
    assert picture().sender_times() == (3_000, 1)


def test_cameras_play_recordings_of_their_own() -> None:
    streams = ReplayedStreams()
    streams.place(status(NOW, REPLAY, "left"))
    assert stream_of(streams.place(picture(camera="left"))) == NOW
    assert stream_of(streams.place(picture(camera="right"))) == THEN


def test_packets_of_another_stream_than_the_status_names_stay_as_they_are() -> None:
    streams = ReplayedStreams()
    streams.place(status(NOW, REPLAY))
    assert stream_of(streams.place(picture(b"whatever"))) == b"whatever"


def test_a_sender_that_goes_live_again_ends_the_replay() -> None:
    streams = ReplayedStreams()
    streams.place(status(NOW, REPLAY))
    streams.place(status(LATER, None))
    assert stream_of(streams.place(picture())) == THEN
