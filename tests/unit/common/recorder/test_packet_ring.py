"""PacketRing: the last seconds, from a key frame on, and never more than its bytes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rankcast.recorder import PacketRing, RecordedChain, RingEntry
from rankcast.wire import Header, Kind, Packet

STREAM = bytes(8)


def entry(
    sequence: int, t_s: float, *, key: bool, size: int = 10, camera: str = "cam"
) -> RingEntry:
    kind = Kind.KEY if key else Kind.PREDICTED
    header = Header(kind, STREAM, sequence, ref_sequence=None if key else sequence - 1)
    packet = Packet(header, memoryview(b""), size)
    return RingEntry(camera, bytes(size), packet, round(t_s * 1e9), t_s)


def sequences(ring: PacketRing, t_s: float) -> list[int]:
    return [item.packet.header.sequence for item in ring.since(t_s)]


def test_it_keeps_the_wanted_span_and_what_it_builds_on() -> None:
    ring = PacketRing(pre_s=3.0, max_bytes=10**6)
    for second in range(20):
        ring.add(entry(second, second, key=second % 5 == 0))
    assert sequences(ring, 16.0) == list(range(15, 20))
    assert ring.bytes == 50
    ring.add(entry(20, 20.0, key=True))
    assert sequences(ring, 17.0) == list(range(15, 21))


def test_packets_before_the_first_key_frame_are_not_kept() -> None:
    ring = PacketRing(pre_s=3.0, max_bytes=10**6)
    ring.add(entry(3, 0.0, key=False))
    assert ring.lacks_start("cam")
    assert ring.bytes == 0
    ring.add(entry(4, 0.1, key=True))
    assert not ring.lacks_start("cam")
    assert sequences(ring, 0.0) == [4]


def test_a_group_that_does_not_fit_is_dropped_and_the_next_key_frame_begins_another() -> None:
    ring = PacketRing(pre_s=60.0, max_bytes=100)
    for number in range(12):
        ring.add(entry(number, number, key=number == 0))
    assert ring.lacks_start("cam")
    assert ring.bytes == 0
    ring.add(entry(12, 12, key=True))
    assert sequences(ring, 0.0) == [12]


def test_cameras_share_the_bytes_and_the_oldest_group_goes_first() -> None:
    ring = PacketRing(pre_s=60.0, max_bytes=100)
    for number in range(5):
        ring.add(entry(number, number, key=True, camera="left"))
        ring.add(entry(number, number + 0.5, key=True, camera="right"))
    ring.add(entry(5, 5, key=True, camera="left"))
    kept = [(item.camera, item.packet.header.sequence) for item in ring.since(0.0)]
    assert ("left", 0) not in kept
    assert ("right", 0) in kept
    assert len(kept) == 10


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["left", "right"]),
            st.booleans(),
            st.integers(1, 60),
            st.floats(0, 2),
        ),
        max_size=60,
    ),
    st.floats(0, 5),
    st.integers(10, 400),
)
def test_whatever_comes_it_stays_within_its_bounds_and_gives_what_decodes(
    arrivals: list[tuple[str, bool, int, float]], pre_s: float, max_bytes: int
) -> None:
    ring = PacketRing(pre_s, max_bytes)
    t_s, sequence = 0.0, {"left": 0, "right": 0}
    came: dict[str, list[RingEntry]] = {"left": [], "right": []}
    for camera, key, size, pause_s in arrivals:
        t_s += pause_s
        item = entry(sequence[camera], t_s, key=key, size=size, camera=camera)
        sequence[camera] += 1
        came[camera].append(item)
        ring.add(item)
        assert ring.bytes <= max_bytes
    kept = list(ring.since(t_s - pre_s))
    assert [item.t_recorded_ns for item in kept] == sorted(item.t_recorded_ns for item in kept)
    for camera, items in came.items():
        own = [item for item in kept if item.camera == camera]
        assert own == items[len(items) - len(own) :]
        chain = RecordedChain()
        for item in own:
            assert chain.continues(item.packet.header)
            chain.add(item.packet.header)
        starts = [n for n, item in enumerate(own) if item.packet.header.kind is Kind.KEY]
        # No more than the span wants: a second key frame within it comes after its beginning.
        assert len(starts) < 2 or own[starts[1]].t_s > t_s - pre_s
