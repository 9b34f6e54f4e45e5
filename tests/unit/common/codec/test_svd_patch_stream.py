"""`svd-patch` as a stream: what is a key frame, what may be dropped, what is shown after losses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd_patch import encoder as svd_patch_encoder
from rankcast.codec.svd_patch.fidelity import squares
from rankcast.codec.svd_patch.geometry import Geometry
from rankcast.codec.svd_patch.layout import Canvas, to_pixels
from rankcast.codec.svd_patch.payload import HAS_BORDERS, KEPT
from rankcast.frame import Frame, Pixels
from rankcast.opencv import cv2
from rankcast.wire import Kind, unpack

pytestmark = pytest.mark.timeout(300)


def belt(number: int, shape: tuple[int, ...] = (40, 56, 3)) -> Pixels:
    """A textured square on its way over a smooth background."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    picture = 0.45 + 0.2 * np.sin(x / 17) + 0.15 * np.cos(y / 11)
    left = (3 * number) % (shape[1] - 16)
    picture[12:28, left : left + 16] += 0.2 * np.sign(np.sin(np.arange(16) * 1.1))
    picture = picture + np.random.default_rng(number).normal(0, 0.006, picture.shape)
    if len(shape) == 3:
        picture = picture[:, :, None] * np.linspace(0.7, 1.1, shape[2])
    samples: Pixels = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return samples


class Witness:
    """An encoder and, for each of its packets, the picture that it rebuilt itself."""

    def __init__(self, patch: pytest.MonkeyPatch, **options: Any) -> None:
        self.encoder = rankcast.Encoder("svd-patch", **options)
        self.rebuilt: list[Pixels] = []
        self._last: Pixels = np.zeros(0, np.uint8)

        def seen(
            pixels: Pixels, planes: list[Any], geometry: Geometry, canvas: Canvas, threads: Any
        ) -> tuple[int, int]:
            self._last = to_pixels(planes, geometry, pixels.dtype, canvas, fresh=True)
            return squares(pixels, planes, geometry, canvas, threads)

        patch.setattr(svd_patch_encoder, "squares", seen)

    def encode(self, image: Pixels | Frame) -> bytes:
        packet = self.encoder.encode(image)
        self.rebuilt.append(self._last)
        return packet


def check_lossy_line(
    fates: list[str], refs: int, latency: int, picture: Callable[[int], Pixels]
) -> bytes:
    """x: lost, d: twice, <: behind the next one; key frames are asked for `latency` later.

    Returns the last packet.
    """
    with pytest.MonkeyPatch.context() as patch:
        witness, decoder = Witness(patch, refs=refs, gop=1000), rankcast.Decoder()
        late: list[int] = []
        asked: deque[int] = deque()
        packets: list[bytes] = []
        for number, fate in enumerate(fates):
            while asked and asked[0] <= number:
                asked.popleft()
                witness.encoder.request_keyframe()
            packets.append(witness.encode(picture(number)))
            arrived = [] if fate in "x<" else [number] * (1 + (fate == "d"))
            arrived += late
            late = [number] if fate == "<" else []
            for which in arrived:
                try:
                    pixels = decoder.decode(packets[which])
                except rankcast.NeedKeyframe:
                    assert unpack(packets[which]).header.kind is Kind.PREDICTED
                    asked.append(number + 1 + latency)
                    continue
                assert np.array_equal(pixels, witness.rebuilt[which])
        # A key frame that arrives, and all that follows it, is shown.
        witness.encoder.request_keyframe()
        for number in range(len(fates), len(fates) + 3):
            packet = witness.encode(picture(number))
            assert np.array_equal(decoder.decode(packet), witness.rebuilt[number])
    return packet


@given(
    fates=st.lists(st.sampled_from("....xd<"), min_size=20, max_size=40),
    refs=st.sampled_from([1, 2]),
    latency=st.integers(0, 4),
)
@settings(max_examples=25, deadline=None)
def test_a_lossy_line_shows_only_what_the_encoder_rebuilt_and_recovers(
    fates: list[str], refs: int, latency: int
) -> None:
    check_lossy_line(fates, refs, latency, belt)


@pytest.mark.slow
@given(
    fates=st.lists(st.sampled_from("....xd<"), min_size=6, max_size=9),
    refs=st.sampled_from([1, 2]),
    latency=st.integers(0, 2),
)
# Without shrinking: a failure would take minutes to tell.
@settings(max_examples=4, deadline=None, phases=[Phase.generate])
def test_so_does_one_of_pictures_of_two_slices_whose_borders_move(
    fates: list[str], refs: int, latency: int
) -> None:
    still = belt(0, (128, 7200))

    def busy_top(number: int) -> Pixels:
        picture = still.copy()
        picture[:64] = np.random.default_rng(number).integers(90, 130, (64, 7200))
        return picture

    last = check_lossy_line(fates, refs, latency, busy_top)
    assert unpack(last).body[0] & HAS_BORDERS


@pytest.mark.parametrize(
    "options",
    [{"psnr": 38.0}, {"bitrate": "300 kbit/s"}, {"colour": "ycc444", "rank": 4}, {"gop": 3}],
)
def test_the_decoder_rebuilds_what_the_encoder_did_after_trying_steps(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    witness, decoder = Witness(monkeypatch, **options), rankcast.Decoder()
    for number in range(12):
        frame = Frame(belt(number), t_capture_mono_ns=1 + number * 40_000_000)
        packet = witness.encode(frame)
        assert np.array_equal(decoder.decode(packet), witness.rebuilt[number])


# ---- droppable frames


def kept(packet: bytes) -> bool:
    """The mark of docs/wire.md: bit 0 of the body's first byte."""
    return bool(unpack(packet).body[0] & KEPT)


def test_with_refs_2_every_second_frame_is_marked_and_named_by_none() -> None:
    encoder = rankcast.Encoder("svd-patch", refs=2)
    packets = []
    for number in range(12):
        if number == 7:
            encoder.request_keyframe()
        packets.append(encoder.encode(belt(number)))
    marks = [kept(packet) for packet in packets]
    # A key frame is always kept, and the count begins anew at it.
    assert marks == [n % 2 == 0 for n in range(7)] + [n % 2 == 0 for n in range(5)]
    needed = {unpack(packet).header.ref_sequence for packet in packets} - {None}
    # Frame 6 is kept, but the next one is a key frame.
    assert needed == {n for n, mark in enumerate(marks[:-1]) if mark} - {6}


def test_with_refs_1_every_frame_is_needed_by_the_next() -> None:
    encoder = rankcast.Encoder("svd-patch")
    packets = [encoder.encode(belt(number)) for number in range(5)]
    assert all(kept(packet) for packet in packets)
    assert [unpack(p).header.ref_sequence for p in packets] == [None, 0, 1, 2, 3]


@given(st.sets(st.integers(0, 15)))
@settings(max_examples=15, deadline=None)
def test_any_marked_frames_can_be_dropped(dropped: set[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        witness, decoder = Witness(patch, refs=2), rankcast.Decoder()
        for number in range(16):
            packet = witness.encode(belt(number))
            if number in dropped and not kept(packet):
                continue
            assert np.array_equal(decoder.decode(packet), witness.rebuilt[number])


# ---- key frames


def kinds(images: list[Pixels], **options: Any) -> list[Kind]:
    encoder = rankcast.Encoder("svd-patch", **options)
    return [encoder.encode_packet(image).header.kind for image in images]


def test_a_scene_change_is_a_key_frame_and_movement_noise_and_light_are_none() -> None:
    first, other = belt(0, (72, 104, 3)), np.ascontiguousarray(255 - belt(3, (72, 104, 3)))
    assert kinds([first, first, other, other])[1:] == [Kind.PREDICTED, Kind.KEY, Kind.PREDICTED]
    noise = np.random.default_rng(0).integers(-25, 26, first.shape)
    same_scene = [
        np.roll(first, 6, axis=1),
        np.clip(first + noise, 0, 255).astype(np.uint8),
        (first * 0.93).astype(np.uint8),
    ]
    assert set(kinds([first, *same_scene])[1:]) == {Kind.PREDICTED}


@pytest.mark.parametrize("shift", [5, 20, 50])
@pytest.mark.parametrize("coarse", [0.0, 0.6], ids=["gravel", "gravel on slopes"])
def test_a_belt_that_fills_the_picture_is_predicted(shift: int, coarse: float) -> None:
    rng = np.random.default_rng(3)
    fine, slopes = rng.random((240, 700), np.float32), rng.random((9, 24), np.float32)
    moving = cv2.GaussianBlur(fine, (0, 0), 2) * 8 + cv2.resize(slopes, (700, 240)) * coarse
    picture = (np.clip((moving - moving.min()) / np.ptp(moving), 0, 1) * 255).astype(np.uint8)
    images = [np.ascontiguousarray(picture[:, n * shift : n * shift + 320]) for n in range(5)]
    assert kinds(images)[1:] == [Kind.PREDICTED] * 4


def test_a_lamp_that_flickers_is_no_scene_change() -> None:
    y, x = np.mgrid[:240, :320]
    scene = 110 + 10 * np.sin(x / 20) + 6 * np.cos(y / 13)
    rng = np.random.default_rng(0)
    images = [
        (scene + 9 * (n % 2) + rng.normal(0, 1, scene.shape)).astype(np.uint8) for n in range(6)
    ]
    assert kinds(images)[1:] == [Kind.PREDICTED] * 5


def test_gop_1_and_an_interval_make_key_frames_and_nothing_else_does() -> None:
    images = [belt(number) for number in range(6)]
    assert kinds(images, gop=1) == [Kind.KEY] * 6
    assert kinds(images)[1:] == [Kind.PREDICTED] * 5
    encoder, found = rankcast.Encoder("svd-patch", keyframe_interval_s=0.5), []
    # By capture time and not by count: frames come ever faster.
    for time_ms in (100, 400, 650, 700, 900, 1140, 1160, 1170):
        frame = Frame(belt(0), t_capture_mono_ns=time_ms * 1_000_000)
        found.append(encoder.encode_packet(frame).header.kind is Kind.KEY)
    assert found == [True, False, True, False, False, False, True, False]
