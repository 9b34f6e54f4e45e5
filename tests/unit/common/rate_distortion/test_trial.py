"""A trial codes a clip frame by frame, and measures bytes, quality and delay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.rate_distortion import (
    PEERS,
    ClipFormat,
    PacketBytes,
    QualityMeter,
    RankcastCoder,
    run_trial,
)
from support.comparing import picture


class DelayedCoder:
    """Keeps packets and pictures back; a packet is the picture, its bytes are the first sample."""

    def __init__(self, encoder_holds: int, decoder_holds: int, *, loses: bool = False) -> None:
        self._holds = encoder_holds, decoder_holds
        self._packets: list[bytes] = []
        self._pictures: list[Pixels] = []
        self._loses = loses

    def encode(self, pixels: Pixels) -> Sequence[bytes]:
        self._packets.append(pixels.tobytes())
        return [self._packets.pop(0)] if len(self._packets) > self._holds[0] else []

    def finish(self) -> Sequence[bytes]:
        return self._packets

    def decode(self, packet: bytes) -> Sequence[Pixels]:
        self._pictures.append(np.frombuffer(packet, np.uint8).reshape(16, 16))
        return [self._pictures.pop(0)] if len(self._pictures) > self._holds[1] else []

    def flush(self) -> Sequence[Pixels]:
        return [] if self._loses else self._pictures

    def sizes(self, packet: bytes) -> PacketBytes:
        return PacketBytes(packet[0], 1)


def levels(count: int) -> Iterator[Pixels]:
    return (np.full((16, 16), number, np.uint8) for number in range(1, count + 1))


@pytest.mark.parametrize(("encoder", "decoder"), [(0, 0), (3, 0), (0, 2), (3, 2)])
def test_the_delay_is_what_encoder_and_decoder_hold_together(encoder: int, decoder: int) -> None:
    trial = run_trial(levels(10), DelayedCoder(encoder, decoder), QualityMeter(255), "x")
    assert trial.delay_frames == encoder + decoder
    assert trial.frames == 10
    assert trial.point.size_bytes == sum(range(1, 11))
    assert trial.point.header_bytes == 10
    assert trial.point.psnr_db == np.inf, "every picture was compared with its own original"


def test_the_delay_in_time_counts_held_frames_and_the_work_on_one() -> None:
    trial = run_trial(levels(10), DelayedCoder(2, 0), QualityMeter(255), "x")
    assert trial.delay_ms(25) == pytest.approx(80 + trial.encode_ms + trial.decode_ms)


def test_no_more_frames_are_read_than_the_coder_holds() -> None:
    alive = []

    def frames() -> Iterator[Pixels]:
        for number, pixels in enumerate(levels(20)):
            coder.decoded.append(len(alive))
            alive.append(number)
            yield pixels

    class Counting(DelayedCoder):
        decoded: list[int] = []  # noqa: RUF012 - one instance

        def decode(self, packet: bytes) -> Sequence[Pixels]:
            alive.pop(0)
            return super().decode(packet)

    coder = Counting(3, 0)
    run_trial(frames(), coder, QualityMeter(255), "x")
    assert max(coder.decoded) == 3


def test_a_coder_that_loses_a_frame_is_an_error() -> None:
    with pytest.raises(UnsupportedImageError, match="2 of 10 frames"):
        run_trial(levels(10), DelayedCoder(0, 2, loses=True), QualityMeter(255), "x")
    with pytest.raises(UnsupportedImageError, match="0 of 0 frames"):
        run_trial([], DelayedCoder(0, 0), QualityMeter(255), "x")


def moving(channels: int, dtype: type = np.uint8, bits: int = 8) -> list[Pixels]:
    """A texture that moves by two pixels a frame, in the low bits of a sample."""
    shape = (64, 96) if channels == 1 else (64, 96, channels)
    texture = picture(shape, dtype) >> (np.iinfo(dtype).bits - bits)
    return [np.roll(texture, 2 * number, axis=1) for number in range(5)]


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_peer_codes_8_bits_without_a_delay_or_says_what_is_missing(
    name: str, channels: int
) -> None:
    frames, peer = moving(channels), PEERS[name]
    clip = ClipFormat.of(frames[0], 30)
    reason = peer.refusal(clip)
    if reason is not None:
        assert name == "av1-aom", "the wheels of PyAV have all others"
        assert "has no libaom-av1" in reason
        with pytest.raises(UnsupportedImageError, match="libaom"):
            peer.start(clip, peer.settings[0], 250)
        return
    coarse, fine = (
        run_trial(frames, peer.start(clip, setting, 250), QualityMeter(255), "x")
        for setting in (peer.settings[0], peer.settings[-1])
    )
    assert coarse.delay_frames == fine.delay_frames == 0
    assert coarse.point.psnr_db < fine.point.psnr_db
    assert fine.point.psnr_db > 38
    assert coarse.point.size_bytes < fine.point.size_bytes
    assert (fine.point.chroma_db is None) is (channels == 1)


@pytest.mark.parametrize(
    ("bits", "takers"),
    [
        (10, {"h264", "h264-ultrafast", "h264-psnr", "h264-medium", "h265", "av1"}),
        (12, {"h265"}),
        (16, set()),
    ],
)
def test_peers_take_grey_of_the_depths_they_have_and_refuse_the_others(
    bits: int, takers: set[str]
) -> None:
    frames = moving(1, np.uint16, bits)
    clip = ClipFormat.of(frames[0], 30, 0 if bits == 16 else bits)
    taken = {name for name, peer in PEERS.items() if peer.refusal(clip) is None}
    assert taken - {"av1-aom"} == takers
    for name in takers & {"h264", "h265", "av1"}:
        coder = PEERS[name].start(clip, PEERS[name].settings[-1], 250)
        trial = run_trial(frames, coder, QualityMeter(clip.peak), "x")
        assert trial.point.psnr_db > 40, "on the scale of the clip, so no bit was lost"


@pytest.mark.parametrize("bits", [10, 16])
def test_peers_refuse_deep_colour_and_name_its_depth(bits: int) -> None:
    clip = ClipFormat.of(moving(3, np.uint16, bits)[0], 30, bits)
    reasons = {name: peer.refusal(clip) for name, peer in PEERS.items()}
    assert all(reasons.values())
    assert str(bits) in str(reasons["h264"])
    assert str(bits) in str(reasons["mjpeg"])


def test_a_lossless_stream_is_exact_at_every_depth() -> None:
    for bits in (8, 10, 16):
        frames = moving(1, np.uint8 if bits == 8 else np.uint16, bits)
        clip = ClipFormat.of(frames[0], 30, bits)
        trial = run_trial(frames, RankcastCoder(clip, "lossless", {}), QualityMeter(clip.peak), "")
        assert trial.point.psnr_db == np.inf
        assert 0 < trial.point.header_bytes < trial.point.size_bytes


def test_the_text_of_x264_does_not_count() -> None:
    frames = moving(3)
    coder = PEERS["h264"].start(ClipFormat.of(frames[0], 30), 30, 250)
    (packet,) = coder.encode(frames[0])
    assert b"x264 - core" in packet
    assert coder.sizes(packet).size < len(packet) - 400
    (packet,) = coder.encode(frames[1])
    assert coder.sizes(packet).size == len(packet)
