"""Pictures that come late: held back for a fresh one, and shown where there is none."""

from __future__ import annotations

from dataclasses import replace

import rankcast
from rankcast.frame import Frame
from rankcast.runtime import SKIPPED_AS_OLD, STOPPED
from rankcast.wire import Kind, Packet, Status, pack_status, unpack
from rankcast_receiver.clock import SenderClock
from rankcast_receiver.state import LATE_S, STALE_S
from rankcast_receiver.stream import CameraStream, StreamOptions
from rankcast_receiver.stream.late_frame_hold import HOLD_S, LateFrameHold
from support.fakes import picture
from support.received import received


def frame(sequence: int) -> Frame:
    return Frame(picture(), sequence=sequence)


def out(place: LateFrameHold, now_s: float, *, last: bool = False) -> int | None:
    """Sequence of the picture that goes out."""
    taken = place.take(now_s, last=last)
    return None if taken is None else taken.sequence


def test_a_fresh_picture_goes_out_at_once_and_only_once() -> None:
    place = LateFrameHold()
    assert place.put(frame(1), 0.0, late=False) == 0
    assert out(place, 0.0) == 1
    assert out(place, 9.0) is None


def test_late_pictures_wait_and_a_fresh_one_takes_their_place() -> None:
    place = LateFrameHold()
    assert place.put(frame(1), 0.0, late=True) == 0
    assert out(place, 0.0) is None
    assert place.waiting
    assert place.put(frame(2), 0.01, late=True) == 1
    assert out(place, 0.01) is None
    assert place.put(frame(3), 0.02, late=False) == 1
    assert out(place, 0.02) == 3
    assert not place.waiting


def test_a_late_picture_that_nothing_follows_goes_out_after_its_wait() -> None:
    """Of a camera that waits for triggers it may be the only one for long."""
    place = LateFrameHold()
    place.put(frame(1), 0.0, late=True)
    assert out(place, HOLD_S - 0.01) is None
    assert out(place, HOLD_S) == 1


def test_where_all_come_late_they_are_shown_once_that_is_known() -> None:
    place = LateFrameHold()
    shown = []
    for number in range(90):
        place.put(frame(number), number / 30, late=True)
        shown.append(out(place, number / 30))
    assert shown[:30] == [None] * 30
    assert shown[30:] == list(range(30, 90))
    # After a fresh one late ones are an exception again.
    place.put(frame(90), 3.0, late=False)
    assert out(place, 3.0) == 90
    place.put(frame(91), 3.1, late=True)
    assert out(place, 3.1) is None


def test_the_last_picture_of_a_stream_does_not_wait() -> None:
    place = LateFrameHold()
    place.put(frame(1), 0.0, late=True)
    assert out(place, 0.1, last=True) == 1


class OneClock(SenderClock):
    """Both ends read one clock."""

    def age_ns(self, t_mono_ns: int, t_utc_ns: int, now_mono_ns: int) -> int | None:  # noqa: ARG002
        return now_mono_ns - t_mono_ns


class AgedStream:
    """A stream whose pictures have the age that the test says, on a clock of its own."""

    def __init__(self, *, live: bool = True) -> None:
        self.now_s = 100.0
        self.encoder = rankcast.Encoder("raw")
        self.stream = CameraStream(
            "cam", StreamOptions(live=live), OneClock(), now_s=lambda: self.now_s
        )
        self.ledger = self.stream.ledger

    def packet(self, age_s: float) -> Packet:
        taken_ns = round((self.now_s - age_s) * 1e9)
        made = Frame(picture(), t_capture_mono_ns=taken_ns, t_capture_utc_ns=1)
        return unpack(self.encoder.encode(made))

    def arrives(self, *ages_s: float) -> int | None:
        """Take pictures of these ages; return the sequence of the one that is handed out."""
        arrived = [received(self.packet(age_s)) for age_s in ages_s]
        decoded = self.stream.decode(arrived)
        assert len(decoded.packets) == len(arrived)
        shown = decoded.frame
        return None if shown is None else shown.sequence

    def end(self) -> Frame | None:
        totals = Status(published=self.encoder.sequence)
        packet = pack_status(Kind.END, self.encoder.stream_id, totals, 1, 2)
        return self.stream.decode([received(unpack(packet))]).frame


def test_what_came_during_a_standstill_is_not_handed_out_and_counted_as_old() -> None:
    station = AgedStream()
    assert station.arrives(0.02) == 0
    station.now_s += 2.0
    assert station.arrives(1.9, 1.8) is None
    assert station.arrives(1.7) is None
    assert station.stream.captured_s is not None
    assert station.stream.captured_s < station.now_s - STALE_S, "what is judged is what was shown"
    station.now_s += 0.01
    assert station.arrives(0.01) == 4
    assert station.stream.captured_s == station.now_s - 0.01
    assert dict(station.ledger.balance().lost) == {SKIPPED_AS_OLD: 3}
    assert station.ledger.balance().under_way == 0


def test_on_a_slow_link_late_pictures_are_shown_and_known_to_be_late() -> None:
    station = AgedStream()
    shown = []
    for _ in range(60):
        station.now_s += 1 / 30
        shown.append(station.arrives(1.5))
    assert shown[:30].count(None) == 30
    assert shown[31:] == list(range(31, 60))
    assert station.stream.frame_s == station.now_s
    assert station.stream.captured_s is not None
    assert station.now_s - station.stream.captured_s > LATE_S


def test_where_every_frame_counts_the_old_ones_are_handed_out_too() -> None:
    station = AgedStream(live=False)
    for number in range(3):
        assert station.arrives(5.0) == number
    assert station.stream.captured_s == station.now_s - 5.0


def test_a_picture_that_is_held_back_comes_out_at_the_end_of_the_stream() -> None:
    station = AgedStream()
    station.arrives(1.5)
    assert station.stream.holding
    assert station.end() is not None
    assert not station.stream.holding
    assert station.ledger.balance().passed == 1


def test_a_picture_that_is_held_back_at_a_stop_or_a_restart_has_its_place_in_the_account() -> None:
    station = AgedStream()
    station.arrives(1.5)
    station.encoder = rankcast.Encoder("raw")
    assert station.arrives(0.0) == 0
    assert dict(station.ledger.balance().lost) == {SKIPPED_AS_OLD: 1}
    station.arrives(1.5)
    station.stream.stop()
    assert dict(station.ledger.balance().lost) == {SKIPPED_AS_OLD: 1, STOPPED: 1}
    assert station.ledger.balance().under_way == 0


def test_a_stream_without_clocks_is_never_called_late() -> None:
    stream = CameraStream("cam")
    made = unpack(rankcast.Encoder("raw").encode(picture()))
    header = replace(made.header, t_capture_mono_ns=0, t_capture_utc_ns=0)
    assert stream.decode([received(replace(made, header=header))]).frame is not None
    assert stream.captured_s is None
