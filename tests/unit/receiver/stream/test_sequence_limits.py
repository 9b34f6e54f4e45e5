"""Row 33 of the fault matrix: counts near their limits, and a sender that restarts mid-burst."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import rankcast
from rankcast.frame import Frame
from rankcast.images import NUMBER_LIMIT, write_frame_mark
from rankcast.runtime import NETWORK_GAP, SKIPPED_AS_OLD, Ledger
from rankcast.wire import (
    UINT64_MAX,
    Header,
    Kind,
    Packet,
    Status,
    pack,
    pack_status,
    unpack,
)
from rankcast_receiver.stream import CameraStream
from support.fakes import picture
from support.received import received
from support.viewers import check_mark


def stream_of(ledger: Ledger) -> CameraStream:
    return CameraStream("cam", ledger=ledger)


def take(stream: CameraStream, *packets: Packet) -> Frame | None:
    """Return the frame of one turn with these packets."""
    return stream.decode([received(packet) for packet in packets]).frame


def numbered(packet: Packet, sequence: int, frame: int) -> Packet:
    """The same picture under another sequence, through the bytes of the wire."""
    return unpack(pack(replace(packet.header, sequence=sequence, frame=frame), bytes(packet.body)))


def marked(encoder: rankcast.Encoder, number: int) -> Packet:
    pixels = np.array(picture(90, (48, 128)))
    write_frame_mark(pixels, number % NUMBER_LIMIT)
    return unpack(encoder.encode(Frame(pixels, frame=number)))


@pytest.mark.parametrize("start", [2**16 - 3, 2**31 - 3, 2**32 - 3, 2**63 - 3, UINT64_MAX - 9])
def test_counts_cross_the_limits_of_narrower_integers_without_a_false_or_missed_loss(
    start: int,
) -> None:
    encoder, ledger = rankcast.Encoder("raw"), Ledger()
    stream = stream_of(ledger)
    sent = [marked(encoder, start + index) for index in range(8)]
    for index, packet in enumerate(sent):
        if index == 5:
            continue  # the one true loss
        frame = take(stream, numbered(packet, start + index, start + index))
        assert frame is not None
        assert (frame.sequence, frame.frame) == (start + index, start + index)
        check_mark(frame.pixels, frame.frame)
    balance = ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (8, 7, {NETWORK_GAP: 1})


def test_totals_beyond_32_bits_count_the_tail() -> None:
    ledger, start = Ledger(), 2**32 - 2
    stream = stream_of(ledger)
    packet = unpack(rankcast.Encoder("raw").encode(picture()))
    take(stream, numbered(packet, start, start))
    totals = Status(grabbed=start + 4, published=start + 4)
    take(stream, unpack(pack_status(Kind.END, packet.header.stream_id, totals, 1, 2)))
    balance = ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (4, 1, {NETWORK_GAP: 3})


@pytest.mark.parametrize("device", [65_535, 1, 2**64 - 1])
def test_the_block_id_of_a_camera_that_wraps_is_carried_and_never_counted_with(
    device: int,
) -> None:
    """GigE cameras count blocks from 1 to 65,535 and start again: only our own count is ordered."""
    encoder, ledger = rankcast.Encoder("raw"), Ledger()
    stream = stream_of(ledger)
    for number, block in enumerate((65_534, device, 1, 2)):
        packet = encoder.encode(Frame(picture(), frame=number, device_frame_id=block))
        frame = take(stream, unpack(packet))
        assert frame is not None
        assert frame.device_frame_id == block
    assert dict(ledger.balance().lost) == {}


def test_a_sender_that_restarts_mid_burst_is_neither_a_loss_nor_a_duplicate() -> None:
    """The packets of both starts wait together; the new one begins at 0 again."""
    ledger = Ledger()
    stream = stream_of(ledger)
    before, after = rankcast.Encoder("raw"), rankcast.Encoder("raw")
    old = [marked(before, number) for number in range(40, 43)]
    new = [marked(after, number) for number in range(3)]
    frame = take(stream, *old, *new)
    assert frame is not None
    assert (frame.frame, frame.stream_id) == (2, new[-1].header.stream_id)
    check_mark(frame.pixels, 2)
    balance = ledger.balance()
    assert (balance.entered, balance.passed) == (6, 1)
    assert dict(balance.lost) == {SKIPPED_AS_OLD: 5}


def test_a_late_packet_of_the_stream_before_begins_no_count_of_its_own_losses() -> None:
    """Its sequence is far above: the frames in between belong to nobody."""
    ledger = Ledger()
    stream = stream_of(ledger)
    before, after = rankcast.Encoder("raw"), rankcast.Encoder("raw")
    late = numbered(marked(before, 900), 900, 900)
    for packet in (marked(after, 0), late, marked(after, 1)):
        take(stream, packet)
    assert NETWORK_GAP not in ledger.balance().lost
    assert ledger.balance().under_way == 0


def test_a_status_header_holds_the_largest_counts() -> None:
    header = Header(Kind.STATUS, bytes(8), UINT64_MAX, UINT64_MAX)
    assert unpack(pack(header, b"\x80")).header.sequence == UINT64_MAX


def test_frames_of_the_time_in_which_the_sender_withheld_the_camera_are_no_loss() -> None:
    encoder, ledger = rankcast.Encoder("raw"), Ledger()
    stream = stream_of(ledger)
    sent = [marked(encoder, index) for index in range(12)]
    assert take(stream, *sent[:3]) is not None
    stream.withdraw()
    assert stream.ended
    assert take(stream, sent[9]) is not None
    assert not stream.ended
    assert take(stream, sent[11]) is not None
    balance = ledger.balance()
    assert balance.entered == 6, "five came, and one was lost between the last two"
    assert balance.lost == {SKIPPED_AS_OLD: 2, NETWORK_GAP: 1}
