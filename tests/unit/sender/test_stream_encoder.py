"""Options that change while a stream runs: applied or undone, and every frame accounted for."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankcast.codec import CODECS_BY_NAME
from rankcast.codec.jpeg import JpegEncoder
from rankcast.codec.pca.components import principal_components
from rankcast.codec.pca.frames import write_frame_model
from rankcast.decoder import Decoder
from rankcast.encoder import Encoder, try_options
from rankcast.errors import SettingsError, UnsupportedImageError
from rankcast.frame import Frame, Pixels
from rankcast.runtime import ENCODE, SLOW_SERVER
from rankcast.wire import Kind, unpack
from rankcast_sender.camera import Camera, StreamOptions
from rankcast_sender.stream_encoder import StreamEncoder
from support.fakes import picture

PICTURE = np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)


class Stream:
    """A camera that is watched, without sockets, and a decoder of what it sends."""

    def __init__(self, codec: str, **options: Any) -> None:
        self.camera = Camera(StreamOptions(codec=codec, codec_options=options))
        self.camera.channel.viewers = 1
        self._encoder = StreamEncoder(self.camera, Encoder(codec, **options))
        self.decoder = Decoder()
        self.sent = 0

    def send(self, pixels: Pixels = PICTURE) -> Kind:
        """Encode and decode one picture; return the kind of its packet."""
        frame = Frame(pixels, frame=self.sent, t_capture_mono_ns=1, t_capture_utc_ns=1)
        self.camera.grabbed(frame)
        packet = self._encoder.encode(frame)
        assert packet is not None
        self.camera.ledger.passed()
        assert packet.header.sequence == self.camera.balance().passed - 1
        assert self.decoder.decode_packet(unpack(packet.data)).shape == pixels.shape
        self.sent += 1
        return packet.header.kind

    def check_balanced(self, **lost: int) -> None:
        balance = self.camera.balance()
        assert balance.under_way == 0
        assert dict(balance.lost) == lost


# Values near those that some option takes, and values that none does.
VALUES = (
    st.none() | st.booleans() | st.integers(-2, 300) | st.integers(-(2**63), 2**64 - 1)
    | st.floats() | st.floats(0, 1) | st.text(max_size=4) | st.binary(max_size=4)
    | st.sampled_from(
        ["exact", "warm", "randomized", "coded", "float16", "bgr", "ycc420", "ycc444", "rows",
         "patches", "frames", "random", "kmeans++", "refuse", "code", "5 Mbit/s", "/nonexistent",
         "/", "/dev/null", "~nobody-at-all/x", "a\0b", "\ud800", "x" * 5000]
    )
)  # fmt: skip
SLOW = {"max_iter", "k", "threads"}
"""Options whose large values only take time."""


def options_of(codec: str) -> st.SearchStrategy[dict[str, Any]]:
    names = [name for name in CODECS_BY_NAME[codec].options.model_fields if name not in SLOW]
    return st.dictionaries(st.sampled_from([*names, "k", "nonsense"]), VALUES, max_size=3)


PICTURES = st.sampled_from(
    [PICTURE, PICTURE[:9, :11], PICTURE[..., 0].copy(), picture(7),
     (PICTURE[..., 1].astype(np.uint16) << 4)]
)  # fmt: skip


@pytest.mark.parametrize("codec", [name for name in CODECS_BY_NAME if name != "gan"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_options_stop_a_stream_or_cost_it_a_frame(codec: str, data: st.DataObject) -> None:
    start = {"fewer_colours": "code", "max_iter": 2} if codec == "kmeans" else {}
    stream = Stream(codec, **start)
    refused = 0
    for _ in range(4):
        options, pixels = data.draw(options_of(codec)), data.draw(PICTURES)
        if "k" in options:
            options["k"] = data.draw(st.sampled_from([1, 5, 0, 10**6]))
        with suppress(SettingsError):
            stream.camera.set(options)
        try:
            stream.send(pixels)
        except UnsupportedImageError:  # neither the options of the start nor the new ones do
            refused += 1
        Encoder(codec, **stream.camera.settings)
    stream.check_balanced(**({ENCODE: refused} if refused else {}))


@given(options=options_of("gan"))
@settings(max_examples=50, deadline=None)
def test_a_codec_that_does_not_start_says_so_in_one_line(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        try_options("gan", options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("codec", "options", "said"),
    [
        ("svd", {"rank": 300}, "rank 300"),
        ("svd-patch", {"significant_bits": 12}, "8-bit samples"),
        ("kmeans", {"k": 60_000, "fewer_colours": "refuse"}, "60000"),
        ("pca", {"components": 500}, "500"),
    ],
)
def test_options_that_do_not_fit_this_picture_are_undone_and_the_frame_goes_out(
    codec: str, options: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Stream(codec)
    stream.send()
    before = stream.camera.settings
    change = stream.camera.try_settings(options)
    assert change.apply()
    assert stream.send() is Kind.KEY
    assert said in change.confirm()
    assert said in stream.camera.status().settings_refused
    assert stream.camera.settings == before
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    for _ in range(3):
        stream.send()
    stream.check_balanced()


def test_a_model_that_holds_too_little_for_the_options_is_refused_before_a_frame_comes(
    tmp_path: Path,
) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (12, 10, 14), np.uint8)
    found = principal_components(pictures.reshape(12, -1))
    write_frame_model(tmp_path / "m.rkm", found, 5, (10, 14), np.dtype("uint8"))
    stream = Stream("pca")
    with pytest.raises(SettingsError, match="codec pca: got components 9, want at most 5"):
        stream.camera.set({"layout": "frames", "model": str(tmp_path / "m.rkm"), "components": 9})


def test_the_next_change_clears_the_refusal_and_keeps_the_prediction_of_the_stream() -> None:
    stream = Stream("svd-patch", gop=1000)
    stream.send()
    stream.camera.set({"significant_bits": 12})
    stream.send()
    assert stream.camera.status().settings_refused
    stream.camera.set({"quality": 50})
    assert stream.send() is Kind.PREDICTED
    assert stream.camera.status().settings_refused == ""
    assert stream.camera.settings["quality"] == 50


@pytest.mark.parametrize(
    "error", [MemoryError(), ValueError("no\nsuch table"), OSError(28, "disk")]
)
def test_a_codec_that_breaks_with_an_option_at_its_start_or_later_goes_back(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, broken = JpegEncoder.encode, [True]

    def fails(self: JpegEncoder, frame: Frame, sequence: int) -> Any:
        if self.options.quality == 11 and broken[0]:
            raise error
        return encode(self, frame, sequence)

    monkeypatch.setattr(JpegEncoder, "encode", fails)
    stream = Stream("jpeg", quality=80)
    stream.send()
    stream.camera.set({"quality": 11})
    stream.send()
    assert stream.camera.settings["quality"] == 80
    assert type(error).__name__ in stream.camera.status().settings_refused
    # The first frame goes well, a later one does not.
    broken[0] = False
    stream.camera.set({"quality": 11})
    stream.send()
    assert stream.camera.settings["quality"] == 11
    broken[0] = True
    stream.send()
    assert stream.camera.settings["quality"] == 80
    assert "\n" not in stream.camera.status().settings_refused
    stream.check_balanced()

    def does_not_start(self: JpegEncoder, options: object) -> None:  # noqa: ARG001
        raise error

    monkeypatch.setattr(JpegEncoder, "__init__", does_not_start)
    with pytest.raises(SettingsError, match=f"codec jpeg does not start: {type(error).__name__}"):
        stream.camera.set({"quality": 12})
    monkeypatch.undo()
    stream.send()
    stream.check_balanced()


def test_a_codec_that_breaks_with_the_options_of_the_start_ends_the_stream_with_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(self: JpegEncoder, frame: Frame, sequence: int) -> Any:  # noqa: ARG001
        raise MemoryError

    stream = Stream("jpeg")
    monkeypatch.setattr(JpegEncoder, "encode", fails)
    with pytest.raises(MemoryError):
        stream.send()
    stream.check_balanced(encode=1)


def test_a_model_that_vanished_is_refused_and_the_one_in_use_goes_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (12, 10, 14), np.uint8)
    paths = [tmp_path / name for name in ("a.rkm", "b.rkm")]
    for path in paths:
        found = principal_components(pictures.reshape(12, -1))
        write_frame_model(path, found, 5, (10, 14), np.dtype("uint8"))
    stream = Stream("pca", layout="frames", components=3, model=str(paths[0]))
    stream.decoder = Decoder(models=tmp_path)
    stream.send(pictures[0])
    tried = stream.camera.try_settings({"model": str(paths[1])})
    for path in paths:
        path.rename(path.with_suffix(".gone"))
    for path in paths:
        with pytest.raises(SettingsError, match="rkm"):
            stream.camera.set({"model": str(path)})
    stream.send(pictures[1])
    assert stream.camera.settings["model"] == str(paths[0])
    # Tried while it was there: the codec has it, whatever becomes of the file.
    assert tried.apply()
    stream.send(pictures[2])
    assert stream.camera.settings["model"] == str(paths[1])
    stream.check_balanced()


def test_a_server_that_is_behind_costs_frames_before_they_are_coded_unless_they_are_recorded() -> (
    None
):
    stream = Stream("jpeg")
    stream.send()
    frame = Frame(PICTURE, frame=1, t_capture_mono_ns=1, t_capture_utc_ns=1)
    stream.camera.channel.congested = lambda: True
    stream.camera.grabbed(frame)
    assert stream._encoder.encode(frame) is None
    stream.check_balanced(**{SLOW_SERVER: 1})
    stream.camera.tape = cast(Any, object())
    stream.camera.grabbed(frame)
    assert stream._encoder.encode(frame) is not None
