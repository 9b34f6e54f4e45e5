"""Right packets in a wrong order."""

from __future__ import annotations

import msgpack

from corpus.hostile.messages import Files, changed, frames, seed, status_message
from rankcast.wire import Packet, pack
from support.intake import join_messages


def sequences() -> Files:
    """Right packets in a wrong order."""
    first, second, third = seed("svd-patch", "still")
    raw = seed("raw", "grey")[0]

    def sequence(*messages: bytes) -> bytes:
        return join_messages(messages)

    def plain(packet: Packet) -> bytes:
        return frames(pack(packet.header, packet.body))

    yield "sequence/lost_between.seq", sequence(plain(first), plain(third))
    yield (
        "sequence/predicted_of_another_shape.seq",
        sequence(plain(first), changed(second, shape=(32, 24), checksum=None)),
    )
    yield (
        "sequence/predicted_of_another_layout.seq",
        sequence(
            plain(first), changed(second, params=(3, *second.header.params[1:]), checksum=None)
        ),
    )
    yield (
        "sequence/predicted_with_bases.seq",
        sequence(plain(first), changed(second, b"\3\1\0" + bytes(second.body)[1:])),
    )
    yield (
        "sequence/predicted_of_another_stream.seq",
        sequence(plain(first), changed(second, stream_id=b"\7" * 8)),
    )
    yield "sequence/predicted_of_another_codec.seq", sequence(plain(raw), plain(second))
    yield (
        "sequence/codec_changed.seq",
        sequence(plain(first), changed(raw, sequence=1), changed(third, ref_sequence=0)),
    )
    yield (
        "sequence/reference_of_the_future.seq",
        sequence(plain(first), changed(second, ref_sequence=2**64 - 1)),
    )
    yield "sequence/jump_to_the_end.seq", sequence(plain(first), changed(first, sequence=2**64 - 1))
    yield (
        "sequence/wrong_checksum_then_more.seq",
        sequence(plain(first), changed(second, checksum=5), plain(third)),
    )
    yield (
        "sequence/refused_then_predicted.seq",
        sequence(changed(first, b"\1"), plain(second), plain(third)),
    )
    yield (
        "sequence/many_streams.seq",
        sequence(*(changed(raw, bytes(3), stream_id=bytes((k,)) * 8) for k in range(40))),
    )
    yield (
        "sequence/many_cameras.seq",
        sequence(*(frames(pack(raw.header, raw.body), b"cam%d/frames" % k) for k in range(80))),
    )
    yield (
        "sequence/many_shapes.seq",
        sequence(
            *(changed(first, b"\1\0", shape=(16 + 8 * k, 4000), sequence=k) for k in range(20))
        ),
    )
    yield (
        "sequence/status_goes_back.seq",
        sequence(
            changed(raw, bytes(1)),
            status_message(msgpack.packb({"published": 2**64 - 1})),
            plain(second),
        ),
    )
