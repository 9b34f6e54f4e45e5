"""Reference packets made by a receiver: a viewer goes on from them as the receiver does."""

from __future__ import annotations

import numpy as np
import pytest

import rankcast
from rankcast.wire import Kind, unpack
from rankcast_receiver.stream import CameraStream, StreamOptions
from support.received import received
from support.recordings import pictures


def packets_of(codec: str, count: int, **options: object) -> list[bytes]:
    encoder = rankcast.Encoder(codec, **options)  # type: ignore[arg-type]
    return [encoder.encode(image) for image in pictures(count)]


@pytest.mark.parametrize("refs", [1, 2])
@pytest.mark.parametrize("after", range(3, 7))
def test_a_viewer_goes_on_behind_the_batch_with_the_same_pixels(refs: int, after: int) -> None:
    packets = packets_of("svd-patch", 12, refs=refs)
    stream = CameraStream("cam", StreamOptions(live=False))
    stream.reference_wanted = True
    stream.decode([])
    assert stream.reference_wanted, "nothing was decoded yet"
    decoded = stream.decode([received(unpack(data), data=data) for data in packets[:after]])
    reference = decoded.reference
    assert reference is not None
    assert not stream.reference_wanted
    assert reference.made_here
    assert not reference.is_picture
    assert reference.packet.header.kind is Kind.REFERENCE
    assert reference not in list(decoded.messages)
    viewer, whole = rankcast.Decoder(), rankcast.Decoder()
    for data in packets[:after]:
        whole.decode(data)
    viewer.decode(reference.data)
    for data in packets[after:]:
        assert np.array_equal(viewer.decode(data), whole.decode(data))


def test_a_reference_is_made_while_no_packet_comes() -> None:
    packets = packets_of("svd-patch", 4)
    stream = CameraStream("cam", StreamOptions())
    stream.decode([received(unpack(data), data=data) for data in packets])
    stream.reference_wanted = True
    assert stream.decode([]).reference is not None


def test_none_is_made_while_the_decoder_waits_for_a_key_frame() -> None:
    packets = packets_of("svd-patch", 6)
    stream = CameraStream("cam", StreamOptions())
    stream.decode([received(unpack(data), data=data) for data in packets[:2]])
    stream.reference_wanted = True
    lost = [received(unpack(data), data=data) for data in packets[3:]]
    assert stream.decode(lost).reference is None
    assert stream.reference_wanted


def test_none_is_made_of_a_codec_whose_every_frame_is_a_beginning() -> None:
    stream = CameraStream("cam", StreamOptions())
    stream.reference_wanted = True
    data = packets_of("raw", 1)[0]
    assert stream.decode([received(unpack(data), data=data)]).reference is None
    assert not stream.reference_wanted


def test_several_sinks_may_wait_for_a_key_frame() -> None:
    stream = CameraStream("cam")
    stream.note_waits("record", waits=True)
    stream.note_waits("web", waits=True)
    stream.note_waits("record", waits=False)
    assert stream.needs_keyframe
    stream.note_waits("web", waits=False)
    assert not stream.needs_keyframe
