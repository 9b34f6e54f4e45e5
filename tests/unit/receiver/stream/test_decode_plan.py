"""Which of the waiting pictures the decoder needs, and what happens where it is too slow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankcast
from rankcast.errors import NeedKeyframe
from rankcast.frame import Frame, Pixels
from rankcast.runtime import SKIPPED_AS_OLD, STOPPED, WAITING_FOR_KEYFRAME
from rankcast.wire import Kind, Packet, unpack
from rankcast_receiver.state import LinkFacts
from rankcast_receiver.stream import (
    DECODE_BUDGET_S,
    CameraKey,
    CameraStates,
    CameraStream,
    PacketBatch,
    SenderStreams,
    StreamDecoder,
    StreamOptions,
)
from rankcast_receiver.stream.decode_plan import References
from support.fakes import picture
from support.received import received

PERIOD_S = 1 / 30
DECODER = "rankcast_receiver.stream.picture_decoder.Decoder"


class Clock:
    """A clock that stands still unless somebody takes time."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class SlowDecoder:
    """Holds one reference as `svd-patch` does, and takes `cost_s` a picture."""

    def __init__(self, clock: Clock, cost_s: float, kept: Callable[[int], bool]) -> None:
        self.sequences: list[int] = []
        self._clock = clock
        self._cost_s = cost_s
        self._kept = kept
        self._reference: int | None = None

    def complete(self, packet: Packet) -> Packet:
        return packet

    def decode_packet(self, packet: Packet) -> Pixels:
        header = packet.header
        if header.kind is Kind.PREDICTED and header.ref_sequence != self._reference:
            raise NeedKeyframe(f"needs {header.ref_sequence}, has {self._reference}")
        self._clock.now_s += self._cost_s
        self.sequences.append(header.sequence)
        if self._kept(header.sequence):
            self._reference = header.sequence
        return picture(header.sequence % 256)


def packets(references: Sequence[int | None]) -> list[Packet]:
    """Packets of one stream, 1/30 s apart; what each is predicted from, None for key frames."""
    encoder = rankcast.Encoder("raw")
    made = []
    for number, reference in enumerate(references):
        packet = unpack(encoder.encode(picture()))
        kind = Kind.KEY if reference is None else Kind.PREDICTED
        t_ns = 10**9 + round(number * PERIOD_S * 1e9)
        header = replace(packet.header, kind=kind, ref_sequence=reference, t_capture_mono_ns=t_ns)
        made.append(replace(packet, header=header))
    return made


def unclocked(packet: Packet) -> Packet:
    """The same without the time of capture."""
    header = replace(packet.header, t_capture_mono_ns=0, t_capture_utc_ns=0)
    if header.is_short:
        header = replace(header, utc_drift_ns=0)
    return replace(packet, header=header)


def all_kept(count: int) -> list[Packet]:
    return packets([None, *range(count - 1)])


def every_second_kept(count: int) -> list[Packet]:
    """As ``refs=2`` makes them: odd frames are references of none."""
    return packets([None, *((number - 1) // 2 * 2 for number in range(1, count))])


def slowed(
    monkeypatch: pytest.MonkeyPatch,
    cost_s: float,
    kept: Callable[[int], bool] = lambda _: True,
    *,
    live: bool = True,
) -> tuple[CameraStream, SlowDecoder, Clock]:
    clock = Clock()
    decoder = SlowDecoder(clock, cost_s, kept)
    monkeypatch.setattr(DECODER, lambda *_, **__: decoder)
    return CameraStream("cam", StreamOptions(live=live), now_s=clock), decoder, clock


def decode(
    stream: CameraStream, made: Sequence[Packet], budget_s: float = DECODE_BUDGET_S
) -> Frame | None:
    """Return the frame of one turn with these packets, all of which must be new."""
    decoded = stream.decode([received(packet) for packet in made], budget_s)
    assert [item.packet for item in decoded.packets] == list(made)
    return decoded.frame


def test_frames_that_no_newer_one_rests_on_are_not_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, decoder, _ = slowed(monkeypatch, 0.001, lambda sequence: sequence % 2 == 0)
    made = every_second_kept(12)
    first = decode(stream, made[:2])
    second = decode(stream, made[2:])
    assert first is not None
    assert second is not None
    assert (first.sequence, second.sequence) == (1, 11)
    assert decoder.sequences == [0, 1, 2, 4, 6, 8, 10, 11]
    assert stream.ledger.balance().lost == {SKIPPED_AS_OLD: 10}
    assert not stream.waiting_for_keyframe


def test_a_chain_that_ends_outside_the_list_is_decoded_where_the_decoder_holds_its_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Frame 1 was predicted from 0 and not kept: what the decoder holds is still frame 0."""
    stream, decoder, _ = slowed(monkeypatch, 0.001, lambda sequence: sequence != 1)
    made = packets([None, 0, 0, 2])
    assert decode(stream, made[:2]) is not None
    assert decode(stream, made[2:]) is not None
    assert decoder.sequences == [0, 1, 2, 3]


def test_after_a_loss_the_newest_frame_that_can_be_rebuilt_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, decoder, _ = slowed(monkeypatch, 0.001)
    made = all_kept(8)
    assert decode(stream, made[:1]) is not None
    frame = decode(stream, [made[1], made[2], *made[4:]])  # frame 3 is lost
    assert frame is not None
    assert frame.sequence == 2
    assert decoder.sequences == [0, 1, 2]
    assert stream.waiting_for_keyframe
    assert stream.ledger.balance().lost[WAITING_FOR_KEYFRAME] == 4


def test_where_every_frame_counts_every_frame_is_decoded_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, decoder, _ = slowed(monkeypatch, 1.0, lambda sequence: sequence % 2 == 0, live=False)
    for packet in every_second_kept(20):
        assert decode(stream, [packet]) is not None
    assert decoder.sequences == list(range(20))
    assert stream.ledger.balance().lost == {}
    assert not stream.overloaded


def test_what_takes_longer_than_the_budget_is_dropped_and_the_next_key_frame_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream, decoder, clock = slowed(monkeypatch, DECODE_BUDGET_S / 4)
    made = packets([None, *range(29), None, 30])
    frame = decode(stream, made[:12])
    assert frame is not None
    assert frame.sequence == 3, "four are the budget"
    assert stream.overloaded
    assert stream.waiting_for_keyframe
    before = clock.now_s
    assert decode(stream, made[12:30]) is None
    assert clock.now_s == before, "the decoder is not even asked"
    frame = decode(stream, made[30:])
    assert frame is not None
    assert frame.sequence == 31
    assert not stream.waiting_for_keyframe
    assert decoder.sequences == [0, 1, 2, 3, 30, 31]
    balance = stream.ledger.balance()
    assert balance.lost == {SKIPPED_AS_OLD: 3 + 8 + 1, WAITING_FOR_KEYFRAME: 18}
    assert balance.under_way == 0
    (said,) = [record for record in caplog.records if "slower than the stream" in record.message]
    assert said.levelno == logging.WARNING
    assert "codec.refs=2" in said.message


def test_the_last_picture_is_not_dropped_where_it_is_the_only_one_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a triggered camera the next may come much later."""
    stream, _, _ = slowed(monkeypatch, 2 * DECODE_BUDGET_S)
    frame = decode(stream, all_kept(2))
    assert frame is not None
    assert frame.sequence == 1
    assert not stream.overloaded


def test_it_is_said_every_ten_seconds_at_most_that_decoding_is_too_slow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream, _, clock = slowed(monkeypatch, 0.2)
    began = clock.now_s
    made = packets([n - 1 if n % 5 else None for n in range(500)])
    told = []
    while clock.now_s - began < 24.9:
        begin = 5 * len(told)
        decode(stream, made[begin : begin + 5])
        told.append(len(caplog.records))
    assert told[0] == 1
    assert told[-1] == 3
    assert stream.overloaded
    clock.now_s += 10.0
    assert not stream.overloaded


def test_a_stop_is_obeyed_before_the_next_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, decoder, _ = slowed(monkeypatch, 0.01)
    asked: list[int] = []

    def stopped() -> bool:
        """Asked by the receive thread it beats its pulse too."""
        asked.append(len(decoder.sequences))
        return len(decoder.sequences) == 3

    frame = stream.decode([received(packet) for packet in all_kept(10)], stopped=stopped).frame
    assert frame is not None
    assert frame.sequence == 2
    assert asked == [0, 1, 2, 3]
    balance = stream.ledger.balance()
    assert balance.lost == {SKIPPED_AS_OLD: 2, STOPPED: 7}
    assert balance.under_way == 0


def test_a_camera_that_cannot_be_followed_leaves_the_others_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    decoders = [SlowDecoder(clock, cost_s, lambda _: True) for cost_s in (4 / 64, 1 / 64, 1 / 64)]
    # Each stream makes one, and another when it begins; the shortest backlog begins first.
    made = iter([*decoders, *reversed(decoders)])
    monkeypatch.setattr(DECODER, lambda *_, **__: next(made))
    sender = SenderStreams("tcp://192.0.2.1:5555", now_s=clock)
    waiting = {
        CameraKey(0, name): [received(packet, name) for packet in all_kept(count)]
        for name, count in (("slow", 15), ("left", 3), ("right", 2))
    }
    decoder = StreamDecoder([sender], CameraStates(), budget_s=16 / 64, now_s=clock)
    began = clock.now_s
    turns = decoder.decode(PacketBatch(waiting, {}, [LinkFacts()]))
    shown = [turn.frame.sequence for turn in turns if turn.frame is not None]
    assert shown == [1, 2, 2]
    assert clock.now_s - began == 17 / 64
    overloaded = {name: stream.overloaded for name, stream in sender.streams.items()}
    assert overloaded == {"slow": True, "left": False, "right": False}


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=30))
def test_what_is_needed_is_always_a_chain_from_what_is_held_to_the_newest(
    steps: list[tuple[int, bool]],
) -> None:
    """`steps` back to the reference, and whether the packet arrives."""
    made = packets([None, *(max(0, n + 1 - back) for n, (back, _) in enumerate(steps))])
    references = References()
    references.note_decoded(made[0].header)
    arrived = [packet for packet, (_, came) in zip(made[1:], steps, strict=True) if came]
    work = references.plan(arrived)
    assert len(work.needed) + work.skipped + len(work.unrooted) == len(arrived)
    before = 0
    for packet in work.needed:
        assert packet.header.ref_sequence == before
        before = packet.header.sequence
    known = {0, *(packet.header.sequence for packet in arrived)}
    for packet in work.unrooted:
        at: int | None = packet.header.sequence
        while at in known and at:
            at = made[at].header.ref_sequence
        assert at not in known, "nothing that could be rebuilt is left behind"


def test_a_reference_begins_anew_like_a_key_frame() -> None:
    made = packets([None, 0, 1, 2, 3])
    joined = replace(
        made[2], header=replace(made[2].header, kind=Kind.REFERENCE, ref_sequence=None)
    )
    plan = References().plan([made[1], joined, *made[3:]])
    assert [packet.header.sequence for packet in plan.needed] == [2, 3, 4]
    assert (plan.skipped, plan.unrooted) == (1, [])


def test_pictures_come_out_as_they_were_sent_when_many_wait_and_half_of_them_are_skipped() -> None:
    """With the real codec, whose decoder must never meet a reference that it was not given."""
    encoder = rankcast.Encoder("svd-patch", refs=2)
    ramp = np.add.outer(np.arange(48) * 2, np.arange(64) * 2).astype(np.uint8)
    # Without the time of capture: compiling takes so long that they would be late.
    made = [unclocked(unpack(encoder.encode(np.roll(ramp, n % 8, axis=1)))) for n in range(16)]
    every = rankcast.Decoder()
    wanted = [every.decode_packet(packet) for packet in made]
    stream = CameraStream("cam")
    for first, last in ((0, 0), (1, 1), (2, 6), (7, 7), (8, 15)):
        frame = decode(stream, made[first : last + 1], 60.0)
        assert frame is not None
        assert frame.sequence == last
        assert np.array_equal(frame.pixels, wanted[last])
    assert set(stream.ledger.balance().lost) == {SKIPPED_AS_OLD}
